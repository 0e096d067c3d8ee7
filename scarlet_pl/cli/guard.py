"""What a command that fails says: one line, and the exit code."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
import yaml

from scarlet_pl.checkpoint import DamagedCheckpointError
from scarlet_pl.cli.parser import BadInput, fail, one_line
from scarlet_pl.cli.signals import how_to_go_on, say
from scarlet_pl.cli.trust import short_name, texts
from scarlet_pl.errors import ClientError, ConfigError, DesyncError, NonFiniteError, WireError, WorkerError, where
from scarlet_pl.locks import unlock
from scarlet_pl.loop import FederatedTrainer
from scarlet_pl.quiet import quiet


def guarded(command: Callable[[], object]) -> int:
    """Run a command; its exit code, and one line where it fails as commands may.

    Raises:
        SystemExit: with code 2, for bad input.
    """
    try:
        with quiet(), checking_input():
            command()
    except BadInput as wrong:
        print(f"scarlet-pl: {wrong}", file=sys.stderr)
        raise SystemExit(2) from None
    except (ClientError, DesyncError, NonFiniteError, WireError, WorkerError) as error:
        say("; ".join([str(error), *getattr(error, "__notes__", [])]) + how_to_go_on())
        return 1
    except OSError as error:
        say(str(error))
        return 1
    except RuntimeError as error:
        if not isinstance(error, torch.distributed.DistError) and "by peer" not in str(error):
            raise
        say(f"another rank has ended{how_to_go_on()}")
        return 1
    finally:
        unlock()
    return 0


@contextmanager
def checking_input() -> Iterator[None]:
    """Raise `BadInput` for whatever says that the input is bad."""
    try:
        yield
    except WireError:
        raise  # a ValueError that is not about the configuration
    except ConfigError as error:
        fail(one_line(str(error), arguments=sys.argv))
    except yaml.YAMLError as error:
        fail(f"config: {where(error)}")
    except DamagedCheckpointError as error:
        fail(f"ckpt_path: {error}")
    except (ValueError, TypeError) as error:
        line = one_line(str(error), arguments=sys.argv)
        if ": got " not in line:  # not about the configuration: a fault of ours, to be seen whole
            raise
        fail(line)
    except RuntimeError as error:
        if "conditioned on metric" not in str(error):  # by a callback's own check, which Lightning makes after a round
            raise
        fail(f"trainer.callbacks.monitor: {where(error)}")


def class_error(error: Exception, settings: Any) -> Exception:
    """Of a class that cannot be made here, the setting that names it; else the error itself."""
    if "must be a mapping" in str(error):  # jsonargparse does not check what it keeps of a class that a flag replaced
        allowed = "with another class of a part also its settings: those of the same name are kept"
        return ConfigError("config", str(error).rpartition(" not ")[2], allowed)
    named = re.findall(r"Problem with given class_path '([\w.]+)'", str(error))
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    if not named or ": got " in str(error):
        return error
    field = next((short_name(field) for field, text in texts(settings) if text == named[-1]), "class_path")
    return ConfigError(field, named[-1], f"a class that can be made here ({where(cause)})")


def trainer_error(error: Exception, now: Mapping[str, Any], default: Mapping[str, Any]) -> ConfigError:
    """What Lightning says of its flags and of this machine, with the flag that is not as by default, if it is one."""
    ours = inspect.signature(FederatedTrainer).parameters.keys() - {"plugins"}
    changed = [name for name, value in now.items() if name not in ours and value != default.get(name)]
    suspects = [name for name in changed if name in str(error) or str(now[name]) in str(error)] or changed
    field = f"trainer.{suspects[0]}" if len(suspects) == 1 else "trainer"
    got = now[suspects[0]] if len(suspects) == 1 else ", ".join(f"{name} {now[name]}" for name in suspects)
    return ConfigError(field, got, f"what Lightning can do here ({where(error)})")
