"""How scenarios went: results, and JUnit's XML for build servers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from engine.errors import Place, RunbookError
from engine.language.model import Runbook
from engine.registry import Registry
from engine.scenario.calls import Callers
from engine.scenario.judging import judged
from engine.scenario.play import play
from engine.scenario.read import Scenario


@dataclass(frozen=True, slots=True)
class Result:
    """One scenario: `lines` say why it does not hold, empty when it does."""

    runbook: str
    scenario: str
    place: Place
    lines: tuple[str, ...]
    took_ms: float
    reached: frozenset[tuple[str, str]] = frozenset()

    @property
    def holds(self) -> bool:
        return not self.lines


def try_scenario(
    runbook: Runbook, scenario: Scenario, registry: Registry, callers: Callers | None = None
) -> Result:
    """Plays and judges a scenario; one that cannot be played does not hold, and says why."""
    begun_s = time.perf_counter()
    reached: frozenset[tuple[str, str]] = frozenset()
    try:
        played = play(runbook, scenario, registry, callers)
        lines, reached = judged(scenario, played), played.reached
    except RunbookError as error:
        lines = (error.message, *((f"help: {error.help}",) if error.help else ()))
    took_ms = round((time.perf_counter() - begun_s) * 1000, 3)
    return Result(runbook.name, scenario.name, scenario.place, lines, took_ms, reached)


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
