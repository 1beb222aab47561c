"""What a scenario may expect: the names, and how they are read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from engine.config.fields import Fields, plain
from engine.language import nodes
from engine.language.duration import format_duration, parse_duration
from engine.language.expect import check_expectation
from engine.language.result_path import parse_path
from engine.language.words import did_you_mean, listed, named
from engine.scenario.story import ESCALATIONS, NOT_TOLD, REFUSED, TOLD

OUTCOME: Final = "`expect: {outcome: resolved}`"

PLAYED: Final[Mapping[str, str]] = {
    "outcome": "resolved, unresolved, failed, aborted; waiting (for a person), in doubt; running",
    "because": "the reason that the run ends with",
    "steps": "ids of the checks, actions and escalations that were begun, in order",
    "statuses": "how steps ended, by id: `{verify: passed}`; others are left open",
    "why": "why a step did not pass, by id",
    "messages": "what escalations say: {policy, text} each",
    "outputs": "the outputs of the runbook",
    "waits_for": "ids of the questions that nobody answered",
    "took_s": "seconds of virtual time",
    "told": "who was told, in order: {at: 15m, who, by, level, kind, of} each, or what matters of "
    "it; at: since the run began; kind: page, status, acknowledged, resolved, question, answered",
    "pages": "those of kind page: who was called",
    "updates": "those of kind status: how the run stands, told every so often",
    "asked": "those of kind question: who was asked, and reminded",
    "refused": "approvals and denials that do not count: {at, who, of, why} each",
    "not_told": "attempts to tell somebody that came to nothing: as in `told`, and why, doubt",
    "escalations": "by step id, or `run`, `status`: {levels, taken_by, taken_at, reopened, "
    "exhausted, closed, nobody, why}; others are left open",
    "nobody": "whom levels name, and who cannot be found",
}
"""What `expect` can speak of."""

CALLED: Final = (
    *("told", "pages", "updates", "asked", "refused", "not_told", "escalations", "nobody"),
)
"""What is only there when people are called."""

LISTS: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(("told", "pages", "updates", "asked"), TOLD),
    "refused": REFUSED,
    "not_told": NOT_TOLD,
}
"""Lists of messages, and what can be said of each."""

_BY_NAME: Final = ("statuses", "why", "escalations")


def speaks_of_calls(expected: Iterable[str]) -> bool:
    return any(str(path).startswith(CALLED) for path in expected)


def read_expected(fields: Fields, ids: frozenset[str], node: nodes.Node) -> Mapping[str, Any]:
    """The expectation of a scenario. `ids`: the steps that can be spoken of."""
    if not isinstance(node, nodes.Mapping):
        fields.wrong("expect", "a mapping", node)
        return {}
    expected: dict[str, Any] = plain(node)
    if not expected:
        fields.error("RB831", "a scenario says what it expects", node, OUTCOME)
        return expected
    wrong = list(check_expectation(expected))
    for path, what, hint in wrong:
        at = node.get(str(path[0])) if path else None
        fields.error("RB834", what, at or node, hint)
    if wrong:
        return expected
    for key, value in node.pairs:
        _speaks_of(fields, key)
        if key.text in LISTS and isinstance(value, nodes.Sequence):
            expected[key.text] = [_message(fields, key.text, item) for item in value.items]
        elif key.text == "escalations":
            expected[key.text] = _escalations(fields, value)
    return _by_step(ids, expected)


def _speaks_of(fields: Fields, key: nodes.Scalar) -> None:
    first = str(parse_path(key.text)[0])
    if first not in PLAYED:
        hint = did_you_mean(first, PLAYED, f"it has {listed(PLAYED, 'and')}")
        fields.error("RB834", f"there is no {named(first)} to expect", key, hint)


def _by_step(ids: frozenset[str], expected: Mapping[str, Any]) -> Mapping[str, Any]:
    """`statuses: {verify: passed}` speaks of that step and leaves the others open."""
    found: dict[str, Any] = {}
    for path, wanted in expected.items():
        by_step = path in _BY_NAME and isinstance(wanted, Mapping)
        if path == "escalations" and by_step:
            for name, one in wanted.items():
                inner = one if isinstance(one, Mapping) else {"": one}
                found |= {f'{path}."{name}".{key}'.rstrip("."): v for key, v in inner.items()}
        elif by_step and ids.issuperset(wanted):
            found |= {f'{path}."{id_}"': one for id_, one in wanted.items()}
        else:
            found[path] = wanted
    return found


def _message(fields: Fields, name: str, node: nodes.Node) -> dict[str, Any]:
    """What is expected of one message: times as they are told."""
    if not isinstance(node, nodes.Mapping):
        hint = "like {at: 15m, who: lead, by: sms}"
        fields.wrong(name, "messages that are mappings", node, hint)
        return {}
    found: dict[str, Any] = {}
    for key, value in fields.mapping(node, name, LISTS[name]):
        found[key.text] = _time(fields, value) if key.text == "at" else plain(value)
    return found


def _escalations(fields: Fields, node: nodes.Node) -> dict[str, Any]:
    found: dict[str, Any] = plain(node) if isinstance(node, nodes.Mapping) else {}
    for name, value in fields.mapping(node, "escalations"):
        if not isinstance(value, nodes.Mapping):
            continue
        for key, inner in fields.mapping(value, name.text, ESCALATIONS):
            if key.text == "taken_at":
                found[name.text][key.text] = _time(fields, inner)
    return found


def _time(fields: Fields, node: nodes.Node) -> Any:
    """`900s` and `15m` are one time; a matcher, and none at all, are left as they are."""
    value = plain(node)
    if value is None or isinstance(value, Mapping):
        return value
    try:
        return format_duration(round(parse_duration(value)))
    except ValueError:
        fields.wrong("at", "a duration like 0s, 15m or 1h30m", node)
        return value
