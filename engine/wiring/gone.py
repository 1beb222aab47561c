"""Runs of step types that are not installed here any more: what is known of such a run is read from
its journal all the same, so that people can be called for it and speak to it. Its steps rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from engine.core.state import State
from engine.errors import Refused, RunbookError
from engine.language.catalog import Catalog, Kind, Parameter, StepSignature
from engine.language.model import Runbook
from engine.language.shape import Anything
from engine.wiring.admission import calls


class _Any(Mapping[str, Parameter]):
    """Whatever parameter is given, it fits; none is needed."""

    def __getitem__(self, name: str) -> Parameter:
        return Parameter(name, Anything(), required=False)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


class StandIns:
    """A catalog that has what is installed, and takes any other type for one that once was."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def get(self, type: str, kind: Kind | None = None) -> StepSignature | None:
        found = known(self._catalog, type, kind)
        if found is not None or kind is None:
            return found
        effect = "reads" if kind == "check" else "idempotent"
        return StepSignature(type, kind, effect, _Any(), counts=True)  # type: ignore[arg-type]

    def types(self) -> Iterable[str]:
        return self._catalog.types()

    def connection(self, adapter: str) -> Mapping[str, Parameter] | None:
        return self._catalog.connection(adapter)

    def adapters(self) -> Iterable[str]:
        return self._catalog.adapters()


def known(catalog: Catalog, type: str, kind: Kind | None) -> StepSignature | None:
    """None also for one whose package is broken."""
    try:
        return catalog.get(type, kind)
    except RunbookError:
        return None


def gone(runbook: Runbook, catalog: Catalog) -> list[str]:
    """The step types of a runbook that are not installed."""
    found = {call.type for call in calls(runbook) if known(catalog, call.type, call.verb) is None}
    return sorted(found)


def refused(state: State, catalog: Catalog) -> Refused | None:
    """Why a run of such types is not gone on with."""
    missing = gone(state.runbook, catalog)
    if not missing:
        return None
    what = f"`{missing[0]}`" + (f" and {len(missing) - 1} more" if len(missing) > 1 else "")
    return Refused(
        f"the step type {what} of this run is not installed here",
        help="install its package again, and start this anew",
    )
