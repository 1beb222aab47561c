"""`runbook test`: plays the scenarios beside runbooks, without any connection."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import click

from engine.cli.complete import complete_runbooks
from engine.cli.session import Session
from engine.errors import Usage
from engine.scenario.read import read_scenarios
from engine.scenario.report import Result, junit, never_reached, try_scenario


@click.command("test")
@click.argument("names", metavar="[NAME|PACK]...", nargs=-1, shell_complete=complete_runbooks)
@click.option("--junit", "junit_file", metavar="FILE", help="Also write JUnit's XML there.")
@click.option("--coverage", is_flag=True, help="Also say which steps no scenario reaches.")
@click.pass_obj
def test(session: Session, names: tuple[str, ...], junit_file: str | None, coverage: bool) -> int:
    """Play the scenarios of runbooks: of those named, of a PACK, or of all.

    A scenario (`<runbook>.test.yaml`) says what the steps find and what must happen. Nothing is
    connected, and waiting takes no time. Exit code 1 when one does not hold.
    """
    results: list[Result] = []
    silent: list[str] = []
    for name, found in _tried(session, names):
        if not found:
            silent.append(name)
        _show(session, found)
        if coverage and found:
            _show_coverage(session, name, found)
        results.extend(found)
    if not results:
        raise Usage(
            "there are no scenarios", help="write them in PACK/NAME.test.yaml beside the runbook"
        )
    if junit_file is not None:
        _write(Path(junit_file), junit(results))
    return _end(session, results, silent if coverage else [])


def _tried(session: Session, names: tuple[str, ...]) -> Iterator[tuple[str, list[Result]]]:
    """Each runbook with the results of its scenarios, as they come."""
    books = session.find_books()
    for name in _chosen(session, names):
        path = books.scenarios(name)
        if path is None:
            if name in names:
                raise Usage(f"{name} has no scenarios", help=f"write {_beside(books.path(name))}")
            yield name, []
            continue
        runbook = session.load(name)
        found = []
        for scenario in read_scenarios(path, runbook):
            begun_s = time.perf_counter()
            result = try_scenario(runbook, scenario, session.registry)
            took_ms = (time.perf_counter() - begun_s) * 1000
            found.append(_timed(result, took_ms))
        yield name, found


def _timed(result: Result, took_ms: float) -> Result:
    same = (result.runbook, result.scenario, result.place, result.lines)
    return Result(*same, round(took_ms, 3), result.reached)


def _chosen(session: Session, names: tuple[str, ...]) -> list[str]:
    books = session.find_books()
    if not names:
        return list(books.names())
    chosen: list[str] = []
    for name in names:
        if name in books.packs():
            chosen += [known for known in books.names() if known.partition("/")[0] == name]
        else:
            books.path(name)
            chosen.append(name)
    return list(dict.fromkeys(chosen))


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.stem}.test.yaml")


def _show(session: Session, results: list[Result]) -> None:
    output = session.output
    for result in results:
        if session.json:
            output.object(
                {
                    "type": "scenario",
                    "runbook": result.runbook,
                    "name": result.scenario,
                    "holds": result.holds,
                    "lines": list(result.lines),
                    "took_ms": result.took_ms,
                }
            )
            continue
        word = "passed" if result.holds else "failed"
        mark = output.style.paint(output.style.symbol(word), output.style.colour_of(word))
        output.line(f"{mark} {word:6}  {result.runbook}  {result.scenario}")
        for line in result.lines:
            output.line(f"    {line}")
        if not result.holds:
            output.line(f"    at {result.place}")


def _show_coverage(session: Session, name: str, results: list[Result]) -> None:
    missing = never_reached(session.load(name), results)
    if session.json:
        session.output.object({"type": "coverage", "runbook": name, "never_reached": list(missing)})
    elif missing:
        session.output.line(f"  never reached in {name}: {', '.join(missing)}")


def _end(session: Session, results: list[Result], silent: list[str]) -> int:
    failed = sum(1 for result in results if not result.holds)
    took_ms = sum(result.took_ms for result in results)
    for name in silent:
        session.output.note(f"  {name} has no scenarios")
    count = f"{len(results)} scenario{'s' if len(results) != 1 else ''}"
    if failed:
        session.output.note(f"{count}: {failed} failed ({took_ms:.0f} ms)")
        return 1
    session.output.note(f"{count}: all hold ({took_ms:.0f} ms)")
    return 0


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Usage(f"{file} cannot be written: {error.strerror}") from error
