"""What is known of a run: the fold of its events.

Only `State.apply` changes the tree (`engine.core.tree`); `engine.core.decide` reads it and says
what comes next. What follows from an event alone (a cursor that moves on, a phase that begins)
happens here, so that a decision looks at the open steps only, however long the run is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from engine.core import grow
from engine.core.events import Draft, Event
from engine.core.tree import SEVERITY, Block, Body, Failure, Frame, Scope, StepState
from engine.language.model import (
    Call,
    Choose,
    Each,
    End,
    Entry,
    Escalate,
    Group,
    Parallel,
    Runbook,
    RunbookCall,
    Wait,
)
from engine.language.template import StepView

CONTAINERS = (Choose, Parallel, Each, Group, RunbookCall)


Handler = Callable[["State", Event | Draft], None]

_HANDLERS: dict[str, Handler] = {}
"""What each event does to the state. One without an entry (`StepProgressed`) is for people only."""


def _on(type_: str) -> Callable[[Handler], Handler]:
    def keep(handler: Handler) -> Handler:
        _HANDLERS[type_] = handler
        return handler

    return keep


class State:
    """The fold of a run's events: `State.of(run, runbook, events)`, then `apply` for each further
    one.
    """

    def __init__(self, run: str, runbook: Runbook) -> None:
        self.run = run
        self.runbook = runbook
        self.seq = 0
        """Of the last event that the journal holds."""
        self.now_us = 0
        """Time of the last event: the only clock there is in here."""
        self.started_us = 0
        self.actor: Mapping[str, str] = {}
        self.environment = ""
        self.mode = "real"
        self.event: Any = None
        self.connections: Mapping[str, str] = {}
        self.root: Body | None = None
        self.steps: dict[str, StepState] = {}
        self.blocks: dict[str, Block] = {}
        self.deadlines: dict[str, int] = {}
        """Of open containers with a `timeout`, by path."""
        self.cancelled: str | None = None
        self.finished: Mapping[str, Any] | None = None
        self.worst = "passed"
        """The worst status that was not made up for by a handler."""
        self.turns = 0
        """Grows when a block failed or was halted: what was decided beside it may not hold any
        more.
        """

    @classmethod
    def of(cls, run: str, runbook: Runbook, events: Iterable[Event | Draft]) -> State:
        state = cls(run, runbook)
        for event in events:
            state.apply(event)
        return state

    def apply(self, event: Event | Draft) -> None:
        """Takes one event in. A draft counts as its event will; `seq` follows events."""
        self.now_us = max(self.now_us, event.at_us)
        if isinstance(event, Event):
            self.seq = event.seq
        handler = _HANDLERS.get(event.type)
        if handler is not None:
            handler(self, event)

    # -- events ------------------------------------------------------------------------------------

    @_on("RunStarted")
    def _run_started(self, event: Event | Draft) -> None:
        body = event.body
        self.started_us = event.at_us
        self.actor = _actor(event)
        self.environment, self.mode, self.event = body["environment"], body["mode"], body["event"]
        self.connections = body["connections"]
        self.root = grow.runbook_body(self.blocks, None, Frame(self.runbook, body["inputs"]), "")
        self._advance(self.root)

    @_on("RunTakenUp")
    def _run_taken_up(self, event: Event | Draft) -> None:
        for path in event.body["interrupted"]:
            step = self.steps[path]
            step.in_flight, step.interrupted = False, True

    @_on("StepStarted")
    def _step_started(self, event: Event | Draft) -> None:
        body = event.body
        step = self._reach(body["path"])
        step.attempt, step.plan, step.attempt_us = body["attempt"], body["plan"], event.at_us
        step.started_us = step.started_us or event.at_us
        step.next_us, step.interrupted = None, False
        entry = step.entry
        if isinstance(entry, CONTAINERS):
            if entry.timeout_s is not None:
                self.deadlines[step.path] = event.at_us + round(entry.timeout_s * 1e6)
            step.body = grow.container(self.blocks, step, body["plan"])
            self._advance(step.body)
        elif isinstance(entry, Wait):
            step.next_us = body["plan"]["until_us"]
        elif isinstance(entry, (Call, Escalate)):
            step.in_flight = not step.asks_person

    @_on("AttemptFinished")
    def _attempt_finished(self, event: Event | Draft) -> None:
        body = event.body
        step = self.steps[body["path"]]
        step.in_flight = False
        step.tries += 1
        step.next_us, step.why = body["next_us"], tuple(body["why"])
        held = body["status"] == "passed"
        if isinstance(step.entry, Escalate):
            step.told = held
        elif isinstance(step.entry, Call) and step.entry.hold_s is not None and held:
            step.hold_from_us = step.hold_from_us or event.at_us

    @_on("StepFinished")
    def _step_finished(self, event: Event | Draft) -> None:
        body = event.body
        step = self._reach(body["path"])
        step.in_flight, step.interrupted, step.next_us = False, False, None
        step.tries += 1
        step.status, step.why = body["status"], tuple(body["why"])
        self.deadlines.pop(step.path, None)
        result = (body["outcome"] or {}).get("result")
        found = {**result, **body["extracted"]} if isinstance(result, Mapping) else None
        self._name(step, found)
        if step.status == "unknown" and step.block.body.halting is None:
            self._probe(step)
            return
        self._close(step, handled=body["handled"])

    @_on("StepSkipped")
    def _step_skipped(self, event: Event | Draft) -> None:
        step = self._reach(event.body["path"])
        step.status, step.why = "skipped", (event.body["why"],)
        self._name(step, None)
        self._close(step)

    @_on("TimeReached")
    def _time_reached(self, _event: Event | Draft) -> None:
        for path in [p for p, due_us in self.deadlines.items() if due_us <= self.now_us]:
            del self.deadlines[path]
            step = self.steps[path]
            if step.body is not None and step.body.phase in ("main", "on_failure"):
                why = f"took longer than {step.entry.timeout_s:g} s"
                step.body.failure = Failure(path, step.entry.id, step.title, "errored", why)
                self._halt(step.body, "timeout")

    @_on("Answered")
    def _answered(self, event: Event | Draft) -> None:
        step = self.steps.get(event.body["path"])
        if step is not None and step.status == "running" and step.answer is None:
            step.answer = {**event.body, "by": _actor(event)["name"]}

    @_on("DoubtSettled")
    def _doubt_settled(self, event: Event | Draft) -> None:
        step = self.steps.get(event.body["path"])
        if step is None or step.status != "unknown":
            return
        happened = event.body["happened"]
        word = "happened" if happened else "did not happen"
        who = _actor(event)["name"]
        step.why = (*step.why, f"settled by {who}: it {word} ({event.body['reason']})")
        step.body = None
        if happened:
            step.status = "passed"
            self._name(step, {"settled": "happened"})
            self._close(step)
        else:
            step.status, step.next_us = "running", self.now_us

    @_on("CancelRequested")
    def _cancel_requested(self, event: Event | Draft) -> None:
        if self.cancelled is None and self.root is not None and self.finished is None:
            self.cancelled = event.body["reason"]
            self._halt(self.root, "cancelled")

    @_on("RunFinished")
    def _run_finished(self, event: Event | Draft) -> None:
        self.finished = event.body

    # -- growing the tree --------------------------------------------------------------------------

    def _reach(self, path: str) -> StepState:
        """The open step at a path; the first event that names a path makes its step."""
        step = self.steps.get(path)
        if step is not None and step.status == "running":
            return step
        block = self.blocks[path[: path.rfind("/") + 1]]
        step = StepState(path, block.entries[block.cursor], block)
        self.steps[path] = block.current = step
        return step

    def _name(self, step: StepState, found: Mapping[str, Any] | None) -> None:
        """Makes what a step found visible to the expressions after it."""
        scope = step.block.scope
        while scope.transparent and scope.parent is not None:
            scope = scope.parent
        scope.names[step.entry.id] = StepView(step.entry.id, step.status, found)

    # -- moving on ---------------------------------------------------------------------------------

    def _close(self, step: StepState, *, handled: bool = False) -> None:
        """A step has its status: its block moves on, or fails, or the failure is handled first."""
        entry, block = step.entry, step.block
        if isinstance(entry, End) and step.status == "passed":
            block.scope.frame.ended = (step.plan["outcome"], step.plan["because"])
            block.cursor, block.current = len(block.entries), None
            self._end(block)
        elif step.status in ("passed", "skipped") or handled:
            self._move_on(block)
        elif isinstance(entry.on_failure, tuple) and step.body is None:
            self._handle(step, entry.on_failure)
        elif entry.on_failure == "continue":
            failure = step.failure()
            block.scope.frame.noted.append(failure)
            self._worsen(failure.status)
            self._move_on(block)
        else:
            self._fail(block, step.failure())

    def _move_on(self, block: Block) -> None:
        block.cursor += 1
        block.current = None
        if block.over:
            self._advance(block.body)

    def _fail(self, block: Block, failure: Failure) -> None:
        self.turns += 1
        block.failure, block.current = failure, None
        if block.body.phase == "main":
            block.body.failure = block.body.failure or failure
        self._advance(block.body)

    def _handle(self, step: StepState, entries: tuple[Entry, ...]) -> None:
        """A step's own `on_failure` list: a body whose end closes the step."""
        body = Body(step, step.block.scope.frame, step.block.scope, handler=True)
        around = step.block.body
        body.failure = step.failure()
        body.halting = around.halting if around.phase != "always" else None
        step.body = body
        if body.halting is not None:
            self._done(body)
        else:
            self._enter(body, "on_failure", entries)

    def _enter(self, body: Body, phase: str, entries: tuple[Entry, ...]) -> None:
        body.phase = phase
        names = {} if body.failure is None else {"failure": body.failure.to_json()}
        scope = Scope(
            body.frame, names, body.main[0].scope if _is_frame(body) else body.scope, True
        )
        prefix = f"{body.step.path}/{phase}/" if body.step is not None else f"{phase}/"
        body.extra = grow.block(self.blocks, prefix, entries, scope, body)
        self._advance(body)

    def _advance(self, body: Body) -> None:
        """Moves a body to its next phase when the present one is over. Harmless when it is not."""
        if body.phase == "main":
            while body.low < len(body.main) and body.main[body.low].over:
                body.low += 1
            if body.low < len(body.main):
                return
            if body.failure is not None and body.on_failure and body.halting in (None, "timeout"):
                body.halting = None
                self._enter(body, "on_failure", body.on_failure)
            else:
                self._always(body)
        elif body.phase == "on_failure" and body.extra is not None and body.extra.over:
            made_up = body.extra.failure is None and body.halting is None
            body.handled = made_up and body.handles
            if body.extra.failure is not None:
                self._worsen(body.extra.failure.status)
            self._always(body)
        elif body.phase == "always" and body.extra is not None and body.extra.over:
            if body.extra.failure is not None:
                body.failure, body.handled = body.failure or body.extra.failure, False
                self._worsen(body.extra.failure.status)
            self._done(body)

    def _always(self, body: Body) -> None:
        if body.always:
            self._enter(body, "always", body.always)
        else:
            self._done(body)

    def _done(self, body: Body) -> None:
        """A container's end is decided (an event); a handler's closes its step at once."""
        body.phase = "done"
        if body.probe:
            return
        if body.step is None:
            if body.failure is not None:
                self._worsen(body.failure.status)
        elif body.handler:
            block = body.step.block
            if body.handled:
                self._move_on(block)
            else:
                self._fail(block, body.failure or body.step.failure())

    def _top(self, block: Block) -> Body:
        """The body of the runbook that a block belongs to."""
        body = block.body
        while not _is_frame(body) and body.step is not None:
            body = body.step.block.body
        return body

    def _end(self, block: Block) -> None:
        """An `end` was reached in a block: nothing new is begun in the runbook it belongs to."""
        body, top = block.body, self._top(block)
        while body is not top and body.step is not None:
            body.ended = True
            body = body.step.block.body
        self._halt(top, "ended")
        self._advance(block.body)

    def _probe(self, step: StepState) -> None:
        """An action in doubt whose probe can tell: it is asked, before a person is."""
        probe = step.entry.probe if isinstance(step.entry, Call) else None
        if probe is None or step.probed == step.attempt:
            return
        step.probed = step.attempt
        scope = Scope(step.block.scope.frame, {}, step.block.scope, True)
        body = Body(step, scope.frame, scope, probe=True)
        prefix = f"{step.path}/probe-{step.attempt}/"
        body.main = [grow.block(self.blocks, prefix, (probe,), scope, body)]
        step.body = body

    def _halt(self, body: Body, reason: str) -> None:
        """Nothing new is begun in a body and below it, but for `always`; what is open comes to its
        end.
        """
        self.turns += 1
        if body.phase in ("always", "done"):
            return
        if body.halting in (
            None,
            "timeout",
        ):  # a time limit leaves room for `on_failure`, these do not
            body.halting = reason
        for block in body.active():
            step = block.current
            if step is not None and step.status == "unknown":
                step.body = None
                self._fail(block, step.failure())
            elif step is not None and step.body is not None:
                self._halt(step.body, reason)
        self._advance(body)

    def _worsen(self, status: str) -> None:
        if SEVERITY[status] > SEVERITY[self.worst]:
            self.worst = status


def _actor(event: Event | Draft) -> Mapping[str, str]:
    return event.actor if isinstance(event.actor, Mapping) else event.actor.to_json()


def _is_frame(body: Body) -> bool:
    return body.step is None or (isinstance(body.step.entry, RunbookCall) and not body.handler)
