"""A run, started from Python."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import PathLike
from typing import Any

from scarlet_pl.api.run import Run, load
from scarlet_pl.api.session import Config, config_arguments, in_session
from scarlet_pl.cli.app import FederatedCLI
from scarlet_pl.cli.run_dir import with_config_of_run
from scarlet_pl.cli.settings import called_with
from scarlet_pl.cli.signals import how_to_go_on_here, resumable
from scarlet_pl.errors import require


def fit(
    config: Config | Sequence[Config] = (),
    overrides: Mapping[str, Any] | None = None,
    *,
    run_dir: str | PathLike[str] | None = None,
    resume: bool = False,
    resume_override: bool = False,
    trust_code: bool = False,
) -> Run:
    """Run a federation in this process, as `scarlet-pl fit` does; the same settings give the same bits.

    Args:
        config: a YAML file, the name of a configuration of the package (see `scarlet-pl configs`), or several, which
            are merged in order. Left out when a run is resumed with its own.
        overrides: settings that replace the files', by dotted name: `{"trainer.max_rounds": 20}`. A part is a class
            name, or a mapping with `class_path` and `init_args`.
        run_dir: the run's folder; logs/NAME/version_N when None.
        resume: go on with the run in `run_dir`.
        resume_override: resume it although rounds, `data.root`, executor, devices, loggers, callbacks or `max_time`
            changed.
        trust_code: let the configuration in `run_dir` name classes that are not of scarlet_pl, torch or Lightning.

    Raises:
        ValueError: a setting may not be so: names it, what it got and what is allowed. Nothing was run.
        RuntimeError: a client failed, or a network's weights are no numbers any more; the run can be resumed.
        OSError: something cannot be written.
        KeyboardInterrupt: the run was interrupted; says how to go on with it.
    """
    switches = {"resume": resume, "resume_override": resume_override, "trust_code": trust_code}
    given = [f"--{name}" for name, on in switches.items() if on]
    require(bool(config) or resume, "config", config, "a YAML file, or the name of a configuration of the package")
    folder = [] if run_dir is None else ["--run_dir", str(run_dir)]
    arguments = ["fit", *config_arguments(config, overrides), *folder, *given]
    with in_session():
        arguments = with_config_of_run(arguments)
        with called_with(arguments), _saying_how_to_go_on():
            return load(_InSession().run_dir)


class _InSession(FederatedCLI):
    """Runs the rounds, and leaves what is said of them to who started it."""

    def before_fit(self) -> None:
        world = self.trainer.world_size
        require(world == 1, "trainer.devices", world, "1 from Python; scarlet-pl fit runs several ranks")
        super().before_fit()

    def after_fit(self) -> None:
        pass


@contextmanager
def _saying_how_to_go_on() -> Iterator[None]:
    resumable(None)
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"stopped{how_to_go_on_here()}") from None
