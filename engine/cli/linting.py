"""Reads everything it is told to, and gathers what is wrong: in runbooks, environments and
contacts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engine.cli.linting_people import addresses_of, calls_of, channels_of
from engine.config import Books
from engine.errors import Collector, Diagnosed, Diagnostic, Usage
from engine.language.catalog import Catalog
from engine.language.load import check_runbook
from engine.language.model import Runbook
from engine.language.source import read
from engine.language.words import did_you_mean, listed, named
from engine.scenario.read import read_scenarios

ALL = "all"


@dataclass(slots=True)
class Linting:
    """What was found so far. A diagnostic is told once, however many runbooks lead to its place."""

    books: Books | None
    catalog: Catalog
    found: dict[tuple[str, int, int, str, str], Diagnostic] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    files: set[str] = field(default_factory=set)

    def add(self, diagnostics: Sequence[Diagnostic]) -> None:
        for one in diagnostics:
            place = one.place
            self.found.setdefault((place.file, place.line, place.column, one.code, one.what), one)

    def runbook(self, name: str, file: Path) -> None:
        self.files.add(str(file))
        collector = Collector()
        text = read(file, collector)
        self.add(collector.found)
        if text is None:
            return
        self.sources[str(file)] = text
        runbook, found = check_runbook(name, text, str(file), self.catalog, self._find)
        self.add(found)
        if runbook is not None:
            self.add(tuple(self._environments(runbook, file)))
            if self.books is not None and file.parent.name in self.books.packs():
                self.add(calls_of(self.books, runbook))
        scenarios = file.with_name(f"{file.stem}.test.yaml")
        if runbook is not None and scenarios.is_file():
            books = self.books if self._ours(file) else None
            self._config(scenarios, lambda: _nothing(read_scenarios(scenarios, runbook, books)))

    def _ours(self, file: Path) -> bool:
        """Whether a file lies in a pack of the books, and not in another one of its name."""
        pack = file.resolve().parent
        if self.books is None or pack.name not in self.books.packs():
            return False
        return self.books.pack(pack.name).resolve() == pack

    def _environments(self, runbook: Runbook, file: Path) -> Iterator[Diagnostic]:
        """Triggers that name an environment which the pack of the file does not have."""
        pack = runbook.name.partition("/")[0]
        if self.books is None or not self._ours(file):
            return
        known = self.books.environments(pack)
        for trigger in runbook.triggers:
            name = trigger.rule.get("environment")
            if name is not None and name not in known:
                what = f"the pack {named(pack)} has no environment {named(name)}"
                hint = did_you_mean(name, known, f"it has {listed(known, 'and') or 'none'}")
                place = trigger.places["environment"]
                yield Diagnostic("RB603", what, place, hint, len("environment"))

    def pack(self, pack: str) -> None:
        """The environments and contacts of a pack."""
        books = self.books
        if books is None:
            return
        folder = books.pack(pack)
        for name in books.environments(pack):
            file = folder / "environments" / f"{name}.yaml"
            self._config(file, lambda n=name: books.environment(pack, n, self.catalog).warnings)  # type: ignore[misc]
        if (folder / "contacts.yaml").is_file():
            catalog = self.catalog
            self._config(
                folder / "contacts.yaml",
                lambda: (*channels_of(books, catalog, pack), *addresses_of(books, catalog, pack)),
            )

    def _config(self, file: Path, check: Callable[[], tuple[Diagnostic, ...]]) -> None:
        self.files.add(str(file))
        try:
            self.add(check())
        except Diagnosed as e:
            self.add(e.diagnostics)
            self.sources.update(e.sources)

    def _find(self, name: str) -> tuple[str, str] | None:
        if self.books is None:
            return None
        try:
            file, text = self.books.source(name)
        except (Usage, Diagnosed):
            return None
        self.sources[file] = text
        return file, text

    def all_sources(self) -> dict[str, str]:
        """The texts for the snippets; those of warnings in files that read well are read here."""
        for one in self.found.values():
            if one.place.file not in self.sources:
                text = read(Path(one.place.file), Collector())
                if text is not None:
                    self.sources[one.place.file] = text
        return self.sources


def _nothing(_: object) -> tuple[Diagnostic, ...]:
    return ()


def lint_all(
    find_books: Callable[[], Books], catalog: Catalog, names: Sequence[str]
) -> tuple[tuple[Diagnostic, ...], dict[str, str], int]:
    """Diagnostics in the order of files and lines, the texts for their snippets, the number of
    files.

    A name is a runbook, a pack, a file, or `all`; none at all means `all`.
    """
    books = find_books() if any(not _is_file(name) for name in names or (ALL,)) else None
    linting = Linting(books or _books_or_none(find_books), catalog)
    for name in names or (ALL,):
        _lint(linting, name)
    found = tuple(sorted(linting.found.values(), key=lambda d: (d.place, d.code)))
    return found, linting.all_sources(), len(linting.files)


def _books_or_none(find_books: Callable[[], Books]) -> Books | None:
    """For files outside of any folder of books: then a called runbook is just not there."""
    try:
        return find_books()
    except Usage:
        return None


def _lint(linting: Linting, name: str) -> None:
    books = linting.books
    if _is_file(name):
        file = Path(name)
        linting.runbook(f"{file.resolve().parent.name}/{file.stem}", file)
    elif books is not None and name == ALL:
        for pack in books.packs():
            linting.pack(pack)
        for known in books.names():
            linting.runbook(known, books.path(known))
    elif books is not None and name in books.packs():
        linting.pack(name)
        for known in books.names():
            if known.partition("/")[0] == name:
                linting.runbook(known, books.path(known))
    elif books is not None:
        linting.runbook(name, books.path(name))


def _is_file(name: str) -> bool:
    return name.endswith((".yaml", ".yml")) or Path(name).is_file()
