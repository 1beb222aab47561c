"""How a PATCH changes an object, for the three kinds that kubectl sends.

| content type | what it is |
|---|---|
| `application/json-patch+json` | operations on paths (RFC 6902): `rollout undo` |
| `application/merge-patch+json` | a mapping laid over (RFC 7386): `scale`, custom resources |
| `application/strategic-merge-patch+json` | that, but lists with a key are merged by it |
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

MERGE_KEYS: Mapping[str, tuple[str, ...]] = {
    "conditions": ("type",),
    "containers": ("name",),
    "env": ("name",),
    "ephemeralContainers": ("name",),
    "hostAliases": ("ip",),
    "imagePullSecrets": ("name",),
    "initContainers": ("name",),
    "ownerReferences": ("uid",),
    "ports": ("containerPort", "port"),
    "secrets": ("name",),
    "volumeMounts": ("mountPath",),
    "volumes": ("name",),
}
"""The lists that are merged, and the field that tells their items apart: `patchMergeKey` in the
types of Kubernetes. All others are replaced as a whole.
"""

Json = Any
Apply = Callable[[Json, Json], Json]


class PatchProblem(Exception):
    """A patch does not fit. `code` is what the API server answers with."""

    def __init__(self, message: str, code: int = 400) -> None:
        super().__init__(message)
        self.code = code


def merged(target: Json, patch: Json) -> Json:
    """RFC 7386: null takes away, a mapping goes deeper, anything else replaces."""
    if not isinstance(patch, Mapping):
        return copy.deepcopy(patch)
    made = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            made.pop(key, None)
        else:
            made[key] = merged(made.get(key), value)
    return made


def strategic(target: Json, patch: Json) -> Json:
    """A mapping laid over, with the directives `$patch`, `$retainKeys`, `$deleteFromPrimitiveList`
    and `$setElementOrder`.
    """
    if not isinstance(patch, Mapping):
        return copy.deepcopy(patch)
    directive = patch.get("$patch")
    if directive == "delete":
        return {}
    made = dict(target) if isinstance(target, Mapping) and directive != "replace" else {}
    if "$retainKeys" in patch:
        made = {key: value for key, value in made.items() if key in patch["$retainKeys"]}
    for key, value in patch.items():
        if key.startswith("$deleteFromPrimitiveList/"):
            name = key.partition("/")[2]
            made[name] = [item for item in made.get(name) or [] if item not in value]
        elif key.startswith("$"):
            continue
        elif value is None:
            made.pop(key, None)
        else:
            made[key] = _laid_over(key, made.get(key), value, patch)
    return made


def _laid_over(key: str, old: Json, new: Json, patch: Mapping[str, Json]) -> Json:
    if not isinstance(new, list):
        return strategic(old, new)
    merge_key = _merge_key(key, new)
    if merge_key is None:
        return copy.deepcopy(new)
    items = _merged_items(old or [], new, merge_key)
    order = [item.get(merge_key) for item in patch.get(f"$setElementOrder/{key}") or []]
    if order:
        items.sort(key=lambda item: _rank(order, item.get(merge_key)))
    return items


def _merge_key(key: str, items: list[Json]) -> str | None:
    for candidate in MERGE_KEYS.get(key, ()):
        named = [isinstance(i, Mapping) and (candidate in i or i.get("$patch") == "replace")
                 for i in items]  # fmt: skip
        if all(named):
            return candidate
    return None


def _rank(order: list[Json], name: Json) -> int:
    """What the patch does not order stays behind, in the order it had."""
    return order.index(name) if name in order else len(order)


def _merged_items(old: list[Json], new: list[Json], merge_key: str) -> list[Json]:
    if any(item.get("$patch") == "replace" for item in new):
        return [copy.deepcopy(item) for item in new if item.get("$patch") != "replace"]
    items = [copy.deepcopy(item) for item in old]
    for change in new:
        names = [item.get(merge_key) for item in items]
        name = change[merge_key]
        at = names.index(name) if name in names else None
        if change.get("$patch") == "delete":
            items = [item for item in items if item.get(merge_key) != name]
        elif at is None:
            items.append(strategic({}, change))
        else:
            items[at] = strategic(items[at], change)
    return items


def json_patched(target: Json, operations: Json) -> Json:
    """RFC 6902. Raises PatchProblem for a path that is not there, or a test that does not hold."""
    if not isinstance(operations, list):
        raise PatchProblem("a JSON patch is a list of operations")
    made = {"": copy.deepcopy(target)}
    for operation in operations:
        _operate(made, operation)
    return made[""]


def _operate(root: dict[str, Json], operation: Mapping[str, Json]) -> None:
    verb, path = operation.get("op"), str(operation.get("path", ""))
    if verb in ("move", "copy"):
        value = _at(root, str(operation.get("from", "")))
        if verb == "move":
            _remove(root, str(operation["from"]))
        _put(root, path, copy.deepcopy(value), insert=True)
    elif verb == "add":
        _put(root, path, operation.get("value"), insert=True)
    elif verb == "replace":
        _at(root, path)
        _put(root, path, operation.get("value"), insert=False)
    elif verb == "remove":
        _remove(root, path)
    elif verb == "test":
        if _at(root, path) != operation.get("value"):
            raise PatchProblem(f"testing value {path} failed", 422)
    else:
        raise PatchProblem(f"unknown operation {verb!r} of a JSON patch")


def _parts(path: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")]


def _at(root: Json, path: str) -> Json:
    found = root
    for part in _parts(path):
        try:
            found = found[int(part)] if isinstance(found, list) else found[part]
        except (KeyError, IndexError, ValueError, TypeError) as e:
            raise PatchProblem(f"the path {path} is not there", 422) from e
    return found


def _parent(root: Json, path: str) -> tuple[Json, str]:
    above, _, last = path.rpartition("/") if path else ("", "", "")
    if not path:
        return root, ""
    return _at(root, above), _parts(last)[0]


def _put(root: Json, path: str, value: Json, *, insert: bool) -> None:
    parent, last = _parent(root, path)
    if not isinstance(parent, list):
        parent[last] = value
    elif last == "-":
        parent.append(value)
    elif insert:
        parent.insert(int(last), value)
    else:
        parent[int(last)] = value


def _remove(root: Json, path: str) -> None:
    _at(root, path)
    parent, last = _parent(root, path)
    if isinstance(parent, list):
        del parent[int(last)]
    else:
        del parent[last]


KINDS: Mapping[str, Apply] = {
    "application/json-patch+json": json_patched,
    "application/merge-patch+json": merged,
    "application/strategic-merge-patch+json": strategic,
}
