"""Which runbooks an event starts: their triggers, asked in order. Pure.

A `match` names fields and what they must be: a text with `*` or `?` is a glob, `/.../` a regular
expression that is found in it, a mapping holds matchers (`{gt: 0.9}`; a text that is a number
counts as one), a list what one of which must fit, anything else is equal, as text. Of a field that
is a list, one item must fit a text. Every field must fit. Of a group of alerts, those that fit and
lead to the same inputs are one run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from engine.core.arrivals import Arrival
from engine.errors import Usage
from engine.language.expressions.problem import TemplateProblem
from engine.language.globs import glob_fits, is_glob, regex_of
from engine.language.inputs import read_input, take_input, take_inputs
from engine.language.matcher_words import is_matcher
from engine.language.matchers import PATTERN_TIMEOUT_S, Miss, fits
from engine.language.matching import pattern
from engine.language.model import Runbook, Template, Trigger
from engine.language.result_path import Missing, find
from engine.language.template import analyse, render

RUNS_MAX = 20
"""Runs of one runbook that one delivery starts: a storm of alerts is one trouble, not hundreds."""

WHY_MAX = 10
"""Reasons why one trigger does not fit. Nobody reads more."""

MATCHED_MAX_CHARS = 10_000
"""Of a field that a pattern is tried on; what is longer does not fit."""


@dataclass(frozen=True, slots=True)
class Matched:
    """A runbook that an event starts: where, how far it goes by itself, with which inputs.

    `problem`: why it cannot be started all the same. `number` counts the runs of this runbook.
    """

    runbook: str
    trigger: Trigger
    event: Mapping[str, Any]
    inputs: Mapping[str, Any] = field(default_factory=dict)
    environment: str | None = None
    autonomy: str | None = None
    priority: float = 0
    number: int = 0
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class NotMatched:
    """A trigger that an event does not fit, and why."""

    runbook: str
    trigger: Trigger
    why: tuple[str, ...]


Ruling = Matched | NotMatched


def rule(runbooks: Iterable[Runbook], arrival: Arrival) -> list[Ruling]:
    """What each runbook with a trigger of this source says; the matched first, in the order in
    which they are started: the highest `priority`, then by name.
    """
    found = [ruling for runbook in runbooks for ruling in _of(runbook, arrival)]
    return sorted(found, key=_order)


def _of(runbook: Runbook, arrival: Arrival) -> list[Ruling]:
    """What the first of its triggers says that fits, or why none does."""
    misses: list[Ruling] = []
    for trigger in runbook.triggers:
        if trigger.source == arrival.source:
            told = _one(runbook, trigger, arrival)
            if any(isinstance(one, Matched) for one in told):
                return told
            misses += told
    return misses


def _order(ruling: Ruling) -> tuple[int, float, str, int]:
    if isinstance(ruling, Matched):
        return (0, -ruling.priority, ruling.runbook, ruling.number)
    return (1, 0, ruling.runbook, 0)


def wants_alerts(runbooks: Iterable[Runbook]) -> bool:
    """Whether a rule for PagerDuty names the alerts of an incident, which are not in its event."""
    rules = (t.rule for one in runbooks for t in one.triggers if t.source == "pagerduty")
    return any(_names_alerts(rule) for rule in rules)


def _names_alerts(rule: Mapping[str, Any]) -> bool:
    fields = (str(key) for key in rule.get("match") or {})
    if any(re.split(r"[.\[]", field, maxsplit=1)[0] == "alerts" for field in fields):
        return True
    texts = _templates(rule.get("inputs"))
    return any(
        name[:1] == ("event",) and name[1:2] in ((), ("alerts",))
        for text in texts
        for name in _names(text)
    )


def _templates(value: Any) -> Iterator[str]:
    if isinstance(value, Template):
        yield value.text
    elif isinstance(value, Mapping | list | tuple):
        for one in value.values() if isinstance(value, Mapping) else value:
            yield from _templates(one)


@lru_cache(maxsize=1024)
def _names(text: str) -> tuple[tuple[str, ...], ...]:
    """The names in a template. `event` alone may be anything of it."""
    return analyse(text, bare=False).names


def _one(runbook: Runbook, trigger: Trigger, arrival: Arrival) -> list[Ruling]:
    why = _not_for_it(runbook, trigger, arrival)
    if why is not None:
        return [NotMatched(runbook.name, trigger, (why,))]
    fitting: list[Mapping[str, Any]] = []
    nearest: list[str] = []
    for candidate in arrival.candidates:
        lines = _misses(trigger, candidate)
        if not lines:
            fitting.append(candidate)
        elif not nearest or len(lines) < len(nearest):
            nearest = lines
    if fitting:
        return list(_matched(runbook, trigger, fitting))
    count = len(arrival.candidates)
    of = (f"that is the nearest of {count} alerts",) if count > 1 else ()
    return [NotMatched(runbook.name, trigger, (*nearest[:WHY_MAX], *of))]


def _not_for_it(runbook: Runbook, trigger: Trigger, arrival: Arrival) -> str | None:
    """Why an event of the right source is not what this trigger waits for."""
    rules = trigger.rule
    if arrival.source == "webhook" and rules.get("name") != arrival.name:
        return f"it waits for the webhook {rules.get('name')}, not {arrival.name}"
    if arrival.source == "pagerduty":
        wanted = str(rules.get("event") or "incident.triggered")
        if _text_misses(wanted, arrival.kind):
            return f"it waits for {wanted}, not {arrival.kind}"
    if arrival.source == "schedule":
        number = arrival.candidates[0].get("trigger")
        mine = [one for one in runbook.triggers if one.source == "schedule"]
        at = next((i for i, one in enumerate(mine) if one is trigger), -1)
        if arrival.name != runbook.name or at != number:
            return "it is another schedule"
    return None


def _misses(trigger: Trigger, event: Mapping[str, Any]) -> list[str]:
    """Why an event does not fit; empty: it does."""
    if trigger.source == "alertmanager":
        wanted = trigger.rule.get("status") or "firing"
        if event["status"] != wanted:
            return [f"status: expected {wanted}, was {event['status']}"]
    found: list[str] = []
    for key, wanted in (trigger.rule.get("match") or {}).items():
        value = field_of(trigger.source, event, str(key))
        found += _misses_of(value, wanted, str(key))
    return found


def field_of(source: str, event: Mapping[str, Any], key: str) -> Any:
    """A field of an event, by the name that a `match` gives it; Missing where it is not there."""
    if source == "alertmanager":
        labels = event["labels"]
        if key in labels:
            return labels[key]
        root = re.split(r"[.\[]", key, maxsplit=1)[0]
        if root not in event:
            known = ", ".join(sorted(labels)[:20]) or "none"
            return Missing(f"{key}: there is no such label; there are {known}")
    if source == "webhook":
        return find(event["body"], key)
    return find(event, key)


def _misses_of(value: Any, wanted: Any, at: str) -> list[str]:
    if is_matcher(wanted):
        return _matcher_misses(value, wanted, at)
    if type(value) is Missing:
        return [value.why]
    if isinstance(wanted, list):
        if any(not _misses_of(value, one, at) for one in wanted):
            return []
        return [f"{at}: expected one of {_shown(wanted)}, was {_shown(value)}"]
    if isinstance(wanted, str) and isinstance(value, list):
        if any(not _misses_of(one, wanted, at) for one in value):
            return []
        return [f"{at}: expected {_shown(wanted)} in it, was {_shown(value)}"]
    if isinstance(wanted, str) and isinstance(value, str | int | float | bool):
        why = _text_misses(wanted, _plain(value))
        return [f"{at}: expected {why}, was {_shown(value)}"] if why else []
    same = value == wanted or _plain(value) == _plain(wanted)
    return [] if same else [f"{at}: expected {_shown(wanted)}, was {_shown(value)}"]


def _matcher_misses(value: Any, wanted: Mapping[str, Any], at: str) -> list[str]:
    try:
        told = fits(_as_number(value, wanted), wanted, at, {})
    except (TemplateProblem, ValueError, RecursionError) as error:
        return [f"{at}: {error}"]
    return list(told.lines) if isinstance(told, Miss) else []


def _as_number(value: Any, wanted: Mapping[str, Any]) -> Any:
    """Labels are texts: one that is compared with a number is read as one."""
    numeric = any(
        isinstance(one, int | float) and not isinstance(one, bool)
        for operand in wanted.values()
        for one in (operand if isinstance(operand, list) else [operand])
    )
    if not numeric or not isinstance(value, str):
        return value
    try:
        return float(value)
    except ValueError:
        return value


def _text_misses(wanted: str, value: str) -> str | None:
    """What was expected of a text that does not fit; None: it fits."""
    regex = regex_of(wanted)
    if regex is not None:
        if len(value) > MATCHED_MAX_CHARS:
            return f"a text of up to {MATCHED_MAX_CHARS:,} characters"
        try:
            found = pattern(regex).search(value, timeout=PATTERN_TIMEOUT_S)
        except (ValueError, TimeoutError) as error:
            return f"{wanted} ({error or 'which takes too long'})"
        return None if found else wanted
    if is_glob(wanted):
        if len(value) > MATCHED_MAX_CHARS:
            return f"a text of up to {MATCHED_MAX_CHARS:,} characters"
        return None if glob_fits(wanted, value) else _shown(wanted)
    return None if value == wanted else _shown(wanted)


def _matched(
    runbook: Runbook, trigger: Trigger, fitting: Sequence[Mapping[str, Any]]
) -> Iterable[Matched]:
    """One for each different set of inputs, with all the alerts that lead to it."""
    groups: dict[str, tuple[dict[str, Any], str | None, list[Mapping[str, Any]]]] = {}
    for event in fitting:
        inputs, problem = _inputs(runbook, trigger, event)
        key = json.dumps([inputs, problem], sort_keys=True, default=str)
        groups.setdefault(key, (inputs, problem, []))[2].append(event)
    for number, (inputs, problem, events) in enumerate(groups.values()):
        if number >= RUNS_MAX:
            return
        first = dict(events[0])
        if trigger.source == "alertmanager":
            first["alerts"] = [event["alert"] for event in events]
        yield Matched(
            runbook.name,
            trigger,
            first,
            inputs,
            trigger.rule.get("environment"),
            trigger.rule.get("autonomy"),
            trigger.rule.get("priority") or 0,
            number,
            problem,
        )


def _inputs(
    runbook: Runbook, trigger: Trigger, event: Mapping[str, Any]
) -> tuple[dict[str, Any], str | None]:
    """The inputs of a run, and why they do not fit."""
    given: dict[str, Any] = {}
    try:
        for name, value in (trigger.rule.get("inputs") or {}).items():
            found = render(value, {"event": event})
            spec = runbook.inputs[name]
            if isinstance(found, str) and spec.type not in ("string", "duration"):
                given[name] = read_input(spec, found)
            else:
                given[name] = take_input(spec, found) if spec.type != "duration" else found
        take_inputs(runbook, given)
    except TemplateProblem as error:
        return {}, f"an input cannot be filled: {error}"
    except Usage as error:
        return given, error.message
    except ValueError as error:
        return given, f"input `{name}` {error}"
    return given, None


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 100 else text[:100] + "..."
