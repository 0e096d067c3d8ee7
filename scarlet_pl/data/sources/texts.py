"""Text sets of the user's own: CSV and JSONL files with the columns text and label."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

import torch

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
    texts = _column(path, field, "text")
    longest = max(len(text.encode()) for text in texts)  # each takes as many bytes
    require(2 * len(texts) * min(longest, MOST_BYTES) <= memory(), field, str(path), "texts that fit in memory")
    return Samples(text_field(texts))


def read_labelled_texts(path: Path, field: str, classes: Sequence[str] | None = None) -> LabelledSamples:
    """The columns text and label of a file.

    Args:
        field: the configuration's name for it.
        classes: what the labels can be, in the order of the classes; if None `classes_of` the file.

    Raises:
        ConfigError: it is no such file, or has other labels.
    """
    labels = _column(path, field, "label")
    known = {name: number for number, name in enumerate(_in_order(labels) if classes is None else classes)}
    strange = next((label for label in labels if label not in known), None)
    require(strange is None, field, f"{path} with a label {strange}", f"the labels {', '.join(known)[:200]}")
    return LabelledSamples.of(read_texts(path, field), torch.tensor([known[label] for label in labels]))


def classes_of(path: Path, field: str) -> list[str]:
    """The labels of a file in the order of their classes."""
    return _in_order(_column(path, field, "label"))


def _in_order(labels: Sequence[str]) -> list[str]:
    """Numbers by value, other labels by name."""
    names = set(labels)
    return sorted(names, key=lambda name: (int(name), name)) if all(map(str.isdecimal, names)) else sorted(names)


def _column(path: Path, field: str, name: str) -> list[str]:
    require(path.stat().st_size <= memory(), field, str(path), "a file that fits in memory")
    try:
        content = path.read_text(encoding="utf-8-sig")
        values = _csv(content, name) if path.suffix == ".csv" else _jsonl(content, name)
    except Exception as error:  # whatever csv and json raise
        allowed = f"a CSV or JSONL file, UTF-8, with {name} in each row ({error})"
        raise ConfigError(field, str(path), allowed) from error
    require(bool(values), field, str(path), "a file with at least one row")
    return values


def _csv(content: str, name: str) -> list[str]:
    rows = csv.DictReader(io.StringIO(content, newline=""), strict=True)
    return [_text(row.get(name), f"line {rows.line_num}") for row in rows]


def _jsonl(content: str, name: str) -> list[str]:
    lines = enumerate(content.split("\n"), 1)
    return [_text(json.loads(line)[name], f"line {number}") for number, line in lines if line.strip()]


def _text(value: object, place: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f"{place} has {value!r:.40}")
    text = str(value)
    if any("\ud800" <= letter <= "\udfff" for letter in text):  # half of a pair, which UTF-8 does not have
        raise ValueError(f"{place} has {text!r:.40}")
    return text
