"""How a run moves on: what follows from an event for the blocks and bodies around its step.

The part of the state that walks the tree. `engine.core.state` reads the events and calls it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from engine.core import grow
from engine.core.rehearsal import AS_IF_PASSED
from engine.core.tree import SEVERITY, Block, Body, Failure, Scope, StepState
from engine.language.model import (
    Call,
    Choose,
    Each,
    End,
    Entry,
    Escalate,
    Group,
    Parallel,
    RunbookCall,
)
from engine.language.template import StepView

MOVES_ON = frozenset({"passed", "skipped"}) | AS_IF_PASSED
"""Statuses after which a block goes on with its next entry."""

CONTAINERS = (Choose, Parallel, Each, Group, RunbookCall)


class Moves:
    """The tree of a run, and how it moves."""

    __slots__ = ("blocks", "done", "steps", "turns", "worst")

    def __init__(self) -> None:
        self.steps: dict[str, StepState] = {}
        self.blocks: dict[str, Block] = {}
        self.worst = "passed"
        """The worst status that was not made up for by a handler."""
        self.done: list[StepState] = []
        """What can be undone, in the order in which it was done."""
        self.turns = 0
        """Grows when a block failed or was halted, and when the run or a question ended: what was
        decided beside it may not hold any more.
        """

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
        step.block.scope.keeping.names[step.entry.id] = StepView(step.entry.id, step.status, found)

    def _close(self, step: StepState, *, handled: bool = False) -> None:
        """A step has its status: its block moves on, or fails, or the failure is handled first."""
        entry, block = step.entry, step.block
        if isinstance(entry, End) and step.status == "passed":
            frame = block.scope.frame
            frame.ended, frame.ended_at = (step.plan["outcome"], step.plan["because"]), step.path
            block.cursor, block.current = len(block.entries), None
            self._end(block)
        elif step.status in MOVES_ON or handled:
            if step.status == "passed":
                self._note_done(step)
            self._move_on(block)
        elif isinstance(entry.on_failure, tuple) and _unhandled(step):
            self._handle(step, entry.on_failure)
        elif entry.on_failure == "undo" and around_runs(block.body):
            self._undo_after(step)
        elif entry.on_failure == "continue":
            failure = step.failure()
            _note(block.scope.frame.noted, failure)
            self._worsen(failure.status)
            self._move_on(block)
        else:
            self._fail(block, step.failure())

    def _note_done(self, step: StepState) -> None:
        """Remembers what can be undone; a group's own `undo` stands for those inside."""
        undo = step.entry.undo if isinstance(step.entry, Call | Group) else ()
        if undo:
            inside = step.path + "/"
            self.done = [one for one in self.done if not one.path.startswith(inside)]
            self.done.append(step)

    def _undo(self, body: Body, done: Iterable[StepState]) -> None:
        """Blocks that undo these steps, the last first; each sees what the forward run found."""
        for one in reversed([step for step in done if not step.undone]):
            undo = one.entry.undo if isinstance(one.entry, Call | Group) else ()
            scope = Scope(one.block.scope.frame, {}, one.block.scope, True)
            made = grow.block(self.blocks, f"{one.path}/undo/", undo, scope, body)
            made.undoes = one
            body.main.append(made)

    def _undo_after(self, step: StepState) -> None:
        """`on_failure: undo`: what was done (in a container: inside it) is undone, then the step
        fails.
        """
        cause = step.failure()
        inside = f"{step.path}/" if isinstance(step.entry, CONTAINERS) else ""
        frame = step.block.scope.frame
        own = [one for one in self.done if one.path.startswith(inside)]
        body = Body(step, frame, step.block.scope, handler=True, cause=cause)
        self._undo(body, [one for one in own if inside or one.block.scope.frame is frame])
        step.body = body
        self._advance(body)

    def _move_on(self, block: Block) -> None:
        block.cursor += 1
        block.current = None
        if block.undoes is not None and block.cursor >= len(block.entries):
            block.undoes.undone = True
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
        names = {} if body.failure is None else {"failure": body.failure.told()}
        scope = Scope(
            body.frame, names, body.main[0].scope if _is_frame(body) else body.scope, True
        )
        # A called runbook has an `on_failure` of its own there; no id can have a hyphen.
        twice = body.handler and isinstance(body.step and body.step.entry, RunbookCall)
        place = "on-failure" if twice else phase
        prefix = f"{body.step.path}/{place}/" if body.step is not None else f"{place}/"
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
        if body.probe or body.expiry:
            return
        if body.step is None:
            if body.failure is not None:
                self._worsen(body.failure.status)
        elif body.handler:
            block = body.step.block
            if body.handled:
                self._move_on(block)
            else:
                self._fail(block, body.cause or body.failure or body.step.failure())

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

    def _expire(self, step: StepState, policy: str | None, message: str) -> None:
        """An action that was not approved in time: people are told, then it fails. `policy` None:
        they are told by what handles its failure.
        """
        scope = Scope(step.block.scope.frame, {}, step.block.scope, True)
        body = Body(step, scope.frame, scope, expiry=True)
        step.body = body
        if policy is None:
            body.phase = "done"
            return
        place = step.entry.place
        tell = Escalate(id="escalate", place=place, named=False, policy=policy, message=message)
        body.main = [grow.block(self.blocks, f"{step.path}/expired/", (tell,), scope, body)]

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
                self._note_done(step)
                self._fail(block, step.failure())
            elif step is not None and step.body is not None:
                self._halt(step.body, reason)
        self._advance(body)

    def _worsen(self, status: str) -> None:
        if SEVERITY[status] > SEVERITY[self.worst]:
            self.worst = status


def around_runs(body: Body) -> bool:
    """Whether a body may still begin something."""
    return body.halting is None or body.phase == "always"


def _unhandled(step: StepState) -> bool:
    """Whether the step's own `on_failure` list is yet to be taken. That of a container is in its
    body, but for a called runbook: its body has the list of the runbook.
    """
    body = step.body
    return body is None or (isinstance(step.entry, RunbookCall) and not body.handler)


def _is_frame(body: Body) -> bool:
    return body.step is None or (isinstance(body.step.entry, RunbookCall) and not body.handler)


def _note(noted: list[Failure], failure: Failure) -> None:
    """Puts a failure where it stands in the runbook: branches end in any order, and what a run says
    of itself must not depend on which was quicker.
    """
    at = next((i for i, one in enumerate(noted) if _before(failure.path, one.path)), len(noted))
    noted.insert(at, failure)


def _before(path: str, other: str) -> bool:
    """Whether a path is of a branch that stands before the other's, of the same step."""
    for mine, theirs in zip(path.split("/"), other.split("/"), strict=False):
        if mine != theirs:
            kind, _, number = mine.rpartition("-")
            other_kind, _, other_number = theirs.rpartition("-")
            if kind != other_kind or kind not in ("branch", "item"):
                return False
            return int(number) < int(other_number)
    return False
