"""What a runbook is once it is read: frozen values, each with its place in the text.

`Runbook.steps` is a tree of entries; each entry is one of the classes below (`Entry`). Ids are
unique in a runbook. An entry whose author gave no id gets one from its kind (`redis-info`,
`choose-2`): it has a hyphen, so no expression can name it and it cannot collide with a given one.

Values under `with:` and in messages are `Value`: JSON, in which every string that holds a template
is a `Template`. Bare expressions (`when`, `expect`, `warn`, `each`) are `Expression`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

from msgspec import Struct, field

from engine.errors import Place
from engine.language.catalog import Retry, StepSignature

Outcome = Literal["resolved", "unresolved", "aborted"]
OUTCOMES: tuple[Outcome, ...] = ("resolved", "unresolved", "aborted")
RESERVED = frozenset(
    {"result", "inputs", "event", "run", "item", "now", "failure", "index"}
    | {"true", "false", "none", "True", "False", "None"}
    | {"and", "or", "not", "in", "is", "if", "else", "loop", "self", "for", "set"}
)
"""Names no step, input alias or `as:` may take: they mean something in every expression."""


class Expression(Struct, frozen=True):
    """A bare Jinja expression, as `when` has it. Compiled and evaluated by `template.evaluate`."""

    text: str
    place: Place


class Template(Struct, frozen=True):
    """A string with Jinja in it. One that is a single `{{ expression }}` keeps its type when
    rendered.
    """

    text: str
    place: Place


Value = Any
"""JSON (str, int, float, bool, None, list, dict) in which a string may be a `Template`."""

Expectation = Any
"""An `Expression`, or a mapping from a path in the result to a matcher (see `expect`)."""


class Approve(Struct, frozen=True):
    """Who must agree before an action acts. Executed by a later version."""

    by: tuple[str, ...]
    count: int = 1
    within_s: float | None = None
    reason_min: int = 0


class Step(Struct, frozen=True, kw_only=True):
    """What all entries share."""

    kind: ClassVar[str]
    id: str
    place: Place
    key_places: Mapping[str, Place] = field(default_factory=dict)
    """Where each key of the entry stands."""
    named: bool = True
    """False when the id was made by the loader."""
    title: str | None = None
    when: Expression | None = None
    timeout_s: float | None = None
    """Of a check or action: of one attempt. Of an entry with entries in it: of the whole."""
    on_failure: Literal["stop", "continue", "undo"] | tuple[Entry, ...] = "stop"
    covers: tuple[str, ...] = ()
    """The lines of documents that it carries out, for counting only."""

    def blocks(self) -> Iterator[tuple[str, tuple[Entry, ...]]]:
        """The blocks inside, by the name they have in a path: `steps`, `way-1`, `otherwise`,
        `on_failure`.
        """
        if isinstance(self.on_failure, tuple):
            yield "on_failure", self.on_failure


class Call(Step, frozen=True, kw_only=True):
    """A check or an action: `type` with parameters, over a connection."""

    kind: ClassVar[str] = "call"
    verb: Literal["check", "action"]
    type: str
    signature: StepSignature
    target: str | None = None
    params: Mapping[str, Value] = field(default_factory=dict)
    places: Mapping[str, Place] = field(default_factory=dict)
    """Where each parameter's value stands."""
    retry: Retry | None = None
    expect: Expectation | None = None
    warn: Expectation | None = None
    extract: Mapping[str, Expression] = field(default_factory=dict)
    within_s: float | Template | None = None
    hold_s: float | Template | None = None
    every_s: float | Template | None = None
    """Templates are rendered to durations when the step begins: its plan has the seconds."""
    approve: Approve | None = None
    idempotent: bool | None = None
    probe: Call | None = None
    undo: tuple[Entry, ...] = ()
    max_affected: int | None = None

    def blocks(self) -> Iterator[tuple[str, tuple[Entry, ...]]]:
        yield from Step.blocks(self)
        if self.undo:
            yield "undo", self.undo


class Escalate(Step, frozen=True, kw_only=True):
    """Tells people by a policy of the pack's contacts."""

    kind: ClassVar[str] = "escalate"
    policy: str
    message: Template | str | None = None
    wait: Literal["acknowledged"] | None = None
    retry: Retry | None = None


class Way(Struct, frozen=True):
    """One way of a `choose`. `when` is None for `otherwise`."""

    name: str
    when: Expression | None
    steps: tuple[Entry, ...]
    place: Place


class Choose(Step, frozen=True, kw_only=True):
    """The first way whose `when` holds; `otherwise` is the last one, when there is one. Block
    `way-<n>` from 1.
    """

    kind: ClassVar[str] = "choose"
    ways: tuple[Way, ...]

    def blocks(self) -> Iterator[tuple[str, tuple[Entry, ...]]]:
        for number, way in enumerate(self.ways, start=1):
            yield f"way-{number}", way.steps
        yield from Step.blocks(self)


class Parallel(Step, frozen=True, kw_only=True):
    """Branches at once, each a single entry (a `group` where it has several). Block `branch-<n>`
    from 1.
    """

    kind: ClassVar[str] = "parallel"
    branches: tuple[Entry, ...]
    limit: int | None = None

    def blocks(self) -> Iterator[tuple[str, tuple[Entry, ...]]]:
        for number, branch in enumerate(self.branches, start=1):
            yield f"branch-{number}", (branch,)
        yield from Step.blocks(self)


class Each(Step, frozen=True, kw_only=True):
    """The same steps for every item of a list. Block `item-<n>` from 1; one at a time unless
    `limit`.
    """

    kind: ClassVar[str] = "each"
    items: Expression
    name: str
    """The name after `as:`; the item is also `item`."""
    steps: tuple[Entry, ...]
    limit: int = 1

    def blocks(self) -> Iterator[tuple[str, tuple[Entry, ...]]]:
        yield "steps", self.steps
        yield from Step.blocks(self)


class Group(Step, frozen=True, kw_only=True):
    """A block with its own `on_failure`, `undo` and `always`."""

    kind: ClassVar[str] = "group"
    steps: tuple[Entry, ...]
    undo: tuple[Entry, ...] = ()
    always: tuple[Entry, ...] = ()

    def blocks(self) -> Iterator[tuple[str, tuple[Entry, ...]]]:
        yield "steps", self.steps
        if self.undo:
            yield "undo", self.undo
        if self.always:
            yield "always", self.always
        yield from Step.blocks(self)


class RunbookCall(Step, frozen=True, kw_only=True):
    """Another runbook as one step. Its outputs are the step's result."""

    kind: ClassVar[str] = "runbook"
    name: str
    inputs: Mapping[str, Value] = field(default_factory=dict)


class Wait(Step, frozen=True, kw_only=True):
    """Time passes. `for_s` is None when `duration` is a template, rendered to a duration when it is
    reached.
    """

    kind: ClassVar[str] = "wait"
    for_s: float | None
    duration: Template | None = None


class End(Step, frozen=True, kw_only=True):
    """The run (or the runbook called as a step) is over."""

    kind: ClassVar[str] = "end"
    outcome: Outcome
    because: Template | str | None = None


Entry = Call | Escalate | Choose | Parallel | Each | Group | RunbookCall | Wait | End

InputType = Literal["string", "number", "integer", "boolean", "duration", "list", "object"]


class Input(Struct, frozen=True):
    """One input of a runbook. Without a default it must be given."""

    name: str
    type: InputType
    place: Place
    required: bool = True
    default: Any = None
    description: str = ""
    pattern: str | None = None
    min: float | None = None
    max: float | None = None
    one_of: tuple[Any, ...] = ()


class Trigger(Struct, frozen=True):
    """What starts a runbook: `source` is `alertmanager`, `pagerduty`, `webhook` or `schedule`."""

    source: str
    rule: Mapping[str, Any]
    place: Place
    places: Mapping[str, Place] = field(default_factory=dict)
    """Where each of its keys stands."""


class Guards(Struct, frozen=True):
    """Admission rules, as written (checked, executed by a later version)."""

    rules: Mapping[str, Any]
    place: Place


class Escalation(Struct, frozen=True):
    """A run's own escalation: whom it tells by itself when it is not resolved."""

    policy: str
    unresolved_after_s: float | None
    place: Place


class Runbook(Struct, frozen=True, kw_only=True):
    """A runbook, read and checked.

    `text` is the file as it was read and `digest` the SHA-256 (hex) of its UTF-8: both go into the
    first event of a run. `calls` holds the runbooks it calls, by name, all the way down.
    """

    name: str
    """`pack/file-name-without-yaml`."""
    text: str
    digest: str
    place: Place
    title: str
    description: str = ""
    covers: tuple[str, ...] = ()
    owner: str | None = None
    who: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    severity: str | None = None
    respond_within_s: float | None = None
    rehearse_every_s: float | None = None
    triggers: tuple[Trigger, ...] = ()
    inputs: Mapping[str, Input] = field(default_factory=dict)
    autonomy: tuple[str, Place] | None = None
    """What it says, and where. Executed by a later version."""
    guards: Guards | None = None
    escalation: Escalation | None = None
    steps: tuple[Entry, ...] = ()
    on_failure: tuple[Entry, ...] = ()
    always: tuple[Entry, ...] = ()
    outputs: Mapping[str, Value] = field(default_factory=dict)
    calls: Mapping[str, Runbook] = field(default_factory=dict)

    def blocks(self) -> Iterator[tuple[str, tuple[Entry, ...]]]:
        yield "steps", self.steps
        if self.on_failure:
            yield "on_failure", self.on_failure
        if self.always:
            yield "always", self.always


def walk(steps: tuple[Entry, ...]) -> Iterator[Entry]:
    """Every entry of a block and of the blocks inside it, in the order of the text, not into called
    runbooks.
    """
    for entry in steps:
        yield entry
        for _, inner in entry.blocks():
            yield from walk(inner)


def walk_runbook(runbook: Runbook) -> Iterator[Entry]:
    for _, block in runbook.blocks():
        yield from walk(block)
