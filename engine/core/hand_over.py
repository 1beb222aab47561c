"""How a step ends that tells people and does not wait for them.

It promises no more than that they are being told. Once somebody was, or everybody of the first
level was tried by all of their channels, the run goes on: what is left to do is not held up because
Slack is down. What comes of the messages that are tried again is in the trail.

It waits until it is known whether anybody can be told only where that decides what comes next:
where the step has an `on_failure` of its own, or where nothing but the end is left to do, and an
`on_failure` around it would take over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine.core.effects import Record
from engine.core.judge import finished
from engine.core.state import State
from engine.core.summons import Escalation, Summons
from engine.core.tree import Block, Body, StepState
from engine.language.model import End


def end_of_step(state: State, step: StepState, one: Escalation) -> Record | None:
    """The end of a step, as soon as that is known. What it says is what is known then."""
    calls = one.calls
    told = [
        {"contact": s.recipient["id"], "channel": s.by["channel"], "level": s.level}
        for s in calls
        if s.status == "told"
    ]
    if one.level == 0 and not (one.hands_over and one.acknowledged is not None):
        return None  # nobody was called yet; an older run waited for that though it was taken
    if any(_under_way(s, state.now_us) for s in calls):
        return None
    end, said = _end(step, one, calls)
    if end is None:
        return None
    result = {"policy": one.policy, "told": told}
    why = (said,) if end != "passed" else ()
    made = finished(step.path, end, why=why, result=result, attempt=step.attempt)
    warnings = [said] if said and end == "passed" else []
    return Record(made.type, {**made.body, "warnings": warnings})


def _under_way(summons: Summons, now_us: int) -> bool:
    if summons.status in ("flying", "cut"):
        return True
    return summons.status == "due" and summons.next_us <= now_us


def _end(step: StepState, one: Escalation, calls: Sequence[Summons]) -> tuple[str | None, str]:
    """Its status, None while that is not known; and what is to be said of it."""
    if one.told or one.acknowledged is not None:
        return "passed", ""
    if one.exhausted:
        return "errored", "nobody could be told"
    held = any(s.status == "due" and s.attempt == 0 for s in calls)
    if not one.hands_over:
        return ("passed" if held else None), ""
    if not any(s.open for s in calls):
        return _nothing_open(step, one)
    if _tried(calls) and (held or not _decides(step)):
        return "passed", f"nobody is reached yet: {_so_far(calls)}"
    return None, ""


def _nothing_open(step: StepState, one: Escalation) -> tuple[str | None, str]:
    """All messages there were failed, or are in doubt."""
    if one.level < len(one.levels):
        return None, ""  # the next level is told at once
    if one.again_us:
        known = None if _decides(step) else "passed"
        return known, "nobody is reached yet: they are told again later"
    if one.until_us is None:
        return None, ""  # that it is exhausted is recorded at once
    return "errored", "nobody was told for certain: what was sent may or may not have gone out"


def _tried(calls: Sequence[Summons]) -> bool:
    """Whether nobody is tried again but by the last channel they have."""
    return all(s.last for s in calls if s.status == "due" and s.attempt)


def _so_far(calls: Sequence[Summons]) -> str:
    """Who is told yet, and by what."""
    due = [s for s in calls if s.status == "due"]
    return ", ".join(
        f"{s.recipient['name']} is {'tried again' if s.attempt else 'told later'}"
        f" by {s.by['channel']}"
        for s in due
    )


# -- what comes next -------------------------------------------------------------------------------


def _decides(step: StepState) -> bool:
    """Whether it depends on this step what comes next."""
    if step.entry.on_failure != "stop":
        return step.entry.on_failure != "continue"
    caught, ended = False, None
    for block in _around(step):
        rest = () if block.scope.frame is ended else block.entries[block.cursor + 1 :]
        for entry in rest:
            if not isinstance(entry, End):
                return False
            if entry.when is None:
                ended = block.scope.frame
                break
        if _others(block):
            return False
        caught = caught or _catches(block.body)
    return caught


def _around(step: StepState) -> Iterator[Block]:
    """The blocks in which it is, up to where its failure is passed over."""
    block = step.block
    while True:
        yield block
        above = block.body.step
        if above is None or above.entry.on_failure == "continue":
            return
        block = above.block


def _others(block: Block) -> bool:
    """Whether something of the container of a block waits for it: its `always`, or another item.
    What goes on beside it is not held up.
    """
    body = block.body
    if body.phase != "always" and body.always:
        return True
    waits = (one for one in body.main if one.cursor == 0 and one.current is None and not one.over)
    return next(waits, None) is not None


def _catches(body: Body) -> bool:
    """Whether something else is done where this fails."""
    if body.phase == "main" and body.on_failure:
        return True
    above = body.step
    if above is None or body.handler:
        return False
    return above.entry.on_failure not in ("stop", "continue")
