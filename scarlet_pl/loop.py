"""The round loop: one epoch of Lightning's fit loop is one communication round.

The client phase runs before the epoch; the epoch itself is the server's distillation, so DDP, precision,
validation and checkpoints are Lightning's own. This is the only file that touches Lightning's protected names.
Lightning 2.0 withdrew its support for custom loops, hence the pin in pyproject.toml and tests/test_loop.py.
"""

from __future__ import annotations

import math
import subprocess
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import torch
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, LightningDataModule, Trainer
from lightning.pytorch.loggers import Logger
from lightning.pytorch.loops.fit_loop import _FitLoop
from lightning.pytorch.plugins import CheckpointIO, LayerSync, Precision

from scarlet_pl.checkpoint import AtomicCheckpointIO
from scarlet_pl.digest import digest
from scarlet_pl.errors import NonFiniteError, require
from scarlet_pl.executors.backend import one_thread
from scarlet_pl.federation import Federation
from scarlet_pl.federation_state import FederationState
from scarlet_pl.options import check_monitors, check_options, seconds
from scarlet_pl.quiet import quiet
from scarlet_pl.record import RoundRecord
from scarlet_pl.round import ClientPhase
from scarlet_pl.server import ServerModule
from scarlet_pl.sessions import check_main, interruptible
from scarlet_pl.transport import ClientReport

Plugin = Precision | ClusterEnvironment | CheckpointIO | LayerSync


class FederatedCallback(Callback):
    """A Lightning callback with the hooks of a round. It reads; it does not steer.

    Any callback that defines one of these methods is called, whatever its base class.
    """

    def on_round_start(self, trainer: FederatedTrainer, server: ServerModule, round: int) -> None:
        """Before the first client runs."""

    def on_client_end(self, trainer: FederatedTrainer, server: ServerModule, report: ClientReport) -> None:
        """After each client whose upload is used, with its `ClientReport`."""

    def on_client_phase_end(self, trainer: FederatedTrainer, server: ServerModule, phase: ClientPhase) -> None:
        """After the commit, before the server distils."""

    def round_metrics(self, record: RoundRecord) -> dict[str, float | None]:
        """Numbers to add to the record: they go to rounds.csv, TensorBoard and every logger.

        The same names in every round; None where a round has no such number.
        """
        return {}

    def on_round_end(self, trainer: FederatedTrainer, server: ServerModule, record: RoundRecord) -> None:
        """With the complete record, after the counters have moved: a checkpoint saved here resumes at the next."""


class RoundLoop(_FitLoop):
    """Lightning's fit loop with a client phase before each epoch."""

    _started = 0.0
    _phase: ClientPhase | None = None

    @classmethod
    def install(cls, trainer: FederatedTrainer) -> None:
        """Replace the trainer's fit loop, keeping its epoch loop and limits."""
        old = trainer.fit_loop
        new = cls(trainer, old.min_epochs, old.max_epochs)
        new.epoch_loop = old.epoch_loop
        trainer.fit_loop = new

    def on_advance_start(self) -> None:
        # before super(): the counters are still those of the last round, so a checkpoint that an exception in
        # here causes resumes at the start of this round
        if not (self.restarted_mid_epoch or self.restarted_on_epoch_end):
            self._run_clients(self.trainer.current_epoch)
        super().on_advance_start()

    def on_advance_end(self) -> None:
        super().on_advance_end()
        if self._phase is not None:
            _end_round(self.trainer, self._phase, time.perf_counter() - self._started)  # type: ignore[arg-type]
            self._phase = None

    def on_run_start(self) -> None:
        torch.set_num_threads(1)  # Lightning gives each of several ranks its part of the cores
        super().on_run_start()

    def on_save_checkpoint(self) -> dict[str, Any]:
        if self._phase is not None and not self.epoch_loop.batch_progress.is_last_batch:
            raise MisconfigurationException("a checkpoint in the middle of a round could not be resumed bit by bit")
        state: dict[str, Any] = super().on_save_checkpoint()
        return state

    def _run_clients(self, round: int) -> None:
        trainer: FederatedTrainer = self.trainer  # type: ignore[assignment]
        self._started = time.perf_counter()
        if round + 1 == trainer.max_epochs:
            trainer.check_val_every_n_epoch = 1  # the last round's model is always tested
        trainer.call("on_round_start", round)
        server = trainer.server
        server.synchronize()
        self._phase = trainer.federation.run_round(round, server, lambda report: trainer.call("on_client_end", report))
        outcome = self._phase.outcome
        trainer.server.start_round(round, outcome.targets, outcome.weights)
        trainer.call("on_client_phase_end", self._phase)


class FederatedTrainer(Trainer):
    """Lightning's Trainer with communication rounds for epochs.

    Args:
        federation: clients, method, executor.
        max_rounds: communication rounds.
        eval_clients_every_n_rounds: how often every client is tested on its own test shard; the last round always
            is. 0: only the last.
        checkpoint_every_n_rounds: how often the command line's runs are saved; the last round always is.
        max_time: the run ends with the first round that is finished after so long, "DD:HH:MM:SS" or a timedelta; it
            can be resumed, and the time then starts anew.
        logger: Lightning loggers; each gets every round's numbers, with the round as its step.
        callbacks: Lightning callbacks, with or without the hooks of `FederatedCallback`.
        plugins: Lightning plugins, beside the one that makes checkpoints whole.
        **options: Lightning's own.
    """

    callbacks: list[Callback]

    def __init__(
        self,
        federation: Federation,
        max_rounds: int = 30,
        eval_clients_every_n_rounds: int = 10,
        checkpoint_every_n_rounds: int = 1,
        max_time: str | timedelta | None = None,
        logger: Logger | list[Logger] | bool = False,
        callbacks: list[Callback] | Callback | None = None,
        plugins: list[Plugin] | None = None,
        **options: Any,
    ) -> None:
        require(max_rounds >= 1, "trainer.max_rounds", max_rounds, "an integer >= 1")
        every = eval_clients_every_n_rounds
        require(every >= 0, "trainer.eval_clients_every_n_rounds", every, "an integer >= 0")
        saved = checkpoint_every_n_rounds
        require(saved >= 1, "trainer.checkpoint_every_n_rounds", saved, "an integer >= 1")
        check_options(options)
        check_main()
        self._most_seconds, self._began, self.time_is_up = seconds(max_time), 0.0, False
        given = callbacks if isinstance(callbacks, list) else [callbacks] if callbacks else []
        with quiet():
            super().__init__(
                logger=logger,
                callbacks=[FederationState(federation), *given],
                plugins=[AtomicCheckpointIO(), *(plugins or [])],
                max_epochs=max_rounds,
                num_sanity_val_steps=0,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
                **options,
            )
        self._ranks: list[subprocess.Popen[bytes]] = []
        self.federation, self.eval_clients_every_n_rounds = federation, every
        self.checkpoint_every_n_rounds = saved
        known = self.world_size == 1 or getattr(self.strategy, "_start_method", None) == "popen"
        require(known, "trainer.strategy", options.get("strategy"), "ddp, where there are several devices")
        check_monitors(self.callbacks, federation.method.server_metrics)
        federation.check_rounds(max_rounds)
        federation.to(self.strategy.root_device, self.num_devices, self.world_size)
        RoundLoop.install(self)

    @property
    def server(self) -> ServerModule:
        """The server's LightningModule."""
        module = self.lightning_module
        if not isinstance(module, ServerModule):
            raise TypeError(f"FederatedTrainer trains a ServerModule, not a {type(module).__name__}")
        return module

    def fit(self, model: ServerModule, datamodule: LightningDataModule, ckpt_path: str | None = None) -> None:  # type: ignore[override]
        """Run the rounds, on one intra-op thread: the number of threads is part of what decides the bits."""
        # Lightning loads a checkpoint first and converts then, which would cut a double server's weights
        self.precision_plugin.convert_module(model)
        self._began = time.monotonic()
        with one_thread(), interruptible(), quiet():
            try:
                super().fit(model, datamodule=datamodule, ckpt_path=ckpt_path)
            finally:
                self.federation.close()  # whatever ended the run: no worker outlives it

    def stop_in_time(self) -> None:
        """Let this round be the last if `max_time` is over on any rank."""
        up = time.monotonic() - self._began > self._most_seconds
        if self._most_seconds < math.inf and self.strategy.reduce_boolean_decision(up, all=False):
            self.time_is_up = self.should_stop = True

    def call(self, hook: str, argument: Any) -> None:
        """Call a round hook of every callback that has it."""
        for callback in self.callbacks:
            method = getattr(callback, hook, None)
            if callable(method):
                method(self, self.server, argument)

    def ranks_started(self) -> list[subprocess.Popen[bytes]]:
        """The processes that this one has started for other ranks. Who asks watches over them: Lightning does not do
        so any more, since it would kill this process without a word."""
        started = getattr(self.strategy.launcher, "procs", [])
        self._ranks += started
        started.clear()
        return self._ranks

    def digest(self) -> str:
        """SHA-256 over the server's weights, all client states, the cache and the ledger."""
        return digest([self.server.network.state_dict(), self.federation.digest()])


def _end_round(trainer: FederatedTrainer, phase: ClientPhase, seconds: float) -> None:
    round, every = phase.plan.round, trainer.eval_clients_every_n_rounds
    server = _server_metrics(trainer)
    for name in (name for name, value in server.items() if value is not None and not math.isfinite(value)):
        raise NonFiniteError(round, "the server", name.removeprefix("server/"))
    trainer.stop_in_time()
    last = round + 1 == trainer.max_epochs or trainer.should_stop
    due = trainer.federation.method.has_clients and (last or (every > 0 and (round + 1) % every == 0))
    measured = trainer.federation.client_means(round, trainer.server) if due else {}
    record = RoundRecord(round, phase, seconds, server, {"client/accuracy": None, **measured})
    adds = [getattr(callback, "round_metrics", None) for callback in trainer.callbacks]
    metrics = {name: value for add in adds if callable(add) for name, value in add(record).items()}
    record = replace(record, metrics=metrics)
    for logger in trainer.loggers:
        logger.log_metrics({key: v for key, v in record.scalars().items() if v is not None}, step=round)
    trainer.call("on_round_end", record)


def _server_metrics(trainer: FederatedTrainer) -> dict[str, float | None]:
    server, loss = trainer.server, "server/distill_loss"
    measured = server.measured if trainer.federation.method.has_server else {}
    tested = {name: measured.get(name) for name in (*(f"server/{each}" for each in server.metrics), "server/loss")}
    learnt = trainer.callback_metrics.get(loss) if server.learnt else None  # else it is of an earlier round
    return {**tested, loss: None if learnt is None else float(learnt)}
