"""Shapes that only pydantic knows: dataclasses, TypedDict, models, `Annotated`."""

from __future__ import annotations

import functools
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from engine.language.shape import ShapeError
from engine.language.shown import shown


@dataclass(frozen=True, slots=True)
class Foreign:
    """Whatever pydantic understands: dataclasses, TypedDict, models, `Annotated`."""

    annotation: Any

    def take(self, value: Any) -> Any:
        from pydantic import ValidationError  # noqa: PLC0415 - 60 ms that only third parties' types pay

        try:
            return _adapter(self.annotation).validate_python(value)
        except ValidationError as e:
            first = e.errors(include_url=False)[0]
            raise ShapeError(
                f"{first['msg'][:1].lower()}{first['msg'][1:]}, not {shown(first['input'], 60)}",
                first["loc"],
            ) from e

    def json_schema(self) -> dict[str, Any]:
        schema: dict[str, Any] = _adapter(self.annotation).json_schema()
        return schema

    def describe(self) -> str:
        return str(getattr(self.annotation, "__name__", self.annotation))


@functools.lru_cache(maxsize=256)
def _cached_adapter(annotation: Any) -> Any:
    from pydantic import PydanticUserError, TypeAdapter  # noqa: PLC0415 - see Foreign

    try:
        return TypeAdapter(annotation)
    except PydanticUserError as e:
        raise TypeError(f"pydantic cannot take {annotation!r}: {e.message}") from e


def _adapter(annotation: Any) -> Any:
    if isinstance(annotation, Hashable):
        return _cached_adapter(annotation)
    return _cached_adapter.__wrapped__(annotation)
