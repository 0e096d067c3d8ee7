"""`data.private` and `data.public` hold a text of ours, or a class: only the text is no code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scarlet_pl.cli.trust import foreign_code

PLAIN = ["digits", "CIFAR10", "EMNIST:letters", "npz:data/mine v2.npz", "imagefolder:/data/pictures.d", "text:a b.csv"]
CODE: list[Any] = [
    {"class_path": "evil.Source"},
    {"class_path": "npz:evil.Source"},
    "evil.Source",
    '{"class_path": "evil.Source"}',
    "class_path: evil.Source",
    "a:b\nclass_path: evil.Source",
    ["npz:x.npz", "npz: x.npz"],
]


@pytest.mark.parametrize("field", ["private", "public"])
def test_a_source_that_is_a_class_is_code(field: str, tmp_path: Path) -> None:
    for text in PLAIN:
        assert not list(foreign_code({"data": {field: text}}, tmp_path)), text
    for value in CODE:
        assert {name for name, _ in foreign_code({"data": {field: value}}, tmp_path)} == {f"data.{field}"}, value


def test_a_source_that_is_a_file_of_settings_is_code(tmp_path: Path) -> None:
    (tmp_path / "digits").write_text("class_path: evil.Source")
    assert list(foreign_code({"data": {"private": "digits"}}, tmp_path)) == [("data.private", "digits")]
