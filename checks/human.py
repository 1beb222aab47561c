"""Questions to a person, who looks where no adapter can."""

from __future__ import annotations

from typing import Any

from engine.plugin import Question, check


@check("human.confirm", expect={"answer": "yes"}, target=False, asks=True)
async def confirm(question: str, *, evidence: Any = None) -> Question:
    """Asks a person a question that is answered with yes or no.

    question: what is asked
    evidence: what they should look at before they answer: a text, or what a step found
    """
    return Question(question, evidence)
