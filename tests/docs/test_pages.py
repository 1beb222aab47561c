"""The manual says what the program does: every transcript is what is printed now."""

from __future__ import annotations

import importlib
import re
import textwrap
from pathlib import Path

import pytest

from engine.sandbox import KINDS
from tests.docs.pages import BLOCK, FOLDER, ROOT, pages, played

MODULES = {"http": "routes"}
"""Where a kind of service is described, if not in the module of its name."""


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


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_of_the_sandbox_has_every_kind_as_its_module_describes_it(kind):
    module = importlib.import_module(f"engine.sandbox.{MODULES.get(kind, kind)}")
    (described, *_) = re.findall(r"(?:^    .*\n|^\n)+", module.__doc__, re.MULTILINE)
    text = textwrap.dedent(described).strip("\n")
    assert f"### {kind}\n" in (FOLDER / "sandbox.md").read_text()
    assert f"```yaml\n{text}\n```" in (FOLDER / "sandbox.md").read_text()
