"""The tree of open things that a run is: bodies hold blocks, blocks hold steps, steps may have a
body.

A `Body` holds the blocks of one container (the run itself, a `choose`, a `parallel` ...), or the
handler of one step that failed. It goes through phases: `main`, then `on_failure` when a block
failed, then `always`, then `done`. A `Block` is a list of entries with a cursor. A `StepState` is
one entry that was reached.

Plain data: only `engine.core.state` changes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

from engine.core.approval import Approval
from engine.core.plainly import plainly
from engine.language.model import Call, Entry, Runbook

SEVERITY = {
    "passed": 0,
    "skipped": 0,
    "previewed": 0,
    "unverifiable": 0,
    "failed": 1,
    "errored": 2,
    "unknown": 3,
}
"""How bad a status is: the worst one of a run picks its exit code."""


class Failure(Struct, frozen=True):
    """The step because of which a block did not hold; the name `failure` in expressions."""

    path: str
    step: str
    title: str
    status: str
    why: str

    def to_json(self) -> dict[str, str]:
        return {"step": self.step, "title": self.title, "status": self.status, "why": self.why}

    def told(self) -> dict[str, str]:
        """The same for templates: what they say is for people."""
        return {**self.to_json(), "why": plainly([self.why])}


class Frame(Struct):
    """One runbook being run: the run's own, or one called as a step."""

    runbook: Runbook
    inputs: Mapping[str, Any]
    noted: list[Failure] = field(default_factory=list)
    """Failures that were passed over (`on_failure: continue`)."""
    ended: tuple[str, str | None] | None = None
    """Outcome and reason given by an `end` step."""
    ended_at: str | None = None
    """The path of that step."""


class Scope(Struct):
    """The names an expression sees: those here, over those of the scopes around, in one frame.

    A `transparent` scope only adds names (`failure`): what steps find is kept in the scope around
    it.
    """

    frame: Frame
    names: dict[str, Any] = field(default_factory=dict)
    parent: Scope | None = None
    transparent: bool = False

    @property
    def keeping(self) -> Scope:
        """The scope that what steps find here is kept in."""
        found = self
        while found.transparent and found.parent is not None:
            found = found.parent
        return found


class Block(Struct):
    """Entries in order. `prefix` is what their paths begin with: empty, or ending in `/`."""

    prefix: str
    entries: tuple[Entry, ...]
    scope: Scope
    body: Body
    cursor: int = 0
    current: StepState | None = None
    failure: Failure | None = None
    undoes: StepState | None = None
    """The step whose `undo` this is."""

    @property
    def over(self) -> bool:
        """Nothing is open here, and nothing will be begun any more."""
        if self.current is not None:
            return False
        return (
            self.failure is not None
            or self.cursor >= len(self.entries)
            or (self.body.halting is not None and self.body.phase != "always")
            or (self.cursor == 0 and self.body.failure is not None and self.body.phase == "main")
        )


class Body(Struct):
    """The blocks of a container, by phase. `step` is None for the run itself.

    `limit` blocks of `main` are open at once; `low` is the first that is not over.
    `handler`: this is the `on_failure` list of a step that already has its status. `probe`: this is
    the probe of an action in doubt. `expiry`: it tells people that a step was not approved in time.
    `handles`: an `on_failure` that passes makes up for the failure (not so for a runbook's own).
    `halting`: why nothing new is begun but for `always`: `ended`, `cancelled`, `timeout`.
    """

    step: StepState | None
    frame: Frame
    scope: Scope
    main: list[Block] = field(default_factory=list)
    limit: int = 1
    low: int = 0
    on_failure: tuple[Entry, ...] = ()
    always: tuple[Entry, ...] = ()
    handler: bool = False
    probe: bool = False
    expiry: bool = False
    handles: bool = True
    phase: str = "main"
    extra: Block | None = None
    failure: Failure | None = None
    handled: bool = False
    halting: str | None = None
    cause: Failure | None = None
    """Why this handler runs; what the step fails for unless it is made up for."""
    ended: bool = False
    """An `end` inside it is why it halts: it did what it was for."""

    def active(self) -> list[Block]:
        """The blocks that may do something now, in order."""
        if self.phase == "done":
            return []
        if self.phase != "main":
            return [self.extra] if self.extra is not None else []
        found: list[Block] = []
        for number in range(self.low, len(self.main)):
            if len(found) >= self.limit:
                break
            if not self.main[number].over:
                found.append(self.main[number])
        return found


class StepState(Struct):
    """One entry that was reached, at one path."""

    path: str
    entry: Entry
    block: Block
    status: str = "running"
    attempt: int = 0
    tries: int = 0
    """Attempts that came to an end; one that was cut short does not count against `retry`."""
    started_us: int = 0
    attempt_us: int = 0
    in_flight: bool = False
    interrupted: bool = False
    """Started, not finished, and its driver is gone."""
    plan: Mapping[str, Any] = field(default_factory=dict)
    next_us: int | None = None
    """When the next attempt is due, or a `wait` is over."""
    hold_from_us: int | None = None
    told: bool = False
    answer: Mapping[str, Any] | None = None
    broke: bool = False
    """A bug in the step's code left it in doubt: doing that again would be no better."""
    probed: int = 0
    """The attempt whose doubt its probe was asked about."""
    hash: str = ""
    """The plan hash of what it does or waits to do."""
    approval: Approval | None = None
    undone: bool = False
    settled_by: str = ""
    """Who settled its last doubt."""
    settled_us: int = 0
    settled_as: bool | None = None
    """As what: it happened, it did not, or None: it is done again."""
    why: tuple[str, ...] = ()
    body: Body | None = None

    @property
    def title(self) -> str:
        return self.entry.title or self.entry.id

    @property
    def is_action(self) -> bool:
        return isinstance(self.entry, Call) and self.entry.verb == "action"

    @property
    def asks_person(self) -> bool:
        """A person does it or answers it: its type says so, or the autonomy of the run."""
        by_type = isinstance(self.entry, Call) and self.entry.signature.asks_person
        return by_type or "asks" in self.plan

    def span(self, name: str) -> float | None:
        """`within_s`, `hold_s` or `every_s`, in seconds; in an older journal, as it is written."""
        found = self.plan.get(name, getattr(self.entry, name, None))
        return found if isinstance(found, int | float) else None

    def failure(self) -> Failure:
        """This step as the reason of a failure; what failed inside it, where that is known."""
        if self.body is not None and self.body.failure is not None and not self.body.probe:
            return self.body.failure
        return Failure(self.path, self.entry.id, self.title, self.status, "; ".join(self.why))
