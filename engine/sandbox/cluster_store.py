"""The objects of the stand-in API server, their versions, and who watches them."""

from __future__ import annotations

import asyncio
import copy
import hashlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from engine.sandbox.cluster_kinds import BY_NAME, Kind

Json = dict[str, Any]
Change = Literal["ADDED", "MODIFIED", "DELETED"]
Key = tuple[str, str, str]
"""Resource (`deployments.apps`), namespace (empty for what has none), name."""

CHANGES_KEPT = 2000
"""For a watch that starts at an older version. Whoever is further behind lists again."""
OBJECTS_MAX = 5000
"""Of all kinds: a sandbox that holds more has a runbook in a loop."""


class ApiProblem(Exception):
    """What the server refuses: the `Status` object it answers with."""

    def __init__(self, code: int, reason: str, message: str, kind: Kind | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.kind = kind
        self.name = ""

    def status(self) -> Json:
        details: Json = {}
        if self.kind:
            details = {"name": self.name, "group": self.kind.group, "kind": self.kind.plural}
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "details": details,
            "code": self.code,
        }


@dataclass(frozen=True, slots=True)
class Changed:
    """One change, as a watch tells it."""

    version: int
    change: Change
    kind: Kind
    object: Json


@dataclass(slots=True)
class Store:
    """What the cluster holds. Objects handed out are the store's own: change a copy."""

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    version: int = 1000
    objects: dict[Key, Json] = field(default_factory=dict)
    changes: deque[Changed] = field(default_factory=lambda: deque(maxlen=CHANGES_KEPT))
    watchers: set[asyncio.Queue[Changed]] = field(default_factory=set)
    made: int = 0

    def stamp(self) -> str:
        """The time as the API writes it."""
        return self.now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def list(self, kind: Kind, namespace: str = "") -> list[Json]:
        """In the order of their names, as etcd keeps them; of all namespaces without one."""
        return [
            found
            for (resource, where, _), found in sorted(self.objects.items())
            if resource == kind.resource and (not namespace or where == namespace)
        ]

    def find(self, kind: Kind, namespace: str, name: str) -> Json | None:
        return self.objects.get((kind.resource, namespace if kind.namespaced else "", name))

    def get(self, kind: Kind, namespace: str, name: str) -> Json:
        found = self.find(kind, namespace, name)
        if found is None:
            problem = ApiProblem(404, "NotFound", f'{kind.resource} "{name}" not found', kind)
            problem.name = name
            raise problem
        return found

    def create(self, kind: Kind, namespace: str, given: Json, *, dry_run: bool = False) -> Json:
        if len(self.objects) >= OBJECTS_MAX:
            raise ApiProblem(429, "TooManyRequests", f"the sandbox keeps {OBJECTS_MAX} objects")
        made = copy.deepcopy(given)
        meta = made.setdefault("metadata", {})
        if not meta.get("name"):
            meta["name"] = f"{meta.get('generateName', 'x-')}{self._suffix(made)}"
        name = meta["name"]
        key = (kind.resource, namespace if kind.namespaced else "", name)
        if key in self.objects:
            message = f'{kind.resource} "{name}" already exists'
            problem = ApiProblem(409, "AlreadyExists", message, kind)
            problem.name = name
            raise problem
        made = {"kind": kind.kind, "apiVersion": kind.api_version, **made}
        if kind.namespaced:
            meta["namespace"] = namespace
        number = self.made + 1
        meta["uid"] = f"00000000-0000-4000-8000-{number:012d}"
        meta.setdefault("creationTimestamp", self.stamp())
        if "spec" in made:
            meta["generation"] = 1
        meta["resourceVersion"] = str(self.version + 1)
        if not dry_run:
            self.made = number
            self._keep(kind, key, made, "ADDED")
        return made

    def replace(self, kind: Kind, new: Json, *, dry_run: bool = False) -> Json:
        """Puts a new state of an object in the place of the old. Raises ApiProblem for a conflict:
        the state names a version that is not the last one.
        """
        meta = new["metadata"]
        old = self.get(kind, meta.get("namespace", ""), meta["name"])
        was = old["metadata"]
        if meta.get("resourceVersion") not in (None, "", was["resourceVersion"]):
            problem = ApiProblem(
                409,
                "Conflict",
                f'Operation cannot be fulfilled on {kind.resource} "{meta["name"]}": the object has'
                " been modified; please apply your changes to the latest version and try again",
                kind,
            )
            problem.name = meta["name"]
            raise problem
        made = copy.deepcopy(new)
        for fixed in ("uid", "creationTimestamp", "namespace", "resourceVersion"):
            if fixed in was:
                made["metadata"][fixed] = was[fixed]
        if made == old:
            return old
        if made.get("spec") != old.get("spec"):
            made["metadata"]["generation"] = was.get("generation", 0) + 1
        made["metadata"]["resourceVersion"] = str(self.version + 1)
        if not dry_run:
            key = (kind.resource, was.get("namespace", ""), was["name"])
            self._keep(kind, key, made, "MODIFIED")
        return made

    def delete(self, kind: Kind, namespace: str, name: str) -> Json:
        found = self.get(kind, namespace, name)
        key = (kind.resource, found["metadata"].get("namespace", ""), name)
        self._keep(kind, key, found, "DELETED")
        for dependent in list(self._owned_by(found)):
            owned = BY_NAME[dependent["apiVersion"], dependent["kind"]]
            meta = dependent["metadata"]
            self.delete(owned, meta.get("namespace", ""), meta["name"])
        return found

    def _owned_by(self, owner: Json) -> Iterator[Json]:
        uid = owner["metadata"]["uid"]
        for found in self.objects.values():
            if any(o["uid"] == uid for o in found["metadata"].get("ownerReferences") or []):
                yield found

    def _keep(self, kind: Kind, key: Key, found: Json, change: Change) -> None:
        self.version += 1
        if change == "DELETED":
            del self.objects[key]
            found = copy.deepcopy(found)
            found["metadata"]["resourceVersion"] = str(self.version)
        else:
            self.objects[key] = found
        told = Changed(self.version, change, kind, found)
        self.changes.append(told)
        for watcher in self.watchers:
            watcher.put_nowait(told)

    def _suffix(self, made: Json) -> str:
        seed = f"{self.made}{made['metadata'].get('generateName')}".encode()
        return hashlib.sha256(seed).hexdigest()[:5]


def matches(found: Json, labels: str, fields: str) -> bool:
    """Whether an object fits a labelSelector and a fieldSelector. Raises ApiProblem for one that
    cannot be read.
    """
    return all(_label_fits(found, term) for term in split_terms(labels)) and all(
        _field_fits(found, term) for term in split_terms(fields)
    )


def split_terms(selector: str) -> list[str]:
    """The terms of a selector; the commas within `in (a,b)` divide nothing."""
    terms, depth, current = [], 0, ""
    for char in selector:
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            terms.append(current)
            current = ""
        else:
            current += char
    return [term.strip() for term in (*terms, current) if term.strip()]


def _label_fits(found: Json, term: str) -> bool:
    labels = found["metadata"].get("labels") or {}
    for words, wanted in ((" notin ", False), (" in ", True)):
        if words in term:
            name, _, values = term.partition(words)
            listed = [v.strip() for v in values.strip().strip("()").split(",")]
            return (labels.get(name.strip()) in listed) is wanted
    for sign, wanted in (("!=", False), ("==", True), ("=", True)):
        if sign in term:
            name, _, value = term.partition(sign)
            return (labels.get(name.strip()) == value.strip()) is wanted
    return term[1:] not in labels if term.startswith("!") else term in labels


def _field_fits(found: Json, term: str) -> bool:
    wanted = "!=" not in term
    path, sign, value = term.partition("=" if wanted else "!=")
    if not sign:
        raise ApiProblem(400, "BadRequest", f"invalid field selector {term!r}")
    at: Any = found
    for part in path.split("."):
        at = at.get(part) if isinstance(at, dict) else None
    return (str(at if at is not None else "") == value.lstrip("=")) is wanted
