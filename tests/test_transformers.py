"""Transformers of the transformers library: made here, read from a folder, and in a federation."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import DistilBertConfig, DistilBertForSequenceClassification, PreTrainedTokenizerFast

from scarlet_pl import rng
from scarlet_pl.data import FederatedDataModule, TextTransform
from scarlet_pl.data.sources.docstrings import PACKAGES, paragraphs
from scarlet_pl.data.word_pieces import SPECIAL, word_pieces
from scarlet_pl.errors import ConfigError
from scarlet_pl.models import build, check, logits
from scarlet_pl.run_files import read_rounds

from .test_cli import scarlet_pl

TEXT = Path(__file__).parents[1] / "configs/text.yaml"
FACTS = {"num_classes": 3, "vocab_size": 60, "length": 16}
FEW = (
    *("--trainer.max_rounds", "2", "--trainer.eval_clients_every_n_rounds", "0", "--data.private_size", "240"),
    *("--data.public_size", "80", "--method.draw.size", "40", "--client.epochs", "1"),
)


def batch(count: int = 2) -> dict[str, torch.Tensor]:
    ids = torch.randint(4, 60, (count, 16), generator=torch.Generator().manual_seed(0))
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small pretrained network of 5 classes, and its tokenizer of 300 word pieces."""
    path = tmp_path_factory.mktemp("pretrained") / "small"
    sizes = {"dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 16}
    config = DistilBertConfig(vocab_size=300, max_position_embeddings=32, num_labels=5, **sizes)
    with rng.seeded(0, "init"):
        DistilBertForSequenceClassification(config).save_pretrained(path)
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token"), SPECIAL, strict=True))
    pieces = word_pieces(paragraphs("data.private")[0][::30], 300)
    PreTrainedTokenizerFast(tokenizer_object=pieces, **names).save_pretrained(path)
    return path


def test_a_made_network_has_the_size_of_distilbert() -> None:
    """The paper of CFD counts 267.82 MB a transfer: 66,955,010 parameters in float32, of which 2 · 769 are the last
    layer's of two classes."""
    base = {"name": "distilbert", "dim": 768, "n_layers": 6, "n_heads": 12, "hidden_dim": 3072}
    with torch.device("meta"):
        network = build(base, "m", {"num_classes": 2, "vocab_size": 30_522, "length": 512})
    assert sum(p.numel() for p in network.parameters()) == 66_955_010


def test_a_made_network_learns_and_heeds_the_mask() -> None:
    with rng.seeded(0, "init"):
        network = build("distilbert", "m", FACTS)
    check(network, "distilbert", "m", batch(), 3)
    given = batch(4)
    torch.nn.functional.cross_entropy(logits(network, given), torch.tensor([0, 1, 2, 0])).backward()
    assert all(p.grad is not None for p in network.parameters())
    given["attention_mask"][:, 8:] = 0
    other = {**given, "input_ids": torch.cat([given["input_ids"][:, :8], given["input_ids"][:, :8]], 1)}
    assert torch.equal(logits(network, given), logits(network, other))


def test_a_pretrained_network_keeps_its_weights_and_gets_a_classifier(folder: Path) -> None:
    name = f"transformers/{folder}"
    states = []
    for seed in (0, 0, 1):
        with rng.seeded(seed, "init"):
            states.append(build(name, "m", FACTS).state_dict())
    for key, value in states[0].items():
        assert torch.equal(value, states[1][key])
        assert torch.equal(value, states[2][key]) == (key != "classifier.weight")
    assert states[0]["classifier.weight"].shape == (3, 16)
    network = build(name, "m", {**FACTS, "num_classes": 5})
    saved = DistilBertForSequenceClassification.from_pretrained(folder).state_dict()
    assert torch.equal(network.state_dict()["classifier.weight"], saved["classifier.weight"])


def test_a_pretrained_network_and_its_tokenizer_in_a_federation(folder: Path, tmp_path: Path) -> None:
    name = f"{{name: transformers/{folder}}}"
    flags = ("--client.models", name, "--server.model", name, "--data.transform.tokenizer", str(folder), *FEW)
    run = ("--run_dir", str(tmp_path / "run"), "--executor", "Serial", "--data.transform.length", "24")
    assert scarlet_pl("fit", "--config", str(TEXT), *flags, *run) == 0
    assert len(read_rounds(tmp_path / "run/rounds.csv")) == 2
    data = FederatedDataModule("docstrings", "docstrings", transform=TextTransform(24, tokenizer=str(folder)))
    assert data.facts == (6, 500, {"num_classes": 6, "vocab_size": 300, "length": 24})
    ids = data.data.public.fields["input_ids"]
    assert ids[:, 0].tolist() == [2] * 500
    assert int(ids.max()) < 300


@pytest.mark.parametrize(
    ("spec", "facts", "message"),
    [
        ("transformers/{folder}", {**FACTS, "vocab_size": 301}, "it knows 300 tokens, and data.transform makes 301"),
        ("transformers/{folder}", {**FACTS, "length": 64}, "a model for samples of input_ids 64"),
        ("transformers/{folder}/none", FACTS, "a model for data with num_classes 3"),
        ("distilbert", {"num_classes": 3, "in_channels": 1, "image_size": (8, 8)}, "vocab_size"),
        ({"name": "distilbert", "dim": 33}, FACTS, "a model for data with num_classes 3"),
        ({"name": "distilbert", "depth": 3}, FACTS, "depth"),
        ("cnn", FACTS, "in_channels"),
    ],
)
def test_networks_that_do_not_fit(spec: object, facts: dict[str, int], message: str, folder: Path) -> None:
    spec = spec.format(folder=folder) if isinstance(spec, str) else spec
    ids = torch.zeros(2, facts.get("length", 1), dtype=torch.int64)
    blank = {"input_ids": ids, "attention_mask": ids}
    with pytest.raises(ConfigError, match=rf"client\.models: got .*{message}"):
        check(build(spec, "client.models", facts), spec, "client.models", blank, 3)  # type: ignore[arg-type]


def test_nothing_of_a_folder_runs(folder: Path, tmp_path: Path) -> None:
    """Neither weights in a pickle nor a network's or a tokenizer's own code are read."""
    state = DistilBertForSequenceClassification.from_pretrained(folder).state_dict()
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    torch.save(state, tmp_path / "pytorch_model.bin")
    with pytest.raises(ConfigError, match=r"m: got .*safetensors"):
        build(f"transformers/{tmp_path}", "m", FACTS)
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    auto = {"AutoConfig": "evil.C", "AutoModelForSequenceClassification": "evil.M", "AutoTokenizer": ["evil.T", None]}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "evil", "auto_map": auto}))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"auto_map": auto}))
    with pytest.raises(ConfigError, match=r"m: got "):
        build(f"transformers/{tmp_path}", "m", FACTS)
    with pytest.raises(ConfigError, match=r"data\.transform\.tokenizer: got "):
        TextTransform(tokenizer=str(tmp_path)).facts({"text": (9,)})
    assert not (tmp_path / "ran").exists()


def test_flips_of_text_are_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    flags = ("--data.transform", "ImageTransform", "--data.transform.flip", "true")
    data = ("--data.private", "docstrings", "--data.public", "docstrings", "--run_dir", str(tmp_path / "run"))
    assert scarlet_pl("fit", *data, *flags) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith(
        "scarlet-pl: data.transform: got 'ImageTransform', allowed: a transform for samples of text ("
    )
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_the_command_starts_without_transformers() -> None:
    """torchmetrics imports some of its helpers, none of its networks."""
    code = "import sys, scarlet_pl.cli.app; sys.exit('transformers.modeling_utils' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.slow
def test_one_digest_on_every_executor(tmp_path: Path) -> None:
    digests = []
    for executor in (("Serial",), ("Threads", "--executor.workers", "2"), ("Processes", "--executor.workers", "2")):
        run = ("--run_dir", str(tmp_path / executor[0]), "--executor", *executor)
        assert scarlet_pl("fit", "--config", str(TEXT), *FEW, *run) == 0
        digests.append(json.loads((tmp_path / executor[0] / "summary.json").read_text())["digest"])
    assert len(set(digests)) == 1


@pytest.mark.slow
@pytest.mark.full
def test_scarlet_learns_the_packages(tmp_path: Path) -> None:
    assert scarlet_pl("fit", "--config", str(TEXT), "--run_dir", str(tmp_path / "run")) == 0
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    assert summary["server_accuracy"] >= 1.5 / len(PACKAGES)
    assert summary["client_accuracy"] >= 1.5 / len(PACKAGES)
