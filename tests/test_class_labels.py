"""A soft label for each class: FD of Jeong et al."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from scarlet_pl import rng
from scarlet_pl.cache import CachePolicy
from scarlet_pl.client import ClientConfig, ClientRunner, ClientTask
from scarlet_pl.client.classes import ClassLabels, class_means
from scarlet_pl.errors import ConfigError
from scarlet_pl.executors import Executor, Processes, Serial, Threads
from scarlet_pl.functional.labels import SoftLabels
from scarlet_pl.methods import ClassDistillation, Clusters, GaussianNoise, Mean
from scarlet_pl.run_files import read_rounds

from .conftest import share, tiny_data, tiny_trainer
from .naive import CLASSES, data_module
from .naive_labels import Labels, NaiveLabels, average
from .test_cli import scarlet_pl
from .test_literature import CASES, compare, setting


class NaiveJeong(NaiveLabels):
    """No public samples: a label for each class, from the other clients that have it."""

    def round(self, r: int) -> None:
        answers = {}
        for k in self.cohort(r):
            self.learn(k, r, self.own.get(k, self.sent))
            answers[k] = self.class_labels(k)
        owners = {c: [k for k in answers if c in answers[k]] for c in range(CLASSES)}
        self.sent = {c: average([answers[k][c] for k in who]) for c, who in owners.items() if who}
        self.own = {k: {} for k in answers}
        for k, c in ((k, c) for k in answers for c in self.sent):
            others = [j for j in owners[c] if j != k]
            self.own[k][c] = average([answers[j][c] for j in others]) if others else self.sent[c]

    def class_labels(self, k: int) -> Labels:
        net, found = self.nets[k].eval(), dict[int, list[list[float]]]()
        with torch.no_grad():
            for i in self.data.train_shards[k].tolist():
                p = net(self.images(self.data.train.fields["image"][i : i + 1])).softmax(-1)[0]
                found.setdefault(int(self.data.train.labels[i]), []).append(p.tolist())
        return {c: average(rows) for c, rows in found.items()}

    def learn(self, k: int, r: int, labels: Labels) -> None:
        """Cross-entropy with the class, and with the class's label, on the same samples."""
        net, shard = self.nets[k], self.data.train_shards[k].tolist()
        images, classes = self.data.train.fields["image"], self.data.train.labels.tolist()
        for rows in self.batches(len(shard), 1, rng.generator(self.seed, "train", r, k)):
            mine = [shard[row] for row in rows]
            log_p = torch.log_softmax(net.train()(self.images(images[mine])), -1)
            loss = -sum(log_p[n, classes[i]] for n, i in enumerate(mine)) / len(mine)
            pairs = [(n, labels.get(classes[i]), j) for n, i in enumerate(mine) for j in range(CLASSES)]
            loss -= 0.7 * sum(label[j] * log_p[n, j] for n, label, j in pairs if label) / len(mine)
            self.step(net, loss)  # type: ignore[arg-type]


@CASES
def test_jeong(case: int) -> None:
    data, part = setting(case)
    compare(ClassDistillation(), NaiveJeong(data, case, part, CLASSES), joint_weight=0.7)


def test_means_by_class_by_hand() -> None:
    predictions = torch.tensor([[0.9, 0.1, 0], [0.7, 0.3, 0], [0.2, 0.8, 0]])
    asked, means = class_means(predictions, torch.tensor([0, 0, 1]), torch.arange(3))
    assert asked.tolist() == [0, 1]
    assert torch.allclose(means, torch.tensor([[0.8, 0.2, 0], [0.2, 0.8, 0]]))


def test_samples_get_their_classes_label() -> None:
    labels = SoftLabels(torch.tensor([0, 2, 0]), torch.eye(3)[[1, 2, 1]])  # a short draw is gone through again
    rows, targets = ClassLabels(labels).of(torch.tensor([2, 1, 0, 2]))
    assert rows.tolist() == [0, 2, 3]
    assert targets.argmax(1).tolist() == [2, 1, 2]


def test_the_loss_by_hand() -> None:
    """z = (1, 0, −1), y = 0, its class's label (.6, .2, .2), γ = .1. KL leaves out the label's entropy."""
    data = tiny_data(clients=1, shard=4, classes=3)
    data.train.labels.zero_()
    config = ClientConfig(models="tests.test_class_labels.Fixed", epochs=1, joint_weight=0.1)
    labels = SoftLabels(torch.tensor([0]), torch.tensor([[0.6, 0.2, 0.2]]))
    task = ClientTask(0, 0, distill=labels, train=True, predict=torch.arange(3), labels_of="classes")
    result = ClientRunner(config, data, 0).run(task, None)
    assert result.train_loss == pytest.approx(0.407606, abs=1e-5)
    entropy = -sum(p * math.log(p) for p in (0.6, 0.2, 0.2))
    assert result.distill_loss == pytest.approx(1.007606 - entropy, abs=1e-5)
    assert result.asked is not None
    assert result.asked.tolist() == [0]


class Fixed(torch.nn.Module):
    """Logits (1, 0, −1), whatever it sees; its parameter learns nothing."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.nothing = torch.nn.Parameter(torch.zeros(()))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.tensor([1.0, 0.0, -1.0]).expand(len(images), 3) + self.nothing * 0


def test_samples_whose_class_has_no_label_count_as_zeros() -> None:
    """One of four: a quarter of its loss, in the same batch, so that batch normalisation has all of it."""
    batch, classes = {"image": torch.arange(4.0)[:, None]}, torch.tensor([0, 1, 2, 0])
    found, labels, share = ClassLabels(SoftLabels(torch.tensor([2]), torch.eye(3)[[2]])).beside(batch, classes)
    assert found["image"][:, 0].tolist() == [2, 0, 1, 3]
    assert (labels.tolist(), share) == ([[0, 0, 1]], 0.25)


@pytest.mark.parametrize("joint", [None, 1.0])
def test_one_sample_with_a_label_is_no_batch_of_its_own(joint: float | None) -> None:
    data = tiny_data(clients=1, shard=9)
    data.train.labels.copy_(torch.tensor([0, 1, 1, 1, 1, 2, 2, 2, 2]))
    config = ClientConfig(
        models="tests.test_client.Normalised", epochs=1, distillation_epochs=1, batch_size=4, joint_weight=joint
    )
    labels = SoftLabels(torch.tensor([0]), torch.eye(3)[[0]])
    task = ClientTask(0, 0, distill=labels, train=True, labels_of="classes")
    found = ClientRunner(config, data, 0).run(task, None)
    assert found.distill_loss is None
    labels = SoftLabels(torch.tensor([0, 1]), torch.eye(3)[[0, 1]])
    assert ClientRunner(config, data, 0).run(replace(task, distill=labels), None).distill_loss is not None


def run(executor: Executor, **client: Any) -> str:
    config = ClientConfig(models="mlp", epochs=1, distillation_epochs=1, batch_size=4, **client)
    data = tiny_data(clients=4, public=12, shard=6)
    trainer, server = tiny_trainer(ClassDistillation(), 3, 0, data, config, executor=executor, config=share(0.6))
    trainer.fit(server, data_module(data))
    return trainer.digest()


@pytest.mark.slow
@pytest.mark.parametrize(("joint", "precision"), [(None, "32-true"), (1.0, "32-true"), (1.0, "bf16-mixed")])
def test_one_digest(joint: float | None, precision: str) -> None:
    executors = (Serial(), Threads(2), Threads(2), Processes(2))
    assert len({run(executor, joint_weight=joint, precision=precision) for executor in executors}) == 1


def test_what_makes_no_sense() -> None:
    with pytest.raises(ConfigError, match=r"method\.cache: got .* null with LeaveOneOut"):
        ClassDistillation(cache=CachePolicy(3))
    with pytest.raises(ConfigError, match=r"method\.aggregator: got 'Clusters', allowed: another with ClassDistill"):
        ClassDistillation(Clusters())
    ClassDistillation(Mean(), CachePolicy(3))
    with pytest.raises(ConfigError, match=r"method\.uplink_filters: got 'GaussianNoise', allowed: none for privacy in"):
        ClassDistillation(uplink_filters=[GaussianNoise(1.0)])
    with pytest.raises(ConfigError, match=r"client\.joint_weight: got 0"):
        ClientConfig(joint_weight=0)


@pytest.mark.slow
def test_a_copy_outside_the_package_is_the_method(folder: Path) -> None:
    """Of examples/, by its dotted path: the same but for the name that its messages carry."""
    for name, method in (("own", "method_class_labels.ClassLabels"), ("ours", "ClassDistillation")):
        flags = ("--config", "method_class_labels.yaml", "--method", method, "--run_dir", name)
        assert scarlet_pl("fit", *flags) == 0
    own, ours = (read_rounds(folder / name / "rounds.csv") for name in ("own", "ours"))
    assert len(own) == 3
    for mine, other in zip(own, ours, strict=True):
        assert {k: v for k, v in mine.items() if k != "seconds"} == {k: v for k, v in other.items() if k != "seconds"}


def test_it_does_not_take_over_settings_of_the_default_method(capsys: pytest.CaptureFixture[str]) -> None:
    assert scarlet_pl("fit", "--method", "ClassDistillation", "--print_config") == 0
    found = yaml.safe_load(capsys.readouterr().out)["method"]["init_args"]
    assert found["aggregator"]["class_path"] == "scarlet_pl.methods.LeaveOneOut"
    assert found["cache"] is None
