"""Word pieces, learnt from texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scarlet_pl.errors import require

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
"""Padding, what is not known, begin and end of a text: token ids 0 to 3."""

_FIELD = "data.transform.vocabulary"


def word_pieces(texts: Sequence[str], size: int) -> Any:
    """A `tokenizers.Tokenizer` of lower-case word pieces (Schuster and Nakajima 2012), at most `size`, learnt from
    `texts`: the same texts give the same pieces and ids.

    Raises:
        ConfigError: the texts have too many different characters for that.
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

    def tokenizer(vocabulary: dict[str, int]) -> Tokenizer:
        made = Tokenizer(models.WordPiece(vocab=vocabulary, unk_token=SPECIAL[1]))
        made.normalizer, made.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
        return made

    normalize = normalizers.BertNormalizer().normalize_str
    letters = sorted({letter for text in texts for letter in normalize(text) if not letter.isspace()})
    # the trainer numbers the characters inside of words in another order each time, if it is not given one
    first = [*SPECIAL, *letters, *(f"##{letter}" for letter in letters)]
    require(len(first) <= size, _FIELD, size, f"at least {len(first)}, twice the characters of the private texts and 4")
    learnt = tokenizer({})
    learnt.train_from_iterator(
        texts, trainers.WordPieceTrainer(vocab_size=size, special_tokens=first, show_progress=False)
    )
    found = tokenizer(learnt.get_vocab())
    found.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return found
