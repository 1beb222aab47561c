"""Changes to what the run knows of itself: nothing outside is touched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engine.plugin import IDEMPOTENT, Preview, action


@dataclass(frozen=True, slots=True)
class Note:
    """A remark.

    text: what was noted
    """

    text: str


@action("run.set", effect=IDEMPOTENT, target=False)
async def set_values(values: dict[str, Any]) -> dict[str, Any]:
    """Names values for later steps: with the id `x`, the value `a` is `x.a` from there on.

    values: names and what they stand for
    """
    return values


@set_values.preview
async def would_set(values: dict[str, Any]) -> Preview:
    """The names."""
    return Preview(f"would set {', '.join(sorted(values)) or 'nothing'}", sample=(values,))


@action("run.note", effect=IDEMPOTENT, target=False)
async def note(text: str) -> Note:
    """Puts a remark into the record of the run.

    text: the remark
    """
    return Note(text)


@note.preview
async def would_note(text: str) -> Preview:
    """The remark."""
    return Preview(f"would note: {text}")
