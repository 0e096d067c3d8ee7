"""Wrong flags, values and files: one line that names the field, what it got and what is allowed; exit code 2; nothing
left behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from .bad_files import write_bad_files
from .test_cli import QUICK as QUICK_RUN
from .test_cli import SCARLET, scarlet_pl

EARLY_STOPPING = "--trainer.callbacks+ lightning.pytorch.callbacks.EarlyStopping --trainer.callbacks.monitor"
LONG = "x" * 300

BAD = [
    ("--client.optimzer SGD", r"client.optimzer: no such option (did you mean 'client.optimizer'?)"),
    ("--trainer.max_round 3", "did you mean 'trainer.max_rounds'"),
    ("--data.num_client 3", "did you mean 'data.num_clients'"),
    (
        "--data.shift.degrees 30",
        "data.shift.degrees: a setting of a part that is not named yet; before it set data.shift (ImageShift)",
    ),
    ("--method.aggregator EnhancedErra", "method.aggregator: got 'EnhancedErra', allowed: Mean, GeometricMean, "),
    ("--method.aggregator.bta 3", "method.aggregator.bta: no such option (did you mean 'method.aggregator.beta'?)"),
    ("--method Distilation", "did you mean 'Distillation'"),
    ("--executor Serail", "did you mean 'Serial'"),
    ("--client.optimizer SDG", "did you mean 'SGD'"),
    ("--data.private digit", "did you mean 'digits'"),
    ("--client.models resnett20", "did you mean 'resnet20'"),
    ("--client.models vgg16", "(vgg16 needs images of at least 32 × 32 pixels: set data.transform.size)"),
    (
        "--data.shift ImageShift --data.shift.degrees 181",
        "data.shift.degrees: got 181.0, allowed: a number in [0, 180]",
    ),
    ("--data.partition.alpha 0", "data.partition.alpha: got 0.0, allowed: a number > 0"),
    ("--data.partition.alpha=-1", "data.partition.alpha: got -1.0, allowed: a number > 0"),
    ("--method.aggregator.beta 0", "method.aggregator.beta: got 0.0, allowed: a number > 0"),
    ("--method.aggregator ERA --method.aggregator.temperature 0", "method.aggregator.temperature: got 0.0"),
    ("--method.cache.duration=-1", "method.cache.duration: got -1, allowed: an integer >= 0"),
    ("--method.cache.duration x", "method.cache.duration: got 'x', allowed: an integer, or null"),
    ("--method FedProx", "FedAvg; fedprox is a configuration: --config fedprox"),
    ("--method.cache.expiry later", "method.cache.expiry: got 'later', allowed: one of ['paper', 'refresh']"),
    ("--method.cache.admission RandomShare --method.cache.admission.ratio 2", "method.cache.admission.ratio: got 2.0"),
    (
        "--method.cache.admission LowEntropy --method.indices seeded",
        "method.indices: got 'seeded', allowed: explicit where the cache's admission goes by the labels",
    ),
    ("--method.aggregator Confident --method.indices seeded", "method.indices: got 'seeded', allowed: explicit with"),
    ("--method.uplink_filters [Mean]", "method.uplink_filters: got "),
    ("--method.downlink_filters [GaussianNoise]", "method.downlink_filters: got "),
    ("--method.draw.size 501", "method.draw.size: got 501, allowed: at most 500"),
    (
        "--federation.availability.participation 0",
        "availability.participation: got 0.0, allowed: a number in (0, 1]",
    ),
    (
        "--federation.availability.participation 1.5",
        "availability.participation: got 1.5, allowed: a number in (0, 1]",
    ),
    ("--data.num_clients 5000", "data.num_clients: got 5000, allowed: at most 938"),
    ("--data.num_clients ten", "data.num_clients: got 'ten', allowed: an integer"),
    ("--data.public_size null", "data.public: got 'digits', allowed: another source than data.private"),
    ("--data.private npz:damaged.npz", "data.private: got 'damaged.npz', allowed: a whole npz file"),
    ("--data.private npz:missing.npz", "data.private: got 'npz:missing.npz', allowed: a path that exists"),
    ("--data.public imagefolder:missing", "data.public: got 'imagefolder:missing', allowed: a path that exists"),
    ('--server.model {"name":"cnn","num_classes":7}', "server.model: got"),
    ("--server.model lenet5", "server.model: got 'lenet5', allowed: a model for samples of image 1 × 8 × 8"),
    ("--run_dir /dev/null/run", "run_dir: got '/dev/null/run', allowed: a folder that can be written"),
    ("--run_dir taken", "run_dir: got 'taken', allowed: a folder that holds no run yet"),
    ("--resume", "run_dir: got None, allowed: the folder of a run to resume"),
    ("--resume --run_dir nowhere", "run_dir: got 'nowhere', allowed: the folder of a run to resume"),
    (
        "--method.uplink_codec Quantized --method.uplink_codec.bits 17",
        "method.uplink_codec.bits: got 17, allowed: 1 to",
    ),
    ("--method.draw ActiveDraw --method.indices seeded", "method.indices: got 'seeded', allowed: explicit where"),
    ("--method FedAvg --server.model mlp", "server.model: got 'mlp', allowed: the clients' model 'cnn'"),
    ("--trainer.max_rounds 0", "trainer.max_rounds: got 0, allowed: an integer >= 1"),
    ("--trainer.accelerator abacus", "trainer.accelerator: got 'abacus', allowed: what Lightning can do here"),
    ("--trainer.devices 2 --trainer.strategy ddp_spawn", "trainer.strategy: got 'ddp_spawn', allowed: ddp"),
    ("--federation.store tape", "federation.store: got 'tape', allowed: "),
    ("--config none.yaml", "config: got 'none.yaml', allowed: a file, or one of the names"),
    ("--config bad_key.yaml", "client.optimzer: no such option (did you mean 'client.optimizer'?)"),
    ("--config bad_part.yaml", "bta: no such option (did you mean 'method.aggregator.beta'?)"),
    (
        "--config bad_yaml.yaml",
        "config: got 'bad_yaml.yaml', allowed: a YAML file with a mapping of settings (whi",
    ),
    ("--seed_everything x", "seed_everything: got 'x', allowed: an integer"),
    ("--seed_everything=-1", "seed_everything: got -1, allowed: an integer from 0 to 2^32 - 1"),
    (f"--seed_everything {2**70}", f"seed_everything: got {2**70}, allowed: an integer from 0 to 2^32 - 1"),
    ("--client.optimizer.lr=-1", "client.optimizer.lr: got -1.0, allowed: what it takes (Invalid learning rate: -1.0)"),
    ("--server.optimizer.momentum=-1", "server.optimizer.momentum: got -1.0, allowed: what it takes"),
    ("--method null", "method: got None, allowed: "),
    ("--method.aggregator null", "method.aggregator: got None, allowed: an object of class Aggregator"),
    ("--method.draw null", "method.draw: got None, allowed: an object of class DrawPolicy"),
    ("--method.uplink_codec null", "method.uplink_codec: got None, allowed: an object of class LabelCodec"),
    ("--executor null", "executor: got None, allowed: "),
    ("--data.private npz:one.npz", "data.private: got 'npz:one.npz', allowed: at least two samples"),
    ("--data.private npz:one_class.npz", "data.private: got 'npz:one_class.npz', allowed: at least two classes"),
    ("--data.private npz:billion.npz", "with the classes [0, 1, 1000000000]', allowed: all classes from 0 up to the"),
    ("--data.private npz:gap.npz", "with the classes [0, 5]', allowed: all classes from 0 up to the largest"),
    ("--data.private npz:negative.npz", "data.private: got 'negative.npz with a label -1', allowed: classes from 0"),
    ("--data.private npz:claims.npz", "takes 1500000000000128 bytes, the file does not hold them"),
    ("--data.private npz:deflated.npz", "takes 1500000000000128 bytes, the file does not hold them"),
    ("--data.private npz:pickled.npz", "data.private: got 'pickled.npz', allowed: a whole npz file with x and y"),
    ("--data.private npz:folder", "data.private: got 'folder/test.npz with a label 7', allowed: classes of train.npz"),
    (
        "--data.transform.size 100000",
        "data.transform.size: got 100000, allowed: a size at which 1797 images fit in memory",
    ),
    (
        "--data.private imagefolder:pictures --data.transform.size 8",
        "data.private: got 'pictures/a/x.png', allowed: a ",
    ),
    ("--client.models os.sep", "client.models: got 'os.sep', allowed: a torch.nn.Module class, or a function whose"),
    ("--client.models builtins.dict", "client.models: got 'builtins.dict', allowed: a torch.nn.Module class"),
    ("--client.models no_syntax.Net", "no_syntax.py, line 2: "),
    ("--client.models no_name.Net", "no_name.py, line 4: NameError: name 'Modul' is not defined)"),
    ("--client.models fails.Net", "fails.py, line 6: KeyError: 'width')"),
    (
        "--client.models nowhere.Net",
        "client.models: got 'nowhere.Net', allowed: a class that can be imported (No",
    ),
    (
        "--config latin.yaml",
        "a YAML file with a mapping of settings (not UTF-8 (byte 7))",
    ),
    (
        "--config empty.yaml",
        "a YAML file with a mapping of settings (it holds none)",
    ),
    ("--config list.yaml", "config: got 'list.yaml', allowed: a YAML file with a mapping of settings (it holds none)"),
    (
        "--config twice.yaml",
        "a YAML file with a mapping of settings (line 3: 'num_clients' is there twice)",
    ),
    ("--config bomb.yaml", "config: got 'bomb.yaml', allowed: a YAML file with a mapping of settings (line "),
    ("--data bomb.yaml", "more than 100000 values"),
    ("--config deep.yaml", "config: got 'deep.yaml', allowed: a YAML file with a mapping of settings (nested too deep"),
    (
        "--config max_steps.yaml",
        "trainer.max_steps: no option of a run of rounds; set trainer.max_rounds and",
    ),
    ("--trainer.max_epochs 3", "trainer.max_epochs: no option of a run of rounds; set trainer.max_rounds"),
    ("--trainer.overfit_batches 1", "trainer.overfit_batches: no option of a run of rounds; set data.private_size and"),
    ("--trainer.limit_train_batches 1", "trainer.limit_train_batches: no option of a run of rounds; set server.epochs"),
    ("--trainer.accumulate_grad_batches 2", "no option of a run of rounds; set server.batch_size"),
    ("--trainer.val_check_interval 2", "no option of a run of rounds; set trainer.check_val_every_n_epoch, in rounds"),
    ("--trainer.max_time soon", "trainer.max_time: got 'soon', allowed: a time as DD:HH:MM:SS, days first"),
    (f"{EARLY_STOPPING} acuracy", "trainer.callbacks.monitor: got 'acuracy', allowed: server/accuracy, server/loss"),
    ("--trainer.accelerator tpu", "trainer.accelerator: got 'tpu', allowed: what Lightning can do here ("),
    ("--trainer.devices 0", "trainer: got 'accelerator cpu, devices 0', allowed: what Lightning can do here ("),
    (
        "--trainer.logger lightning.pytorch.loggers.CometLogger",
        "trainer.logger: got 'lightning.pytorch.loggers.",
    ),
    (f"--run_dir {LONG}", "allowed: a folder that can be made (File name too long)"),
    ("--run_dir=", "run_dir: got '', allowed: a folder"),
    ("--run_dir other", "run_dir: got 'other', allowed: a new or an empty folder (it holds notes.txt)"),
    ("--name ../../x", "name: got '../../x', allowed: a folder's name, without a slash, of at most 200 bytes"),
    ("--name .. ", "name: got '..', allowed: a folder's name"),
    (f"--name {LONG}", "allowed: a folder's name, without a slash, of at most 200 bytes"),
    ("--name a\u200bb", "allowed: a folder's name, without a slash, of at most 200 bytes"),
    ("--resume_override", "resume_override: got True, allowed: only together with --resume"),
    ("--data.private npz:flipped.npz", "data.private: got 'flipped.npz', allowed: a whole npz file with x and y"),
    (
        "--data.private imagefolder:whole.npz --data.transform.size 8",
        "data.private: got 'whole.npz', allowed: a folder of",
    ),
    ("--data.private imagefolder:bomb --data.transform.size 8", "data.private: got 'bomb/a/x.png', allowed: a picture"),
    (
        "--data.transform.crop_padding 1000000000",
        "data.transform.crop_padding: got 1000000000, allowed: at most 8, the size",
    ),
    ("--trainer.fast_dev_run true", "trainer.fast_dev_run: no option of a run of rounds; set trainer.max_rounds 1"),
    ("--trainer.check_val_every_n_epoch 0", "trainer.check_val_every_n_epoch: got 0, allowed: an integer >= 1"),
    ("--trainer.gradient_clip_val=-1", "trainer.gradient_clip_val: got -1, allowed: a number >= 0, or null"),
    ("--client.optimizer LBFGS", "client.optimizer: got 'LBFGS', allowed: one that steps without a closure ("),
    ("--client.optimizer SparseAdam --client.keep_optimizer true", "allowed: one that takes dense gradients ("),
    ("--client.optimizer Muon", "client.optimizer: got 'Muon', allowed: what it takes ("),
    (
        f"--method FedAvg {EARLY_STOPPING} server/distill_loss",
        "got 'server/distill_loss', allowed: server/accuracy, serv",
    ),
]
QUICK = 12
"""Each one of so many runs without --full or the slow tests."""


@pytest.fixture
def bad_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with every kind of bad file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    write_bad_files(tmp_path)
    return tmp_path


def cases() -> list[object]:
    """Most of them are slow tests: together they take half a minute."""
    marks = [() if number % QUICK == 0 else (pytest.mark.slow,) for number in range(len(BAD))]
    return [
        pytest.param(flags, message, marks=mark, id=flags.replace(LONG, "long"))
        for (flags, message), mark in zip(BAD, marks, strict=True)
    ]


@pytest.mark.parametrize(("flags", "message"), cases())
def test_bad_input_is_one_line_and_leaves_nothing(
    flags: str, message: str, bad_files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def left() -> list[Path]:
        return sorted(path for path in bad_files.rglob("*") if "__pycache__" not in path.parts)

    before = left()
    code = scarlet_pl("fit", "--config", SCARLET, "--data.root", ".", *flags.split())
    said = capsys.readouterr()
    assert code == 2, said
    assert message in said.err
    assert len(said.err.strip().splitlines()) == 1, said.err
    assert said.out == ""
    assert left() == before


def test_missing_torchvision_files_name_the_folder_to_fill(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")  # no network, wherever this runs
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    Path("mine").mkdir()
    root = "mine/new/files"
    for name, folder in (("MNIST", "MNIST/raw"), ("CIFAR10", "cifar-10-batches-py")):
        assert scarlet_pl("fit", "--config", SCARLET, "--data.private", name, "--data.root", root) == 2
        said = capsys.readouterr().err
        assert f"data.root: got '{root}', allowed: a folder with the files of {name} in {root}/{folder}" in said
        assert len(said.strip().splitlines()) == 1
        assert list(tmp_path.rglob("*")) == [tmp_path / "mine"]


def test_a_name_that_yaml_takes_for_a_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert scarlet_pl("fit", "--config", SCARLET, *QUICK_RUN, "--name", "2024-31-12") == 0
    assert (tmp_path / "logs/2024-31-12/version_0/summary.json").exists()
