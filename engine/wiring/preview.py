"""Every message that a run of a runbook could send, without one being sent: for people who want to
know before the night.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from engine.config import Books
from engine.core.escalation import policy_of
from engine.core.events import Draft
from engine.core.expiring import policy_of as policy_of_expired
from engine.core.expiring import told_by_handler
from engine.core.state import State
from engine.core.summons import OWN, STATUS, Escalation
from engine.core.words import severity_of, words
from engine.language.duration import format_duration
from engine.language.model import Call, Entry, Escalate, Runbook, walk_runbook
from engine.registry import Registry
from engine.runner.telling import TITLE_MAX_CHARS, fit
from engine.runner.wording import Said, clock_face, said
from engine.wiring.admission import autonomy_of, called
from engine.wiring.calling import Directory, telling
from engine.wiring.on_call import Asked
from engine.wiring.preview_after import After, afterwards
from engine.wiring.preview_after import status as standing
from engine.wiring.preview_asking import Put, puts
from engine.wiring.preview_words import foretold

NOT_ASKED: Asked = {}


@dataclass(frozen=True, slots=True)
class Told:
    """One message. `when`: in words; `by`: channels, the first that works."""

    escalation: str
    policy: str
    level: int
    when: str
    who: str
    name: str
    by: tuple[str, ...]
    title: str
    text: str
    remarks: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        found = asdict(self)
        return {"type": "message", **found, "by": list(self.by), "remarks": list(self.remarks)}


def preview(
    books: Books, registry: Registry, runbook: Runbook, environment: str, asked: Asked = NOT_ASKED
) -> list[Told]:
    """What could be told, in the order of the runbook; of rotas, who is on call now. `asked`: of
    those that others keep, see `Base.asked_now`.
    """
    place = books.environment(runbook.name.partition("/")[0], environment, registry, only=())
    directory = Directory(books, registry, runbook, place)
    uses = telling(runbook, directory.contacts, place)
    state = _state(runbook, environment, uses)
    found: list[Told] = []
    first: tuple[str, str, str | None] | None = None
    used: set[str] = set()
    for key, policy, message, when in _escalations(runbook, environment):
        levels = list(_levels(state, (directory, asked), (key, policy, message), when))
        found += levels
        if not _informs(state, key, policy):  # where nobody is asked for anything nothing follows
            first = first or (key, policy, message)
            used |= {name for told in levels for name in told.by}
    if first is not None:
        found += [_after(one, first) for one in afterwards(state, directory, first, used)]
    found += [_put(one) for one in puts(state, directory, autonomy_of(place, runbook))]
    status = uses.get("status")
    if status is not None:
        every = f"every {format_duration(status['every_us'] / 1e6)} while it is open"
        by = tuple(status["by"])
        who, told = ", ".join(by), standing(state, directory, status)
        remark = ("at its end, how it ended",)
        found.append(Told(STATUS, STATUS, 1, every, who, who, by, told.title, told.text, remark))
    return found


def _after(one: After, called: tuple[str, str, str | None]) -> Told:
    """What whoever was told hears later, in the words of the first that calls people."""
    who = "whoever was told"
    place = (called[0], called[1], 1, one.when, who, who, one.by)
    return Told(*place, fit(one.said.title, TITLE_MAX_CHARS), one.said.text)


def would_tell(
    books: Books, registry: Registry, state: State, asked: Asked = NOT_ASKED
) -> list[Told]:
    """What the steps that a rehearsal came to would tell, in the words of what it found. `asked`:
    of rotas that others keep.
    """
    place = books.environment(
        state.runbook.name.partition("/")[0], state.environment, registry, only=()
    )
    directory = Directory(books, registry, state.runbook, place)
    state.finished = None  # people are called before it ends
    found: list[Told] = []
    for key, step in state.steps.items():
        entry = step.entry
        if isinstance(entry, Escalate) and step.status == "previewed":
            where = step.title if entry.named else f"escalate: {entry.policy}"
            message = (step.plan or {}).get("message")
            called_by = (key, entry.policy, message)
            found += _levels(state, (directory, asked), called_by, f"at `{where}`")
    return found


def _state(runbook: Runbook, environment: str, asked: dict[str, Any]) -> State:
    state = State("RUN", runbook)
    body: dict[str, Any] = {
        "name": runbook.name,
        "digest": runbook.digest,
        "texts": {},
        "inputs": {},
    }
    body |= {"event": None, "environment": environment, "mode": "rehearsal", "engine": ""}
    draft = Draft("RunStarted", {**body, "connections": {}, "telling": asked}, _now_us())
    state.apply(draft)
    return state


def _now_us() -> int:
    return time.time_ns() // 1000


def _expires(entry: Entry) -> bool:
    return isinstance(entry, Call) and entry.approve is not None and bool(entry.approve.within_s)


def _escalations(runbook: Runbook, environment: str) -> Iterator[tuple[str, str, str | None, str]]:
    """Key, policy, message and when."""
    approving = []
    for book in called(runbook):
        for entry in walk_runbook(book):
            if isinstance(entry, Escalate):
                where = entry.title or (entry.id if entry.named else f"escalate: {entry.policy}")
                message = foretold(entry.message, book, environment, own=book is runbook)
                yield entry.id, entry.policy, message, f"at `{where}`"
            elif _expires(entry) and not told_by_handler(book, entry, policy_of_expired(runbook)):
                approving.append(entry)
    own = runbook.escalation
    if own is not None:
        after_s = own.unresolved_after_s
        message, when = "it ended failed: ...", "when it ends, unless resolved"
        if after_s is not None:
            after = format_duration(after_s)
            message = f"it is not resolved after {after}"
            when = f"{after} after its start, or {when}"
        yield OWN, own.policy, f"{runbook.title}: {message}", when
    for entry in approving:
        policy = policy_of_expired(runbook)
        message = f"`{entry.title or entry.id}` is not done: nobody approved it in time"
        yield entry.id, policy, message, f"when nobody approves `{entry.title or entry.id}` in time"


def _informs(state: State, key: str, policy: str) -> bool:
    """As `engine.core.escalation.start` has it."""
    books = called(state.runbook)
    steps = [one for book in books for one in walk_runbook(book) if isinstance(one, Escalate)]
    waits = any(one.id == key and one.wait is not None for one in steps)
    return bool(policy_of(state, policy).get("informs")) and not waits


def _levels(
    state: State, people: tuple[Directory, Asked], called: tuple[str, str, str | None], when: str
) -> Iterator[Told]:
    (directory, asked), (key, policy, message) = people, called
    known = policy_of(state, policy)
    levels = tuple(known["levels"])
    one = Escalation(key, policy, levels, message, state.now_us)
    one.answer_us = known.get("answer_us", (state.telling or {}).get("answer_us"))
    one.informs = _informs(state, key, policy)
    state.escalations[key] = one
    after_us, now_us = 0, state.now_us
    own = state.runbook.escalation
    begin_us = now_us + round((own.unresolved_after_s or 0) * 1e6 if own and key == OWN else 0)
    for number, level in enumerate(levels, 1):
        after_us += level["after_us"]
        one.level = number
        directory.severity = severity_of(state, policy)
        due = directory.recipients(level["who"], level["by"], now_us, asked)
        state.now_us = begin_us + after_us  # by when somebody is to act counts from then
        told = said(directory, words(state, key, number), "page")
        state.now_us = now_us
        at = when if after_us == 0 else f"{when} + {format_duration(after_us / 1e6)}"
        troubles = tuple(fact["trouble"] for fact in due.get("on_call", ()) if fact["trouble"])
        for recipient in due["recipients"]:
            paged = recipient["id"] in directory.contacts.rotas  # not by the level's channels
            found = _told(one, {**level, "by": []} if paged else level, at, recipient, told)
            yield replace(found, remarks=troubles + found.remarks)
            troubles = ()
        for nobody in due["nobody"]:
            remark = (f"nobody is found for {nobody}: the next level is told at once",)
            yield Told(key, policy, number, at, nobody, nobody, (), told.title, told.text, remark)
    del state.escalations[key]


def _put(put: Put) -> Told:
    """A question, with what only a question has."""
    told = _told(put.one, {**put.level, "by": put.by}, put.when, put.recipient, put.said)
    remarks = [f"not told: {who}" for who in put.nobody]
    if put.one.question["kind"] == "approve":
        remarks.append("not whoever starts it: they may not approve it")
    return replace(told, remarks=(*told.remarks, *remarks))


def _told(one: Escalation, level: Any, when: str, recipient: dict[str, Any], words: Said) -> Told:
    by = tuple(way["channel"] for way in recipient["by"])
    remarks = [words.remark] if words.remark else []
    missing = [name for name in level["by"] if name not in by]
    if missing and recipient["id"] not in by:
        remarks.append(f"not by {', '.join(missing)}: no address or no connection there")
    if level["unless"] == "resolved":
        remarks.append("also when somebody took it, until it is resolved")
    if level.get("every_us"):
        every = format_duration(level["every_us"] / 1e6)
        often = f"every {every}, up to {level['times']} times"
        remarks.append(f"again after {every}" if level["times"] == 1 else f"again {often}")
    if recipient.get("not_before_us"):
        remarks.append(f"quiet hours: not before {clock_face(recipient['not_before_us'])}")
    place = (recipient["id"], recipient["name"], by)
    return Told(
        one.key,
        one.policy,
        one.level or 1,
        when,
        *place,
        fit(words.title, TITLE_MAX_CHARS),
        words.text,
        tuple(remarks),
    )
