"""What a step id means in an expression."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from engine.language.expressions.problem import TemplateProblem, Undefined
from engine.language.shown import did_you_mean, named

STATUSES: Final = frozenset(("passed", "failed", "errored", "skipped", "unknown"))
"""What `is ...` can ask of a step."""

_WHY: Final = {
    "passed": "found nothing",
    "failed": "failed and found nothing",
    "errored": "errored",
    "skipped": "was skipped",
    "unknown": "is in doubt",
    "previewed": "was only previewed",
    "running": "has not finished",
    "waiting": "has not finished",
}


class StepView(Struct, frozen=True):
    """A step as expressions see it: what it found as fields, and how it ended.

    `fields` is None for a step that found nothing; `why` then says so in a message, as the part
    between the id and the rest: `was skipped` gives *memory was skipped, so it has no used_memory*.
    An empty `why` stands for words made from the status.
    """

    id: str
    status: str
    fields: Mapping[str, Any] | None
    why: str = ""

    def field(self, name: str) -> Any:
        """One field of what the step found. Raises Undefined, saying what there is instead."""
        if self.fields is None:
            raise Undefined(f"{self.id} {self.reason()}, so it has no {name}", help=self._advice())
        try:
            return self.fields[name]
        except KeyError:
            pass
        if not self.fields:
            raise Undefined(f"{self.id} found no fields, so it has no {name}")
        raise Undefined(
            f'there is no "{name}" in {self.id}; it has: {named(self.fields)}',
            help=did_you_mean(name, self.fields),
        )

    def whole(self) -> Mapping[str, Any]:
        """All that the step found."""
        if self.fields is None:
            raise Undefined(f"{self.id} {self.reason()}, so it has no result", help=self._advice())
        return self.fields

    def reason(self) -> str:
        return self.why or _WHY.get(self.status, f"is {self.status}")

    def _advice(self) -> str:
        return f"ask first: `{self.id} is passed`, or give a value: `| default(...)`"


def status_test(value: Any, status: str) -> bool:
    """`memory is passed`. A check that passed with a warning is passed."""
    if isinstance(value, StepView):
        return value.status == status
    raise TemplateProblem(f"`is {status}` asks how a step ended, and this is not a step")
