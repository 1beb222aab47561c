"""What every store promises. SQLite and memory pass the same contract tests; PostgreSQL will.

Promises:
- `append` returns once its events are durable, all of them or none, with consecutive seqs.
- `(run, seq)` is unique; an event is never changed or removed.
- A driver names the seq it has seen and its lease's epoch: `Moved` when somebody else appended
  first, `Fenced` when a newer lease was given; in both cases nothing was written.
- A person's event needs neither: it gets the next seq.
- Any failure to write raises JournalError, and nothing of that call was written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from msgspec import Struct

from engine.core.events import Actor, Draft, Event
from engine.core.guards import Admission, Closed, Switch, Verdict
from engine.errors import RunbookError


class Lease(Struct, frozen=True):
    """The right to drive a run. `epoch` grows by one with every new holder."""

    run: str
    epoch: int
    holder: str
    """`host:pid:start-time` of the driver, so that a dead one can be told from a live one on this
    host.
    """


class RunRow(Struct, frozen=True):
    """A run as the list shows it: a projection of its events, which can be rebuilt from them."""

    run: str
    name: str
    environment: str
    mode: str
    actor: str
    started_us: int
    finished_us: int | None
    status: str
    """`queued`, `running`, `waiting`, `in doubt`, `refused`, or the outcome."""
    because: str | None
    last_seq: int


class Admitted(Struct, frozen=True):
    """What became of a run that was asked for. `run`: it, or the one that it joined. `lease`: of a
    run that was admitted, or waits in line. `events`: what was written.
    """

    verdict: Verdict
    run: str
    lease: Lease | None
    events: tuple[Event, ...]


class Holding(Struct, frozen=True):
    """A run that is under way, or waits in line, as `runbook guards` shows it."""

    run: str
    runbook: str
    environment: str
    lock: str | None
    since_us: int
    status: str
    driver: str | None
    alive: bool
    """Whether the driver lives, as far as can be seen from here. One that does not keeps its lock
    until the run is resumed or cancelled.
    """


class Standing(Struct, frozen=True):
    """What the guards hold back now."""

    frozen: Switch | None
    held: tuple[Holding, ...]
    waiting: tuple[Holding, ...]
    closed: tuple[tuple[Admission, Verdict], ...]
    """What a run would be refused for that asked now: it cools down, its breaker is open, it ran
    too often.
    """


class Budget(Struct, frozen=True):
    """What a provider lets all runs together use, by its own word in its answers.

    `used`: the share of the allowance that was used up at `at_us`, 0 to 1 and beyond. `spent`:
    requests that runs here made since then. `blocked_until_us`: until then nothing may be sent.
    """

    name: str
    used: float
    at_us: int
    spent: int
    blocked_until_us: int


class Store(Protocol):
    """See the module. All methods may be called from several tasks at once."""

    async def create(
        self, run: str, drafts: Sequence[Draft], holder: str
    ) -> tuple[Lease, list[Event]]:
        """A new run with its first events and its first lease, in one transaction. No guard is
        asked: for rehearsals.
        """
        ...

    async def admit(self, run: str, draft: Draft, holder: str, asked: Admission) -> Admitted:
        """A new run, if its guards let it begin, in one transaction; `draft` is its `RunStarted`.

        Admitted: it holds its lock from here on. In line: a `RunQueued` is recorded, and the
        `RunStarted` follows when its turn comes. Refused: a `RunRefused` is recorded. Joined: a
        `RunJoined` is recorded with the run that does it already.
        """
        ...

    async def claim(self, lease: Lease, at_us: int) -> None:
        """Says that the driver of a run in line lives, and lets it begin if it is its turn, which
        its events then tell. Raises Fenced.
        """
        ...

    async def withdraw(self, run: str, drafts: Sequence[Draft]) -> list[Event]:
        """Writes the last events of a run that waits in line, and takes it out of it. Nothing when
        it does not wait (any more).
        """
        ...

    async def reenter(self, run: str, asked: Draft, closed: Sequence[Closed]) -> Verdict:
        """May a run that is over change something again, for its undo? Asked are the switch, the
        freeze windows that are open (`closed`) and its lock, which it holds again until its
        `UndoFinished`; then `asked`, its `UndoRequested`, is recorded. Refused: an `UndoRefused`.
        """
        ...

    async def append(self, lease: Lease, after: int, drafts: Sequence[Draft]) -> list[Event]:
        """A driver's events, behind seq `after`. Raises Moved, Fenced, JournalError."""
        ...

    async def append_outside(self, run: str, draft: Draft) -> Event:
        """A person's event, behind whatever is last. Raises Usage when there is no such run,
        JournalError.
        """
        ...

    async def take(self, run: str, holder: str, *, force: bool = False) -> Lease:
        """The lease of a run, with a new epoch. Raises Refused while another holder seems alive,
        unless `force`.

        A holder on this host is alive when its process is; one elsewhere until its lease is
        `LEASE_S` old.
        """
        ...

    async def renew(self, leases: Sequence[Lease]) -> dict[str, RunbookError]:
        """Says that the holder of these lives, in one transaction. Those that were lost, by run,
        each with the reason (Fenced): nothing of them was changed.
        """
        ...

    async def release(self, lease: Lease) -> None:
        """Lets go: anybody may take the run up at once."""
        ...

    async def events(self, run: str, after: int = 0, limit: int | None = None) -> list[Event]:
        """The events of a run behind seq `after`, in order; empty when there is none (or no such
        run).
        """
        ...

    async def runs(  # noqa: PLR0913 - keyword only: each narrows the list by itself
        self,
        *,
        name: str | None = None,
        status: str | None = None,
        mode: str | None = None,
        run: str | None = None,
        before: tuple[int, str] | None = None,
        limit: int = 50,
    ) -> list[RunRow]:
        """The latest runs, newest first; `before` is the start and the id of the last one of the
        page before.
        """
        ...

    async def find(self, prefix: str) -> str:
        """The id of the one run whose id starts so. `last` is the newest. Raises Usage when none or
        several do.
        """
        ...

    async def wait_for_more(
        self, run: str, after: int | Callable[[], int], timeout_s: float
    ) -> bool:
        """True as soon as the run has an event behind `after`, False when the time is over.

        A function is asked whenever the run has grown, after whoever made it grow was told: so a
        driver waits once for others, not anew behind each of its own events.
        """
        ...

    def listen(
        self, run: str, after: Callable[[], int], hear: Callable[[Exception | None], None]
    ) -> Callable[[], None]:
        """Has `hear` called whenever the run has an event behind `after`, whoever appended it and
        when, until what this returns is called; with an error, when that cannot be told any more.

        For who waits for long: nothing is done for it until the journal grows.
        """
        ...

    async def verify(self, run: str | None = None) -> Verified:
        """Recomputes every hash of one run or of all. Raises Broken at the first event that does
        not fit.
        """
        ...

    async def freeze(self, why: str, actor: Actor, at_us: int) -> Switch:
        """Refuses all that would change something, from now on. What is under way goes on. The
        switch as it is then: who froze first keeps it.
        """
        ...

    async def thaw(self, why: str, actor: Actor, at_us: int) -> Switch | None:
        """Ends it. The switch as it was; None when it was not frozen."""
        ...

    async def standing(self, at_us: int) -> Standing:
        """What the guards hold back at this time."""
        ...

    async def budget(self, name: str) -> Budget | None:
        """What is known of a budget. None when no provider has said anything yet."""
        ...

    async def spend(self, name: str, at_us: int, used: float | None = None) -> Budget:
        """Takes in that a request was made, and what the provider then said is used up."""
        ...

    async def block(self, name: str, until_us: int, at_us: int) -> Budget:
        """Takes in that the provider wants nothing before this time; an earlier one changes
        nothing.
        """
        ...

    async def close(self) -> None: ...


class Verified(Struct, frozen=True):
    """What `verify` read and found whole."""

    runs: int
    events: int
    head: dict[str, Any]
    """For one run: its last seq and hash. Empty for all."""
