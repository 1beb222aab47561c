"""What the language knows of step types: their names and signatures, as plain data.

The language may not import plugins (they lie above it), so whoever loads a runbook hands in a
`Catalog`. Signatures are made from the functions themselves by `engine.plugin`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, Protocol

from msgspec import Struct, field

from engine.language.shape import Shape

Effect = Literal["reads", "idempotent", "unsafe"]
Kind = Literal["check", "action"]
Writing = Literal["sql", "shell"]


class Parameter(Struct, frozen=True):
    """One parameter of a step type or of a connection. The unit is the end of its name
    (`timeout_s`).

    `default` is meaningless when `required`. `writing` marks text in another language, where a
    template would be an injection: SQL (no template at all), shell (only with `quote`).
    """

    name: str
    shape: Shape
    required: bool
    default: Any = None
    doc: str = ""
    writing: Writing | None = None


class Retry(Struct, frozen=True):
    """How often and how far apart a step that errored is tried again.

    The wait before attempt n+1 is `min(max_s, delay_s * factor ** (n - 1))`; with full jitter, a
    random part of it. `attempts` counts the first one.
    """

    attempts: int = 3
    delay_s: float = 1.0
    factor: float = 2.0
    max_s: float = 60.0
    jitter: Literal["full", "none"] = "full"


class StepSignature(Struct, frozen=True):
    """A check or action as the language sees it."""

    type: str
    """`family.noun` or `family.verb`, the literal of the decorator and of the YAML."""
    kind: Kind
    effect: Effect
    parameters: Mapping[str, Parameter]
    doc: str = ""
    takes_target: bool = True
    """False for families without a connection (`run`, `human`): then `target` is an error."""
    asks_person: bool = False
    """True for `human.*`: the engine asks, nothing is performed."""
    counts: bool = False
    """True for actions that honour `max_affected`."""
    default_expect: Any = None
    """An expectation (YAML value) used where the step has none, e.g. of `http.health`."""
    default_warn: Any = None
    """As `default_expect`, of `warn`."""
    default_retry: Retry | None = None
    """For families whose targets ask for it; `retry: 1` of a step is none."""
    result_fields: frozenset[str] | None = None
    """Top-level fields of the result, or None where they depend on the target (`redis.info`)."""
    result_doc: Mapping[str, str] = field(default_factory=dict)

    @property
    def family(self) -> str:
        return self.type.partition(".")[0]


class Catalog(Protocol):
    """Where the loader looks step types up. `get` loads only the family that is asked for."""

    def get(self, type: str, kind: Kind | None = None) -> StepSignature | None:
        """The signature. A check and an action may share a name (`http.request`): `kind` says which
        is meant.

        Without `kind`: the check where there is one, else the action.
        """
        ...

    def types(self) -> Iterable[str]:
        """All names, for *did you mean* and the JSON Schema. Loads every family."""
        ...

    def connection(self, adapter: str) -> Mapping[str, Parameter] | None:
        """The settings a connection of this adapter takes (without `adapter` itself), or None."""
        ...

    def adapters(self) -> Iterable[str]: ...
