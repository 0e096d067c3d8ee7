"""Text instead of images: sentences of Python's own documentation, by the module that they are of.

A source with its tokenizer (words by hash, 0 for padding) and a small transformer. A batch has two fields, so the
network is called with both by name. A tokenizer of the transformers library would fill the same two fields.
"""

import importlib
import inspect
import re
import zlib

import torch
from torch import Tensor, nn

from scarlet_pl.data import LabelledSamples, Source


class Documentation(Source):
    """Sentences of the documentation of some modules.

    Args:
        modules: a class each.
        vocabulary: number of token ids.
        length: tokens of a sentence; longer ones are cut.
    """

    def __init__(self, modules: list[str], vocabulary: int = 2000, length: int = 24) -> None:
        self.modules, self.vocabulary, self.length = modules, vocabulary, length
        self.network_facts = {"vocabulary": vocabulary, "length": length}

    def load(self) -> tuple[LabelledSamples, None]:
        found = [(text, label) for label, name in enumerate(self.modules) for text in sentences(name)]
        ids = torch.stack([self.tokens(text) for text, _ in found])
        fields = {"input_ids": ids, "attention_mask": ids > 0}
        return LabelledSamples(fields, torch.tensor([label for _, label in found])), None

    def tokens(self, text: str) -> Tensor:
        """A sentence → (length,) int64."""
        words = re.findall(r"[a-z]+", text.lower())[: self.length]
        ids = [1 + zlib.crc32(word.encode()) % (self.vocabulary - 1) for word in words]
        return torch.tensor(ids + [0] * (self.length - len(ids)))


def sentences(module: str) -> list[str]:
    """What a module's documentation says, without sentences of fewer than five words."""
    members = vars(importlib.import_module(module)).values()
    texts = {inspect.getdoc(member) or "" for member in members if callable(member)}
    return [line for text in sorted(texts) for line in re.split(r"[.:]\s", text) if len(line.split()) >= 5]


class Transformer(nn.Module):
    """One layer of self-attention over words, and their mean."""

    def __init__(self, num_classes: int, vocabulary: int, length: int, width: int = 32) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(vocabulary, width), nn.Parameter(torch.zeros(length, width))
        self.layer = nn.TransformerEncoderLayer(width, 2, 2 * width, dropout=0.0, batch_first=True)
        self.classes = nn.Linear(width, num_classes)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        hidden = self.layer(self.words(input_ids) + self.places)
        share = attention_mask / attention_mask.sum(1, keepdim=True).clamp_min(1)
        return self.classes((hidden * share[..., None]).sum(1))
