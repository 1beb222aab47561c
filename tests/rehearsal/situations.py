"""What a rehearsal says, against what the run then does, before the same targets.

A situation is a runbook of ours before its sandbox: healthy, with a fault of the pack, or with one
of the services gone. It is rehearsed, everything its targets hold is compared with before, and then
it is run for real, with people who say yes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from engine.config import Environment
from engine.registry import Registry
from engine.sandbox import KINDS, Sandbox, connections_of
from engine.sandbox.spec import read_faults, read_services
from tests.rehearsal.dump import asked_to_write, dump
from tests.runbooks.every import BOOKS, Seen, Stage

NOBODY_PORT = 9
"""Of the loopback: nobody is there."""

OTHERS_MAX = 1
"""Situations of a runbook beside its fault and none: faults of others of the pack, a service that
is gone, one just after another. A different choice for each runbook, so that all kinds are there,
and few enough that all situations fit in the time of the tests; `--all` plays every one."""


@dataclass(frozen=True)
class Situation:
    """`fault` is the runbook (`pack/name`) whose fault is in place; `gone` a service; `again`: the
    runbook ran just before.
    """

    name: str
    fault: str | None = None
    gone: str | None = None
    again: bool = False

    @property
    def what(self) -> str:
        if self.again:
            return "it ran just before"
        if self.gone is not None:
            also = "its fault, and " if self.fault is not None else ""
            return f"{also}`{self.gone}` does not answer"
        if self.fault is None:
            return "healthy"
        own = self.fault == self.name
        return "its fault" if own else f"the fault of {self.fault.rpartition('/')[2]}"


@dataclass(frozen=True)
class Told:
    """What came of a situation."""

    situation: Situation
    verdict: str
    outcome: str
    changed: tuple[str, ...]
    """What the rehearsal changed at the targets: nothing, or we lied."""

    @property
    def kept(self) -> str:
        """Whether the word was kept."""
        said, done = self.verdict, self.outcome == "resolved"
        if said == "would resolve":
            return "kept" if done else "BROKEN"
        if said == "would stop at":
            return "too careful" if done else "kept"
        return "said it cannot tell"


def situations(registry: Registry, most: int | None = OTHERS_MAX) -> list[Situation]:
    """Of every runbook, in order; `most` None: all there are."""
    return [one for name in BOOKS.names() for one in _of(name, registry, most)]


def _of(name: str, registry: Registry, most: int | None) -> Iterator[Situation]:
    yield Situation(name)
    yield Situation(name, name)
    others = list(_others(name, registry))
    at = sum(map(ord, name)) * 7 % max(1, len(others))
    step = max(1, len(others) // (most or 1))
    yield from others if most is None else (others[at:] + others[:at])[::step][:most]


def _others(name: str, registry: Registry) -> Iterator[Situation]:
    place = _place(name, registry)
    yield Situation(name, name, again=True)
    for fault in read_faults(place.faults, _services(place)):
        if f"{place.pack}/{fault}" != name:
            yield Situation(name, f"{place.pack}/{fault}")
    runbook = BOOKS.load(name, registry)
    for spec in Sandbox(place, name, connections_of(runbook), with_fault=False).specs:
        if spec.kind in ("http", "redis", "postgres"):
            yield Situation(name, name, gone=spec.name)
            yield Situation(name, gone=spec.name)


def _place(name: str, registry: Registry) -> Environment:
    return BOOKS.environment(name.partition("/")[0], "sandbox", registry)


def _services(place: Environment) -> Mapping[str, Any]:
    return read_services(place.services, KINDS)


async def play(situation: Situation, registry: Registry, folder: Path) -> Told:
    """Rehearses it, compares, and runs it."""
    name = situation.name
    runbook = BOOKS.load(name, registry)
    place = _place(name, registry)
    fault, uses = situation.fault or "", connections_of(runbook)
    sandbox = Sandbox(place, fault, uses, with_fault=situation.fault is not None)
    own = read_faults(place.faults, _services(place))[name.rpartition("/")[2]]
    given = own.inputs if situation.fault == name else {}
    needed = {key: own.inputs[key] for key, spec in runbook.inputs.items() if spec.required}
    inputs = {**needed, **given}
    stage = Stage(registry, name, folder)
    async with sandbox:
        if situation.again:
            await stage.run(sandbox, inputs)
        asked = len(asked_to_write(sandbox))
        before = await dump(sandbox)
        with without(sandbox, situation.gone):
            rehearsed = await stage.run(sandbox, inputs, rehearsal=True)
        after = await dump(sandbox)
        changed = [key for key in {*before, *after} if before.get(key) != after.get(key)]
        changed += asked_to_write(sandbox)[asked:]
        with without(sandbox, situation.gone):
            ran = await stage.run(sandbox, inputs)
    return Told(situation, verdict_of(rehearsed), ran.status, tuple(changed))


def verdict_of(seen: Seen) -> str:
    """The words of the verdict, without the step."""
    for words in ("would resolve", "would stop at", "cannot tell from"):
        if seen.status.startswith(words):
            return words
    raise AssertionError(f"a rehearsal ended as {seen}")


@contextmanager
def without(sandbox: Sandbox, service: str | None) -> Iterator[None]:
    """The run finds nobody where the service was."""
    kept = dict(sandbox.services)
    if service is not None:
        sandbox.services[f"{service}.port"] = str(NOBODY_PORT)
        parts = urlsplit(kept[f"{service}.url"])
        who = f"{parts.username}@" if parts.username else ""
        place = parts._replace(netloc=f"{who}127.0.0.1:{NOBODY_PORT}")
        sandbox.services[f"{service}.url"] = urlunsplit(place)
    try:
        yield
    finally:
        sandbox.services.update(kept)


async def tell_all(folder: Path, most: int | None) -> AsyncIterator[Told]:
    registry = Registry()
    for one in situations(registry, most):
        yield await play(one, registry, folder)


def table(told: list[Told]) -> str:
    """For the manual: one line a situation, and the sums."""
    lines = [
        "| runbook | situation | the rehearsal said | the run ended | word |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {one.situation.name} | {one.situation.what} | {one.verdict} | {one.outcome}"
        f" | {one.kept} |"
        for one in told
    ]
    words = [one.kept for one in told]
    sums = ", ".join(f"{words.count(word)} {word}" for word in sorted(set(words)))
    return "\n".join([*lines, "", f"{len(told)} situations: {sums}.", ""])
