"""An environment of a test's own, read as any other."""

from __future__ import annotations

import textwrap

import pytest

from engine.config import Books
from engine.errors import Diagnosed
from engine.registry import Registry
from engine.sandbox import Sandbox


@pytest.fixture
def environment(tmp_path):
    """Reads the YAML of an environment named `sandbox` of a pack `pack`."""

    def read(text):
        folder = tmp_path / "books" / "pack" / "environments"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "sandbox.yaml").write_text(textwrap.dedent(text))
        return Books([tmp_path / "books"]).environment("pack", "sandbox", Registry())

    return read


@pytest.fixture
def mistake(environment):
    """Starts a service that one connection uses, and gives what is told of its description."""

    async def told(service, description, used):
        text = f"services:\n  {description}\nconnections: {{{service}: {{{used}}}}}\n"
        with pytest.raises(Diagnosed) as caught:
            async with Sandbox(environment(text), "pack/none", [service]):
                raise AssertionError("it started")
        (found,) = caught.value.diagnostics
        assert found.place.file.endswith("pack/environments/sandbox.yaml")
        assert 1 < found.place.line < len(text.splitlines())
        return found.what

    return told
