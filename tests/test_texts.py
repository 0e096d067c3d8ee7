"""Texts: files, word pieces, token ids."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scarlet_pl.data import FederatedDataModule, ImageTransform, LabelledSamples, Samples, TextTransform, Transform
from scarlet_pl.data.sources.docstrings import PACKAGES, paragraphs
from scarlet_pl.data.sources.texts import read_labelled_texts
from scarlet_pl.data.texts import text_field, texts_of
from scarlet_pl.data.word_pieces import word_pieces
from scarlet_pl.errors import ConfigError

LOW = ["low", "Low lower"]


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=1, max_size=5))
def test_texts_are_kept(texts: list[str]) -> None:
    assert texts_of(text_field(texts)["text"]) == texts


def test_a_long_text_is_cut_between_characters() -> None:
    assert texts_of(text_field(["a" + "é" * 5000, "\0b"])["text"]) == ["a" + "é" * 4095, " b"]


def test_word_pieces_by_hand() -> None:
    """Four special pieces, then e l o r w as beginnings, 4 to 8, and inside of words, 9 to 13. The commonest pairs are
    l ##o and ##o ##w, three times each: the first one in the order of ids becomes lo, 14. Then lo ##w: low, 15."""
    ids = word_pieces(LOW, 16).get_vocab()
    inner = {f"##{letter}": 9 + k for k, letter in enumerate("elorw")}
    first = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "e": 4, "l": 5, "o": 6, "r": 7, "w": 8}
    assert ids == {**first, **inner, "lo": 14, "low": 15}


def test_token_ids_by_hand() -> None:
    texts = Samples(text_field([*LOW, "low lower low", "lox", ""]))
    train = texts.select(torch.arange(2))
    found = TextTransform(length=7, vocabulary=16).bring_together([train, texts])[1].fields
    assert found["input_ids"].tolist() == [
        [2, 15, 3, 0, 0, 0, 0],
        [2, 15, 15, 9, 12, 3, 0],
        [2, 15, 15, 9, 12, 15, 3],
        [2, 1, 3, 0, 0, 0, 0],
        [2, 3, 0, 0, 0, 0, 0],
    ]
    assert torch.equal(found["attention_mask"], found["input_ids"] > 0)
    cut = TextTransform(length=4, vocabulary=16).bring_together([train, texts])[1]
    assert cut.fields["input_ids"][2].tolist() == [2, 15, 15, 3]


def test_the_same_texts_give_the_same_pieces() -> None:
    texts = paragraphs("data.private")[0]
    first, *others = (word_pieces(texts, 800).get_vocab() for _ in range(3))
    assert len(first) == 800
    assert all(other == first for other in others)


def test_docstrings() -> None:
    texts, labels = paragraphs("data.private")
    assert [labels.count(k) for k in range(len(PACKAGES))] == [500] * len(PACKAGES)
    assert (texts, labels) == paragraphs.__wrapped__("data.private")
    assert len(set(texts)) > 2900
    assert min(len(text.split()) for text in texts) >= 12


def write(path: Path, rows: list[dict[str, object]]) -> str:
    with path.open("w", encoding="utf-8", newline="") as file:
        if path.suffix == ".csv":
            table = csv.DictWriter(file, list(rows[0]))
            table.writeheader()
            table.writerows(rows)
        else:
            file.writelines(json.dumps(row) + "\n" for row in rows)
    return f"text:{path.name}"


def rows(count: int, labels: tuple[object, ...] = ("b", "a")) -> list[dict[str, object]]:
    return [{"label": labels[k % len(labels)], "text": f'number "{k}",\na é'} for k in range(count)]


def module(folder: Path, private: str, public: str, public_size: int | None = None) -> FederatedDataModule:
    return FederatedDataModule(
        private, public, str(folder), 2, public_size=public_size, transform=TextTransform(16, 60)
    )


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_files(suffix: str, tmp_path: Path) -> None:
    private = write(tmp_path / f"private.{suffix}", rows(20))
    public = write(tmp_path / f"public.{suffix}", [{"text": f"only text {k}"} for k in range(8)])
    source = module(tmp_path, private, public).private
    samples = source.load()[0]
    assert isinstance(samples, LabelledSamples)
    assert samples.labels.tolist() == [1, 0] * 10
    assert texts_of(samples.fields["text"])[3] == 'number "3",\na é'
    data = module(tmp_path, private, public).data
    assert data.network_facts == {"num_classes": 2, "vocab_size": 60, "length": 16}
    assert (len(data.train), len(data.test), len(data.public)) == (16, 4, 8)
    assert {name: value.dtype for name, value in data.blank.items()} == dict.fromkeys(data.public.fields, torch.int64)
    held_out = module(tmp_path, private, private, 5).data
    assert (len(held_out.train), len(held_out.public)) == (11, 5)


def test_a_folder_and_labels_that_are_numbers(tmp_path: Path) -> None:
    write(tmp_path / "train.jsonl", rows(12, (10, 2, "3")))
    write(tmp_path / "test.jsonl", rows(4, (3, 10)))
    write(tmp_path / "public.jsonl", rows(12, (0,)))
    data = module(tmp_path, "text:.", "text:public.jsonl").data
    assert data.train.labels.tolist() == [2, 0, 1] * 4
    assert data.test.labels.tolist() == [1, 2, 1, 2]
    write(tmp_path / "same.jsonl", rows(12, ("02", "2", "1", "01")))
    assert read_labelled_texts(tmp_path / "same.jsonl", "data.private")[1] == ["01", "1", "02", "2"]
    write(tmp_path / "test.jsonl", rows(4, (3, 11)))
    with pytest.raises(
        ConfigError, match=r"data\.private: got .*test\.jsonl with a label 11', allowed: the labels 2, 3"
    ):
        _ = module(tmp_path, "text:.", "text:public.jsonl").data


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"label,words\na,b\n", "with text and label in each row .*line 2 has the text None"),
        ("a.csv", b"label,text\na\n", "line 2 has the text None"),
        ("a.csv", b'label,text\na,"b', "with .* in each row .*unexpected end"),
        ("a.csv", b"label,text\n", "a file with at least one row"),
        ("a.csv", b"label,text\na,\xff\n", "UTF-8.*invalid start byte"),
        ("a.csv", b"", "a file with at least one row"),
        ("a.jsonl", b'{"text": "a"}\n', "line 1 has the label None"),
        ("a.jsonl", b'{"text": "a", "label": 0.5}\n', "line 1 has the label 0.5"),
        ("a.jsonl", b'{"text": "a", "label": true}\n', "line 1 has the label True"),
        ("a.jsonl", b'["text", "label"]\n', "UTF-8"),
        ("a.jsonl", b"[" * 100_000, "UTF-8"),
        ("a.jsonl", b'{"text": "\\ud83d", "label": 1}\n', "line 1 has the text '"),
        ("a.txt", b"a", r"a \.csv or \.jsonl file, or a folder"),
    ],
)
def test_damaged_files(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=rf"data\.private: got .*{name}.*, allowed: .*{message}"):
        _ = module(tmp_path, f"text:{name}", "docstrings").data


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"transform": ImageTransform(flip=True)}, r"data\.transform: got 'ImageTransform', .* samples of text \("),
        ({"public": "digits"}, r"data\.public: got \{'image'.*, allowed: texts"),
        ({"private": "digits"}, r"data\.transform: got 'TextTransform', allowed: a transform for samples of image \(1"),
        ({"private": "text"}, r"data\.private: got 'text', allowed: text:PATH"),
        ({"private": "text:none.csv"}, r"data\.private: got 'text:none\.csv', allowed: a path that exists"),
        (
            {"transform": TextTransform(16, 30)},
            r"data\.transform\.vocabulary: got 30, allowed: at least \d+, twice the",
        ),
        (
            {"transform": TextTransform(16, tokenizer="/nowhere")},
            r"data\.transform\.tokenizer: got '/nowhere', allowed: a folder or a hub name of a tokenizer",
        ),
    ],
)
def test_texts_that_do_not_fit(options: dict[str, object], message: str, tmp_path: Path) -> None:
    settings = {"private": "docstrings", "public": "docstrings", "root": str(tmp_path), "transform": TextTransform(16)}
    with pytest.raises(ConfigError, match=message):
        _ = FederatedDataModule(**{**settings, **options}).data  # type: ignore[arg-type]


def test_bad_settings_of_the_transform() -> None:
    with pytest.raises(ConfigError, match=r"data\.transform\.length: got 2, allowed: an integer >= 3"):
        TextTransform(length=2)
    with pytest.raises(ConfigError, match=r"data\.transform\.vocabulary: got 4, allowed: an integer >= 5"):
        TextTransform(vocabulary=4)


def test_a_plain_transform_leaves_bytes() -> None:
    data = FederatedDataModule("docstrings", "docstrings", public_size=100, transform=Transform()).data
    assert set(data.public.fields) == {"text"}
