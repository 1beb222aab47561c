"""Text -> Runbook, or every diagnostic.

`check_runbook` tells everything it finds, warnings too; `load_runbook` hands out a runbook that has
no errors, or raises. Both read the runbooks that are called, all the way down.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from msgspec import Struct, field
from msgspec.structs import replace

from engine.errors import Collector, Diagnosed, Diagnostic
from engine.language import source
from engine.language.catalog import Catalog
from engine.language.draft import Draft
from engine.language.entries import read_block, read_entry
from engine.language.head import read_runbook
from engine.language.linking import check_call_inputs
from engine.language.model import Runbook
from engine.language.names import check_names
from engine.language.nodes import Node
from engine.language.words import named

Find = Callable[[str], tuple[str, str] | None]
"""File and text of another runbook by its name (`pack/name`), or None."""

MAX_CALL_DEPTH = 8
"""Runbooks calling runbooks. Deeper than that nobody can follow an incident."""

MAX_CALLED = 50
"""Different runbooks called by one, all the way down."""


def load_runbook(name: str, text: str, file: str, catalog: Catalog, find: Find) -> Runbook:
    """A runbook without errors. Raises Diagnosed with all of them and the texts for snippets."""
    loading = _Loading(catalog, find)
    runbook = loading.read(name, text, file)
    found = _told(loading.collector)
    if runbook is None or loading.collector.errors:
        raise Diagnosed(found, loading.sources)
    return runbook


def load_anyway(name: str, text: str, file: str, catalog: Catalog, find: Find) -> Runbook:
    """A runbook that had no errors once, whatever errors it has by this catalog. Raises Diagnosed
    where it is none at all.
    """
    loading = _Loading(catalog, find)
    runbook = loading.read(name, text, file)
    if runbook is None:
        raise Diagnosed(_told(loading.collector), loading.sources)
    return runbook


def check_runbook(
    name: str, text: str, file: str, catalog: Catalog, find: Find
) -> tuple[Runbook | None, tuple[Diagnostic, ...]]:
    """The runbook where it has no errors, and everything there is to tell."""
    loading = _Loading(catalog, find)
    runbook = loading.read(name, text, file)
    found = _told(loading.collector)
    return (None if loading.collector.errors else runbook), found


def _told(collector: Collector) -> tuple[Diagnostic, ...]:
    """In the order of the text, each once: an alias would repeat what is wrong with what it names.

    Where the source itself is wrong, what that led to at the same place is left out.
    """
    broken = {d.place for d in collector.found if d.code < "RB1"}
    kept = [d for d in collector.found if d.code < "RB1" or d.place not in broken]
    once = {(d.place, d.code, d.what): d for d in kept}
    return tuple(once[key] for key in sorted(once))


class _Loading(Struct):
    """One runbook and those it calls, while they are read."""

    catalog: Catalog
    find: Find
    collector: Collector = field(default_factory=Collector)
    sources: dict[str, str] = field(default_factory=dict)
    done: dict[str, Runbook | None] = field(default_factory=dict)
    path: list[str] = field(default_factory=list)

    def read(self, name: str, text: str, file: str) -> Runbook | None:
        self.sources[file] = text
        node = source.parse(text, file, self.collector)
        draft = Draft(file, self.catalog, self.collector, read_block, read_entry)
        runbook = None if node is None else read_runbook(draft, node, name, text)
        if runbook is None:
            return None
        self.path.append(name)
        direct = self.called(draft)
        self.path.pop()
        check_names(draft, runbook, direct)
        return replace(runbook, calls=_all_the_way(direct))

    def called(self, draft: Draft) -> dict[str, Runbook]:
        """The runbooks that entries of this one call, by name."""
        found: dict[str, Runbook] = {}
        for record, call in draft.calls:
            if not call.name:
                continue
            node = record.value("runbook")
            runbook = self.get(draft, call.name, node)
            if runbook is not None:
                found[call.name] = runbook
                check_call_inputs(draft, record, runbook)
        return found

    def get(self, draft: Draft, name: str, node: Node) -> Runbook | None:
        if name in self.path:
            circle = " calls ".join([*self.path[self.path.index(name) :], name])
            draft.error("RB221", f"a runbook cannot call itself: {circle}", node)
            return None
        if name in self.done:
            return self.done[name]
        if len(self.path) >= MAX_CALL_DEPTH or len(self.done) >= MAX_CALLED:
            what = (
                f"runbooks call runbooks {MAX_CALL_DEPTH} deep, or more than {MAX_CALLED} of them"
            )
            draft.error("RB222", what, node, "put steps into a `group` instead")
            return None
        self.done[name] = self.look_up(draft, name, node)
        return self.done[name]

    def look_up(self, draft: Draft, name: str, node: Node) -> Runbook | None:
        found = self.find(name)
        if found is None:
            sibling = f"{self.path[-1].rpartition('/')[0]}/{name}"
            near = "/" not in name and self.find(sibling) is not None
            hint = (
                f"did you mean {named(sibling)}?"
                if near
                else "`runbook list` lists them, as pack/name"
            )
            draft.error("RB220", f"there is no runbook {named(name)}", node, hint)
            return None
        return self.read(name, found[1], found[0])


def _all_the_way(direct: Mapping[str, Runbook]) -> dict[str, Runbook]:
    return dict(_flattened(direct))


def _flattened(direct: Mapping[str, Runbook]) -> Iterator[tuple[str, Runbook]]:
    for name, runbook in direct.items():
        yield name, runbook
        yield from runbook.calls.items()
