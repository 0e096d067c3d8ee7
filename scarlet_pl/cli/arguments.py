"""The settings of the command line: those of a run, and one group for each package."""

from __future__ import annotations

from typing import Any

from lightning.pytorch.cli import LightningArgumentParser

from scarlet_pl.client import ClientConfig
from scarlet_pl.data import FederatedDataModule
from scarlet_pl.executors import Executor
from scarlet_pl.federation import FederationConfig
from scarlet_pl.loop import FederatedTrainer
from scarlet_pl.methods import Method
from scarlet_pl.options import NOT_HERE
from scarlet_pl.server import ServerConfig

_SGD = {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.1}}


def add_run_arguments(parser: LightningArgumentParser) -> None:
    """Seed, name and folder of a run, and how it is resumed."""
    parser.add_argument("--seed_everything", type=int, default=0, help="Seed of everything that is drawn.")
    parser.add_argument("--name", type=str | None, help="Name of the run: logs/NAME/version_N.")
    parser.add_argument("--run_dir", type=str | None, help="The run's folder, instead of logs/NAME/version_N.")
    parser.add_argument("--resume", action="store_true", help="Continue the run in run_dir.")
    text = "Resume although rounds, data.root, executor, devices, loggers, callbacks or max_time changed."
    parser.add_argument("--resume_override", action="store_true", help=text)
    text = "Run code that the configuration in run_dir names, beside scarlet_pl's and Lightning's."
    parser.add_argument("--trust_code", action="store_true", help=text)


def add_groups(parser: LightningArgumentParser) -> None:
    """trainer, data, client, server, federation, method, executor."""
    options: dict[str, Any] = {"fail_untyped": False, "sub_configs": True}
    hidden = {"federation", *NOT_HERE}
    parser.add_class_arguments(FederatedTrainer, "trainer", skip=hidden, instantiate=False, **options)
    parser.add_lightning_class_args(FederatedDataModule, "data")
    parser.link_arguments("seed_everything", "data.seed")
    parser.add_class_arguments(ClientConfig, "client", **options)
    parser.add_class_arguments(ServerConfig, "server", **options)
    parser.add_class_arguments(FederationConfig, "federation", **options)
    parser.set_defaults({"client.optimizer": _SGD, "server.optimizer": _SGD})
    parser.add_subclass_arguments(Method, "method", required=False)
    parser.add_subclass_arguments(Executor, "executor", required=False)
    parser.set_defaults(
        {
            "method": {"class_path": "scarlet_pl.methods.Distillation"},
            "executor": {"class_path": "scarlet_pl.executors.Auto"},
        }
    )
