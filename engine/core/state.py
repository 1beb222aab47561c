"""What is known of a run: the fold of its events.

Only `State.apply` changes the tree (`engine.core.tree`); `engine.core.decide` reads it and says
what comes next. What follows from an event alone (a cursor that moves on, a phase that begins)
happens here, so that a decision looks at the open steps only, however long the run is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from engine.core import escalation, grow, held
from engine.core.approval import Approval, persons, refusal
from engine.core.events import SETTLED, Actor, Draft, Event
from engine.core.moves import CONTAINERS, Moves
from engine.core.summons import Escalation
from engine.core.tree import Body, Failure, Frame, Scope
from engine.language.model import Call, Escalate, Runbook, Wait

Handler = Callable[["State", Event | Draft], None]

_HANDLERS: dict[str, Handler] = {}
"""What each event does to the state. One without an entry (`StepProgressed`) is for people only."""


def _on(type_: str) -> Callable[[Handler], Handler]:
    def keep(handler: Handler) -> Handler:
        _HANDLERS[type_] = handler
        return handler

    return keep


class State(Moves):
    """The fold of a run's events: `State.of(run, runbook, events)`, then `apply` for each further
    one.
    """

    __slots__ = (
        "_called",
        "actor",
        "autonomy",
        "cancelled",
        "connections",
        "deadlines",
        "ended_us",
        "environment",
        "escalations",
        "event",
        "finished",
        "forced",
        "held",
        "hold_calls",
        "holds",
        "last_us",
        "mode",
        "now_us",
        "paused",
        "planned",
        "previewed",
        "queued",
        "root",
        "run",
        "runbook",
        "seq",
        "started_us",
        "stopped_by",
        "telling",
        "uncertain",
        "undo_finished",
        "undoing",
    )
    """A server has one of each run that waits, and there may be thousands."""

    def __init__(self, run: str, runbook: Runbook) -> None:
        super().__init__()
        self.run = run
        self.runbook = runbook
        self.seq = 0
        """Of the last event that the journal holds."""
        self.now_us = 0
        """Time of the last event that may be decided upon: the only clock there is in here."""
        self.last_us = 0
        """The time of the last event at all; none comes before it."""
        self.started_us = 0
        self.actor: Mapping[str, str] = {}
        self._called: dict[str, str] = {}
        """What people are called who said something, by who they are."""
        self.environment = ""
        self.mode = "real"
        self.event: Any = None
        self.connections: Mapping[str, str] = {}
        self.root: Body | None = None
        self.deadlines: dict[str, int] = {}
        """Of open containers with a `timeout`, by path."""
        self.queued = False
        """It waits in line for a lock."""
        self.cancelled: str | None = None
        self.stopped_by: Mapping[str, Any] = {}
        """Who asked it to stop first (by, at_us); empty while nobody did."""
        self.finished: Mapping[str, Any] | None = None
        self.ended_us = 0
        self.previewed: list[str] = []
        """Paths of actions that a rehearsal previewed."""
        self.uncertain: str | None = None
        """The first path from which a rehearsal cannot tell."""
        self.planned: Mapping[str, str] | None = None
        """Plan hashes by path, of a rehearsal whose plan this run carries out."""
        self.autonomy = "auto"
        self.forced: Mapping[str, int] = {}
        """Ways that a rehearsal is told to take, by the path of the choose."""
        self.paused: str | None = None
        self.undoing: Body | None = None
        self.undo_finished: Mapping[str, Any] | None = None
        self.held: Mapping[str, Any] | None = None
        """Why none of its steps is gone on with, see `engine.core.held`: why, mute, mend."""
        self.holds = 0
        """How often that came about so far."""
        self.hold_calls = False
        """Whether nothing called people when it did."""
        self.telling: Mapping[str, Any] | None = None
        """Policies, as they were when it began; None of a run that tells the console only."""
        self.escalations: dict[str, Escalation] = {}

    @property
    def rehearsing(self) -> bool:
        return self.mode == "rehearsal"

    @property
    def over(self) -> bool:
        """Nothing is left to decide: finished, undone where that was asked for, and nobody is left
        to tell.
        """
        return not self.acting and not self.calling

    @property
    def acting(self) -> bool:
        """Steps may be left: it is not finished, or is being undone."""
        undoing = self.undoing is not None and self.undo_finished is None
        return self.finished is None or undoing

    @property
    def calling(self) -> bool:
        """People are being told, or will be."""
        return any(one.closed is None for one in self.escalations.values())

    @classmethod
    def of(cls, run: str, runbook: Runbook, events: Iterable[Event | Draft]) -> State:
        state = cls(run, runbook)
        for event in events:
            state.apply(event)
        return state

    def apply(self, event: Event | Draft) -> None:
        """Takes one event in. A draft counts as its event will; `seq` follows events."""
        self.last_us = max(self.last_us, event.at_us)
        if event.type != "StepProgressed":  # told to people only: nothing may depend on it
            self.now_us = max(self.now_us, event.at_us)
        if isinstance(event, Event):
            self.seq = event.seq
        self._hear(event.actor)
        handler = _HANDLERS.get(event.type)
        if handler is not None:
            handler(self, event)

    def called(self, name: str) -> str:
        """What people call somebody who said something in this run."""
        return self._called.get(name, name)

    def _hear(self, actor: Actor | Mapping[str, str]) -> None:
        said = actor.called if isinstance(actor, Actor) else actor.get("called")
        if said:
            name = actor.name if isinstance(actor, Actor) else actor["name"]
            same = self._called.setdefault(name, said) == said
            if not same:  # two who go by one name: nobody is called by the other's
                self._called[name] = name

    # -- events ------------------------------------------------------------------------------------

    def _asked(self, event: Event | Draft) -> None:
        """What is known of a run from its asking on."""
        body = event.body
        self.started_us = event.at_us
        self.actor = _actor(event)
        self.environment, self.mode, self.event = body["environment"], body["mode"], body["event"]
        self.connections = body["connections"]

    @_on("RunQueued")
    def _run_queued(self, event: Event | Draft) -> None:
        self._asked(event)
        self.queued = True

    @_on("RunRefused")
    def _run_refused(self, event: Event | Draft) -> None:
        if not self.queued:
            self._asked(event)
        self.queued = False
        end = {"outcome": "refused", "because": event.body["reason"], "worst": "passed"}
        self.finished = {**end, "outputs": {}, "running": []}

    @_on("RunStarted")
    def _run_started(self, event: Event | Draft) -> None:
        body = event.body
        self._asked(event)
        self.queued = False
        self.planned, self.forced = body.get("planned"), body.get("forced", {})
        self.autonomy = body.get("autonomy", "auto")
        escalation.begin(self, body)
        self.root = grow.runbook_body(self.blocks, None, Frame(self.runbook, body["inputs"]), "")
        self._advance(self.root)

    @_on("RunTakenUp")
    def _run_taken_up(self, event: Event | Draft) -> None:
        for path in event.body["interrupted"]:
            step = self.steps[path]
            step.in_flight, step.interrupted = False, True
        escalation.taken_up(self)
        if held.taken_up(self, event.body.get("held")):
            escalation.goes_on(self, event.at_us)

    @_on("StepStarted")
    def _step_started(self, event: Event | Draft) -> None:
        body = event.body
        step = self._reach(body["path"])
        step.attempt, step.plan, step.attempt_us = body["attempt"], body["plan"], event.at_us
        step.started_us = step.started_us or event.at_us
        step.next_us, step.interrupted = None, False
        step.hash = body.get("hash", "")
        entry = step.entry
        if body["plan"].get("assumed"):
            self.uncertain = self.uncertain or step.path
        if isinstance(entry, CONTAINERS):
            if entry.timeout_s is not None:
                self.deadlines[step.path] = event.at_us + round(entry.timeout_s * 1e6)
            step.body = grow.container(self.blocks, step, body["plan"])
            self._advance(step.body)
        elif isinstance(entry, Wait):
            step.next_us = body["plan"]["until_us"]
        elif isinstance(entry, (Call, Escalate)):
            tells = isinstance(entry, Escalate) and (self.rehearsing or self.telling is not None)
            step.in_flight = not step.asks_person and not tells
        if isinstance(entry, Escalate) and not self.rehearsing:
            escalation.step_begins(self, step.path, entry, body["plan"])

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
        elif step.span("hold_s") is not None and held:
            step.hold_from_us = step.hold_from_us or event.at_us

    @_on("StepFinished")
    def _step_finished(self, event: Event | Draft) -> None:
        body = event.body
        step = self._reach(body["path"])
        step.in_flight, step.interrupted, step.next_us = False, False, None
        step.tries += 1
        step.status, step.why = body["status"], tuple(body["why"])
        if step.body is not None and step.body.expiry:
            step.body = None
        self.deadlines.pop(step.path, None)
        outcome = body["outcome"] or {}
        step.broke = (outcome.get("error") or {}).get("kind") == "bug"
        result = outcome.get("result")
        found = {**result, **body["extracted"]} if isinstance(result, Mapping) else None
        self._name(step, found if step.status != "previewed" else None)
        if step.status == "previewed":
            self.previewed.append(step.path)
        elif step.status == "unverifiable":
            self.uncertain = self.uncertain or step.path
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
            step.answer = {**event.body, "by": _actor(event)["name"], "at_us": event.at_us}
        escalation.acknowledge(self, event.body["path"], event)

    @_on("DoubtSettled")
    def _doubt_settled(self, event: Event | Draft) -> None:
        step = self.steps.get(event.body["path"])
        if step is None or step.status != "unknown":
            return
        happened = event.body["happened"]
        step.settled_by = _actor(event)["name"]
        step.settled_as, step.settled_us = happened, event.at_us
        who = self.called(step.settled_by)
        step.why = (*step.why, f"settled by {who}: it {SETTLED[happened]} ({event.body['reason']})")
        step.body = None
        if happened:
            step.status = "passed"
            self._name(step, {"settled": "happened"})
            self._close(step)
        else:
            step.status, step.next_us = "running", self.now_us

    @_on("ApprovalRequested")
    def _approval_requested(self, event: Event | Draft) -> None:
        step = self._reach(event.body["path"])
        step.plan, step.hash = event.body["plan"], event.body["hash"]
        step.approval = Approval.of(event.body)

    @_on("Approved")
    def _approved(self, event: Event | Draft) -> None:
        approval = self._counting(event)
        if approval is not None:
            actor = _actor(event)
            said = {"name": actor["name"], "reason": event.body["reason"], "at_us": event.at_us}
            behind = persons(actor).union(event.body.get("persons", ()))
            approval.given.append({**said, "persons": behind})

    @_on("Denied")
    def _denied(self, event: Event | Draft) -> None:
        approval = self._counting(event)
        if approval is not None:
            said = {"reason": event.body["reason"], "at_us": event.at_us}
            approval.denied = {"name": _actor(event)["name"], **said}

    @_on("ApprovalExpired")
    def _approval_expired(self, event: Event | Draft) -> None:
        step = self.steps[event.body["path"]]
        step.why = (event.body["why"],)
        self._expire(step, event.body["policy"], event.body["message"])

    def _counting(self, event: Event | Draft) -> Approval | None:
        """The approval that this event speaks to, when it counts."""
        step = self.steps.get(event.body["path"])
        if step is None or step.approval is None or step.attempt > 0 or step.body is not None:
            return None
        actor = _actor(event)
        why = refusal(step.approval, event.body, actor, self.actor, event.at_us)
        return step.approval if why is None else None

    @_on("PauseRequested")
    def _pause_requested(self, event: Event | Draft) -> None:
        self.paused = event.body["reason"]

    @_on("ContinueRequested")
    def _continue_requested(self, _event: Event | Draft) -> None:
        self.paused = None

    @_on("UndoRequested")
    def _undo_requested(self, _event: Event | Draft) -> None:
        if self.finished is not None and self.undoing is None and self.root is not None:
            frame = self.root.frame
            self.undoing = Body(None, frame, Scope(frame))
            self._undo(self.undoing, self.done)
            self._advance(self.undoing)

    @_on("UndoFinished")
    def _undo_has_finished(self, event: Event | Draft) -> None:
        self.undo_finished = event.body

    @_on("CancelRequested")
    def _cancel_requested(self, event: Event | Draft) -> None:
        if self.cancelled is None and self.root is not None and self.finished is None:
            self.cancelled = event.body["reason"]
            escalation.stop_requested(self, _actor(event)["name"], event.at_us)
            self._halt(self.root, "cancelled")

    @_on("RunFinished")
    def _run_finished(self, event: Event | Draft) -> None:
        self.finished, self.queued, self.ended_us = event.body, False, event.at_us
        self.turns += 1
        escalation.run_finished(self, event)


_HANDLERS |= escalation.HANDLERS


def _actor(event: Event | Draft) -> Mapping[str, str]:
    return event.actor if isinstance(event.actor, Mapping) else event.actor.to_json()
