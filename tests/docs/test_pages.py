"""The manual says what the program does: every transcript is what is printed now."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import BLOCK, ROOT, pages, played


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.stem)
def test_a_page_shows_what_its_commands_print(page: Path):
    assert played(page.read_text()) == page.read_text()


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.stem)
def test_no_command_of_a_page_is_a_mistake(page: Path):
    for block in BLOCK.finditer(page.read_text()):
        assert "Traceback" not in block["text"]
        assert "No such command" not in block["text"]


def test_the_readme_names_every_page():
    named = set(re.findall(r"engine/docs/([a-z-]+)\.md", (ROOT / "README.md").read_text()))
    assert named == {page.stem for page in pages()}
