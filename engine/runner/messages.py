"""The messages of one run that are on their way: each is looked at once more before it leaves, and
one that still waits for its turn when its driver is cut off has not left, which is known.
"""

from __future__ import annotations

from collections.abc import Callable

from engine.core.effects import Tell
from engine.core.escalate import UNSENT, wanted
from engine.core.judge import Outcome
from engine.core.state import State
from engine.errors import Fenced, Moved
from engine.runner.given import Driving, Told
from engine.runner.written import Written

Known = Callable[[], tuple[State, bool]]
"""The driver's state, and whether it has drafts that the journal may refuse."""


class Messages:
    """Of one driver. Used from one event loop."""

    def __init__(self, given: Driving, known: Known) -> None:
        self._given = given
        self._known = known
        self._written = Written(given.store, given.lease.run, given.runbook)
        self._left: set[tuple[str, int]] = set()
        """Key and attempt of those that have begun to leave, whatever came of them."""

    async def tell(self, effect: Tell) -> Outcome:
        """What came of a message. Raises CancelledError, JournalError."""
        assert self._given.tell is not None  # noqa: S101 - who knows whom to call can tell them
        with self._written:
            return await self._given.tell(effect, lambda: self._needed(effect))

    @staticmethod
    def under_way(state: State) -> bool:
        """Whether the fate of any is not known."""
        of = (one.summons.values() for one in state.escalations.values())
        return any(summons.status == "flying" for some in of for summons in some)

    def unsent(self, state: State) -> list[Told]:
        """What came of those that were announced and have not begun to leave, once their driver is
        cut off.
        """
        found = []
        for one in state.escalations.values():
            for summons in one.summons.values():
                attempt = (summons.key(state.run, one.key), summons.attempt)
                if summons.status == "flying" and attempt not in self._left:
                    found.append(Told(one.key, summons.id, _UNSENT, self._given.clock.now_us()))
        return found

    async def _needed(self, effect: Tell) -> bool:
        """Whether it leaves: it is wanted still, and from here."""
        needed = await self._wanted(effect)
        if needed:  # it is sent before anything else happens here
            self._left.add((effect.body["key"], effect.body["attempt"]))
        return needed

    async def _wanted(self, effect: Tell) -> bool:
        """An acknowledgement or answer may be in the journal by now, and another driver's lease
        (this process may have been stopped for long).
        """
        state, _ = self._known()
        seq, place = state.seq, (effect.body["escalation"], effect.body["summons"])
        try:
            await self._given.store.append(self._given.lease, seq, [])
        except Fenced:
            return False
        except Moved:
            seq = -1
        if effect.body["kind"] not in ("page", "question"):
            return True
        state, ahead = self._known()
        if ahead or state.seq != seq:
            return await self._written.wants(*place)
        return wanted(state, *place)


_UNSENT = Outcome(
    None,
    {
        "message": "the process ended before its turn came: it was not sent",
        "help": None,
        "kind": UNSENT,
        "detail": {},
        "maybe_done": False,
        "retryable": True,
    },
    0.0,
)
