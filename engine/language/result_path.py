"""Paths into a result: `json.status`, `data[0].name`, `data.0.name`, `headers."x.y"`."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any, Final

from engine.language.shown import kind_of, named, nearest

PATH_LIMIT_CHARS: Final = 500
"""Longer than the path to anything a person judges."""

_SEGMENT: Final = re.compile(
    r"""(?:^|(?!^)\.)(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^."\[\]]+))"""
    r"""|\[(?:(?P<index>-?[0-9]{1,9})|"(?P<key>(?:[^"\\]|\\.)*)")\]"""
)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)

Segments = tuple[str | int, ...]


class Missing:
    """What a path that leads nowhere gives. `why` says where it ends and what is there."""

    __slots__ = ("why",)

    def __init__(self, why: str) -> None:
        self.why = why


@functools.lru_cache(maxsize=2048)
def parse_path(path: str) -> Segments:
    """The keys and indexes of a path. Raises ValueError, saying what is wrong with it."""
    if not path.strip():
        raise ValueError("the path is empty")
    if len(path) > PATH_LIMIT_CHARS:
        raise ValueError(f"a path has at most {PATH_LIMIT_CHARS} characters")
    segments: list[str | int] = []
    at = 0
    while at < len(path):
        match = _SEGMENT.match(path, at)
        if match is None:
            raise ValueError(
                f"{path!r} is not a path from its character {at + 1} on; "
                'paths are written like json.status, data[0].name or headers."x.y"'
            )
        at = match.end()
        if match["index"] is not None:
            segments.append(int(match["index"]))
            continue
        text = match["bare"] if match["bare"] is not None else match["quoted"] or match["key"] or ""
        segments.append(text if match["bare"] is not None else _ESCAPED.sub(r"\1", text))
    return tuple(segments)


def find(result: Any, path: str) -> Any:
    """What the path leads to, or Missing."""
    value = result
    segments = parse_path(path)
    for at, segment in enumerate(segments):
        if type(value) is dict and segment in value:
            value = value[segment]
            continue
        found = _step(value, segment)
        if type(found) is Missing:
            return Missing(f"{path}: {_why(value, segment, written(segments[:at]))}")
        value = found
    return value


_NOWHERE: Final = Missing("")


def _step(value: Any, segment: str | int) -> Any:
    if isinstance(value, Mapping) and isinstance(segment, str):
        return value.get(segment, _NOWHERE)
    if isinstance(value, (list, tuple)):
        if isinstance(segment, str) and segment.isdecimal() and len(segment) < 10:
            segment = int(segment)
        if isinstance(segment, int) and -len(value) <= segment < len(value):
            return value[segment]
    return _NOWHERE


def _why(value: Any, segment: str | int, inside: str) -> str:
    where = inside or "the result"
    if isinstance(value, Mapping):
        if not value:
            return f'there is no "{segment}" in {where}; it is empty'
        near = nearest(str(segment), [key for key in value if isinstance(key, str)])
        guess = f"; did you mean {near!r}?" if near else ""
        return f'there is no "{segment}" in {where}; it has: {named(value)}{guess}'
    if isinstance(value, (list, tuple)):
        if isinstance(segment, int) or segment.isdecimal():
            return f"there is no item {segment} in {where}; it has {len(value)}"
        return f'{where} is a list, so it has no "{segment}"; its items are {where}[0] and so on'
    return f'{where} is {kind_of(value)}, so it has no "{segment}"'


def written(segments: Segments) -> str:
    """The path of these segments as a person writes it."""
    text = ""
    for segment in segments:
        if isinstance(segment, int):
            text += f"[{segment}]"
        elif re.fullmatch(r'[^."\[\]]+', segment):
            text += f".{segment}" if text else segment
        else:
            escaped = segment.replace("\\", "\\\\").replace('"', '\\"')
            text += f'."{escaped}"' if text else f'"{escaped}"'
    return text
