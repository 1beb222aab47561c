"""What a change would do, by the server's own dry run where there is one."""

from __future__ import annotations

import difflib
import json
import re
from typing import Any

from engine.adapters.kubectl_parse import shown

_TEMPORARY = re.compile(r"^(---|\+\+\+) \S*/(?:LIVE|MERGED)-\d+/(\S+).*")
"""A header of `kubectl diff`: a path below a folder of its own, and a time."""

DIFF_MAX_CHARS = 16 * 1024
"""Of a preview's diff: what a person reads before saying yes."""

_NOT_OURS = ("resourceVersion", "generation", "managedFields", "uid", "creationTimestamp")
"""Of metadata: the server's own bookkeeping, which changes with everything."""


def difference(before: Any, after: Any) -> str | None:
    """Between two states of an object, as a diff of their JSON; None where they are the same."""
    one, two = (_lines(found) for found in (before, after))
    lines = difflib.unified_diff(one, two, "now", "then", n=2, lineterm="")
    return cut("\n".join(lines)) or None


def cut(text: str) -> str:
    if len(text) <= DIFF_MAX_CHARS:
        return text
    return f"{text[:DIFF_MAX_CHARS]}\n... ({len(text) - DIFF_MAX_CHARS} more characters)"


def plain_diff(printed: str) -> tuple[str, int]:
    """What `kubectl diff` printed, with the names of objects instead of temporary files and the
    times of those; and of how many objects.
    """
    lines = [line for line in printed.splitlines() if not line.startswith("diff ")]
    kept = (_TEMPORARY.sub(lambda hit: f"{hit[1]} {hit[2]}", line) for line in lines)
    return cut("\n".join(kept)), sum(line.startswith("+++ ") for line in lines)


def _lines(found: Any) -> list[str]:
    if found is None:
        return []
    made = {key: value for key, value in shown(found).items() if key != "status"}
    meta = {k: v for k, v in (made.get("metadata") or {}).items() if k not in _NOT_OURS}
    bare = _without_noise({**made, "metadata": meta})
    return json.dumps(bare, indent=1, sort_keys=True).splitlines()


def _without_noise(value: Any) -> Any:
    """Without the nulls and the empty `resources` that kubectl's own types print."""
    if isinstance(value, dict):
        made = {key: _without_noise(part) for key, part in value.items()}
        return {k: v for k, v in made.items() if v is not None and (k, v) != ("resources", {})}
    return [_without_noise(part) for part in value] if isinstance(value, list) else value
