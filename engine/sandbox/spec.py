"""What an environment says of its sandbox: services, and the fault of each runbook.

    services:
      cache: {kind: redis, config: {maxmemory: 32mb}}
    faults:
      redis-memory-pressure:              # the runbook, without the pack
        summary: The cache is nearly full.
        inputs: {limit: 0.8}              # what the runbook is given, where a run gives nothing
        services:
          cache: {fill: [...]}            # laid over the service's own settings
        ends: unresolved                  # how the runbook ends then, where it cannot be repaired
        answers: {ready: "no"}            # what people say to its steps, where it is not the yes
        anyway: It is asked for.          # why the runbook acts though there is no fault

A fault's settings are laid over those of the service: a mapping key by key, a list behind the list,
anything else instead.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.errors import RunbookError
from engine.language.duration import format_duration, format_size, parse_duration, parse_size
from engine.language.words import did_you_mean, listed

REFERENCE = re.compile(r"\$\{service:([A-Za-z0-9_-]+)\.([A-Za-z0-9_]+)\}")
"""`${service:cache.url}` in a connection; group 1 is the service."""


ENDS = ("resolved", "unresolved", "failed", "aborted")
"""How a run may end that finds a fault."""


class Wrong(RunbookError):
    """Something is wrong in what an environment says of its sandbox. `where` is a path in the file:
    `services.cache.fill[2].size`.
    """

    exit_code = 2

    def __init__(self, what: str, where: str, help: str | None = None) -> None:
        super().__init__(f"{where}: {what}", help=help)
        self.path: tuple[str | int, ...] = tuple(
            int(part) - 1 if part.isdigit() else part for part in re.findall(r"[^.\[\]]+", where)
        )


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """One service of an environment, as written."""

    name: str
    kind: str
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Fault:
    """What is broken for a runbook, and how to break it.

    `inputs` stand in for inputs that the run does not give: what a fault cannot make true in a
    moment (a session idle for ten minutes) is asked for in a smaller size. `ends`, `answers` (by
    the id of the step) and `anyway` say what is to be seen of the runbook here; tests hold it to
    that.
    """

    runbook: str
    summary: str
    inputs: Mapping[str, Any] = field(default_factory=dict)
    services: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    ends: str = "resolved"
    answers: Mapping[str, str] = field(default_factory=dict)
    anyway: str | None = None


def read_services(written: object, kinds: Collection[str]) -> dict[str, ServiceSpec]:
    """The services of an environment. Raises Wrong."""
    services = {}
    for name, settings in _mapping(written, "services").items():
        where = f"services.{name}"
        rest = dict(_mapping(settings, where))
        kind = rest.pop("kind", None)
        if kind not in kinds:
            raise Wrong(
                f"{kind!r} is no kind of service",
                f"{where}.kind",
                did_you_mean(str(kind), kinds, f"the kinds are {listed(sorted(kinds), 'and')}"),
            )
        services[name] = ServiceSpec(name, str(kind), rest)
    return services


def read_faults(written: object, services: Collection[str]) -> dict[str, Fault]:
    """The faults of an environment, by the runbook's name without the pack. Raises Wrong."""
    return {
        name: _read_fault(name, _mapping(fault, f"faults.{name}"), services)
        for name, fault in _mapping(written, "faults").items()
    }


def _read_fault(name: str, written: Mapping[str, Any], services: Collection[str]) -> Fault:
    where = f"faults.{name}"
    only(written, ("summary", "inputs", "services", "ends", "answers", "anyway"), where)
    summary = written.get("summary")
    if not isinstance(summary, str) or not summary.strip():
        raise Wrong("a fault has no summary", where, "say in a few lines what is broken")
    changed = _mapping(written.get("services"), f"{where}.services")
    only(changed, services, f"{where}.services")
    return Fault(
        runbook=name,
        summary=summary.strip(),
        inputs=_mapping(written.get("inputs"), f"{where}.inputs"),
        services={k: _mapping(v, f"{where}.services.{k}") for k, v in changed.items()},
        ends=_one_of(written.get("ends", "resolved"), ENDS, f"{where}.ends"),
        answers={
            step: _text(said, f"{where}.answers.{step}")
            for step, said in _mapping(written.get("answers"), f"{where}.answers").items()
        },
        anyway=_text(written["anyway"], f"{where}.anyway") if "anyway" in written else None,
    )


def broken(spec: ServiceSpec, fault: Fault | None) -> ServiceSpec:
    """The service with the fault laid over it."""
    change = fault.services.get(spec.name) if fault else None
    if not change:
        return spec
    return ServiceSpec(spec.name, spec.kind, laid_over(spec.settings, change))


def laid_over(under: Any, over: Any) -> Any:
    if isinstance(under, Mapping) and isinstance(over, Mapping):
        both = {key: laid_over(under[key], over[key]) for key in under if key in over}
        return {**under, **over, **both}
    if isinstance(under, list) and isinstance(over, list):
        return [*under, *over]
    return over


def services_named(settings: object) -> set[str]:
    """The services that a connection's settings refer to."""
    if isinstance(settings, str):
        return {found[1] for found in REFERENCE.finditer(settings)}
    if isinstance(settings, Mapping):
        return services_named(list(settings.values()))
    if isinstance(settings, list | tuple):
        return {name for item in settings for name in services_named(item)}
    return set()


def only(written: Mapping[str, Any], known: Collection[str], where: str) -> None:
    """Raises Wrong for the first key that is not known, with the nearest one that is."""
    for key in written:
        if key not in known:
            otherwise = f"known here are {listed(sorted(known), 'and') or 'none'}"
            raise Wrong(f"unknown key {key!r}", where, did_you_mean(str(key), known, otherwise))


def entries(written: object, where: str) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """The mappings of a list, each with its place in words. Raises Wrong."""
    if written is None:
        return
    if not isinstance(written, list):
        raise Wrong(f"takes a list, not {written!r}", where)
    for number, item in enumerate(written, start=1):
        place = f"{where}[{number}]"
        yield place, _mapping(item, place)


def _one_of(written: object, known: Collection[str], where: str) -> str:
    if written not in known:
        raise Wrong(f"takes {listed(known)}, not {written!r}", where, "so a run may end")
    return str(written)


def _text(written: object, where: str) -> str:
    if not isinstance(written, str) or not written.strip():
        raise Wrong(f"takes a text, not {written!r}", where, 'write it in quotes: "yes"')
    return written


def whole_number(written: object, where: str, most: int) -> int:
    if isinstance(written, bool) or not isinstance(written, int) or not 0 <= written <= most:
        raise Wrong(f"takes a whole number from 0 to {most}, not {written!r}", where)
    return written


def seconds(written: object, where: str, most: float) -> float:
    try:
        found = parse_duration(written)
    except ValueError as e:
        raise Wrong(str(e), where) from e
    if found > most:
        raise Wrong(f"is longer than {format_duration(most)}", where)
    return found


def size_bytes(written: object, where: str, most: int) -> int:
    try:
        found = parse_size(written)
    except ValueError as e:
        raise Wrong(str(e), where) from e
    if found > most:
        raise Wrong(f"is more than {format_size(most)}", where)
    return found


def _mapping(written: object, where: str) -> Mapping[str, Any]:
    if written is None:
        return {}
    if not isinstance(written, Mapping):
        raise Wrong(f"takes a mapping, not {written!r}", where)
    return written
