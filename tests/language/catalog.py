"""A small catalog of step types, so that tests of the language need no plugin."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from engine.language.catalog import Kind, Parameter, StepSignature
from engine.language.shape import Duration, shape_of


def parameter(name: str, annotation: Any, **more: Any) -> Parameter:
    return Parameter(name, shape_of(annotation), required="default" not in more, **more)


def _all(*parameters: Parameter) -> Mapping[str, Parameter]:
    return {each.name: each for each in parameters}


_SQL = _all(
    parameter("sql", str, writing="sql", doc="one statement"),
    parameter("params", dict[str, Any], default={}, doc="values that are bound"),
)

SIGNATURES = (
    StepSignature(
        "redis.info",
        "check",
        "reads",
        _all(parameter("section", str, default="default", doc="of INFO")),
        doc="What INFO says",
    ),
    StepSignature(
        "redis.length",
        "check",
        "reads",
        _all(parameter("key", str)),
        result_fields=frozenset({"length"}),
    ),
    StepSignature(
        "redis.delete",
        "action",
        "idempotent",
        _all(parameter("match", str), parameter("batch", int, default=500)),
        counts=True,
        result_fields=frozenset({"deleted", "matched"}),
    ),
    StepSignature(
        "redis.publish",
        "action",
        "unsafe",
        _all(parameter("channel", str), parameter("message", str)),
    ),
    StepSignature(
        "http.request",
        "check",
        "reads",
        _all(
            parameter("path", str, default="/"),
            parameter("headers", dict[str, str], default={}),
            parameter("timeout_s", Duration, default=10.0),
            parameter("codes", list[int], default=[]),
            parameter("method", Literal["GET", "HEAD"], default="GET"),
        ),
        result_fields=frozenset({"status", "headers", "elapsed_ms", "json", "text"}),
    ),
    StepSignature(
        "http.health",
        "check",
        "reads",
        _all(parameter("path", str, default="/health")),
        default_expect={"status": 200},
    ),
    StepSignature(
        "http.request",
        "action",
        "unsafe",
        _all(parameter("path", str), parameter("json", Any, default=None)),
    ),
    StepSignature("sql.query", "check", "reads", _SQL),
    StepSignature("sql.execute", "action", "unsafe", _SQL, counts=True),
    StepSignature(
        "sql.transaction",
        "action",
        "unsafe",
        _all(
            parameter("statements", list[dict[str, str]], writing="sql"),
            parameter("params", dict[str, Any], default={}),
        ),
        counts=True,
    ),
    StepSignature(
        "command.run",
        "action",
        "idempotent",
        _all(
            parameter("argv", list[str], default=[]),
            parameter("shell", str | None, default=None, writing="shell"),
        ),
    ),
    StepSignature(
        "human.confirm",
        "check",
        "reads",
        _all(parameter("question", str)),
        takes_target=False,
        asks_person=True,
    ),
    StepSignature(
        "human.do",
        "action",
        "unsafe",
        _all(parameter("what", str)),
        takes_target=False,
        asks_person=True,
    ),
    StepSignature("run.value", "check", "reads", _all(parameter("value", Any)), takes_target=False),
)


class SmallCatalog:
    """The step types above and no connections."""

    def __init__(self, signatures: Iterable[StepSignature] = SIGNATURES) -> None:
        self._signatures = {(each.kind, each.type): each for each in signatures}

    def get(self, type: str, kind: Kind | None = None) -> StepSignature | None:
        kinds: tuple[Kind, ...] = (kind,) if kind else ("check", "action")
        return next((s for k in kinds if (s := self._signatures.get((k, type)))), None)

    def types(self) -> Iterable[str]:
        return sorted({name for _, name in self._signatures})

    def connection(self, adapter: str) -> Mapping[str, Parameter] | None:
        return None

    def adapters(self) -> Iterable[str]:
        return []
