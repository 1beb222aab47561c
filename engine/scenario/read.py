"""Reads `<runbook>.test.yaml`: scenarios, or every diagnostic of the file at once.

| key of a scenario | what it says |
|---|---|
| `name` | a sentence |
| `inputs`, `event` | what the run is started with |
| `finds` | by step id or path: what it finds; of a list, each attempt the next, then the last |
| `settles` | by step id or path: `happened` or `did-not`, what a person says of a doubt |
| `expect` | a mapping of matchers over what came of it, see `engine.scenario.play.Played` |

A finding is a result (a mapping), `{errored: why}`, `{unknown: why}` (an action in doubt), or for a
step that asks a person `{answer: yes, note: ...}`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.config.fields import Fields, plain
from engine.errors import Collector, Diagnosed, Place
from engine.language import nodes
from engine.language.expect import check_expectation
from engine.language.model import Runbook, walk_runbook
from engine.language.source import parse, read
from engine.language.words import did_you_mean, named

SCENARIOS_MAX = 1000
"""Scenarios of one file: a runbook with more ways than that is several runbooks."""

KEYS = ("name", "inputs", "event", "finds", "settles", "expect")
SETTLES = ("happened", "did-not")


@dataclass(frozen=True, slots=True)
class Finding:
    """What one attempt finds. `status` is None for a result, else `errored` or `unknown`."""

    result: Mapping[str, Any] = field(default_factory=dict)
    status: str | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario of a file."""

    name: str
    place: Place
    inputs: Mapping[str, Any]
    event: Any
    finds: Mapping[str, tuple[Finding, ...]]
    settles: Mapping[str, bool]
    expect: Mapping[str, Any]


def read_scenarios(path: Path, runbook: Runbook) -> tuple[Scenario, ...]:
    """The scenarios of a file. Raises Diagnosed with everything that is wrong in it."""
    collector = Collector()
    text = read(path, collector)
    root = parse(text, str(path), collector) if text is not None else None
    found: tuple[Scenario, ...] = ()
    if root is not None:
        found = _Reader(Fields(str(path), collector), _ids(runbook)).read(root)
    if collector.errors or root is None:
        raise Diagnosed(tuple(collector.found), {str(path): text or ""})
    return found


def _ids(runbook: Runbook) -> frozenset[str]:
    """Every step id of a runbook and of those it calls."""
    books = (runbook, *runbook.calls.values())
    return frozenset(entry.id for book in books for entry in walk_runbook(book))


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
            made.extend(self._scenario(item) for item in value.items[:SCENARIOS_MAX])
        self._names(made)
        return tuple(made)

    def _scenario(self, node: nodes.Node) -> Scenario:
        found = {key.text: value for key, value in self.fields.mapping(node, "a scenario", KEYS)}
        name = self.fields.text(found["name"], "name") if "name" in found else None
        if "name" not in found:
            self.fields.error("RB831", "a scenario has a `name`", node, "say what it shows")
        if "expect" not in found:
            self.fields.error(
                "RB831", "a scenario says what it expects", node, "`expect: {outcome: resolved}`"
            )
        finds = self.fields.all_of(found.get("finds"), "finds", self._findings)
        settles = self.fields.all_of(found.get("settles"), "settles", self._settle)
        return Scenario(
            name=name or "",
            place=node.place,
            inputs=self._plain(found.get("inputs"), "inputs"),
            event=plain(found["event"]) if "event" in found else None,
            finds=finds,
            settles=settles,
            expect=self._expect(found.get("expect")),
        )

    def _names(self, made: Iterable[Scenario]) -> None:
        seen: dict[str, Place] = {}
        for one in made:
            if one.name in seen:
                what = f"{named(one.name)} is the name of another scenario too"
                self.fields.collector.add("RB832", what, one.place, f"see {seen[one.name]}")
            seen[one.name] = one.place

    def _plain(self, node: nodes.Node | None, name: str) -> Mapping[str, Any]:
        if node is None:
            return {}
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
        return tuple(self._finding(key, item) for item in items)

    def _finding(self, key: nodes.Scalar, node: nodes.Node) -> Finding:
        if not isinstance(node, nodes.Mapping):
            hint = "a result is a mapping, `{errored: why}` an error, `{unknown: why}` a doubt"
            self.fields.wrong(key.text, "what it finds", node, hint)
            return Finding()
        value: dict[str, Any] = plain(node)
        for status in ("errored", "unknown"):
            if set(value) == {status}:
                return Finding(status=status, why=str(value[status]))
        return Finding(value)

    def _settle(self, key: nodes.Scalar, node: nodes.Node) -> bool:
        self._step(key)
        return self.fields.one_of(node, key.text, SETTLES, "happened") == "happened"

    def _expect(self, node: nodes.Node | None) -> Mapping[str, Any]:
        expected = self._plain(node, "expect")
        if node is None or not isinstance(node, nodes.Mapping):
            return expected
        for path, what, hint in check_expectation(expected):
            at = node.get(str(path[0])) if path else None
            self.fields.error("RB834", what, at or node, hint)
        return expected
