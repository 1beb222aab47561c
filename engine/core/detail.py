"""Exactly what a question is about: what would happen, is to be done, or is to be looked at."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from engine.core.brief import show
from engine.core.tree import StepState
from engine.language.duration import format_duration
from engine.language.model import Call

DETAILS_MAX_CHARS = 1500
"""Of what is asked in a question: half of what a message in Slack holds."""

DETAIL_MAX_CHARS = 200
"""Of one line of it."""


def details(kind: str, step: StepState) -> list[str]:
    """Exactly what would happen, or is to be done or looked at; cut where it is too long."""
    found: list[str] = []
    left = DETAILS_MAX_CHARS
    for line in _detail(kind, step):
        for whole in line.strip().splitlines() or [""]:
            long = len(whole) > DETAIL_MAX_CHARS
            part = f"{whole[: DETAIL_MAX_CHARS - 3]}..." if long else whole
            if len(part) > left:
                return [*found, "(it goes on)"]
            left -= len(part) + 1
            found.append(part)
    return found


def _detail(kind: str, step: StepState) -> Iterator[str]:
    plan = step.plan
    params: Mapping[str, Any] = plan.get("params") or {}
    if kind in ("approve", "doubt"):
        where = f" ({plan['fingerprint']})" if plan.get("fingerprint") else ""
        yield f"{plan['type']}" + (f" on {plan['target']}{where}" if plan.get("target") else "")
        yield from _parameters(step)
        if plan.get("max_affected") is not None:
            yield f"at most {plan['max_affected']} affected"
        if step.hash:
            yield f"plan hash {step.hash[:HASH_CHARS]}"
        return
    if kind == "do":
        by_type = isinstance(step.entry, Call) and step.entry.signature.asks_person
        yield str(params.get("instructions") or "") if by_type else by_hand(step)
    if params.get("evidence") is not None:
        yield f"Look at: {_seen(params['evidence'])}"


def _parameters(step: StepState) -> Iterator[str]:
    """What is handed to a change, one line a parameter; where one has several lines, the others go
    below it. What a rehearsal would do instead, and how the answer is read, is no part of it.
    """
    for name, value in (step.plan.get("params") or {}).items():
        if value in (None, "") or name.startswith("dry_run") or name in READING:
            continue
        first, *others = _lines(_written(step, name, value))
        yield "\n".join((f"{name}: {first}", *(f"{BELOW}{line}" for line in others)))


def _lines(text: str) -> list[str]:
    """The lines of a text; what only ends a quotation stands behind the line before."""
    found: list[str] = [""]
    for line in text.strip().splitlines():
        if line.strip() in ("'", '"'):
            found[-1] += line.strip()
        else:
            found.append(line)
    return found[1:] or found


READING = frozenset({"accept", "exit", "parse", "pattern"})
"""Parameters that say how an answer is read. What is sent is the same whatever they are."""

BELOW = "  "
"""What a line that goes on begins with: no new item of the list it stands in."""

HASH_CHARS = 12
"""Of a plan hash that people compare: no two steps of a run share that many by chance."""


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _written(step: StepState, name: str, value: Any) -> str:
    """A parameter, exactly; an argument list as it would be typed, a duration with its unit."""
    if isinstance(value, float) and _is_duration(step, name):
        return format_duration(value)
    typed = isinstance(value, list) and all(isinstance(one, str) for one in value)
    return shlex.join(value) if typed and name.endswith("argv") else _shown(value)


def _is_duration(step: StepState, name: str) -> bool:
    known = step.entry.signature.parameters if isinstance(step.entry, Call) else {}
    return name in known and "a duration" in known[name].shape.describe()


def _seen(value: Any) -> str:
    """What somebody is to look at, which is no text that has to be exact."""
    if isinstance(value, Mapping):
        return "; ".join(f"{name} {_seen(one)}" for name, one in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_seen(one) for one in value)
    return value if isinstance(value, str) else show(value)


def by_hand(step: StepState) -> str:
    """What a person is to do instead of the engine: the rendered action, one line a parameter."""
    plan = step.plan
    where = f" on {plan['target']} ({plan['fingerprint']})" if plan["target"] else ""
    lines = [f"By hand, for this environment only guides: {plan['type']}{where}"]
    lines += [f"  {line}" for text in _parameters(step) for line in text.splitlines()]
    return "\n".join(lines)
