"""What a message says: what is wrong, what was found, what was done, what is asked of the reader,
and by when. Made of what is known of the run when a level is due; the journal keeps it, so that a
message that is sent again says the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from engine.clock import to_datetime
from engine.core.cells import cut
from engine.core.detail import details
from engine.core.escalation import policy_of
from engine.core.events import spoken
from engine.core.found import found as found_by
from engine.core.held import GOES_ON, holding, is_hold, why_of
from engine.core.plainly import plainly, question_in
from engine.core.questions import missing
from engine.core.state import State
from engine.core.summons import CONSOLE, OWN, STATUS, Escalation
from engine.core.tree import StepState
from engine.language.duration import format_duration
from engine.language.model import Call, Escalate

LINES_MAX = 8
"""Of what was found, and of what was done: a person at night reads the end of a list, if any."""

LINE_MAX_CHARS = 200
"""Of one such line."""

SIGNS: Mapping[str, str] = {
    "passed": "ok",
    "failed": "FAILED",
    "errored": "ERROR",
    "unknown": "IN DOUBT",
    "running": "under way",
}


def words(state: State, escalation: str, level: int) -> dict[str, Any]:
    """What there is to say of an escalation now, at this level."""
    one = state.escalations[escalation]
    of = one.question.get("path")
    found, done = _lines(state, "check", of), _lines(state, "action", of)
    wrong = _wrong(state, one)
    if holding(state) and not (one.question or is_hold(one)):
        wrong = f"{wrong}\nAnd it cannot be gone on with here: {why_of(state)}".strip()
    policy = one.policy
    by_us = _by_us(state, one, level)
    by = when(by_us, state.now_us) if by_us is not None else ""
    more = _question(state, one, by) if one.question else {}
    return {
        "title": cut(_title(state, one), LINE_MAX_CHARS),
        "about": state.runbook.title,
        "public": _public(state, one),
        "policy": policy,
        "level": level,
        "wrong": wrong,
        "found": found,
        "done": done,
        "asked": _asked(state, one, level, f" by {by}" if by else ""),
        "runbook": state.runbook.name,
        "environment": state.environment,
        "severity": severity_of(state, one.policy) or "",
        "by_us": by_us,
        "by": by,
        **more,
        **({"anew": one.anew} if one.anew else {}),
        **({"informs": True} if one.informs else {}),
    }


def severity_of(state: State, policy: str) -> str | None:
    """As what is told by a policy: its own severity, where it has one, else the run's."""
    own: str | None = policy_of(state, policy).get("severity")
    return own or state.runbook.severity


def when(at_us: int, now_us: int) -> str:
    """A time for somebody who reads it now: its day is said where that is another one."""
    at, now = to_datetime(at_us), to_datetime(now_us)
    day = "" if at.date() == now.date() else "%a " if abs(at - now) < WEEK else "%Y-%m-%d "
    return at.strftime(f"{day}%H:%M UTC")


WEEK = timedelta(days=6)
"""A day of the week names one day only, this far from it."""


def following(
    state: State, one: Escalation, kind: str, said: Mapping[str, Any]
) -> Mapping[str, Any]:
    """What is said where people were told before: the words of then, who took it meanwhile, and how
    the run ended.
    """
    if kind not in ("acknowledged", "resolved"):
        return said
    found = dict(said)
    if (taken := one.acknowledged) is not None:
        found |= {"taken_by": state.called(taken["by"])}
        found |= {"note": taken["note"], "taken_us": taken["at_us"]}
    if kind == "resolved" and is_hold(one) and state.finished is None:
        found["goes_on"] = GOES_ON
    if kind == "resolved" and (end := state.finished) is not None:
        after = format_duration(round((state.ended_us - state.started_us) / 1e6))
        found |= {"outcome": end["outcome"], "because": end["because"] or "", "after": after}
        found |= {"found": _lines(state, "check"), "done": _lines(state, "action")}
        if one.key in (STATUS, OWN):  # it stood so once
            found |= {"wrong": "", "title": state.runbook.title}
    return found


def _title(state: State, one: Escalation) -> str:
    if one.key == STATUS:
        return state.runbook.title
    about = state.runbook.title
    said = _wrong(state, one).strip()
    if one.question.get("kind") == "confirm":
        said = question_in(said) or said
    wrong, _, more = said.partition("\n")
    wrong = wrong.removeprefix(f"{about}: ")
    if wrong.endswith(":") and more:
        first = more.strip().partition("\n")[0]
        wrong = f"{wrong} {first.lstrip('-* ')}"
    if wrong.casefold().startswith(about.casefold()):
        return wrong
    return f"{about}: {wrong or 'people are asked'}"


def _public(state: State, one: Escalation) -> str:
    """What the author of the runbook wrote for a step that calls people, and nothing that the
    engine made of what went wrong.
    """
    step = state.steps.get(one.key)
    return one.message or "" if step is not None and isinstance(step.entry, Escalate) else ""


def _wrong(state: State, one: Escalation) -> str:
    if one.key == STATUS:
        return _stands(state)
    if one.message:
        return one.message
    failure = next((f for f in _failures(state)), None)
    if failure is not None:
        return cut(f"{failure.title} {failure.status}: {plainly(failure.why)}", LINE_MAX_CHARS)
    return ""


def _stands(state: State) -> str:
    """How a run stands: how long it is open, who has it, what it is at."""
    lasts = format_duration(round((state.now_us - state.started_us) / 1e6))
    known = [one for one in state.escalations.values() if one.key != STATUS and one.level]
    calls = [one for one in known if not (one.question or one.informs)]
    took = [one.acknowledged["by"] for one in calls if one.acknowledged is not None]
    taken = {state.called(one) for one in took}
    word = f", {' and '.join(sorted(taken))} took it" if taken else ""
    if calls and not taken:
        last = all(one.exhausted for one in calls)
        said = "nobody took it, and nobody is left to be called"
        word = f", {said}" if last else ", people are called and nobody took it yet"
    running = [s for s in state.steps.values() if s.status == "running" and s.body is None]
    now = [s.title for s in running if s.entry.title or s.entry.named]
    at = "\n" + cut(f"Under way: {', '.join(now)}", LINE_MAX_CHARS - 1) if now else ""
    return f"Open for {lasts}{word}{at}"


def _failures(state: State) -> list[StepState]:
    bad = [s for s in state.steps.values() if s.status in ("failed", "errored", "unknown")]
    return [s for s in bad if isinstance(s.entry, Call)]


def _lines(state: State, verb: str, asked: str | None = None) -> list[str]:
    """What was found, or done. What is `asked` about is said at length, and not here."""
    found = []
    for step in state.steps.values():
        entry = step.entry
        if not isinstance(entry, Call) or entry.verb != verb or step.status not in SIGNS:
            continue
        probe = step.block.body.probe and not (entry.title or entry.named)
        if step.path == asked or probe:  # what it told is said of its action
            continue
        why = plainly(step.why) or found_by(state, step)
        line = cut(f"{_sign(step)} {step.title}{f': {why}' if why else ''}", LINE_MAX_CHARS)
        found.append((step.status == "passed", line))
    return _last(found)


def _last(found: list[tuple[bool, str]]) -> list[str]:
    """The last of many lines, each with whether it is well. What is not well is named first, where
    there is not room for all.
    """
    over = len(found) - LINES_MAX
    if over <= 0:
        return [line for _, line in found]
    order = sorted(range(len(found)), key=lambda at: (not found[at][0], at))  # well, then early
    left_out = set(order[:over])
    word = "earlier" if left_out == set(range(over)) else "more"
    kept = [line for at, (_, line) in enumerate(found) if at not in left_out]
    return [f"({over} {word})", *kept]


def _sign(step: StepState) -> str:
    """Nothing is under way that waits for people."""
    if step.status == "running" and step.approval is not None and step.attempt == 0:
        late = step.body is not None and step.body.expiry
        return "NOT DONE" if late else "waits for approval:"
    if step.status == "running" and step.asks_person:
        return "people are asked:"
    return SIGNS[step.status]


def _asked(state: State, one: Escalation, level: int, by: str) -> str:
    if one.key == STATUS or one.informs:
        return ""
    if one.acknowledged is not None:
        who = state.called(one.acknowledged["by"])
        return f"{who} took it, and it is not resolved: ask if you are needed"
    asked = f"Take it{by}, or somebody else is called"
    if level >= len(one.levels):
        asked = f"Take it{by} (nobody is called after you)"
    asked = f"{asked}: runbook ack {state.run}"
    if one.wait:
        asked += " (the run waits until somebody does)"
    over = f"ended {state.finished['outcome']}" if state.finished is not None else ""
    if over and over not in (one.message or ""):
        asked = f"The run {over}. {asked}"
    return asked


def _by_us(state: State, one: Escalation, level: int) -> int | None:
    """By when the reader of a level is to act: when it is due that the next are told; of a question
    its end.
    """
    if one.question:
        expires_us: int | None = one.question.get("expires_us")
        return expires_us
    if one.acknowledged is not None or one.informs:
        return None
    if level < len(one.levels):
        return state.now_us + int(one.levels[level]["after_us"])
    within_us = (state.telling or {}).get("respond_within_us")
    if "severity" in policy_of(state, one.policy):
        within_us = one.answer_us
    if within_us is None and list(one.levels[level - 1]["by"]) != [CONSOLE]:
        within_us = one.answer_us
    if within_us is None and state.runbook.respond_within_s is not None:
        within_us = state.runbook.respond_within_s * 1e6
    return None if within_us is None else state.now_us + round(within_us)


# -- questions -------------------------------------------------------------------------------------

WHY_APPROVED: Mapping[str, str] = {
    "approve": "The runbook asks for approval",
    "propose": "In this environment every action is approved first",
    "plan": "It is not what was rehearsed",
}

HOW: Mapping[str, str] = {
    "approve": "Approve or deny it{by}: runbook approve {run} {path} --reason '...' (or deny)",
    "confirm": "Answer it{by}: runbook answer {run} {path} yes (or no)",
    "do": "Say when it is done: runbook answer {run} {path} done (or not-done)",
    "doubt": "Settle it: runbook settle {run} {path} --happened (or --did-not) --reason '...'",
}
"""How a question is answered on the command line, by its kind."""


def _question(state: State, one: Escalation, by: str) -> dict[str, Any]:
    """What there is to say of a question besides: what is asked, why, by when, how to answer."""
    asked = one.question
    step, kind = state.steps[asked["path"]], str(asked["kind"])
    return {
        "asked": HOW[kind].format(run=state.run, path=step.path, by=f" by {by}" if by else ""),
        "happens": details(kind, step),
        "why": [line[:LINE_MAX_CHARS] for line in _why(state, kind, step)],
        "question": {k: asked.get(k) for k in ("kind", "hash", "reason_min", "expires_us")},
    }


def _why(state: State, kind: str, step: StepState) -> Iterator[str]:
    approval = step.approval
    if kind == "approve" and approval is not None:
        by = ", ".join(approval.by) or "anybody but who started it"
        yield f"{WHY_APPROVED[approval.why]}: {approval.count} of {by}"
        if approval.given and missing(state, approval):
            yield missing(state, approval)
        if approval.reason_min:
            yield f"A reason of at least {approval.reason_min} characters is needed"
    elif kind == "do" and isinstance(step.entry, Call) and not step.entry.signature.asks_person:
        yield "This environment only guides: people act"
    elif kind == "doubt":
        yield from (plainly([line]) for line in step.why)
    if state.actor.get("means") not in (None, "engine"):
        yield f"The run was started by {spoken(state.actor)}"
