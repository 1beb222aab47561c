"""The commands of changes, each in one place, so that what is previewed is what is done."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from engine.adapters import kubectl_names as names
from engine.adapters.kubectl_line import DRY_RUN, Call

PatchType = Literal["strategic", "merge", "json"]

RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
"""What `rollout restart` writes into a template."""

REPLICAS_MAX = 10_000
"""A slip of the finger is not an order for a million pods."""

MANIFEST_MAX_BYTES = 1024 * 1024
"""Of what is applied or patched; the server takes 3 MiB."""


def scale(workload: str, replicas: int, expected: int | None) -> Call:
    about = names.workload(workload)
    if about.startswith("daemonset/"):
        raise names.wrong(f"{about} has a pod on each node: its number is not set")
    if not 0 <= replicas <= REPLICAS_MAX:
        raise names.wrong(f"replicas is {replicas}: it is 0 to {REPLICAS_MAX}")
    more = (f"--current-replicas={expected}",) if expected is not None else ()
    return Call("scale", (about, f"--replicas={replicas}", *more, "--output=json"))


def set_image(workload: str, images: Mapping[str, str]) -> Call:
    if not images:
        raise names.wrong("no image is given", "written like {api: stratum/api:1.4.0}")
    pairs = (f"{names.container(c)}={names.image(i)}" for c, i in images.items())
    return Call("set image", (names.workload(workload), *pairs, "--output=json"))


def set_env(
    workload: str, template: Mapping[str, Any], env: Mapping[str, str | None], which: str
) -> Call:
    """What `kubectl set env` sends, sent as a patch.

    `set env` takes its values from the argument list, where every process of the machine reads
    them, or from stdin, where it cuts them off at a `#`.
    """
    if not env:
        raise names.wrong("no variable is given", "written like {DATABASE_POOL_SIZE: '20'}")
    for key in env:
        names.variable(key)
    about, spec = names.workload(workload), template.get("spec") or {}
    changed = {
        part: [_with_env(c, env) for c in spec.get(part) or [] if which in ("*", c["name"])]
        for part in ("containers", "initContainers")
    }
    kept = {part: items for part, items in changed.items() if items}
    if not kept:
        there = ", ".join(c["name"] for c in spec.get("containers") or [])
        raise names.wrong(f"{about} has no container {which}", f"there are {there}")
    return patch(about, {"spec": {"template": {"spec": kept}}}, "strategic")


def _with_env(container: Mapping[str, Any], env: Mapping[str, str | None]) -> dict[str, Any]:
    """The change of one container; a variable that came from elsewhere gets a value of its own."""
    there = {variable["name"]: variable for variable in container.get("env") or []}
    items: list[dict[str, Any]] = []
    for key, value in env.items():
        if value is None:
            items.append({"name": key, "$patch": "delete"})
        else:
            other = {"valueFrom": None} if "valueFrom" in there.get(key, {}) else {}
            items.append({"name": key, "value": value, **other})
    staying = [key for key in there if env.get(key, "") is not None]
    added = [key for key, value in env.items() if value is not None and key not in there]
    order = [{"name": key} for key in (*staying, *added)]
    return {"name": container["name"], "env": items, "$setElementOrder/env": order}


def patch(resource: str, body: Any, type: PatchType) -> Call:
    text = json.dumps(body)
    _check_size(text)
    words = (names.named_resource(resource), f"--type={type}", "--patch-file=/dev/stdin")
    return Call("patch", words, stdin=text)


def restart(workload: str) -> Call:
    return Call("rollout restart", (names.workload(workload), "--output=json"))


def restart_as_patch(workload: str) -> Call:
    """What `rollout restart`, which has no dry run, sends: kubectl 1.32, objectrestarter.go."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    template = {"metadata": {"annotations": {RESTARTED_AT: now}}}
    return patch(names.workload(workload), {"spec": {"template": template}}, "strategic")


def undo(workload: str, revision: int) -> Call:
    return Call("rollout undo", (names.deployment(workload), f"--to-revision={revision}"))


def apply(manifest: str) -> Call:
    return Call("apply", ("--filename=-",), stdin=manifest)


def delete(kind: str, called: Sequence[str], *, wait: bool, limit_s: float) -> Call:
    words = (kind, *(names.name(name) for name in called), f"--wait={str(wait).lower()}")
    if not wait:
        return Call("delete", words)
    waits_s = max(1, int(limit_s * 0.8))
    return Call("delete", (*words, f"--timeout={waits_s}s"), limit_s=limit_s)


def dry(call: Call) -> Call:
    """The same as the server's dry run."""
    return Call(call.verb, (*call.words, DRY_RUN), call.stdin)


def as_json(call: Call) -> Call:
    if "--output=json" in call.words:
        return call
    return Call(call.verb, (*call.words, "--output=json"), call.stdin)


def manifest_text(manifest: Any) -> str:
    """What is applied, as text: YAML as it is written, or objects as JSON."""
    if isinstance(manifest, str):
        text = manifest
    elif isinstance(manifest, list):
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": manifest})
    else:
        text = json.dumps(manifest)
    _check_size(text)
    if not text.strip():
        raise names.wrong("the manifest is empty")
    return text


def _check_size(text: str) -> None:
    if len(text.encode()) > MANIFEST_MAX_BYTES:
        raise names.wrong(f"more than {MANIFEST_MAX_BYTES // 1024} KiB are not sent")
