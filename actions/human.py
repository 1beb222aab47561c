"""Changes that a person makes, where no adapter can."""

from __future__ import annotations

from typing import Any

from engine.plugin import UNSAFE, Preview, Question, action


@action("human.do", effect=UNSAFE, target=False, asks=True)
async def do(instructions: str, *, evidence: Any = None) -> Question:
    """Hands instructions to a person, and waits until they say that it is done, or not done.

    instructions: what is to be done, and how they see that it worked
    evidence: what they should look at: a text, or what a step found
    """
    return Question(instructions, evidence)


@do.preview
async def would_do(instructions: str, **_evidence: Any) -> Preview:
    """The instructions."""
    return Preview(instructions)
