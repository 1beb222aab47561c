"""Carries out the plans of a rehearsal: checks ask, actions are previewed.

It is given `Readings`, which can hand out reading sides and nothing else: there is no way from here
to a writing side, whatever a plan says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from engine.clock import Clock
from engine.plugin import StepContext, to_json
from engine.registry import Registry
from engine.runner.connections import Connections
from engine.runner.perform import Carrying


class Readings:
    """The reading sides of a run's connections. It holds how to get one, not the connections."""

    def __init__(self, connections: Connections) -> None:
        self._reader: Callable[[str, StepContext], Any] = lambda name, context: connections.adapter(
            name
        ).reader(context)
        self.redact = connections.redact

    def reader(self, name: str, context: StepContext) -> Any:
        return self._reader(name, context)


class Rehearser(Carrying):
    """Performs the plans of one rehearsal."""

    def __init__(self, run: str, registry: Registry, readings: Readings, clock: Clock) -> None:
        super().__init__(run, registry, readings.redact, clock)
        self._readings = readings

    async def _carry(
        self, kind: str, plan: Mapping[str, Any], params: dict[str, Any], context: StepContext
    ) -> Mapping[str, Any]:
        step = self._registry.step(plan["type"], "action" if kind == "action" else "check")
        target = plan["target"]
        side = self._readings.reader(target, context) if target is not None else None
        if kind == "action":
            return {"preview": to_json(await step.would(side, params))}
        return to_json(await step.call(side, params))
