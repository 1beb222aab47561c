"""The plan hash: what exactly a step will do, as 64 hexadecimal digits.

It is the SHA-256 of the canonical JSON (sorted keys, no spaces, UTF-8) of the plan step below. The
same object is rehearsed, approved, executed and audited; whatever changes in it changes the hash.
`v` is the version of the form: a change of meaning makes a new one, and recorded examples pin the
old ones for ever.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from engine.language.model import Call, Expression, Template

VERSION = 1


def plan_step(digest: str, path: str, entry: Call, plan: Mapping[str, Any]) -> dict[str, Any]:
    """The plan step of a check or action: `digest` is of the runbook's text, `plan` of its
    `StepStarted`.
    """
    target = plan["target"]
    return {
        "v": VERSION,
        "runbook": digest,
        "path": path,
        "type": plan["type"],
        "connection": None
        if target is None
        else {"name": target, "fingerprint": plan["fingerprint"]},
        "params": plan["params"],
        "effect": plan["effect"],
        "limits": {
            "timeout_s": plan["timeout_s"],
            "max_affected": plan.get("max_affected"),
        },
        "probe": _probe(entry.probe),
    }


def _probe(probe: Call | None) -> dict[str, Any] | None:
    """The probe as it is written: it is rendered only when there is a doubt."""
    if probe is None:
        return None
    return {
        "type": probe.type,
        "target": probe.target,
        "params": _written(dict(probe.params)),
        "expect": _written(probe.expect),
    }


def _written(value: Any) -> Any:
    if isinstance(value, Template | Expression):
        return value.text
    if isinstance(value, Mapping):
        return {key: _written(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_written(part) for part in value]
    return value


def canonical(step: Mapping[str, Any]) -> bytes:
    return json.dumps(
        step, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode("utf-8", "surrogatepass")


def plan_hash(step: Mapping[str, Any]) -> str:
    """64 hexadecimal digits."""
    return hashlib.sha256(canonical(step)).hexdigest()
