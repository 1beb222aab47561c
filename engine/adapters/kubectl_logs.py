"""The lines that pods print, read as they come: counted all, kept the last of them."""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.adapters.kubectl_names import wrong
from engine.adapters.kubectl_records import Logs
from engine.language.patterns import compile_problem

LINES_MAX = 200_000
"""Read in one step, of all pods together."""

BYTES_MAX = 64 * 1024 * 1024
"""Read in one step: two seconds of a busy service's log."""

KEEP_MAX = 1000
"""Lines kept in a result."""

LINE_MAX_CHARS = 4000
"""Of a line that is kept; it is counted whole."""

MATCH_S = 0.05
"""For one pattern on one line. What is meant takes microseconds."""

_PREFIX = re.compile(r"\[pod/([^/\]]+)/([^\]]+)\] ?")


@dataclass(slots=True)
class Reading:
    """Takes the output of `kubectl logs --prefix`."""

    patterns: Sequence[str]
    keep: int
    lines: int = 0
    octets: int = 0
    cut: bool = False
    pods: Counter[str] = field(default_factory=Counter)
    hits: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    kept: deque[str] = field(default_factory=deque)
    _compiled: list[Any] = field(default_factory=list)
    _rest: bytes = b""

    def __post_init__(self) -> None:
        import regex  # noqa: PLC0415 - only who reads logs pays for it

        for pattern in self.patterns:
            problem = compile_problem(pattern)
            if problem:
                raise wrong(f"the pattern {pattern!r} {problem}")
            self._compiled.append((pattern, regex.compile(pattern)))
        self.kept = deque(maxlen=max(0, min(self.keep, KEEP_MAX)))

    def take(self, chunk: bytes) -> bool:
        self.octets += len(chunk)
        *whole, self._rest = (self._rest + chunk).split(b"\n")
        for line in whole:
            if self.lines >= LINES_MAX:
                self.cut = True
                return False
            self._line(line.decode("utf-8", "replace"))
        self.cut = self.octets > BYTES_MAX
        return not self.cut

    def result(self) -> Logs:
        if self._rest:
            self._line(self._rest.decode("utf-8", "replace"))
            self._rest = b""
        return Logs(
            lines=self.lines,
            text=tuple(self.kept),
            pods=dict(sorted(self.pods.items())),
            patterns={pattern: self.hits[pattern] for pattern in self.patterns},
            problems=tuple(self.problems),
            cut=self.cut,
        )

    def _line(self, line: str) -> None:
        prefix = _PREFIX.match(line)
        if prefix is None:
            if line.strip():
                self.problems.append(line.strip().removeprefix("error: ")[:LINE_MAX_CHARS])
            return
        text = line[prefix.end() :]
        self.lines += 1
        self.pods[prefix[1]] += 1
        for pattern, compiled in self._compiled:
            if _holds(pattern, compiled, text):
                self.hits[pattern] += 1
        self.kept.append(f"{prefix[1]}: {text[:LINE_MAX_CHARS]}")


def _holds(pattern: str, compiled: Any, text: str) -> bool:
    try:
        return compiled.search(text, timeout=MATCH_S) is not None
    except TimeoutError as e:
        raise wrong(f"the pattern {pattern!r} takes over {MATCH_S:g} s for one line") from e
