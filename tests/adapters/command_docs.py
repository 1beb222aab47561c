"""What stands in `checks/COMMANDS.md`, so that tests can lint it and run it."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "checks" / "COMMANDS.md"

_BLOCK = re.compile(r"^```yaml *(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _blocks(text: str) -> list[tuple[str, str]]:
    return [(hit[1], hit[2]) for hit in _BLOCK.finditer(text)]


def _sections() -> dict[str, str]:
    """The runbook of each program."""
    _, *parts = re.split(r"^## (.*)\n", PAGE.read_text(), flags=re.MULTILINE)
    names, texts = parts[::2], parts[1::2]
    found = {}
    for name, text in zip(names, texts, strict=True):
        ((_, found[name]),) = _blocks(text)
    return found


ENVIRONMENT = next(text for kind, text in _blocks(PAGE.read_text()) if kind == "environment")
SECTIONS = _sections()
