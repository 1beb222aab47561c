"""What people say to a run, judged by what their event met in the journal; and who takes what a run
calls for.

Between the state that somebody's word was made for and its place in the journal others may have
spoken. So each word is judged once more behind its append, and whoever was second hears that theirs
changes nothing, and why.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from engine.core.decide import open_questions
from engine.core.escalation import left
from engine.core.events import Actor, Event
from engine.core.state import State
from engine.core.summons import STATUS, Escalation
from engine.core.taken_back import VIA, older, why_not
from engine.core.too_late import at, backs, remark, taken, why_not_taken, why_nothing
from engine.errors import Refused, Usage
from engine.wiring.guarding import Guarding

RECORDED = "yours is recorded, and changes nothing: "
"""What whoever spoke is told before why."""


class Met(Struct, frozen=True):
    """What came of a word that counted. `of`: what it took; `given`: of an approval, `1 of 2`;
    `remark`: what there is to say besides.
    """

    of: tuple[str, ...] = ()
    given: str = ""
    remark: str = ""


class Incident(Struct, frozen=True):
    """An incident of PagerDuty's by which a run calls people. `key`: as we named it; `occurred_us`:
    when something happened to it, by PagerDuty's clock, where it says so.
    """

    run: str
    path: str
    key: str
    occurred_us: int | None


class Taking(Guarding):
    """Every method records an event of a person, or says why it does not count."""

    async def _put(self, state: State, type_: str, body: dict[str, Any], actor: Actor) -> Event:
        """Records a person's words, and brings `state` behind them. Raises Refused where they
        change nothing in what they met.
        """
        return await self._behind(state, await self._say(state, type_, body, actor))

    async def _behind(self, state: State, event: Event) -> Event:
        await self._before(state, event)
        why = why_nothing(state, event)
        state.apply(event)
        if why is not None:
            raise Refused(f"{RECORDED}{why}")
        return event

    async def _before(self, state: State, event: Event) -> None:
        for other in await self.store.events(state.run, after=state.seq):
            if other.seq < event.seq:
                state.apply(other)

    async def met(self, event: Event) -> Met:
        """What came of a word that counted, in the state that it met: not in a later one."""
        events = await self._events(event.run)
        state = self._fold(event.run, events[: event.seq - 1])
        said = remark(state, event)
        if event.type == "Acknowledged":
            return Met(tuple(taken(state, event)), remark=said)
        state.apply(event)
        step = state.steps.get(str(event.body.get("path")))
        if step is None or step.approval is None:
            return Met(remark=said)
        return Met(given=f"{len(step.approval.given)} of {step.approval.count}", remark=said)

    async def acknowledge(
        self, run: str, actor: Actor, note: str = "", *, path: str = "", via: str = "command line"
    ) -> Event:
        """Records that somebody took what a run calls people for: all of it, or what is called for
        at `path` (a step, its id, `run`). Raises Usage when it calls nobody, Refused when somebody
        else took all of it in the same moment.
        """
        state = await self.state(run)
        keys = calling_now(state) or left(state)
        meant = [key for key in keys if _means(path, key)]
        if not meant:
            meant = [key for key in _held(state) if _means(path, key)]
        if not meant:
            raise _nobody(state, path, keys)
        body = {"escalations": meant, "note": note, "via": via}
        return await self._put(state, "Acknowledged", body, actor)

    async def take_by(self, incident: Incident, actor: Actor, note: str = "") -> Event:
        """Records that somebody took in PagerDuty what an incident calls for. Raises Usage, Refused
        when that changes nothing.
        """
        state = await self.state(incident.run)
        key = incident.path
        if key not in (calling_now(state) or left(state)) and key not in _held(state, backed=True):
            raise _nobody(state, key, [])
        body: dict[str, Any] = {"escalations": [key], "note": note, "via": VIA}
        body |= {"incident": incident.key, "occurred_us": incident.occurred_us}
        why = why_not_taken(state, key, body)
        if why is not None and not backs(state, key, body):
            raise Refused(why)  # it came twice, or is old news: there is nothing to record
        return await self._put(state, "Acknowledged", body, actor)

    async def take_back(
        self, incident: Incident, actor: Actor, how: str, *, ahead: bool = False
    ) -> Event:
        """Records that whoever took an incident in PagerDuty has it no longer: what it took begins
        anew, where nobody else took it. Raises Refused when that changes nothing.

        `ahead`: it is recorded also where nobody took it yet, as what they said may arrive later.
        """
        state = await self.state(incident.run)
        why = why_not(state, incident.path, incident.key, incident.occurred_us)
        one = state.escalations.get(incident.path)
        early = ahead and _early(one, incident)
        if why is not None and not early and not _held_too(one, incident):
            raise Refused(why)
        body: dict[str, Any] = {"escalations": [incident.path], "via": VIA, "how": how}
        body |= {"incident": incident.key, "occurred_us": incident.occurred_us}
        return await self._put(state, "Unacknowledged", body, actor)


def _means(path: str, key: str) -> bool:
    return not path or path in (key, key.rpartition("/")[2])


def calling_now(state: State) -> list[str]:
    """Escalations that nobody took yet."""
    return [
        key
        for key, one in state.escalations.items()
        if one.closed is None and not one.taken and key != STATUS and not one.question
    ]


def _held(state: State, *, backed: bool = False) -> list[str]:
    """Escalations that are taken by PagerDuty, and in no other way (but where `backed`)."""
    return [
        key
        for key, one in state.escalations.items()
        if one.closed is None and one.holds and (backed or not one.backed)
    ]


def _early(one: Escalation | None, incident: Incident) -> bool:
    """Nobody took it so far, and somebody may by an acknowledgement that is older than this."""
    if one is None or one.acknowledged is not None or one.closed is not None or one.question:
        return False
    known = one.lost.get(incident.key)
    return incident.key not in one.lost or older(known, incident.occurred_us)


def _held_too(one: Escalation | None, incident: Incident) -> bool:
    """Whether one of several ends by which it is taken: it stays taken by the others."""
    if one is None or one.closed is not None or incident.key not in one.holds:
        return False
    return not older(incident.occurred_us, one.holds[incident.key])


def _nobody(state: State, path: str, keys: list[str]) -> Usage:
    """Why there is nothing to take."""
    where = f" for `{path}`" if path and keys else ""
    hint = f"it calls for {', '.join(keys)}" if keys else None
    if not keys and any(asked.kind != "acknowledge" for asked in open_questions(state)):
        hint = "what it asks is answered: `runbook approve`, `answer` or `settle`"
    took = "" if keys else _taken_by(state, path)
    return Usage(f"run {state.run} calls nobody{where} now{took}", help=hint)


def _taken_by(state: State, path: str) -> str:
    """Who took it, where somebody did: whoever is too late has to know that, on a page too."""
    took = [
        one.acknowledged
        for key, one in state.escalations.items()
        if one.acknowledged is not None and _means(path, key)
    ]
    said = [f"{state.called(one['by'])} took it at {at(one['at_us'])}" for one in took]
    return f": {'; '.join(dict.fromkeys(said))}" if said else ""
