"""The door for checks, actions and adapters: ours and anybody's come through it.

A check or action is an async function over one side of one adapter; its signature is its schema:

    @check("redis.info")
    async def info(redis: RedisReader, section: str = "default") -> dict[str, Any]: ...

    @action("redis.delete", effect=IDEMPOTENT, counts=True)
    async def delete(redis: RedisWriter, match: str, *, batch: int = 500) -> Deleted:
        '''Delete the keys that match a glob.

        match: which keys, as a glob
        batch: how many keys one command takes
        '''

    @delete.preview
    async def would_delete(redis: RedisReader, match: str, *, batch: int = 500) -> Preview: ...

The first parameter is the side (it is not part of the schema and its annotation is never evaluated,
so it may be imported for type checkers only); the others are the parameters of the step, typed with
the annotations of `engine.language.shape`. A line `name: text` of the docstring documents the
parameter `name`; in the docstring of a result's dataclass it documents the field. A result is a
frozen dataclass or a JSON mapping; its top level is a mapping. Plugins never connect, retry, sleep,
write the journal or catch broadly: the engine does, around them.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, ParamSpec, Protocol, TypeVar

from msgspec.structs import replace

from engine.errors import AdapterError, RunbookError
from engine.language.catalog import Retry, StepSignature
from engine.language.shape import Duration, Size
from engine.plugin.result import to_json
from engine.plugin.signature import Question, Shell, Sql, parameters_of, signature_of
from engine.secret import SecretText, reveal

__all__ = [
    "ANSWER_FIELDS",
    "IDEMPOTENT",
    "UNSAFE",
    "Adapter",
    "AdapterError",
    "Duration",
    "Preview",
    "Question",
    "Retry",
    "SecretText",
    "Shell",
    "Size",
    "Sql",
    "StepContext",
    "StepType",
    "action",
    "check",
    "parameters_of",
    "reveal",
    "to_json",
]

IDEMPOTENT: Literal["idempotent"] = "idempotent"
"""Doing it twice leaves the target as doing it once. In doubt, it is done again with the same key.
"""

UNSAFE: Literal["unsafe"] = "unsafe"
"""Doing it twice may do harm. In doubt, its probe is asked, or a person."""

ANSWER_FIELDS = frozenset({"answer", "note", "by"})
"""What a step that asks a person found: the answer, what they added, and who it was."""

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Preview:
    """What an action would do, told without doing it.

    `affected` is the number that `max_affected` is held against, where the target can count;
    `sample` is a few of the things that would change; `diff` is what the target's own dry run
    shows.
    """

    text: str
    affected: int | None = None
    sample: tuple[Any, ...] = ()
    diff: str | None = None
    doubt: str | None = None
    """What is seen now that may keep it from coming so. A rehearsal then does not promise it."""


def _say_nothing(_text: str) -> None:
    """Progress of a context that nobody listens to."""


def _as_it_is(text: str) -> str:
    """Redaction of a context that knows of no secret."""
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class StepContext:
    """What a side of an adapter knows of the attempt it works for."""

    run: str
    path: str
    """The path of the step in the run."""
    attempt: int = 1
    key: str = ""
    """The idempotency key: the same for every attempt at this step of this run."""
    timeout_s: float = 60.0
    """The time this attempt has. The runner ends it then; an adapter tells the target, where it
    can.
    """
    max_affected: int | None = None
    progress: Callable[[str], None] = field(default=_say_nothing, compare=False)
    """Says in a line, to people only, how far it is."""
    redact: Callable[[str], str] = field(default=_as_it_is, compare=False)
    """A text without the secrets this run knows: for what an adapter must cut (half a secret is not
    recognised later), and to notice one where none may stand.
    """


class Adapter(Protocol):
    """One connection. Its keyword parameters are the settings of the connection, typed like a
    step's.

    Nothing connects in `__init__`: opening is late, and once. A setting of type `str` may be a
    `SecretText`, which `reveal` turns into its value, when it is needed and not before. Errors of
    the client library come out as `AdapterError`, which says whether a change may have reached the
    target.
    """

    family: str
    """The `http` of `http.request`, and the name of the entry point."""

    def fingerprint(self) -> str:
        """Where this points, for the plan hash and for people: host, port, database; no secret, no
        scheme.
        """
        ...

    async def ping(self) -> str:
        """One line of what answered. Raises AdapterError."""
        ...

    def reader(self, context: StepContext) -> Any:
        """The side that checks and previews get: it cannot write, by construction where the target
        allows it.
        """
        ...

    def writer(self, context: StepContext) -> Any:
        """The side that actions get. In a rehearsal it is never called."""
        ...

    async def close(self) -> None:
        """Lets go of all it has opened; harmless when nothing was, or when it is called again."""
        ...


class StepType(Generic[P, R]):
    """A check or an action: its signature, its function, and for an action its preview.

    Calling it calls the function, so that one step type can use another and a test can use any.
    """

    __slots__ = ("_function", "_previewer", "signature")

    def __init__(self, signature: StepSignature, function: Callable[P, Awaitable[R]]) -> None:
        self.signature = signature
        self._function = function
        self._previewer: Callable[..., Awaitable[Preview]] | None = None

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Awaitable[R]:
        return self._function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<{self.signature.kind} {self.signature.type}>"

    @property
    def has_preview(self) -> bool:
        return self._previewer is not None

    @property
    def module(self) -> str:
        return self._function.__module__

    def preview(
        self, function: Callable[..., Awaitable[Preview]]
    ) -> Callable[..., Awaitable[Preview]]:
        """Decorates what a dry run does instead: same parameters, over the reading side."""
        name = self.signature.type
        if self.signature.kind == "check":
            raise RunbookError(f"{name}: a check reads only, it needs no preview")
        takes = inspect.signature(function).parameters
        rest = any(p.kind is p.VAR_KEYWORD for p in takes.values())
        missing = () if rest else sorted(set(self.signature.parameters) - set(takes))
        if missing:
            raise RunbookError(f"{name}: the preview does not take {', '.join(missing)}")
        self._previewer = function
        return function

    async def call(self, side: Any, params: Mapping[str, Any]) -> Any:
        """What the function returns for `params`, which have been taken by their shapes already.

        `side` is ignored where the type takes no target.
        """
        return await self._invoke(self._function, side, params)

    async def would(self, side: Any, params: Mapping[str, Any]) -> Preview:
        """The preview for `params`, over the reading side."""
        if self._previewer is None:
            raise RunbookError(f"{self.signature.type} has no preview")
        preview = await self._invoke(self._previewer, side, params)
        if not isinstance(preview, Preview):
            raise RunbookError(f"{self.signature.type}: the preview returned no Preview")
        return preview

    async def _invoke(self, function: Any, side: Any, params: Mapping[str, Any]) -> Any:
        if self.signature.takes_target:
            return await function(side, **params)
        return await function(**params)


def check(  # noqa: PLR0913 - what a check may declare, by name
    type: str,
    *,
    expect: Any = None,
    warn: Any = None,
    retry: Retry | None = None,
    target: bool = True,
    asks: bool = False,
) -> Callable[[Callable[P, Awaitable[R]]], StepType[P, R]]:
    """Makes an async function a check named `family.noun`.

    expect: what is expected where the step says nothing, written as in YAML
    warn: what is worth a warning where it does not hold and the step says nothing
    retry: how an error is tried again where the step says nothing
    target: False for a family without a connection; then the function takes no side
    asks: True when it returns a Question, which the engine asks a person
    """

    def decorate(function: Callable[P, Awaitable[R]]) -> StepType[P, R]:
        signature = signature_of(type, function, takes_target=target)
        fields = ANSWER_FIELDS if asks else signature.result_fields
        more = {"default_expect": expect, "default_warn": warn, "default_retry": retry}
        more |= {"asks_person": asks, "result_fields": fields}
        return StepType(replace(signature, **more), function)

    return decorate


def action(  # noqa: PLR0913 - what an action may declare, by name
    type: str,
    *,
    effect: Literal["idempotent", "unsafe"],
    counts: bool = False,
    retry: Retry | None = None,
    target: bool = True,
    asks: bool = False,
) -> Callable[[Callable[P, Awaitable[R]]], StepType[P, R]]:
    """Makes an async function an action named `family.verb`. It needs a preview too.

    effect: IDEMPOTENT or UNSAFE
    counts: True when it honours `context.max_affected`
    retry: how an error is tried again where the step says nothing; never a doubt
    target: False for a family without a connection; then the function takes no side
    asks: True when it returns a Question: instructions that a person carries out
    """
    if effect not in (IDEMPOTENT, UNSAFE):
        raise RunbookError(f"{type}: the effect is IDEMPOTENT or UNSAFE, not {effect!r}")

    def decorate(function: Callable[P, Awaitable[R]]) -> StepType[P, R]:
        signature = signature_of(type, function, takes_target=target)
        fields = ANSWER_FIELDS if asks else signature.result_fields
        more: dict[str, Any] = {"kind": "action", "effect": effect, "counts": counts}
        more |= {"asks_person": asks, "result_fields": fields, "default_retry": retry}
        return StepType(replace(signature, **more), function)

    return decorate
