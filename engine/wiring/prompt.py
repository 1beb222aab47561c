"""Whoever sits at the terminal of a run is asked, and what they type is recorded and judged as from
anywhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from engine.core.effects import Question as Asked
from engine.core.events import Actor
from engine.errors import JournalError, RunbookError
from engine.wiring.faces import Answerer, Faces

if TYPE_CHECKING:
    from engine.wiring.people import People


class Prompt:
    """Of one run. `redact`: takes the secrets that the run knows out of what is typed."""

    def __init__(
        self, engine: People, run: str, faces: Faces, actor: Actor, redact: Callable[[Any], Any]
    ) -> None:
        self._engine = engine
        self._run = run
        self._faces = faces
        self._actor = actor
        self._redact = redact

    async def ask(self, ask: Answerer, asked: Asked) -> Coroutine[Any, Any, None] | None:
        """What records the answer; None where the question is left open."""
        answered = await ask(await self._engine.question(asked))
        return self._record(asked, *answered) if answered is not None else None

    async def _record(self, asked: Asked, answer: str, note: str) -> None:
        """They hear why theirs does not count: somebody else was first, or they are not of those
        who may. Raises JournalError.
        """
        said, engine = self._redact({"answer": answer, "note": note}), self._engine
        try:
            if asked.kind == "approve":
                given = {"hash": asked.params["hash"], "deny": answer == "deny"}
                await engine.approve(self._run, asked.path, said["note"], self._actor, **given)
            else:
                await engine.typed(self._run, {"path": asked.path, **said}, self._actor)
        except JournalError:
            raise
        except RunbookError as error:
            self._faces.say(error.message)
