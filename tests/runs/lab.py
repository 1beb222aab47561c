"""A family whose target is in this process, so that a test can count what really happened there."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from engine.errors import AdapterError
from engine.plugin import IDEMPOTENT, UNSAFE, Preview, Question, StepContext, action, check
from engine.secret import reveal


class Target:
    """What the adapter talks to. `on` maps a word to what happens when a step names it."""

    effects: ClassVar[Counter[str]] = Counter()
    on: ClassVar[dict[str, Callable[[], Awaitable[Any]]]] = {}
    contexts: ClassVar[list[StepContext]] = []
    open: ClassVar[int] = 0

    @classmethod
    def reset(cls) -> None:
        cls.effects, cls.on, cls.contexts, cls.open = Counter(), {}, [], 0


class Reader:
    async def look(self, word: str) -> Any:
        if word in Target.on:
            return await Target.on[word]()
        return {"word": word, "effects": Target.effects[word]}


class Writer:
    async def act(self, word: str) -> Any:
        Target.effects[word] += 1
        if word in Target.on:
            return await Target.on[word]()
        return {"word": word}


class LabAdapter:
    """host: a word that stands for where it is"""

    family = "lab"

    def __init__(self, host: str = "here") -> None:
        self._host = host
        Target.open += 1

    def fingerprint(self) -> str:
        return reveal(self._host)

    async def ping(self) -> str:
        if str(self._host) == "gone":
            raise AdapterError("nobody is there", help="turn it on")
        return "here"

    def reader(self, context: StepContext) -> Reader:
        Target.contexts.append(context)
        return Reader()

    def writer(self, context: StepContext) -> Writer:
        Target.contexts.append(context)
        return Writer()

    async def close(self) -> None:
        Target.open -= 1


@check("lab.look")
async def look(lab: Reader, word: str = "x") -> dict[str, Any]:
    """Looks at a word."""
    found: dict[str, Any] = await lab.look(word)
    return found


@action("lab.act", effect=IDEMPOTENT)
async def act(lab: Writer, word: str = "x") -> dict[str, Any]:
    """Acts on a word, which the target counts."""
    found: dict[str, Any] = await lab.act(word)
    return found


@act.preview
async def would_act(lab: Reader, word: str = "x") -> Preview:
    return Preview(f"would act on {word}")


@action("lab.strike", effect=UNSAFE)
async def strike(lab: Writer, word: str = "x") -> dict[str, Any]:
    """Acts on a word, and must not do so twice."""
    found: dict[str, Any] = await lab.act(word)
    return found


@strike.preview
async def would_strike(lab: Reader, word: str = "x") -> Preview:
    return Preview(f"would strike {word}")


@check("lab.ask", target=False, asks=True)
async def ask(question: str) -> Question:
    """Asks a person."""
    return Question(question, {"seen": 1})


def fails(maybe_done: bool) -> Callable[[], Awaitable[Any]]:
    async def raises() -> Any:
        raise AdapterError("connection reset", maybe_done=maybe_done)

    return raises


def hangs() -> Callable[[], Awaitable[Any]]:
    async def hang() -> Any:
        await asyncio.Event().wait()

    return hang
