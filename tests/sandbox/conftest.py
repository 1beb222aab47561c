"""An environment of a test's own, read as any other."""

from __future__ import annotations

import textwrap

import pytest

from engine.config import Books
from engine.registry import Registry


@pytest.fixture
def environment(tmp_path):
    """Reads the YAML of an environment named `sandbox` of a pack `pack`."""

    def read(text):
        folder = tmp_path / "books" / "pack" / "environments"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "sandbox.yaml").write_text(textwrap.dedent(text))
        return Books([tmp_path / "books"]).environment("pack", "sandbox", Registry())

    return read
