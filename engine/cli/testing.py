"""`runbook test`: plays the scenarios beside runbooks, without any connection."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli.complete import complete_runbooks
from engine.cli.session import Session
from engine.errors import Usage

if TYPE_CHECKING:
    from engine.config import Books
    from engine.language.model import Runbook
    from engine.registry import Registry
    from engine.scenario.batch import Job, Tried
    from engine.scenario.calls import Caller
    from engine.scenario.report import Result
    from engine.wiring.scenarios import ContactsOf

SCENARIOS = ".test.yaml"


@click.command("test")
@click.argument(
    "names", metavar="[NAME | PACK | PATH]...", nargs=-1, shell_complete=complete_runbooks
)
@click.option(
    "-k", "words", metavar="WORDS", default="", help="Only those whose name has them all."
)
@click.option("-x", "--fail-fast", is_flag=True, help="Stop at the first that does not hold.")
@click.option("--coverage", is_flag=True, help="Also say which steps and ways none reaches.")
@click.option("--junit", "junit_file", metavar="FILE", help="Also write JUnit's XML there.")
@click.pass_obj
def test(
    session: Session,
    /,
    names: tuple[str, ...],
    words: str,
    fail_fast: bool,
    **more: bool | str | None,
) -> int:
    """Play the scenarios of runbooks: of those named, of a PACK, of files, or of all.

    A scenario (`<runbook>.test.yaml`) says what the steps find and what must happen. Nothing is
    connected, and waiting takes no time. Exit code 1 when one does not hold, 2 when a file cannot
    be read.
    """
    from engine.scenario.batch import try_all  # noqa: PLC0415  the whole language

    begun_s = time.perf_counter()
    jobs = list(_jobs(session, names))
    wanted = words.lower().split()
    seen: list[Tried] = []
    for tried in try_all(jobs, session.registry, words=wanted, fail_fast=fail_fast):
        _show(session, tried)
        seen.append(tried)
    if not any(tried.results or tried.problem for tried in seen):
        raise _nothing(words)
    if more["coverage"]:
        _show_coverage(session, seen)
    if more["junit_file"]:
        _write_junit(Path(str(more["junit_file"])), seen)
    return _end(session, seen, time.perf_counter() - begun_s)


def _nothing(words: str) -> Usage:
    if words:
        return Usage(f"no scenario has '{words}' in its name", help="`-k` looks for all its words")
    return Usage(
        "there are no scenarios", help=f"write them in PACK/NAME{SCENARIOS} beside the runbook"
    )


@dataclass(slots=True)
class _Callers:
    """Whom runs call, imported for the first scenario that asks: half of the engine hangs on it."""

    books: Books
    registry: Registry
    known: ContactsOf | None = None

    def __call__(self, runbook: Runbook, environment: str) -> Caller:
        if self.known is None:
            from engine.wiring.scenarios import ContactsOf  # noqa: PLC0415  as it says

            self.known = ContactsOf(self.books, self.registry)
        return self.known(runbook, environment)


# -- what is played --------------------------------------------------------------------------------


def _jobs(session: Session, names: tuple[str, ...]) -> Iterator[Job]:
    """The runbooks that are meant, each once."""
    from engine.scenario.batch import Job  # noqa: PLC0415  as above

    seen: set[Path] = set()
    for books, name, needed in _chosen(session, names):
        path = books.path(name)
        if path.resolve() in seen:
            continue
        seen.add(path.resolve())
        file = books.scenarios(name)
        if file is None and needed:
            raise Usage(f"{name} has no scenarios", help=f"write {_beside(path)}")
        yield Job(books, name, file, _Callers(books, session.registry))


def _chosen(session: Session, names: tuple[str, ...]) -> Iterator[tuple[Books, str, bool]]:
    """Books, a runbook in them, and whether it was named itself."""
    if not names:
        books = session.find_books()
        yield from ((books, name, False) for name in books.names())
    for given in names:
        path = Path(given)
        if given.endswith((".yaml", ".yml")) or path.is_file():
            yield _of_file(path)
        elif path.is_dir() and given.partition("/")[0] not in _packs(session):
            yield from _of_folder(path)
        elif given in _packs(session):
            books = session.find_books()
            yield from ((books, name, False) for name in _of_pack(books, given))
        else:
            yield session.find_books(), given, True


def _packs(session: Session) -> tuple[str, ...]:
    """The packs that are at hand; none where paths are given and there is no folder of packs."""
    try:
        return session.find_books().packs()
    except Usage:
        return ()


def _of_pack(books: Books, pack: str) -> Iterator[str]:
    return (name for name in books.names() if name.partition("/")[0] == pack)


def _of_file(path: Path) -> tuple[Books, str, bool]:
    """A runbook's file, or the file of its scenarios."""
    from engine.config import Books  # noqa: PLC0415  reads YAML

    if not path.is_file():
        raise Usage(f"the file {path} is not there")
    whole = path.resolve()
    stem = whole.name.removesuffix(SCENARIOS).removesuffix(".yaml")
    return Books([whole.parent.parent]), f"{whole.parent.name}/{stem}", True


def _of_folder(path: Path) -> Iterator[tuple[Books, str, bool]]:
    """A folder of packs, or one pack."""
    from engine.config import Books  # noqa: PLC0415  reads YAML

    whole = path.resolve()
    pack = Books([whole.parent])
    names = tuple(_of_pack(pack, whole.name))
    books = pack if names else Books([whole])
    names = names or books.names()
    if not names:
        raise Usage(f"{path} holds no runbooks", help="a folder of packs, or a pack, does")
    yield from ((books, name, False) for name in names)


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.stem}{SCENARIOS}")


# -- what is told ----------------------------------------------------------------------------------


def _show(session: Session, tried: Tried) -> None:
    if tried.problem is not None:
        if session.json:
            said = {"type": "problem", "runbook": tried.name, "text": tried.problem}
            session.output.object(said)
        else:
            session.output.note(tried.problem)
    for result in tried.results:
        if session.json:
            session.output.object(_result_json(result))
        else:
            _show_result(session, result)


def _result_json(result: Result) -> dict[str, object]:
    return {
        "type": "scenario",
        "runbook": result.runbook,
        "name": result.scenario,
        "holds": result.holds,
        "lines": list(result.lines),
        "took_ms": result.took_ms,
        "place": str(result.place),
    }


def _show_result(session: Session, result: Result) -> None:
    output = session.output
    word = "passed" if result.holds else "failed"
    mark = output.style.paint(output.style.symbol(word), output.style.colour_of(word))
    output.line(f"{mark} {word:6}  {result.runbook}  {result.scenario}")
    for line in result.lines:
        output.line(f"    {line}")
    if not result.holds:
        output.line(f"    at {result.place}")


def _show_coverage(session: Session, seen: Iterable[Tried]) -> None:
    """What no scenario of all that were played reaches; also in the runbooks that are called."""
    from engine.scenario.coverage import never_reached  # noqa: PLC0415  as above

    played = [tried for tried in seen if tried.problem is None]
    known = {name: own for tried in played for name, own in tried.known.items()}
    silent = [tried.name for tried in played if not tried.results]
    missing = never_reached(known, (r.reached for tried in played for r in tried.results))
    for name, own in known.items():
        told = missing.get(name, ())
        if session.json:
            steps = {"points": len(own), "never_reached": list(told)}
            session.output.object({"type": "coverage", "runbook": name, **steps})
        elif told and name not in silent:
            session.output.line(f"  never reached in {name}: {', '.join(told)}")
    for name in silent if not session.json else ():
        session.output.line(f"  {name} has no scenarios")
    if not session.json:
        total, lost = sum(map(len, known.values())), sum(map(len, missing.values()))
        session.output.line(f"  {total - lost} of {total} steps and ways are reached")


def _end(session: Session, seen: list[Tried], took_s: float) -> int:
    results = [result for tried in seen for result in tried.results]
    failed = sum(1 for result in results if not result.holds)
    broken = sum(1 for tried in seen if tried.problem is not None)
    count = f"{len(results)} scenario{'s' if len(results) != 1 else ''}"
    words = [f"{failed} failed"] if failed else ["all hold"] if not broken else []
    words += [f"{broken} file{'s' if broken != 1 else ''} cannot be read"] if broken else []
    session.output.note(f"{count}: {', '.join(words)} ({took_s * 1000:.0f} ms)")
    return 2 if broken else 1 if failed else 0


def _write_junit(file: Path, seen: list[Tried]) -> None:
    from engine.scenario.batch import unreadable  # noqa: PLC0415  as above
    from engine.scenario.report import junit  # noqa: PLC0415  as above

    results = [
        result
        for tried in seen
        for result in ((unreadable(tried),) if tried.problem is not None else tried.results)
    ]
    try:
        file.write_text(junit(results), encoding="utf-8")
    except OSError as error:
        raise Usage(f"{file} cannot be written: {error.strerror}") from error
