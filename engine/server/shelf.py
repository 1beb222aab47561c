"""All runbooks, ready to be asked for their triggers, and made anew when a file changes."""

from __future__ import annotations

from engine.clock import Clock
from engine.config import Books
from engine.errors import RunbookError
from engine.language.model import Runbook
from engine.registry import Registry
from engine.server.logs import Log

LOOK_S = 1.0
"""Between two looks at the files: an edited rule holds for what arrives a second later."""


class Shelf:
    """A runbook that cannot be read is told once, and is as if it were not there."""

    def __init__(self, books: Books, registry: Registry, clock: Clock, log: Log) -> None:
        self._books = books
        self._registry = registry
        self._clock = clock
        self._log = log
        self._looked_s = float("-inf")
        self._seen: dict[str, tuple[int, int]] = {}
        self._made: dict[str, Runbook] = {}

    def books(self) -> list[Runbook]:
        """Every runbook, by name."""
        now_s = self._clock.monotonic_s()
        if now_s - self._looked_s >= LOOK_S:
            self._look()
            self._looked_s = self._clock.monotonic_s()
        return [self._made[name] for name in sorted(self._made)]

    def _look(self) -> None:
        names = set(self._books.names())
        for name in [name for name in self._seen if name not in names]:
            self._seen.pop(name)
            self._made.pop(name, None)
        changed = False
        for name in sorted(names):
            at = self._books.path(name).stat()
            stamp = (at.st_mtime_ns, at.st_size)
            if self._seen.get(name) != stamp:
                self._seen[name], changed = stamp, True
        if changed:
            self._load(sorted(names))

    def _load(self, names: list[str]) -> None:
        """All of them: one that did not change may call one that did."""
        for name in names:
            try:
                self._made[name] = self._books.load(name, self._registry)
            except RunbookError as error:
                self._made.pop(name, None)
                self._log.fault("a runbook cannot be read", runbook=name, why=error.message)
