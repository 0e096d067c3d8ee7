"""Texts as samples, and the token ids that networks get of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scarlet_pl.data.memory import memory
from scarlet_pl.data.samples import Batch, Samples
from scarlet_pl.data.transforms import Shapes, Transform
from scarlet_pl.data.word_pieces import SPECIAL, word_pieces
from scarlet_pl.errors import ConfigError, require, where
from scarlet_pl.huggingface import INSTALL, installed, transformers

TEXT = "text"
"""The field of texts: (n, L) uint8, their first bytes in UTF-8, filled up with 0."""

MOST_BYTES = 8192
"""What is kept of a text: more tokens than a transformer takes."""


def text_field(texts: Sequence[str]) -> dict[str, Tensor]:
    """Texts as a field of samples."""
    rows = np.array([text.replace("\0", " ").encode()[:MOST_BYTES] for text in texts], dtype=bytes)
    return {TEXT: torch.from_numpy(rows.view(np.uint8).reshape(len(texts), -1).copy())}


def texts_of(field: Tensor) -> list[str]:
    """The inverse of `text_field`, but for what it cut."""
    rows = field.contiguous().numpy().view(f"S{field.shape[1]}")[:, 0].tolist()
    return [row.decode(errors="ignore") for row in rows]


@dataclass(frozen=True)
class TextTransform(Transform):
    """Texts become token ids, once and before the first round: `input_ids` and `attention_mask`, (n, length).

    Without a tokenizer, word pieces are learnt from the private training texts of all clients, the same on every
    machine. Networks are made with `vocab_size` and `length`.

    Args:
        length: tokens of a text, those of its beginning and end among them; longer texts are cut, shorter ones padded.
        vocabulary: how many word pieces are learnt.
        tokenizer: instead a tokenizer of the transformers library, a local folder or a name on its hub.
    """

    length: int = 128
    vocabulary: int = 4000
    tokenizer: str | None = None

    def __post_init__(self) -> None:
        require(installed(), "data.transform", type(self).__name__, f"it with {INSTALL}")
        require(self.length >= 3, "data.transform.length", self.length, "an integer >= 3")
        least = len(SPECIAL) + 1
        require(self.vocabulary >= least, "data.transform.vocabulary", self.vocabulary, f"an integer >= {least}")

    def facts(self, shapes: Shapes) -> dict[str, Any]:
        """`vocab_size` and `length`."""
        if TEXT not in shapes:
            found = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
            raise ConfigError("data.transform", type(self).__name__, f"a transform for samples of {found}")
        size = self.vocabulary if self.tokenizer is None else _pretrained(self.tokenizer).get_vocab_size()
        return {"vocab_size": size, "length": self.length}

    def bring_together(self, parts: Sequence[Samples]) -> list[Samples]:
        """Texts as token ids, (n, length) int32, and which of them are no padding, (n, length) bool."""
        for part in parts:
            require(TEXT in part.fields, "data.public", part.shapes, "texts, as the private samples are")
        fits = sum(map(len, parts)) * self.length * 5 <= memory()
        require(fits, "data.transform.length", self.length, "a length at which all texts fit in memory")
        tokenizer = self._tokenizer(parts[0])
        tokenizer.enable_truncation(self.length)
        padding = tokenizer.padding or {"pad_id": 0, "pad_token": SPECIAL[0]}
        tokenizer.enable_padding(length=self.length, pad_id=padding["pad_id"], pad_token=padding["pad_token"])
        return [Samples(_encoded(tokenizer, texts_of(part.fields[TEXT]))) for part in parts]

    def __call__(self, batch: Batch, draws: Tensor | None = None) -> Batch:
        """As int64."""
        return {name: value.long() for name, value in batch.items()}

    def _tokenizer(self, train: Samples) -> Any:
        if self.tokenizer is not None:
            return _pretrained(self.tokenizer)
        return word_pieces(texts_of(train.fields[TEXT]), self.vocabulary)


def _encoded(tokenizer: Any, texts: Sequence[str]) -> Mapping[str, Tensor]:
    found = tokenizer.encode_batch(texts)
    ids = np.array([each.ids for each in found], dtype=np.int32)
    mask = np.array([each.attention_mask for each in found], dtype=bool)
    return {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}


@cache
def _pretrained(name: str) -> Any:
    """The fast tokenizer of that name, with the padding that it was trained with. Its files are text: nothing of them
    runs."""
    field = "data.transform.tokenizer"
    try:
        found = transformers().AutoTokenizer.from_pretrained(name, trust_remote_code=False)
    except Exception as error:  # whatever the hub and damaged files raise
        raise ConfigError(field, name, f"a folder or a hub name of a tokenizer ({where(error)})") from error
    ok = getattr(found, "is_fast", False) and found.pad_token is not None
    require(ok, field, name, "a fast tokenizer with a padding token")
    tokenizer = found.backend_tokenizer
    tokenizer.enable_padding(pad_id=found.pad_token_id, pad_token=found.pad_token)
    return tokenizer
