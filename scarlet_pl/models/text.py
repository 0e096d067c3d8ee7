"""Transformers that classify texts, from the transformers library."""

from __future__ import annotations

import torch
from torch import nn

from scarlet_pl.huggingface import transformers

_EXACT = {"attn_implementation": "eager"}
"""Faster kernels of a GPU add up in another order each time."""


def distilbert(
    num_classes: int,
    vocab_size: int,
    length: int,
    dim: int = 64,
    n_layers: int = 2,
    n_heads: int = 2,
    hidden_dim: int = 128,
    dropout: float = 0.0,
) -> nn.Module:
    """A small DistilBERT (Sanh et al. 2019) with random weights; it is given `input_ids` and `attention_mask`, (B,
    length).

    Args:
        dim: features of a token, a multiple of `n_heads`.
        n_layers: layers.
        n_heads: heads of attention in a layer.
        hidden_dim: hidden units of a layer.
        dropout: everywhere.
    """
    library = transformers()
    config = library.DistilBertConfig(
        vocab_size=vocab_size,
        max_position_embeddings=length,
        dim=dim,
        n_layers=n_layers,
        n_heads=n_heads,
        hidden_dim=hidden_dim,
        dropout=dropout,
        attention_dropout=dropout,
        seq_classif_dropout=dropout,
        num_labels=num_classes,
        **_EXACT,
    )
    made: nn.Module = library.DistilBertForSequenceClassification(config)
    return made


def pretrained(name: str, num_classes: int, vocab_size: int) -> nn.Module:
    """The pretrained transformer of that name with a classifier of `num_classes`, whose weights are random unless it
    comes with one of as many. Its files are configuration and safetensors: nothing of them runs.

    Args:
        name: a local folder, or a name on the hub.
        vocab_size: of the tokenizer.

    Raises:
        ValueError: the tokenizer has more tokens than the network.
    """
    network: nn.Module = transformers().AutoModelForSequenceClassification.from_pretrained(
        name,
        num_labels=num_classes,
        ignore_mismatched_sizes=True,
        use_safetensors=True,
        trust_remote_code=False,
        dtype=torch.float32,
        **_EXACT,
    )
    most = network.get_input_embeddings().num_embeddings  # type: ignore[operator]
    if vocab_size > most:
        raise ValueError(f"it knows {most} tokens, and data.transform makes {vocab_size}")
    return network
