"""Who is told next: the part of `decide` that goes through the levels of escalations.

In words:

1. A level is due so long after the one before was due; at once where of the one before nobody could
   be told. What was due while nobody drove the run is told at once, and once.
2. Whoever a level calls is told by their first channel; where it fails, by the next. A channel that
   can be tried again is, a few times; the last one longer.
3. What was being sent when its driver died is sent again only by a channel that knows the key of
   the message, and only while somebody needs it. Otherwise it is said to be in doubt, and the next
   channel is taken: that a person hears of it twice, by two ways, is better than not at all. What
   waited for its turn when its driver was asked to end did not leave, and is sent as if for the
   first time.
4. An acknowledgement makes every level needless that says `unless: acknowledged`; the end of the
   run, when it ended well, all of them. Where it had been told that can take it in, both are told.
   So is that a run which could not be gone on with goes on (`engine.core.held`). Until a run that
   somebody asked to stop has ended, what it called for before calls nobody: whoever asked acts.
5. When no level is left, and whoever was called last had their time and did not take it either,
   that is recorded: it is exhausted. Where nobody was told, at once.

A run that is over goes on being driven until its escalations are closed. Of questions there is one
level, which is needless once they are answered, and nothing to exhaust: `engine.core.questions`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.core import held, questions, taken_back
from engine.core.another_round import another_round
from engine.core.effects import Decision, Record, Tell
from engine.core.escalation import policy_of, rests
from engine.core.judge import BLOCKED_MAX_S, Outcome
from engine.core.plainly import plainly
from engine.core.state import State
from engine.core.summons import ENDED_WELL, FIRST, OWN, STATUS, Escalation, Summons
from engine.core.words import following
from engine.language.duration import format_duration

DEFAULT_POLICY = "default"
"""Whom expired approvals and held runs are told to, where the runbook has no `escalation`."""

TRIES = 2
"""At a channel that fails before the next one is taken: a short fault is not worth a detour."""

TRIES_LAST = 8
"""At the last channel there is: with the waits below for a quarter of an hour."""

DELAY_S = 2.0
DELAY_FACTOR = 3.0
DELAY_MAX_S = 300.0
"""Between two tries: 2 s, 6 s, 18 s, 54 s, then minutes."""

UNSENT = "unsent"
"""The kind of error of a message that waited for its turn when its driver let go."""

PATIENCE_S = 15.0
"""How long a channel that says when it takes messages again (`Retry-After`) is waited for, where
there is another one."""


def call(state: State, out: Decision) -> None:
    """What is to be told now, of all escalations."""
    if state.telling is None or state.rehearsing or held.mute(state):
        return
    _own(state, out)
    asked = state.runbook.escalation
    held.call(state, asked.policy if asked is not None else DEFAULT_POLICY, out)
    questions.ask(state, out)
    for one in state.escalations.values():
        if one.closed is None:
            _escalation(state, one, out)


def _own(state: State, out: Decision) -> None:
    """The run's own escalation: it is not resolved in time, or ended without being resolved."""
    asked = state.runbook.escalation
    if asked is None or OWN in state.escalations:
        return
    if state.finished is None:
        if asked.unresolved_after_s is None or state.cancelled is not None:
            return
        due_us = state.started_us + round(asked.unresolved_after_s * 1e6)
        if state.now_us < due_us:
            out.wake(due_us)
            return
        why = f"it is not resolved after {format_duration(asked.unresolved_after_s)}"
    elif state.finished["outcome"] in ENDED_WELL or _told_already(state, asked.policy):
        return
    else:
        why = f"it ended {state.finished['outcome']}"
        because = state.finished["because"]
        why += f": {plainly([because])}" if because else ""
    message = f"{state.runbook.title}: {why}"
    body = {"escalation": OWN, "policy": asked.policy, "message": message, "why": why}
    out.record.append(Record("EscalationStarted", body))


def _told_already(state: State, policy: str) -> bool:
    """A step of the runbook told the same people."""
    known = [one for one in state.escalations.values() if not (one.question or held.is_hold(one))]
    return any(one.policy == policy for one in known)


def _escalation(state: State, one: Escalation, out: Decision) -> None:
    before = len(out.record)
    for summons in one.summons.values():
        _summons(state, one, summons, out)
    if not _reopen(state, one, out):
        _levels(state, one, out)
    if len(out.record) != before or any(s.open for s in one.summons.values()):
        return
    if held.is_over(state, one):
        _close(one, "the run can be gone on with again", out)
    else:
        _end(state, one, out)


# -- levels ----------------------------------------------------------------------------------------


def needless(state: State, one: Escalation, level: Mapping[str, Any]) -> bool:
    """Whether nobody is to be told of a level any more."""
    if one.question:
        return one.became is not None or questions.became(state, one) is not None
    if held.is_over(state, one) or rests(state, one):
        return True
    end = _end_of(state, one)
    if end is not None and (end["outcome"] in one.well or level["unless"] == "finished"):
        return True
    return one.acknowledged is not None and level["unless"] == "acknowledged"


def _end_of(state: State, one: Escalation) -> Mapping[str, Any] | None:
    return None if one.after_end else state.finished


def _levels(state: State, one: Escalation, out: Decision) -> None:
    if one.level < len(one.levels):
        early = one.unreached(one.level)
        due_us = min(one.due_us, state.now_us) if early else one.due_us
        if needless(state, one, one.levels[one.level]):
            if any(not needless(state, one, level) for level in one.levels[one.level :]):
                _level(one, one.level + 1, due_us, state, out)
        else:
            _level(one, one.level + 1, due_us, state, out)
    for number, due_us in one.again_us.items():
        if not needless(state, one, one.levels[number - 1]):
            _level(one, number, due_us, state, out)


def _level(one: Escalation, number: int, due_us: int, state: State, out: Decision) -> None:
    if state.now_us < due_us:
        out.wake(due_us)
        return
    level = one.levels[number - 1]
    body: dict[str, Any] = {"escalation": one.key, "level": number, "due_us": due_us}
    body["round"] = one.rounds.get(number, 0) + 1
    skipped = needless(state, one, level)
    body |= {"who": [] if skipped else list(level["who"]), "by": list(level["by"])}
    body["skipped"] = skipped
    out.record.append(Record("LevelDue", body))


def _reopen(state: State, one: Escalation, out: Decision) -> bool:
    """An acknowledged escalation begins anew, where its policy says so and the run is still open.

    It does so too where whoever took it in PagerDuty has it no longer. True when it does now: its
    levels are due anew then.
    """
    open_ = _end_of(state, one) is None and not rests(state, one)
    back = taken_back.why(state, one) if open_ else None
    if back is not None:
        out.record.append(Record("EscalationReopened", {"escalation": one.key, **back}))
        return True
    if one.acknowledged is None or one.reopen_us is None or state.finished is not None:
        return False
    if held.is_over(state, one) or rests(state, one):
        return False
    due_us = one.acknowledged["at_us"] + one.reopen_us
    if state.now_us < due_us:
        out.wake(due_us)
        return False
    said = one.acknowledged
    after = format_duration(one.reopen_us / 1e6)
    why = f"{state.called(said['by'])} took it {after} ago, and it is not resolved"
    out.record.append(Record("EscalationReopened", {"escalation": one.key, "why": why}))
    return True


def _end(state: State, one: Escalation, out: Decision) -> None:
    """Nothing is under way. Is anything left to come?"""
    rest = [level for level in one.levels[one.level :] if not needless(state, one, level)]
    again = [n for n in one.again_us if not needless(state, one, one.levels[n - 1])]
    if rest or again or rests(state, one):
        return
    end = _end_of(state, one)
    if one.question:
        _end_question(state, one, out)
    elif one.key == STATUS:
        if end is not None:
            _close(one, "the run is over", out)
    elif one.acknowledged is not None:
        if state.finished is not None or not (one.reopen_us or one.until_end):
            _close(one, f"{state.called(one.acknowledged['by'])} took it", out)
    elif end is not None and end["outcome"] in one.well:
        _close(one, f"the run is {end['outcome']}", out)
    elif not one.exhausted:
        _exhaust(state, one, out)
    elif end is not None:
        _close(one, "no level is left", out)


def _end_question(state: State, one: Escalation, out: Decision) -> None:
    """Whoever was told is told no more: it waits for its answer, and only where nobody could be
    told that is said.
    """
    if one.became is not None:
        _close(one, questions.ended(state, one.became), out)
    elif not one.told and not one.exhausted:
        body = _exhaustion(one) | {"why": "nobody could be told of the question"}
        out.record.append(Record("EscalationExhausted", body))


def _exhaust(state: State, one: Escalation, out: Decision) -> None:
    """Once those who were called last had their time."""
    until_us = one.until_us
    if one.informs and (one.told or any(s.doubts for s in one.calls)):
        _close(one, "whom it informs was told", out)
    elif until_us is not None and state.now_us < until_us:
        out.wake(until_us)
    else:
        out.record.append(Record("EscalationExhausted", _exhaustion(one)))


def _exhaustion(one: Escalation) -> dict[str, Any]:
    told, failed = len(one.told), sum(s.status == "failed" for s in one.calls)
    why = "nobody has taken it so far, and no level is left"
    if one.until_us is not None and one.answer_us is not None:
        within = format_duration(one.answer_us / 1e6)
        known = "nobody" if told else "it is not known whether anybody was told; nobody"
        why = f"{known} took it within {within}, and no level is left"
    elif not told:
        why = "nobody could be told, and no level is left"
    doubts = sum(s.doubts for s in one.calls)
    return {"escalation": one.key, "told": told, "failed": failed, "doubts": doubts, "why": why}


def _close(one: Escalation, why: str, out: Decision) -> None:
    out.record.append(Record("EscalationClosed", {"escalation": one.key, "why": why}))


def wanted(state: State, escalation: str, summons: str) -> bool:
    """Whether somebody who is called is to be told still."""
    one = state.escalations[escalation]
    return not needless(state, one, one.levels[one.summons[summons].level - 1])


# -- one person ------------------------------------------------------------------------------------


def _summons(state: State, one: Escalation, summons: Summons, out: Decision) -> None:
    if summons.status == "flying":
        out.in_flight += 1
    elif summons.status == "cut":
        _cut(state, one, summons, out)
    elif summons.kind in FIRST and rests(state, one):
        return
    elif summons.status == "due" and not _behind(one, summons):
        if state.now_us >= summons.next_us:
            out.record.append(_tell(state, one, summons))
        else:
            out.wake(summons.next_us)


def _behind(one: Escalation, summons: Summons) -> bool:
    """Whether something is on its way to the same place, that this must not come before."""
    if summons.kind in FIRST:
        return False
    place = (summons.recipient["id"], summons.by["channel"])
    return any(
        other.status in ("flying", "cut") and (other.recipient["id"], other.by["channel"]) == place
        for other in one.summons.values()
    )


def _tell(state: State, one: Escalation, summons: Summons) -> Tell:
    body = {
        "escalation": one.key,
        "summons": summons.id,
        "key": summons.key(state.run, one.key),
        "attempt": summons.attempt + 1,
        "kind": summons.kind,
        "who": summons.recipient["id"],
        "name": summons.recipient["name"],
        "channel": summons.by["channel"],
    }
    group = one.groups.get(f"{summons.generation}.{summons.level}")
    body |= {"group": group} if group is not None else {}
    thread = _first_told(state, body["who"], body["channel"])
    words = following(state, one, summons.kind, one.words.get(summons.level, {}))
    if one.became is not None:
        became = questions.ended(state, one.became)
        words = {**words, "became": became, "at_us": one.became["at_us"]}
    elif one.counted:
        words = {**words, "counted": one.counted["why"]}
    return Tell(body, words, summons.receipt, thread)


def _first_told(state: State, who: str, channel: str) -> Mapping[str, Any] | None:
    """The receipt of the first message of this run at a place: further ones belong to it."""
    for one in state.escalations.values():
        for summons in one.told:
            if (summons.recipient["id"], summons.by["channel"]) == (who, channel):
                return summons.receipt
    return None


def _cut(state: State, one: Escalation, summons: Summons, out: Decision) -> None:
    """It may have gone out: done again where the key makes that harmless and somebody needs it."""
    page = summons.kind in FIRST
    unwanted = page and needless(state, one, one.levels[summons.level - 1])
    if summons.by["again"] and not unwanted:
        out.record.append(_tell(state, one, summons))
        return
    why = "the engine was cut short while this was sent: it may or may not have gone out"
    body = _failure(state, one, summons) | {"why": why, "doubt": True, "dropped": unwanted}
    out.record.append(Record("TellFailed", body | another_round(summons, body, None)))


def _failure(state: State, one: Escalation, summons: Summons) -> dict[str, Any]:
    return {
        "escalation": one.key,
        "summons": summons.id,
        "key": summons.key(state.run, one.key),
        "attempt": summons.attempt,
        "why": "",
        "doubt": False,
        "dropped": False,
        "next_us": None,
        "random": 0.0,
        "elapsed_ms": 0.0,
    }


def conclude_tell(
    state: State, escalation: str, summons: str, outcome: Outcome, at_us: int
) -> Record:
    """The event that a channel's answer makes: `Told`, or `TellFailed` and what comes then."""
    one = state.escalations[escalation]
    called = one.summons[summons]
    known = _failure(state, one, called) | {"elapsed_ms": outcome.elapsed_ms}
    if outcome.error is None:
        body = {k: known[k] for k in ("escalation", "summons", "key", "attempt", "elapsed_ms")}
        return Record("Told", {**body, "receipt": dict(outcome.result or {})})
    error = outcome.error
    page = called.kind in FIRST
    unwanted = page and needless(state, one, one.levels[called.level - 1])
    unwanted = unwanted or error["kind"] == "stopped"
    doubt = bool(error["maybe_done"]) and not called.by["again"]
    if error["kind"] == UNSENT and not unwanted:
        return Record(
            "TellFailed", {**known, "why": error["message"], "next_us": at_us, UNSENT: True}
        )
    again = error["retryable"] and not doubt and not unwanted
    known |= {"why": error["message"], "dropped": unwanted, "random": outcome.random}
    again_us = None
    if again:
        known["next_us"], again_us = _next(called, outcome, at_us)
    known["doubt"] = bool(error["maybe_done"]) and known["next_us"] is None
    known |= {"unseen": True} if error["maybe_done"] and called.by.get("by_key") else {}
    return Record("TellFailed", known | another_round(called, known, again_us))


def _next(called: Summons, outcome: Outcome, at_us: int) -> tuple[int | None, int]:
    """When the same channel is tried again, None when it was tried enough; and when it could be."""
    found = ((outcome.error or {}).get("detail") or {}).get("blocked_for_s")
    blocked_s = float(found) if isinstance(found, int | float) and found > 0 else 0.0
    # a run that is over is not held up by what became of a question
    last = called.last and called.kind not in ("answered", "counted")
    enough = called.attempt >= (TRIES_LAST if last else TRIES)
    enough = enough or (not last and blocked_s > PATIENCE_S)
    wait_s = min(DELAY_MAX_S, DELAY_S * DELAY_FACTOR ** (called.attempt - 1))
    wait_s += wait_s * outcome.random / 2
    again_us = at_us + round(min(BLOCKED_MAX_S, max(blocked_s, wait_s)) * 1e6)
    return (None if enough else again_us), again_us


# -- steps -----------------------------------------------------------------------------------------


def preview(state: State, policy: str, message: str | None) -> dict[str, Any]:
    """Whom a run would tell, and when, in seconds from the step on."""
    at_us, levels = 0, []
    for level in policy_of(state, policy)["levels"]:
        at_us += level["after_us"]
        told = {"at_s": at_us / 1e6, "who": list(level["who"]), "by": list(level["by"])}
        levels.append({**told, "unless": level["unless"]})
    return {"policy": policy, "message": message, "levels": levels}
