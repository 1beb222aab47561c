"""Ways in which the stand-in API server is difficult: it forbids, it is slow, somebody else was
faster.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from engine.sandbox.cluster_kinds import Kind
from engine.sandbox.cluster_store import ApiProblem


@dataclass(slots=True)
class Switches:
    """Rules are written `verb resource`, with `*` for any: `patch deployments`, `delete *`."""

    forbidden: tuple[str, ...] = ()
    slow_s: Mapping[str, float] = field(default_factory=dict)
    """How long an answer takes, by rule."""
    conflicts: dict[str, int] = field(default_factory=dict)
    """By resource, how many of the next changes meet a conflict."""
    metrics: bool = False
    """Whether `kubectl top` is served."""

    def check(self, verb: str, kind: Kind, namespace: str, name: str) -> None:
        """Raises ApiProblem for what is forbidden."""
        if not any(fnmatchcase(f"{verb} {kind.plural}", rule) for rule in self.forbidden):
            return
        where = f' in the namespace "{namespace}"' if namespace else " at the cluster scope"
        named = f' "{name}"' if name else ""
        message = (
            f'{kind.resource}{named} is forbidden: User "sandbox" cannot {verb} resource'
            f' "{kind.plural}" in API group "{kind.group}"{where}'
        )
        problem = ApiProblem(403, "Forbidden", message, kind)
        problem.name = name
        raise problem

    def delay_s(self, verb: str, kind: Kind) -> float:
        asked = f"{verb} {kind.plural}"
        return max((s for rule, s in self.slow_s.items() if fnmatchcase(asked, rule)), default=0.0)

    def conflict(self, kind: Kind, name: str) -> None:
        """Raises ApiProblem while there are conflicts left for a resource."""
        left = self.conflicts.get(kind.plural, 0)
        if not left:
            return
        self.conflicts[kind.plural] = left - 1
        problem = ApiProblem(
            409,
            "Conflict",
            f'Operation cannot be fulfilled on {kind.resource} "{name}": the object has been'
            " modified; please apply your changes to the latest version and try again",
            kind,
        )
        problem.name = name
        raise problem
