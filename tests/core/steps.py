"""Step types for tests of the core: what they find is scripted by the test."""

from __future__ import annotations

from typing import Any

from engine.plugin import IDEMPOTENT, UNSAFE, Duration, Preview, Question, Retry, action, check


@check("t.look", target=False)
async def look(what: Any = None) -> dict[str, Any]:
    """Finds what the test says."""
    return {"what": what}


@check("t.limited", target=False, retry=Retry(attempts=3, delay_s=7), warn={"used": {"lt": 80}})
async def limited() -> dict[str, Any]:
    """Finds what the test says."""
    return {}


@action("t.act", effect=IDEMPOTENT, target=False)
async def act(what: Any = None) -> dict[str, Any]:
    """Does what the test says."""
    return {"what": what}


@act.preview
async def would_act(what: Any = None) -> Preview:
    return Preview(f"would do {what}")


@action("t.strike", effect=UNSAFE, target=False)
async def strike(what: Any = None) -> dict[str, Any]:
    """Does what must not be done twice."""
    return {"what": what}


@strike.preview
async def would_strike(what: Any = None) -> Preview:
    return Preview(f"would strike {what}")


@check("t.confirm", target=False, asks=True)
async def confirm(question: str) -> Question:
    """Asks a person."""
    return Question(question)


@action("t.do", effect=UNSAFE, target=False, asks=True)
async def do(instructions: str) -> Question:
    """Hands instructions to a person."""
    return Question(instructions)


@do.preview
async def would_do(instructions: str) -> Preview:
    return Preview(instructions)


@action("t.counted", effect=IDEMPOTENT, counts=True, target=False)
async def counted(what: Any = None) -> dict[str, Any]:
    """Does what is counted."""
    return {"what": what}


@counted.preview
async def would_count(what: Any = None) -> Preview:
    return Preview(f"would do {what}", affected=3)


@action("t.typed", effect=UNSAFE, target=False)
async def typed(
    argv: list[str],
    at: list[int] = [],  # noqa: B006 - read only
    *,
    idle: Duration | None = None,
    cwd: str = "",
    parse: str = "",
    dry_run_argv: list[str] | None = None,
) -> dict[str, Any]:
    """A change that is a command."""
    del idle, cwd, parse, dry_run_argv
    return {"argv": argv, "at": at}


@typed.preview
async def would_type(argv: list[str], at: list[int], **more: Any) -> Preview:
    del more
    return Preview(f"{argv} would be typed at {at}")


@check("t.look_at", target=False, asks=True)
async def look_at(question: str, evidence: Any = None) -> Question:
    """Shows a person something."""
    return Question(question, evidence)
