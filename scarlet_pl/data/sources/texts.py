"""Text sets of the user's own: CSV and JSONL files with the columns text and label."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from scarlet_pl.data.memory import memory
from scarlet_pl.data.samples import LabelledSamples, Samples
from scarlet_pl.data.texts import MOST_BYTES, text_field
from scarlet_pl.errors import ConfigError, require

SUFFIXES = (".csv", ".jsonl")


def read_texts(path: Path, field: str) -> Samples:
    """The column text of a file: CSV with a row of names, or JSONL with an object on each line.

    Args:
        field: the configuration's name for it.

    Raises:
        ConfigError: it is no such file.
    """
    return Samples(_text_field(_columns(path, field, "text")[0], path, field))


def read_labelled_texts(
    path: Path, field: str, classes: Sequence[str] | None = None
) -> tuple[LabelledSamples, Sequence[str]]:
    """The columns text and label of a file.

    Args:
        field: the configuration's name for it.
        classes: what the labels can be, in the order of the classes; if None those of the file, numbers by value,
            others by name.

    Returns:
        The samples and the classes.

    Raises:
        ConfigError: it is no such file, or has other labels.
    """
    texts, labels = _columns(path, field, "text", "label")
    classes = _in_order(labels) if classes is None else classes
    known = {name: number for number, name in enumerate(classes)}
    strange = next((label for label in labels if label not in known), None)
    require(strange is None, field, f"{path} with a label {strange}", f"the labels {', '.join(known)[:200]}")
    numbers = torch.tensor([known[label] for label in labels])
    return LabelledSamples(_text_field(texts, path, field), numbers), classes


def _in_order(labels: Sequence[str]) -> list[str]:
    names = set(labels)
    return sorted(names, key=lambda name: (int(name), name)) if all(map(str.isdecimal, names)) else sorted(names)


def _text_field(texts: Sequence[str], path: Path, field: str) -> dict[str, Tensor]:
    longest = max(len(text.encode()) for text in texts)  # each takes as many bytes
    require(2 * len(texts) * min(longest, MOST_BYTES) <= memory(), field, str(path), "texts that fit in memory")
    return text_field(texts)


def _columns(path: Path, field: str, *names: str) -> list[tuple[str, ...]]:
    require(path.stat().st_size <= memory(), field, str(path), "a file that fits in memory")
    try:
        content = path.read_text(encoding="utf-8-sig")
        rows = _csv(content) if path.suffix == ".csv" else _jsonl(content)
        values = [tuple(_value(row, name, line) for name in names) for line, row in rows]
    except Exception as error:  # whatever csv and json raise
        allowed = f"a CSV or JSONL file, UTF-8, with {' and '.join(names)} in each row ({error})"
        raise ConfigError(field, str(path), allowed) from error
    require(bool(values), field, str(path), "a file with at least one row")
    return list(zip(*values, strict=True))


def _csv(content: str) -> Iterator[tuple[int, Mapping[str, object]]]:
    """Rows with the numbers of their lines."""
    rows = csv.DictReader(io.StringIO(content, newline=""), strict=True)
    return ((rows.line_num, row) for row in rows)


def _jsonl(content: str) -> Iterator[tuple[int, Mapping[str, object]]]:
    """Rows with the numbers of their lines."""
    lines = enumerate(content.split("\n"), 1)
    return ((number, json.loads(line)) for number, line in lines if line.strip())


def _value(row: Mapping[str, object], name: str, line: int) -> str:
    value = row.get(name)
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f"line {line} has the {name} {value!r:.40}")
    text = str(value)
    if any("\ud800" <= letter <= "\udfff" for letter in text):  # half of a pair, which UTF-8 does not have
        raise ValueError(f"line {line} has the {name} {text!r:.40}")
    return text
