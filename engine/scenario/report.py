"""How scenarios went: results, what no scenario reaches, and JUnit's XML for build servers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from engine.errors import Place, RunbookError
from engine.language.model import Choose, Runbook, walk_runbook
from engine.registry import Registry
from engine.scenario.play import judged, play
from engine.scenario.read import Scenario


@dataclass(frozen=True, slots=True)
class Result:
    """One scenario: `lines` say why it does not hold, empty when it does."""

    runbook: str
    scenario: str
    place: Place
    lines: tuple[str, ...]
    took_ms: float
    reached: frozenset[str] = frozenset()

    @property
    def holds(self) -> bool:
        return not self.lines


def try_scenario(
    runbook: Runbook, scenario: Scenario, registry: Registry, elapsed_ms: float = 0.0
) -> Result:
    """Plays and judges a scenario; one that cannot be played does not hold, and says why."""
    try:
        played = play(runbook, scenario, registry)
        lines = judged(scenario, played)
        reached = played.reached
    except RunbookError as error:
        helps = (f"help: {error.help}",) if error.help else ()
        lines, reached = (error.message, *helps), frozenset()
    return Result(runbook.name, scenario.name, scenario.place, lines, elapsed_ms, reached)


def never_reached(runbook: Runbook, results: Iterable[Result]) -> tuple[str, ...]:
    """Steps and ways of a runbook that no scenario reaches, in the order of the text."""
    reached = frozenset[str]().union(*(result.reached for result in results))
    missing = []
    for entry in walk_runbook(runbook):
        if entry.id not in reached:
            missing.append(entry.id)
        elif isinstance(entry, Choose):
            for number, way in enumerate(entry.ways, 1):
                if f"{entry.id} way-{number}" not in reached:
                    missing.append(f"{entry.id}: the way {way.name or number}")
    return tuple(missing)


def junit(results: Sequence[Result]) -> str:
    """JUnit's XML: a test suite for each runbook, a test case for each scenario."""
    root = ET.Element("testsuites")
    for name in dict.fromkeys(result.runbook for result in results):
        own = [result for result in results if result.runbook == name]
        failed = sum(1 for result in own if not result.holds)
        suite = ET.SubElement(
            root, "testsuite", name=name, tests=str(len(own)), failures=str(failed)
        )
        for result in own:
            case = ET.SubElement(
                suite,
                "testcase",
                classname=name,
                name=result.scenario,
                time=f"{result.took_ms / 1000:.6f}",
                file=result.place.file,
                line=str(result.place.line),
            )
            if not result.holds:
                failure = ET.SubElement(case, "failure", message=result.lines[0])
                failure.text = "\n".join(result.lines)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"
