"""When runs are tried again that a server does not drive: their driving broke, they cannot be gone
on with as things are, or another process has them.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Literal, NamedTuple

from engine.core.events import Event
from engine.errors import RunbookError
from engine.server.logs import Log
from engine.wiring import RunResult
from engine.wiring.held import HELD

Why = Literal["broken", "held", "driven"]
"""Its driving broke, or it could not be taken up; it cannot be gone on with; another drives it."""

RETRY_S = 15.0
"""Before the first try: a full disk was emptied by then, or another server has ended."""

MOST_S: dict[Why, float] = {"broken": 600.0, "held": 120.0, "driven": 60.0}
"""The longest between two tries, which are farther and farther apart. Of one that broke each is a
line in the log. One whose driver dies is to be taken over within a minute.
"""


class _Due(NamedTuple):
    at_s: float
    why: Why


class Again:
    """Used from one event loop."""

    def __init__(self, now_s: Callable[[], float], log: Log) -> None:
        self._now_s = now_s
        self._log = log
        self._due: dict[str, _Due] = {}
        self._waited_s: dict[str, float] = {}
        self._held: dict[str, str] = {}
        """Runs that cannot be gone on with as things are, and why."""
        self._told: set[str] = set()
        """Runs of which the log says that another drives them, or that they are over."""

    @property
    def held(self) -> int:
        return len(self._held)

    @property
    def broken(self) -> int:
        return sum(due.why == "broken" for due in self._due.values())

    def knows(self, run: str) -> bool:
        """Whether it is tried again, or need not be."""
        return run in self._due or run in self._told

    def take_due(self, busy: Container[str]) -> list[str]:
        """Those whose time has come, each once; of who is `busy`, once they are not."""
        now_s = self._now_s()
        due = (run for run, due in self._due.items() if due.at_s <= now_s)
        found = [run for run in due if run not in busy]
        for run in found:
            del self._due[run]
        return found

    # -- what became of trying ---------------------------------------------------------------------

    def broke(self, run: str) -> None:
        """Its driving did."""
        self._due[run] = _Due(self._now_s() + RETRY_S, "broken")

    def driven(self, run: str, error: RunbookError) -> None:
        """By another."""
        self._held.pop(run, None)
        self._say_once("run is left to its driver", run, error)
        self._after(run, "driven")

    def over(self, run: str, error: RunbookError) -> None:
        self._held.pop(run, None)
        self._say_once("run is not taken up", run, error)

    def not_taken_up(self, run: str, error: RunbookError) -> None:
        self._log.fault("run is not taken up, and tried again", run=run, why=error.message)
        self._after(run, "broken")

    def taken_up(self, result: RunResult) -> None:
        """And driven, until this."""
        run = result.run
        self._told.discard(run)
        if result.status == HELD:
            self._held.setdefault(run, result.because or "")
            self._after(run, "held")
        else:
            self.forget(run)

    def forget(self, run: str) -> None:
        """It ended, or waits for people: there is nothing to try."""
        self._due.pop(run, None)
        self._waited_s.pop(run, None)

    def observe(self, event: Event) -> None:
        """Says once of each run why it cannot be gone on with, and that it can again."""
        if event.type not in ("RunTakenUp", "RunFinished"):
            return
        held = event.body.get("held")
        if held is None:
            if self._held.pop(event.run, None) is not None and event.type == "RunTakenUp":
                self._log.info("run goes on", run=event.run)
        elif self._held.get(event.run) != held["why"]:
            self._held[event.run] = held["why"]
            told = "nobody can be called either" if held["mute"] else "people are called for it"
            self._log.fault(f"run cannot be gone on with: {told}", run=event.run, why=held["why"])

    # -- inside ------------------------------------------------------------------------------------

    def _after(self, run: str, why: Why) -> None:
        """Each time it is waited longer."""
        wait_s = min(2 * self._waited_s.get(run, RETRY_S / 2), MOST_S[why])
        self._waited_s[run] = wait_s
        self._due[run] = _Due(self._now_s() + wait_s, why)

    def _say_once(self, what: str, run: str, error: RunbookError) -> None:
        if run not in self._told:
            self._told.add(run)
            self._log.info(what, run=run, why=error.message)
