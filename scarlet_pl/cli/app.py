"""The LightningCLI that puts a federation together and runs it."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

os.environ.setdefault("JSONARGPARSE_DEPRECATION_WARNINGS", "off")  # LightningCLI 2.6 calls deprecated names

from jsonargparse import Namespace
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI

from scarlet_pl.callbacks import run_callbacks
from scarlet_pl.checkpoint import OF_A_RUN, AtomicCheckpointIO
from scarlet_pl.cli import parts
from scarlet_pl.cli.arguments import add_groups, add_run_arguments
from scarlet_pl.cli.guard import class_error, trainer_error
from scarlet_pl.cli.parser import Parser
from scarlet_pl.cli.run_dir import (
    LOGS,
    check_resume,
    check_run_dir,
    checkpoint_to_use,
    make_run_dir,
    save_config,
)
from scarlet_pl.cli.signals import end_together, how_to_go_on, rank, resumable
from scarlet_pl.data import FederatedData, FederatedDataModule
from scarlet_pl.errors import ConfigError, require
from scarlet_pl.executors import Executor
from scarlet_pl.federation import Federation, FederationConfig
from scarlet_pl.locks import lock
from scarlet_pl.loop import FederatedTrainer
from scarlet_pl.methods import Method
from scarlet_pl.report.summary import print_metrics, print_summary
from scarlet_pl.run_files import CLIENTS, is_file, rounds_done
from scarlet_pl.server import ServerModule
from scarlet_pl.transport import Transport


class FederatedCLI(LightningCLI):
    """One group of settings for each room: trainer, data, client, server, federation, method, executor."""

    trainer: FederatedTrainer
    model: ServerModule
    datamodule: FederatedDataModule
    resume_from: Path | None = None

    def __init__(self, run: bool = True) -> None:
        super().__init__(
            run=run,
            model_class=ServerModule,
            datamodule_class=FederatedDataModule,
            trainer_class=FederatedTrainer,
            save_config_callback=None,
            seed_everything_default=0,
            parser_class=Parser,
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,
        )

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """The methods of the trainer that are commands, each with the arguments that are not the user's."""
        ours = {"model", "datamodule", "dataloaders", "verbose", "weights_only"}
        return {"fit": {*ours, "ckpt_path"}, "validate": ours, "test": ours}

    def add_default_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        add_run_arguments(parser)

    def add_core_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        add_groups(parser)

    def _set_seed(self) -> None:
        seed = self._get(self.config, "seed_everything")
        require(0 <= seed < 2**32, "seed_everything", seed, "an integer from 0 to 2^32 - 1")
        super()._set_seed()

    def make_settings(self) -> Namespace:
        """The configuration with its objects made.

        Raises:
            ConfigError: one of them cannot be.
        """
        for name, base in (("method", Method), ("executor", Executor)):
            require(self._get(self.config, name) is not None, name, None, ", ".join(parts.names(base)))
        try:
            self.config_init = self.parser.instantiate_classes(self.config)
        except (ValueError, TypeError) as error:
            raise class_error(error, self._settings()) from error
        made: Namespace = self.config_init[self.subcommand] if self.subcommand else self.config_init
        return made

    def instantiate_classes(self) -> None:
        settings = self.make_settings()
        seed = settings.seed_everything
        self.datamodule = settings.data
        self._check_paths()
        self.datamodule.owners = self.owners(self.datamodule)
        data = self.datamodule.data
        federation = Federation(
            data,
            settings.client,
            settings.method,
            settings.executor,
            seed,
            self.make_transport(data, settings.federation),
            settings.federation,
        )
        federation.check_server(settings.server)
        self.model = ServerModule(settings.server, data, settings.method.server_work, seed)
        self.model.check_rounds(settings.trainer["max_rounds"])
        try:
            self.trainer = self.instantiate_trainer(federation=federation)  # type: ignore[assignment]
        except ConfigError:
            raise
        except Exception as error:  # whatever Lightning says of its flags and of this machine
            default = self._parser(self.subcommand).get_defaults().trainer
            raise trainer_error(error, vars(self._get(self.config, "trainer")), vars(default)) from error

    def owners(self, data: FederatedDataModule) -> Sequence[int]:
        """The clients whose samples are here."""
        require(not data.own, "data.own", True, "false, but for serve and join: the clients' samples are elsewhere")
        return range(data.num_clients)

    def make_transport(self, data: FederatedData, config: FederationConfig) -> Transport | None:
        """The way to clients that are not in this process; None: they all are."""
        return None

    def before_validate(self) -> None:
        """Find the clients' states where the run keeps them."""
        settings = self.config[str(self.subcommand)]
        self.trainer.federation.transport.keep_states_in(Path(settings.ckpt_path).parent.parent / CLIENTS)

    before_test = before_validate

    def before_fit(self) -> None:
        """Make the run's folder, only now that nothing in the configuration is wrong any more."""
        settings = self.config[str(self.subcommand)]
        if settings.resume:
            self.run_dir = Path(settings.run_dir)
            self._find_checkpoint(settings.trainer.max_rounds)
        elif self.trainer.is_global_zero:
            self.run_dir = make_run_dir(settings.run_dir, self._run_name())
            sys.argv += ["--run_dir", str(self.run_dir)]  # for the ranks that Lightning starts with our arguments
        else:
            self.run_dir = Path(settings.run_dir or LOGS)  # which this rank does not write
        if self.trainer.is_global_zero:
            lock(self.run_dir)
            how = {
                "name": self._run_name(),
                "run_dir": None,
                "resume": False,
                "resume_override": False,
                "trust_code": False,
            }
            save_config(self.run_dir, {**self._settings(), **how})
            resumable(self.run_dir)
            if self.trainer.world_size > 1:
                print(f"{self.trainer.world_size} ranks", flush=True)
                end_together(self.trainer.ranks_started)
        if self.trainer.is_global_zero or settings.run_dir:
            self.trainer.federation.transport.keep_states_in(self.run_dir / CLIENTS)
        self.trainer.callbacks.extend(run_callbacks(self.run_dir, self.trainer.checkpoint_every_n_rounds))

    def _find_checkpoint(self, rounds: int) -> None:
        with warnings.catch_warnings():
            if rank():
                warnings.simplefilter("ignore")  # the first rank says it
            self.resume_from = checkpoint_to_use(self.run_dir)
        done = rounds_done(self.resume_from)
        require(rounds >= done, "trainer.max_rounds", rounds, f"at least {done}: so many rounds are done")

    def _prepare_subcommand_kwargs(self, subcommand: str) -> dict[str, Any]:
        options: dict[str, Any] = super()._prepare_subcommand_kwargs(subcommand)
        if subcommand == "fit":
            options["ckpt_path"] = None if self.resume_from is None else str(self.resume_from)
        return options

    def after_fit(self) -> None:
        """Say how it ended."""
        if self.trainer.is_global_zero:
            print_summary(self.run_dir)
            if self.trainer.current_epoch < (self.trainer.max_epochs or 0) and self.trainer.time_is_up:
                print(f"stopped by trainer.max_time{how_to_go_on()}")

    def after_validate(self) -> None:
        """Say what was measured; nothing of models that the method does not have."""
        if not self.trainer.is_global_zero:
            return
        method = self.trainer.federation.method
        hidden = [who for who, there in (("server/", method.has_server), ("client/", method.has_clients)) if not there]
        metrics = {key: float(value) for key, value in self.trainer.callback_metrics.items()}
        print_metrics({key: value for key, value in metrics.items() if not key.startswith(tuple(hidden))})

    after_test = after_validate

    def _parse_ckpt_path(self) -> None:
        """Nothing: Lightning would overwrite the configuration with what the checkpoint holds."""

    def _check_paths(self) -> None:
        settings = self.config[str(self.subcommand)]
        checkpoint = settings.get("ckpt_path")
        if checkpoint is not None:
            require(is_file(Path(checkpoint)), "ckpt_path", checkpoint, "a checkpoint file")
            ok = AtomicCheckpointIO().load_checkpoint(checkpoint).keys() >= OF_A_RUN
            require(ok, "ckpt_path", checkpoint, "a checkpoint of a run")
        if self.subcommand == "fit":
            ok = settings.resume or not settings.resume_override
            require(ok, "resume_override", True, "only together with --resume")
        if self.subcommand == "fit" and settings.resume:
            check_resume(settings.run_dir, self._settings(), settings.resume_override)
        elif self.subcommand == "fit":
            if rank():
                return  # the first rank has made it by now
            check_run_dir(settings.get("run_dir"), self._run_name())
        elif checkpoint is None:
            raise ConfigError("ckpt_path", None, "a checkpoint, or --run_dir with the folder of a run")

    def _settings(self) -> dict[str, Any]:
        """The whole configuration, as plain values."""
        now = self.config[self.subcommand] if self.subcommand else self.config
        dumped = self._parser(self.subcommand).dump(now, skip_none=False, format="yaml")
        plain: dict[str, Any] = yaml.safe_load(dumped)
        return plain

    def _run_name(self) -> str:
        settings = self.config[str(self.subcommand)]
        files = [str(path) for path in settings.get("config") or []]
        return settings.get("name") or (Path(files[-1]).stem if files else "run")
