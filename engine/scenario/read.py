"""Reads `<runbook>.test.yaml`: scenarios, or every diagnostic of the file at once.

What a scenario may say stands in `KEYS`: the reader goes by that table, and so does the JSON Schema
(`engine.scenario.schema`), so that neither can know a key that the other does not.

A finding is a result (a mapping), `{errored: why}`, `{unknown: why}` (an action in doubt), or for a
step that asks a person `{answer: yes, note: ...}`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from engine.config.fields import Fields, plain
from engine.errors import Collector, Diagnosed, Place
from engine.language import nodes
from engine.language.expect import check_expectation
from engine.language.model import Runbook, walk_runbook
from engine.language.result_path import parse_path
from engine.language.source import parse, read
from engine.language.words import did_you_mean, listed, named

SCENARIOS_MAX = 1000
"""Scenarios of one file: a runbook with more ways than that is several runbooks."""

START_US = 1_800_000_000_000_000
"""When a scenario begins that does not say (2027-01-15T08:00Z): a fixed time, so that it plays the
same for ever.
"""

_TAKEN: Final = ("event", "began")
_MERGED: Final = ("inputs", "finds", "settles", "approves")
"""What a scenario that is `like` another takes from it: whole, or key by key."""

SETTLES: Final = ("happened", "did-not")
APPROVES: Final = ("approved", "denied")

PLAYED: Final[Mapping[str, str]] = {
    "outcome": "resolved, unresolved, failed, aborted; waiting (for a person), in doubt",
    "because": "the reason that the run ends with",
    "steps": "ids of the checks, actions and escalations that were begun, in order",
    "statuses": "how steps ended, by id: `{verify: passed}`; others are left open",
    "why": "why a step did not pass, by id",
    "messages": "what people were told: {policy, text} each",
    "outputs": "the outputs of the runbook",
    "waits_for": "ids of the questions that nobody answered",
    "took_s": "seconds of virtual time",
}
"""What `expect` can speak of."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one attempt finds. `status` is None for a result, else `errored` or `unknown`."""

    result: Mapping[str, Any] = field(default_factory=dict)
    status: str | None = None
    why: str = ""
    retryable: bool = True


@dataclass(frozen=True, slots=True)
class Began:
    """How the run of a scenario began: what the name `run` says in its expressions."""

    id: str = "scenario"
    started_us: int = START_US
    actor: str = "somebody"
    environment: str = "scenario"
    mode: str = "scenario"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario of a file."""

    name: str
    place: Place
    inputs: Mapping[str, Any] = field(default_factory=dict)
    event: Any = None
    began: Began = Began()
    finds: Mapping[str, tuple[Finding, ...]] = field(default_factory=dict)
    settles: Mapping[str, bool] = field(default_factory=dict)
    approves: Mapping[str, bool] = field(default_factory=dict)
    expect: Mapping[str, Any] = field(default_factory=dict)


def read_scenarios(path: Path, runbook: Runbook) -> tuple[Scenario, ...]:
    """The scenarios of a file. Raises Diagnosed with everything that is wrong in it."""
    collector = Collector()
    text = read(path, collector)
    return _parsed(text, str(path), runbook, collector)


def parse_scenarios(text: str, file: str, runbook: Runbook) -> tuple[Scenario, ...]:
    """The same of a text that is in no file yet."""
    return _parsed(text, file, runbook, Collector())


def _parsed(
    text: str | None, file: str, runbook: Runbook, collector: Collector
) -> tuple[Scenario, ...]:
    root = parse(text, file, collector) if text is not None else None
    found: tuple[Scenario, ...] = ()
    if root is not None:
        found = _Reader(Fields(file, collector), _ids(runbook)).read(root)
    if collector.errors or root is None:
        raise Diagnosed(tuple(collector.found), {file: text or ""})
    return found


def _ids(runbook: Runbook) -> frozenset[str]:
    """Every step id of a runbook and of those it calls; probes have ids of their own."""
    books = (runbook, *runbook.calls.values())
    entries = [entry for book in books for entry in walk_runbook(book)]
    probes = [probe for entry in entries if (probe := getattr(entry, "probe", None)) is not None]
    return frozenset(entry.id for entry in (*entries, *probes))


class _Reader:
    """Reads one file. `ids` are the steps that can be spoken of."""

    def __init__(self, fields: Fields, ids: frozenset[str]) -> None:
        self.fields = fields
        self.ids = ids

    def read(self, root: nodes.Node) -> tuple[Scenario, ...]:
        made: list[Scenario] = []
        for key, value in self.fields.mapping(root, "the file", ("scenarios",)):
            if not isinstance(value, nodes.Sequence):
                self.fields.wrong(key.text, "a list of scenarios", value)
                continue
            if len(value.items) > SCENARIOS_MAX:
                self.fields.error("RB830", f"more than {SCENARIOS_MAX} scenarios", value)
            for item in value.items[:SCENARIOS_MAX]:
                made.append(self._scenario(item, made))
        self._names(made)
        return tuple(made)

    def _scenario(self, node: nodes.Node, before: Sequence[Scenario]) -> Scenario:
        found = {key.text: value for key, value in self.fields.mapping(node, "a scenario", KEYS)}
        for name, key in KEYS.items():
            if key.needed is not None and name not in found:
                self.fields.error("RB831", key.needed[0], node, key.needed[1])
        read = {KEYS[name].into: KEYS[name].read(self, value) for name, value in found.items()}
        like = read.pop("like", None)
        other = next((one for one in before if one.name == like), None)
        if other is not None:
            for name in _TAKEN:
                read.setdefault(name, getattr(other, name))
            for name in _MERGED:
                read[name] = {**getattr(other, name), **read.get(name, {})}
        elif like:
            hint = did_you_mean(like, [one.name for one in before], "it stands before this one")
            self.fields.error("RB835", f"no scenario here is named {named(like)}", node, hint)
        return Scenario(**{"name": "", "place": node.place, **read})

    def _names(self, made: Iterable[Scenario]) -> None:
        seen: dict[str, Place] = {}
        for one in made:
            if one.name in seen:
                what = f"{named(one.name)} is the name of another scenario too"
                self.fields.collector.add("RB832", what, one.place, f"see {seen[one.name]}")
            seen[one.name] = one.place

    # -- the values of the keys --------------------------------------------------------------------

    def name(self, node: nodes.Node) -> str:
        return self.fields.text(node, "name") or ""

    def like(self, node: nodes.Node) -> str:
        return self.fields.text(node, "like") or ""

    def inputs(self, node: nodes.Node) -> Mapping[str, Any]:
        return self._plain(node, "inputs")

    def event(self, node: nodes.Node) -> Any:
        return plain(node)

    def began(self, node: nodes.Node) -> Began:
        given: dict[str, Any] = {}
        for key, value in self.fields.mapping(node, "run", RUN):
            text = self.fields.text(value, key.text)
            if text is None:
                continue
            given[key.text] = text
            if key.text == "started_at":
                del given["started_at"]
                given["started_us"] = self._moment(text, value)
        return Began(**given)

    def finds(self, node: nodes.Node) -> Mapping[str, tuple[Finding, ...]]:
        return self.fields.all_of(node, "finds", self._findings)

    def settles(self, node: nodes.Node) -> Mapping[str, bool]:
        return self.fields.all_of(node, "settles", lambda k, v: self._word(k, v, SETTLES))

    def approves(self, node: nodes.Node) -> Mapping[str, bool]:
        return self.fields.all_of(node, "approves", lambda k, v: self._word(k, v, APPROVES))

    def expect(self, node: nodes.Node) -> Mapping[str, Any]:
        expected = self._plain(node, "expect")
        if not isinstance(node, nodes.Mapping):
            return expected
        if not expected:
            self.fields.error("RB831", "a scenario says what it expects", node, OUTCOME)
            return expected
        wrong = list(check_expectation(expected))
        for path, what, hint in wrong:
            at = node.get(str(path[0])) if path else None
            self.fields.error("RB834", what, at or node, hint)
        for key, _ in node.pairs if not wrong else ():
            self._speaks_of(key)
        return self._by_step(expected)

    def _by_step(self, expected: Mapping[str, Any]) -> Mapping[str, Any]:
        """`statuses: {verify: passed}` speaks of that step and leaves the others open."""
        found: dict[str, Any] = {}
        for path, wanted in expected.items():
            by_step = path in ("statuses", "why") and isinstance(wanted, Mapping)
            if by_step and self.ids.issuperset(wanted):
                found |= {f'{path}."{id_}"': one for id_, one in wanted.items()}
            else:
                found[path] = wanted
        return found

    def _speaks_of(self, key: nodes.Scalar) -> None:
        first = str(parse_path(key.text)[0])
        if first not in PLAYED:
            hint = did_you_mean(first, PLAYED, f"it has {listed(PLAYED, 'and')}")
            self.fields.error("RB834", f"there is no {named(first)} to expect", key, hint)

    def _moment(self, text: str, node: nodes.Node) -> int:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            self.fields.wrong(
                "started_at", "a time with its zone", node, "like 2027-01-15T08:00:00Z"
            )
            return START_US
        return round(moment.timestamp() * 1e6)

    def _plain(self, node: nodes.Node, name: str) -> Mapping[str, Any]:
        if not isinstance(node, nodes.Mapping):
            self.fields.wrong(name, "a mapping", node)
            return {}
        found: dict[str, Any] = plain(node)
        return found

    def _step(self, key: nodes.Scalar) -> None:
        if key.text.rpartition("/")[2] not in self.ids:
            hint = did_you_mean(key.text, sorted(self.ids))
            self.fields.error("RB833", f"there is no step {named(key.text)}", key, hint)

    def _findings(self, key: nodes.Scalar, node: nodes.Node) -> tuple[Finding, ...]:
        self._step(key)
        items = node.items if isinstance(node, nodes.Sequence) else (node,)
        if not items:
            self.fields.wrong(key.text, "at least one finding", node)
            return (Finding(),)
        return tuple(self._finding(key, item) for item in items)

    def _finding(self, key: nodes.Scalar, node: nodes.Node) -> Finding:
        if not isinstance(node, nodes.Mapping):
            hint = "a result is a mapping, `{errored: why}` an error, `{unknown: why}` a doubt"
            self.fields.wrong(key.text, "what it finds", node, hint)
            return Finding()
        value: dict[str, Any] = plain(node)
        retryable = value.get("retryable", True) is not False
        for status in ("errored", "unknown"):
            if status in value and set(value) <= {status, "retryable"}:
                return Finding({}, status, str(value[status]), retryable)
        return Finding(value)

    def _word(self, key: nodes.Scalar, node: nodes.Node, words: tuple[str, str]) -> bool:
        """One of two words: whether it is the first."""
        self._step(key)
        return self.fields.one_of(node, key.text, words, words[0]) == words[0]


# -- the table -------------------------------------------------------------------------------------

OUTCOME: Final = "`expect: {outcome: resolved}`"

RUN: Final[Mapping[str, str]] = {
    "id": "the id of the run; `scenario` unless given",
    "started_at": "when it begins: a time with its zone; 2027-01-15T08:00:00Z unless given",
    "actor": "who starts it; `somebody` unless given",
    "environment": "where; `scenario` unless given",
}

_FINDING: Final = {
    "type": "object",
    "description": "a result; or {errored: why}; {unknown: why}, an action in doubt; or for a step "
    "that asks a person {answer: yes | no | done | not-done | acknowledged, note: text, by: name}",
}


def _by_step(words: tuple[str, ...]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": {"enum": list(words)}}


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a scenario: how it is read, and what it means."""

    read: Callable[[_Reader, nodes.Node], Any]
    doc: str
    schema: Mapping[str, Any]
    into: str
    """The field of `Scenario` it becomes."""
    needed: tuple[str, str] | None = None
    """What is said when it is missing, and the help."""


KEYS: Final[Mapping[str, Key]] = {
    "name": Key(
        _Reader.name,
        "a sentence: what it shows",
        {"type": "string", "minLength": 1},
        "name",
        ("a scenario has a `name`", "say what it shows"),
    ),
    "like": Key(
        _Reader.like,
        "the name of a scenario before it: its inputs, event, run, finds, settles and approves are "
        "taken, but for what is said here",
        {"type": "string"},
        "like",
    ),
    "inputs": Key(_Reader.inputs, "what the run is started with", {"type": "object"}, "inputs"),
    "event": Key(_Reader.event, "what triggers the run: the name `event`", {}, "event"),
    "run": Key(
        _Reader.began,
        "how the run begins: what the name `run` says",
        {
            "type": "object",
            "properties": {k: {"type": "string", "description": d} for k, d in RUN.items()},
            "additionalProperties": False,
        },
        "began",
    ),
    "finds": Key(
        _Reader.finds,
        "by step id or path: what it finds; of a list each attempt the next, then the last",
        {
            "type": "object",
            "additionalProperties": {
                "anyOf": [_FINDING, {"type": "array", "items": _FINDING, "minItems": 1}]
            },
        },
        "finds",
    ),
    "settles": Key(
        _Reader.settles,
        "by step id or path: what a person says of an action in doubt",
        _by_step(SETTLES),
        "settles",
    ),
    "approves": Key(
        _Reader.approves,
        "by step id or path: whether those who are asked agree; nobody answers unless given",
        _by_step(APPROVES),
        "approves",
    ),
    "expect": Key(
        _Reader.expect,
        "what must come of it: matchers over paths, as in a check's `expect`",
        {
            "type": "object",
            "minProperties": 1,
            "properties": {name: {"description": doc} for name, doc in PLAYED.items()},
            "patternProperties": {rf"^({'|'.join(PLAYED)})[.\[]": {}},
            "additionalProperties": False,
        },
        "expect",
        ("a scenario says what it expects", OUTCOME),
    ),
}
"""Every key of a scenario."""
