"""Where two ways part, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from engine.scenario.recorded import differences
from engine.scenario.way import Moment


@dataclass(frozen=True, slots=True)
class Parting:
    """The first place where it goes another way: the step, what was, what is now, and why."""

    path: str
    then: str
    now: str
    why: tuple[str, ...]


def told(then: Moment | None, now: Moment | None, unknown: Mapping[str, str]) -> Parting:
    """Where two ways part, in words."""
    one = now or then
    assert one is not None  # noqa: S101 - there is no parting of two that are not there
    path = one.path or "the run"
    was = _words(then) if then is not None else "not in the recording"
    if now is None:
        why = tuple(f"{path}: {text}" for path, text in unknown.items())
        return Parting(path, was, "not known" if unknown else "does not happen", why)
    return Parting(path, was, _words(now, then), tuple(_why(then, now)))


def _words(moment: Moment, beside: Moment | None = None) -> str:
    """A moment in words; its step is named where it is another one than `beside`."""
    body = moment.event.body
    word = moment.what[0]
    if word == "the run ends":
        return f"{body['outcome']}: {body['because']}" if body["because"] else str(body["outcome"])
    if word == "ends":
        text = str(body["status"])
    elif word == "begins" and "way" in body["plan"]:
        text = _way_taken(body["plan"])
    elif word == "begins" and beside is not None and beside.what[0] == word:
        text = "asks something else" if beside.of == moment.of else word
    else:
        text = word
    named = beside is None or (beside.block, beside.of) != (moment.block, moment.of)
    return f"{moment.path} {text}" if named else text


def _way_taken(plan: Mapping[str, Any]) -> str:
    number, name = plan["way"], plan["name"]
    if number is None:
        return "takes no way"
    named = name and name != f"way {number}"
    return f"takes the way {name}" if named else f"takes way {number}"


def _why(then: Moment | None, now: Moment) -> Iterator[str]:
    body = now.event.body
    if now.what[0] in ("ends", "is skipped"):
        why = body["why"]
        yield from [why] if isinstance(why, str) else why
    elif "plan" in body and body["plan"].get("when"):
        yield f"`when: {body['plan']['when']}` holds"
    elif "way" in body.get("plan", {}):
        yield "no `when` of its ways holds"
    elif then is not None and then.of == now.of and "plan" in body and "plan" in then.event.body:
        yield from differences(then.event.body["plan"], body["plan"])
