"""What the record of a round says: accuracies, and bytes with a cache and without one."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from scarlet_pl.cache import CachePolicy
from scarlet_pl.callbacks import CacheHitRate, CommunicatedBytes, SoftLabelDiagnostics
from scarlet_pl.client import ClientConfig
from scarlet_pl.methods import Distillation, EnhancedERA, FedAvg, UniformDraw
from scarlet_pl.wire import DIRECTIONS, Float16, Float32, LabelCodec, Quantized

from .conftest import share, tiny_data, tiny_trainer
from .naive import data_module
from .test_loop import Recorder, module, scarlet


def test_records_have_the_same_names_in_every_round() -> None:
    recorder = Recorder()
    callbacks = [recorder, CacheHitRate(), CommunicatedBytes(), SoftLabelDiagnostics()]
    trainer, server = tiny_trainer(scarlet(), 4, callbacks=callbacks, eval_clients_every_n_rounds=2)
    trainer.fit(server, module())
    scalars = [record.scalars() for record in recorder.records]
    assert len({tuple(s) for s in scalars}) == 1
    assert {"server/accuracy", "client/accuracy", "cache/hit_rate", "bytes/up/labels", "seconds"} <= set(scalars[0])
    assert [s["client/accuracy"] is None for s in scalars] == [True, False, True, False]
    assert scalars[0]["client/distill_loss"] is None
    assert scalars[1]["client/distill_loss"] is not None
    ledger = trainer.federation.ledger
    assert scalars[-1]["bytes/cumulative"] == ledger.total("up") + ledger.total("down")
    assert sum(s["paper_bytes/up"] or 0 for s in scalars) == ledger.total("up", "paper")
    hits = [record.phase.plan.reused for record in recorder.records]
    assert [s["cache/hits"] for s in scalars] == hits
    assert sum(hits) > 0


def test_server_accuracy_is_that_of_the_whole_test_set() -> None:
    recorder = Recorder()
    trainer, server = tiny_trainer(scarlet(), 3, callbacks=[recorder])
    trainer.fit(server, module())
    test = tiny_data().test
    with torch.no_grad():
        right = (server.eval()(dict(test.fields)).argmax(-1) == test.labels).double().mean()
    assert recorder.records[-1].server["server/accuracy"] == float(right)


def test_a_server_that_is_tested_every_few_rounds_is_tested_after_the_last() -> None:
    each, some = Recorder(), Recorder()
    for recorder, options in ((each, {}), (some, {"check_val_every_n_epoch": 2})):
        trainer, server = tiny_trainer(scarlet(), 5, callbacks=[recorder], **options)
        trainer.fit(server, module())
    measured = [record.server["server/accuracy"] for record in some.records]
    expected = [record.server["server/accuracy"] for record in each.records]
    assert measured == [None, expected[1], None, expected[3], expected[4]]


@pytest.mark.slow
@pytest.mark.parametrize("dropout", [0.0, 0.4, 0.8])
@pytest.mark.parametrize("indices", ["explicit", "seeded"])
@pytest.mark.parametrize("codec", [Float32(), Float16()])
def test_without_cache_counts_what_dsfl_sends(dropout: float, indices: Any, codec: LabelCodec) -> None:
    """The figure "without a cache" of a SCARLET run is what a run without a cache really sends: of the clients that
    answered, and of nobody in a round in which none did."""
    parts: dict[str, Any] = {"indices": indices, "uplink_codec": codec, "downlink_codec": codec}
    client = ClientConfig(models="mlp", epochs=1, distillation_epochs=1)
    recorder, plain, config = Recorder(), Recorder(), share(1.0, dropout)
    trainer, server = tiny_trainer(
        scarlet(**parts), 6, client=client, config=config, callbacks=[recorder, CommunicatedBytes()], seed=3
    )
    trainer.fit(server, module())
    without = Distillation(EnhancedERA(1.5), None, UniformDraw(6), **parts)
    other, other_server = tiny_trainer(
        without, 6, client=client, config=config, callbacks=[plain, CommunicatedBytes()], seed=3
    )
    other.fit(other_server, module())
    assert sum(record.phase.plan.reused for record in recorder.records) > 0
    for record, sent in zip(recorder.records, plain.records, strict=True):
        for direction in DIRECTIONS:
            assert record.metrics[f"no_cache_bytes/{direction}"] == sent.metrics[f"bytes/{direction}"]
            assert record.metrics[f"no_cache_paper_bytes/{direction}"] == sent.metrics[f"paper_bytes/{direction}"]
            assert sent.metrics[f"no_cache_bytes/{direction}"] is None  # there is none to do without


def test_without_a_cache_coded_labels_cost_what_they_cost() -> None:
    """Where nothing hits, quantised labels cost the same without a cache, but for the signals: no bound instead."""
    recorder = Recorder()
    method = Distillation(
        EnhancedERA(1.5), CachePolicy(0), UniformDraw(6), uplink_codec=Quantized(4), downlink_codec=Quantized(2)
    )
    trainer, server = tiny_trainer(method, 3, callbacks=[recorder, CommunicatedBytes()])
    trainer.fit(server, module())
    for record in recorder.records:
        metrics, signals = record.metrics, record.phase.traffic.part("down", "signals")
        assert metrics["no_cache_bytes/up"] == metrics["bytes/up"]
        assert metrics["no_cache_bytes/down"] == (metrics["bytes/down"] or 0) - signals


def test_client_accuracy_is_the_mean_over_all_clients() -> None:
    recorder = Recorder()
    trainer, server = tiny_trainer(scarlet(), 2, config=share(0.4), callbacks=[recorder])
    trainer.fit(server, module())
    each = trainer.federation.evaluate_clients(1, server)
    assert len(each["accuracy"]) == 3
    assert recorder.records[-1].client["client/accuracy"] == pytest.approx(float(each["accuracy"].mean()))


def test_clients_of_fedavg_are_tested_with_the_model_that_they_share() -> None:
    """Also those that never took part, which have no weights of their own, and those whose weights are old."""
    recorder, data = Recorder(), tiny_data(clients=5)
    trainer, server = tiny_trainer(FedAvg(), 3, data=data, config=share(0.2), callbacks=[recorder])
    trainer.fit(server, data_module(data))
    right = [
        (server.eval()(data.test.batch(shard)).argmax(-1) == data.test.labels[shard]).double().mean()
        for shard in data.test_shards
    ]
    assert recorder.records[-1].client["client/accuracy"] == pytest.approx(float(torch.stack(right).mean()))
    assert recorder.records[-1].client["client/accuracy"] == pytest.approx(
        recorder.records[-1].server["server/accuracy"]
    )
