"""The shape of a value: which JSON a parameter takes, told by its Python annotation.

The closed list below needs no library, so that a run does not pay for one at start-up. Anything
else a third party annotates with (dataclasses, TypedDict, pydantic models, `Annotated`) is handed
to pydantic.

| annotation | takes |
|---|---|
| `str`, `int`, `float`, `bool`, `None` | itself; an `int` is a `float` too, a bool is no number |
| `Literal["a", "b"]` | one of them |
| `list[T]`, `tuple[T, ...]` | a list |
| `dict[str, T]`, `Mapping[str, T]` | a mapping |
| `T or None` | either |
| `Duration` | `15m`, `1h30m`, `500ms` or a number of seconds; becomes a float of seconds |
| `Size` | `64KiB`, `1MiB` or a number of bytes; becomes an int of bytes |
| `Any`, `object` | anything |
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from types import UnionType
from typing import (
    Any,
    Final,
    ForwardRef,
    Literal,
    NewType,
    Protocol,
    Union,
    get_args,
    get_origin,
)

from msgspec import Struct

from engine.language.duration import DURATION_PATTERN, SIZE_PATTERN, parse_duration, parse_size
from engine.language.shown import nearest, shown

Duration = NewType("Duration", float)
"""Seconds. Written `15m`, `1h30m`, `500ms`, or a number of seconds."""

Size = NewType("Size", int)
"""Bytes. Written `64KiB`, `1MiB`, `10MB`, or a number of bytes."""


class ShapeError(Exception):
    """A value does not have the shape. `what` says so in the user's words: `takes a number, not
    "abc"`.

    `path` leads to the part that is wrong, e.g. `("headers", "Accept")`.
    """

    def __init__(self, what: str, path: tuple[str | int, ...] = ()) -> None:
        super().__init__(what)
        self.what = what
        self.path = path


class Shape(Protocol):
    """Checks a JSON value and turns it into what the function is called with."""

    def take(self, value: Any) -> Any:
        """The value as the function gets it. Raises ShapeError."""
        ...

    def json_schema(self) -> dict[str, Any]:
        """JSON Schema (draft 2020-12) of what `take` accepts, templates not considered."""
        ...

    def describe(self) -> str:
        """In words, for messages and the reference page: `a number`, `a duration`, `one of get,
        head`."""
        ...


def shape_of(annotation: Any) -> Shape:
    """The shape of an annotation that is already evaluated. TypeError when it is text (a forward
    reference).

    What is not in the closed list becomes a shape that imports pydantic when it is first used, not
    before.
    """
    plain = _PLAIN.get(annotation) if isinstance(annotation, Hashable) else None
    if plain is not None:
        return plain
    if isinstance(annotation, (str, ForwardRef)):
        raise TypeError(f"the annotation {annotation!r} is text; hand in what it means")
    if hasattr(annotation, "__value__"):  # `type Alias = ...` of Python 3.12
        return shape_of(annotation.__value__)
    return _parametrised(annotation, get_origin(annotation), get_args(annotation))


def _parametrised(annotation: Any, origin: Any, arguments: tuple[Any, ...]) -> Shape:
    if origin is Literal:
        return OneOf(arguments)
    if origin in (Union, UnionType):
        return AnyOf(tuple(shape_of(a) for a in arguments))
    if origin in _LISTS:
        return _list_shape(annotation, origin, arguments)
    if origin in _MAPPINGS and arguments[0] is str:
        return MappingOf(shape_of(arguments[1]))
    return _foreign(annotation)


def _foreign(annotation: Any) -> Shape:
    from engine.language.foreign_shape import Foreign  # noqa: PLC0415 - third parties' types only

    return Foreign(annotation)


def _list_shape(annotation: Any, origin: Any, arguments: tuple[Any, ...]) -> Shape:
    if origin is not tuple:
        return ListOf(shape_of(arguments[0]), list)
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return ListOf(shape_of(arguments[0]), tuple)
    return _foreign(annotation)  # `tuple[int, str]` is no list of one kind


def _not(wanted: str, value: Any) -> ShapeError:
    return ShapeError(f"takes {wanted}, not {shown(value, 60)}")


class Plain(Struct, frozen=True):
    """`str`, `bool`, `None`: the very type, nothing is turned into it."""

    type: type
    schema: str
    words: str

    def take(self, value: Any) -> Any:
        if type(value) is not self.type and not (
            isinstance(value, self.type) and not isinstance(value, bool)
        ):
            raise _not(self.words, value)
        return value

    def json_schema(self) -> dict[str, Any]:
        return {"type": self.schema}

    def describe(self) -> str:
        return self.words


class Whole(Struct, frozen=True):
    """`int`. `2.0` is whole, as in JSON Schema: a template that divides yields such numbers."""

    def take(self, value: Any) -> int:
        if isinstance(value, float) and value.is_integer():
            return int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise _not(self.describe(), value)
        return value

    def json_schema(self) -> dict[str, Any]:
        return {"type": "integer"}

    def describe(self) -> str:
        return "a whole number"


class Number(Struct, frozen=True):
    """`float`. An int becomes one, so that a function sees what its signature says."""

    def take(self, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise _not(self.describe(), value)
        try:
            return float(value)
        except OverflowError as e:
            raise ShapeError(f"takes a number up to 1e308, not {shown(value, 60)}") from e

    def json_schema(self) -> dict[str, Any]:
        return {"type": "number"}

    def describe(self) -> str:
        return "a number"


class Anything(Struct, frozen=True):
    """`Any`, `object`."""

    def take(self, value: Any) -> Any:
        return value

    def json_schema(self) -> dict[str, Any]:
        return {}

    def describe(self) -> str:
        return "anything"


class Measure(Struct, frozen=True):
    """`Duration` and `Size`: a number with a unit, or a bare number of the smallest one."""

    parse: Callable[[object], float]
    pattern: str
    words: str

    def take(self, value: Any) -> float:
        try:
            return self.parse(value)
        except ValueError as e:
            raise ShapeError(f"takes {self.words}: {e}") from e

    def json_schema(self) -> dict[str, Any]:
        return {
            "anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": self.pattern}]
        }

    def describe(self) -> str:
        return self.words


class OneOf(Struct, frozen=True):
    """`Literal[...]`. True is not 1."""

    options: tuple[Any, ...]

    def take(self, value: Any) -> Any:
        for option in self.options:
            if type(option) is type(value) and option == value:
                return option
        meant = (
            nearest(value, [o for o in self.options if isinstance(o, str)])
            if isinstance(value, str)
            else None
        )
        guess = f"; did you mean {meant!r}?" if meant else ""
        raise ShapeError(f"takes {self.describe()}, not {shown(value, 60)}{guess}")

    def json_schema(self) -> dict[str, Any]:
        return {"enum": list(self.options)}

    def describe(self) -> str:
        words = [o if isinstance(o, str) else shown(o) for o in self.options]
        return f"one of {', '.join(words)}" if len(words) > 1 else words[0]


class AnyOf(Struct, frozen=True):
    """`T | None` and other unions: the first that takes the value."""

    options: tuple[Shape, ...]

    def take(self, value: Any) -> Any:
        deepest: ShapeError | None = None
        for option in self.options:
            try:
                return option.take(value)
            except ShapeError as e:
                # The option that got furthest into the value is the one that was meant.
                if e.path and (deepest is None or len(e.path) > len(deepest.path)):
                    deepest = e
        if deepest is not None:
            raise deepest
        real = [o for o in self.options if o is not NOTHING]
        if len(real) == 1:
            real[0].take(value)  # its own words say more than ours
        raise _not(self.describe(), value)

    def json_schema(self) -> dict[str, Any]:
        return {"anyOf": [option.json_schema() for option in self.options]}

    def describe(self) -> str:
        real = [o for o in self.options if o is not NOTHING]
        words = [o.describe() for o in real]
        if len(real) < len(self.options):
            words.append("null")
        return " or ".join(words)


class ListOf(Struct, frozen=True):
    """`list[T]`, `tuple[T, ...]`, `Sequence[T]`."""

    item: Shape
    make: Callable[[list[Any]], Any]

    def take(self, value: Any) -> Any:
        if not isinstance(value, (list, tuple)):
            raise _not(self.describe(), value)
        return self.make([_take_at(self.item, at, item) for at, item in enumerate(value)])

    def json_schema(self) -> dict[str, Any]:
        return {"type": "array", "items": self.item.json_schema()}

    def describe(self) -> str:
        return (
            "a list" if isinstance(self.item, Anything) else f"a list, each {self.item.describe()}"
        )


class MappingOf(Struct, frozen=True):
    """`dict[str, T]`, `Mapping[str, T]`."""

    item: Shape

    def take(self, value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise _not(self.describe(), value)
        for key in value:
            if not isinstance(key, str):
                raise ShapeError(
                    f"takes {self.describe()}, whose keys are text, not {shown(key, 60)}"
                )
        return {key: _take_at(self.item, key, item) for key, item in value.items()}

    def json_schema(self) -> dict[str, Any]:
        return {"type": "object", "additionalProperties": self.item.json_schema()}

    def describe(self) -> str:
        return (
            "a mapping"
            if isinstance(self.item, Anything)
            else f"a mapping, each {self.item.describe()}"
        )


def _take_at(shape: Shape, at: str | int, value: Any) -> Any:
    try:
        return shape.take(value)
    except ShapeError as e:
        raise ShapeError(e.what, (at, *e.path)) from e


TEXT: Final = Plain(str, "string", "a text")
TRUTH: Final = Plain(bool, "boolean", "true or false")
NOTHING: Final = Plain(type(None), "null", "null")

_LISTS: Final = (list, tuple, Sequence)
_MAPPINGS: Final = (dict, Mapping)
_PLAIN: Final[dict[Any, Shape]] = {
    str: TEXT,
    bool: TRUTH,
    None: NOTHING,
    type(None): NOTHING,
    int: Whole(),
    float: Number(),
    Any: Anything(),
    object: Anything(),
    Duration: Measure(parse_duration, DURATION_PATTERN, "a duration such as 15m or 1h30m"),
    Size: Measure(parse_size, SIZE_PATTERN, "a size such as 64KiB or 10MB"),
    list: ListOf(Anything(), list),
    tuple: ListOf(Anything(), tuple),
    dict: MappingOf(Anything()),
    Mapping: MappingOf(Anything()),
    Sequence: ListOf(Anything(), list),
}
