"""Which step types and adapters there are: what the entry points of installed packages name.

| group | name | value |
|---|---|---|
| `runbook.checks` | the family | a module with checks |
| `runbook.actions` | the family | a module with actions |
| `runbook.adapters` | the family | `module:Class` |
| `runbook.channels` | the family | `module:Class`: a connection by which people are told |

Only the family that is asked for is imported. Every `StepType` of a module belongs to the family
its entry point names. Two packages that name the same step type or adapter are an error, not a
surprise.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import import_module
from inspect import cleandoc
from types import ModuleType
from typing import Any

from engine.errors import RunbookError
from engine.language.catalog import Kind, Parameter, StepSignature
from engine.language.words import did_you_mean, listed, named
from engine.plugin import Adapter, StepType, parameters_of

CHECKS, ACTIONS, ADAPTERS, CHANNELS = GROUPS = (
    "runbook.checks",
    "runbook.actions",
    "runbook.adapters",
    "runbook.channels",
)

ADAPTER_PARTS = ("family", "fingerprint", "ping", "reader", "writer", "close")
"""What `engine.plugin.Adapter` asks of a class."""

CHANNEL_PARTS = (
    *("family", "fingerprint", "ping", "close"),
    *("send", "addressed", "again", "text_max_chars", "interval_s"),
)
"""What `engine.plugin.channel.Channel` asks of a class."""

ENTRY_POINTS_MAX_BYTES = 64 * 1024
"""Of one package's entry_points.txt; the longest known have 20 KiB."""

Named = Mapping[str, Mapping[str, tuple[str, ...]]]
"""For each group its families, and for each family the values named for it, in the order of the
path.
"""

Family = dict[tuple[str, str], StepType[..., Any]]
"""The step types of a family by kind and type: `http.request` is a check and an action."""


class Registry:
    """The step types and adapters of all installed packages; the language's `Catalog`.

    Made without arguments it knows what is installed; `Registry.of` makes one of given parts.
    """

    def __init__(self, entry_points: Named | None = None) -> None:
        self._entry_points = entry_points
        self._families: dict[str, Family] = {}
        self._adapters: dict[str, type[Adapter]] = {}
        self._settings: dict[str, dict[str, Parameter]] = {}

    @classmethod
    def of(
        cls, modules: Iterable[ModuleType] = (), adapters: Iterable[type[Adapter]] = ()
    ) -> Registry:
        """One that knows these modules' step types and these adapters, whatever is installed."""
        registry = cls({group: {} for group in GROUPS})
        for module in modules:
            for step in steps_in(module):
                family = registry._families.setdefault(step.signature.family, {})
                _put(family, step, module.__name__)
        registry._adapters = {adapter.family: adapter for adapter in adapters}
        return registry

    def get(self, type: str, kind: Kind | None = None) -> StepSignature | None:
        found = self._lookup(type, kind)
        return found.signature if found else None

    def step(self, type: str, kind: Kind | None = None) -> StepType[..., Any]:
        """The step type; without a `kind` the check, where both have the name."""
        found = self._lookup(type, kind)
        if found is None:
            raise RunbookError(
                f"no {kind or 'check or action'} is named {named(type)}",
                help=did_you_mean(type, self.types()),
            )
        return found

    def types(self) -> tuple[str, ...]:
        return tuple(sorted({name for f in self.families() for _, name in self._family(f)}))

    def families(self) -> tuple[str, ...]:
        """The families that have checks or actions; imports none of them."""
        found = self._found()
        return tuple(sorted({*found[CHECKS], *found[ACTIONS], *self._families}))

    def adapter(self, family: str) -> type[Adapter]:
        """The adapter's class, or the channel's. Raises RunbookError when there is none."""
        if family not in self._adapters:
            found = self._found()
            channels = found.get(CHANNELS, {}).get(family, ())
            values = (*found[ADAPTERS].get(family, ()), *channels)
            if not values:
                known = self.adapters()
                otherwise = f"there are {listed(known, 'and')}"
                raise RunbookError(
                    f"no adapter is named {named(family)}",
                    help=did_you_mean(family, known, otherwise),
                )
            if len(values) > 1:
                raise RunbookError(
                    f"the adapter {named(family)} is defined twice: in {listed(values, 'and')}",
                    help="uninstall one of the packages",
                )
            parts = CHANNEL_PARTS if channels else ADAPTER_PARTS
            self._adapters[family] = _adapter_class(family, values[0], parts)
        return self._adapters[family]

    def adapters(self) -> tuple[str, ...]:
        found = self._found()
        return tuple(sorted({*found[ADAPTERS], *found.get(CHANNELS, {}), *self._adapters}))

    def connection(self, adapter: str) -> Mapping[str, Parameter] | None:
        if adapter not in self.adapters():
            return None
        if adapter not in self._settings:
            made: Any = self.adapter(adapter)
            docs = "\n".join(cleandoc(d.__doc__ or "") for d in (made, made.__init__))
            self._settings[adapter] = parameters_of(
                made.__init__, skip_first=True, what=f"the adapter {adapter}", doc=docs
            )
        return self._settings[adapter]

    def _found(self) -> Named:
        return installed() if self._entry_points is None else self._entry_points

    def _lookup(self, type: str, kind: Kind | None) -> StepType[..., Any] | None:
        family = self._family(type.partition(".")[0])
        if kind is not None:
            return family.get((kind, type))
        return family.get(("check", type)) or family.get(("action", type))

    def _family(self, name: str) -> Family:
        if name not in self._families:
            found = self._found()
            family: Family = {}
            for group in (CHECKS, ACTIONS):
                for value in found[group].get(name, ()):
                    for step in steps_in(_module(value)):
                        _check_family(step, name, value)
                        _put(family, step, value)
            self._families[name] = family
        return self._families[name]


@cache
def installed() -> Named:
    """What the installed packages name in our groups.

    Reads `entry_points.txt` of every package on the path itself: `importlib.metadata` does the
    same, and brings 20 ms of imports with it. As there, of two packages with one name the first on
    the path counts.
    """
    found: dict[str, dict[str, tuple[str, ...]]] = {group: {} for group in GROUPS}
    seen: set[str] = set()
    for folder in dict.fromkeys(sys.path):
        for name, text in _entry_point_files(folder or "."):
            if name in seen:
                continue
            seen.add(name)
            for group, family, value in _parsed(text):
                values = found[group].get(family, ())
                if value not in values:
                    found[group][family] = (*values, value)
    return found


def _entry_point_files(folder: str) -> Iterator[tuple[str, str]]:
    """The name of each package in a folder of the path, and its entry points; no zip files."""
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208 - a third of the time of Path.iterdir
    except OSError:
        return
    for name in names:
        if not name.endswith((".dist-info", ".egg-info")):
            continue
        package = re.sub(r"[-_.]+", "-", name.rpartition(".")[0].partition("-")[0]).lower()
        try:
            with open(f"{folder}/{name}/entry_points.txt", encoding="utf-8") as file:  # noqa: PTH123
                text = file.read(ENTRY_POINTS_MAX_BYTES)
        except (OSError, UnicodeDecodeError):
            text = ""
        yield package, text


def _parsed(text: str) -> Iterator[tuple[str, str, str]]:
    """The lines of our groups: group, name, value."""
    if "runbook." not in text:
        return
    group = ""
    for line in text.splitlines():
        bare = line.strip()
        if bare.startswith("["):
            group = bare.strip("[]").strip()
        elif group in GROUPS and "=" in bare and not bare.startswith(("#", ";")):
            name, _, value = bare.partition("=")
            yield group, name.strip(), value.partition("[")[0].strip()


def steps_in(module: ModuleType) -> Iterator[StepType[..., Any]]:
    """The step types a module defines, not those it imported."""
    for thing in vars(module).values():
        if isinstance(thing, StepType) and thing.module == module.__name__:
            yield thing


def _module(value: str) -> ModuleType:
    name = value.partition(":")[0].strip()
    try:
        return import_module(name)
    except RunbookError as e:
        raise RunbookError(f"{name}: {e.message}", help=e.help) from e
    except Exception as e:
        raise RunbookError(
            f"{name} cannot be imported: {type(e).__name__}: {e}",
            help="a package names it in its entry points: mend that package, or uninstall it",
        ) from e


def _adapter_class(family: str, value: str, parts: tuple[str, ...]) -> type[Adapter]:
    module = _module(value)
    name = value.partition(":")[2].strip()
    made = getattr(module, name, None)
    if not isinstance(made, type):
        raise RunbookError(
            f"the adapter {named(family)} should be the class {name or '?'} of {module.__name__}",
            help="its entry point is written `family = module:Class`",
        )
    missing = [part for part in parts if not hasattr(made, part)]
    if missing:
        raise RunbookError(f"the adapter {value} has no {listed(missing, 'and no')}")
    adapter: Any = made
    if adapter.family != family:
        raise RunbookError(f"the adapter {value} is of the family {adapter.family}, not {family}")
    return made


def _check_family(step: StepType[..., Any], family: str, value: str) -> None:
    if step.signature.family != family:
        raise RunbookError(
            f"{value} defines {named(step.signature.type)}, installed as the family {family}",
            help="name it in an entry point of its own family",
        )


def _put(family: Family, step: StepType[..., Any], module: str) -> None:
    signature = step.signature
    taken = family.get((signature.kind, signature.type))
    if taken is not None and taken is not step:
        raise RunbookError(
            f"the {signature.kind} {named(signature.type)} is defined twice:"
            f" in {taken.module} and in {module}",
            help="uninstall one of the packages, or rename the step type",
        )
    if signature.kind == "action" and not step.has_preview:
        raise RunbookError(
            f"the action {named(signature.type)} of {module} has no preview",
            help="say with its `.preview` what a dry run does instead",
        )
    family[signature.kind, signature.type] = step
