"""Jobs and answers as bytes, for another process: tensors and plain values, so that nothing is unpickled.

Bytes and not shared memory: that costs a file descriptor for each tensor, and a cohort has thousands.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

import torch

from scarlet_pl.client import ClientFailure, ClientResult, ClientTask, Layout, State
from scarlet_pl.errors import ClientError, NonFiniteError
from scarlet_pl.executors.base import Answer, Job
from scarlet_pl.functional.labels import SoftLabels


def to_bytes(value: Any) -> bytes:
    """Tensors and plain values as bytes."""
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


def from_bytes(data: bytes) -> Any:
    """The inverse of `to_bytes`; nothing is unpickled."""
    return torch.load(io.BytesIO(data), weights_only=True)


def pack_job(job: Job) -> bytes:
    """A job's task and state as bytes."""
    task, distill = job.task, job.task.distill
    labels = None if distill is None else (distill.indices, distill.labels)
    weights = None if task.weights is None else torch.frombuffer(bytearray(task.weights), dtype=torch.uint8)
    plain = {**vars(task), "weights": weights, "distill": labels}
    return to_bytes({"task": plain, "state": pack_state(job.state())})


def unpack_job(data: bytes) -> tuple[ClientTask, State | None]:
    """The inverse of `pack_job`."""
    plain = from_bytes(data)
    task = plain["task"]
    labels = None if task["distill"] is None else SoftLabels(*task["distill"])
    weights = None if task["weights"] is None else task["weights"].numpy().data
    return ClientTask(**{**task, "weights": weights, "distill": labels}), unpack_state(plain["state"])


def pack_answers(answers: Iterable[Answer]) -> bytes:
    """Answers as bytes; of what a client raised its words, or what was not finite."""
    return to_bytes([_of_answer(answer) for answer in answers])


def unpack_answers(data: bytes) -> list[Answer]:
    """The inverse of `pack_answers`; another process's exception is a `ClientError`."""
    return [_to_answer(plain) for plain in from_bytes(data)]


def _of_answer(answer: Answer) -> dict[str, Any]:
    if isinstance(answer, ClientResult):
        return {**vars(answer), "state": pack_state(answer.state), "optimizers": pack_state(answer.optimizers)}
    error = answer.error
    if isinstance(error, NonFiniteError):
        return {"client": answer.client, "not_finite": (error.round, error.who, error.what)}
    return {"client": answer.client, "error": str(error)}


def _to_answer(plain: dict[str, Any]) -> Answer:
    if "not_finite" in plain:
        return ClientFailure(plain["client"], NonFiniteError(*plain["not_finite"]))
    if "error" in plain:
        return ClientFailure(plain["client"], ClientError(plain["error"]))
    states = {name: unpack_state(plain[name]) for name in ("state", "optimizers")}
    return ClientResult(**{**plain, **states})


def pack_state(state: State | None) -> dict[str, Any] | None:
    """As one tensor: a store's states cannot be saved as they are, views of one memory as several types."""
    if state is None:
        return None
    layout = Layout.of(state)
    return {"fields": layout.fields, "row": layout.pack(state)}


def unpack_state(packed: dict[str, Any] | None) -> State | None:
    return None if packed is None else Layout(packed["fields"]).unpack(packed["row"])
