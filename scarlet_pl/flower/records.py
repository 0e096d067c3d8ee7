"""A request and an answer as the records that Flower carries: one each, with one entry of bytes."""

from __future__ import annotations

from flwr.app import ConfigRecord, RecordDict

from scarlet_pl.errors import WireError

MESSAGE_TYPE = "query.scarlet"
_RECORD, _REQUEST, _ANSWER = "scarlet", "request", "answer"


def request_record(request: bytes) -> RecordDict:
    """What a server sends."""
    return RecordDict({_RECORD: ConfigRecord({_REQUEST: request})})


def answer_record(answer: bytes) -> RecordDict:
    """What a node sends back."""
    return RecordDict({_RECORD: ConfigRecord({_ANSWER: answer})})


def read_request(content: RecordDict) -> bytes:
    """The bytes of a request.

    Raises:
        WireError: it is none.
    """
    return _read(content, _REQUEST)


def read_answer(content: RecordDict) -> bytes:
    """The bytes of an answer.

    Raises:
        WireError: it is none.
    """
    return _read(content, _ANSWER)


def _read(content: RecordDict, entry: str) -> bytes:
    record = content.config_records.get(_RECORD)
    value = None if record is None else record.get(entry)
    if not isinstance(value, bytes):
        raise WireError(f"a message without the {entry} of scarlet_pl")
    return value
