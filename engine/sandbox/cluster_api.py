"""What the stand-in API server answers to a request: the API of Kubernetes, as far as kubectl asks.

No input and no output: a request in, an answer out. A watch is an answer whose rest is told by the
store as it changes.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.sandbox.cluster_kinds import BY_NAME, BY_PATH, KINDS, Kind, table
from engine.sandbox.cluster_logs import Logs
from engine.sandbox.cluster_metrics import pod_metrics
from engine.sandbox.cluster_openapi import document, index
from engine.sandbox.cluster_patch import KINDS as PATCHES
from engine.sandbox.cluster_patch import PatchProblem
from engine.sandbox.cluster_roll import DEPLOYMENTS
from engine.sandbox.cluster_store import ApiProblem, Store, matches
from engine.sandbox.cluster_switches import Switches

Json = dict[str, Any]

NAMESPACES = BY_NAME["v1", "Namespace"]
VERSION = {"major": "1", "minor": "32", "gitVersion": "v1.32.0", "platform": "sandbox"}
NO_SUCH_RESOURCE = "the server could not find the requested resource"
VERBS = {
    "GET": "get",
    "POST": "create",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request. Names of headers are in lower case."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def as_table(self) -> bool:
        return "as=Table" in self.headers.get("accept", "")

    @property
    def dry_run(self) -> bool:
        return self.query.get("dryRun") == "All"

    def json(self) -> Any:
        try:
            return json.loads(self.body or b"{}")
        except ValueError as e:
            raise ApiProblem(400, "BadRequest", f"the body is no JSON: {e}") from e


@dataclass(frozen=True, slots=True)
class Where:
    """What a path is about."""

    kind: Kind
    namespace: str = ""
    name: str = ""
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class Watch:
    """A watch: which objects, from which version on (None: what is there first)."""

    kind: Kind
    namespace: str
    labels: str
    fields: str
    since: int | None
    limit_s: float | None
    as_table: bool


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. A `watch` goes on after it."""

    status: int
    body: Any = None
    type: str = "application/json"
    watch: Watch | None = None
    delay_s: float = 0.0

    def octets(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return json.dumps(self.body, separators=(",", ":")).encode() if self.body else b""


class Api:
    """The API over a store. `on_write` is called after each change that was stored."""

    def __init__(
        self, store: Store, logs: Logs, switches: Switches, on_write: Callable[[], None]
    ) -> None:
        self.store = store
        self.logs = logs
        self.switches = switches
        self.on_write = on_write

    def answer(self, asked: Asked) -> Reply:
        """Never raises: what is refused is a `Status`."""
        try:
            found = self._about(asked) or self._object(asked)
        except ApiProblem as problem:
            return Reply(problem.code, problem.status())
        except PatchProblem as problem:
            reason = "Invalid" if problem.code == 422 else "BadRequest"
            return Reply(problem.code, ApiProblem(problem.code, reason, str(problem)).status())
        return found

    def _about(self, asked: Asked) -> Reply | None:
        """What there is: versions, groups, kinds."""
        parts = [part for part in asked.path.split("/") if part]
        if asked.path in ("/healthz", "/livez", "/readyz"):
            return Reply(200, b"ok", "text/plain")
        if asked.path == "/version":
            return Reply(200, VERSION)
        if parts == ["api"]:
            return Reply(200, {"kind": "APIVersions", "versions": ["v1"]})
        if parts == ["apis"]:
            return Reply(
                200, {"kind": "APIGroupList", "apiVersion": "v1", "groups": self._groups()}
            )
        if parts == ["api", "v1"]:
            return Reply(200, self._resources("", "v1"))
        if parts[:2] == ["openapi", "v3"]:
            return self._openapi("/".join(parts[2:]))
        if len(parts) == 3 and parts[0] == "apis":
            return Reply(200, self._resources(parts[1], parts[2]))
        return None

    def _kinds(self) -> list[Kind]:
        return [kind for kind in KINDS if kind.stored or self.switches.metrics]

    def _groups(self) -> list[Json]:
        versions = {kind.group: kind.version for kind in self._kinds() if kind.group}
        named = {
            group: {"groupVersion": f"{group}/{version}", "version": version}
            for group, version in versions.items()
        }
        return [
            {"name": group, "versions": [version], "preferredVersion": version}
            for group, version in named.items()
        ]

    def _openapi(self, about: str) -> Reply:
        found = document(self._kinds(), about) if about else index(self._kinds())
        if found is None:
            raise ApiProblem(404, "NotFound", NO_SUCH_RESOURCE)
        return Reply(200, found)

    def _resources(self, group: str, version: str) -> Json:
        found = [k for k in self._kinds() if (k.group, k.version) == (group, version)]
        if not found:
            raise ApiProblem(404, "NotFound", NO_SUCH_RESOURCE)
        return {
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": found[0].api_version,
            "resources": [described for kind in found for described in kind.described()],
        }

    def _object(self, asked: Asked) -> Reply:
        where = self._where(asked.path)
        verb = VERBS.get(asked.method, "")
        if verb == "get" and not where.name:
            verb = "watch" if _yes(asked.query.get("watch")) else "list"
        self.switches.check(verb, where.kind, where.namespace, where.name)
        delay_s = self.switches.delay_s(verb, where.kind)
        reply = self._do(verb, asked, where)
        return Reply(reply.status, reply.body, reply.type, reply.watch, delay_s)

    def _where(self, path: str) -> Where:
        parts = [part for part in path.split("/") if part]
        if parts[:1] == ["api"] and len(parts) > 2:
            group, version, rest = "", parts[1], parts[2:]
        elif parts[:1] == ["apis"] and len(parts) > 3:
            group, version, rest = parts[1], parts[2], parts[3:]
        else:
            raise ApiProblem(404, "NotFound", NO_SUCH_RESOURCE)
        namespace = ""
        if rest[0] == "namespaces" and len(rest) > 2:
            namespace, rest = rest[1], rest[2:]
        kind = BY_PATH.get((group, version, rest[0]))
        if kind is None or kind not in self._kinds():
            raise ApiProblem(404, "NotFound", NO_SUCH_RESOURCE)
        name, subresource = (*rest[1:3], "", "")[:2]
        if subresource and subresource not in kind.subresources:
            raise ApiProblem(404, "NotFound", NO_SUCH_RESOURCE)
        return Where(kind, namespace, name, subresource)

    def _do(self, verb: str, asked: Asked, where: Where) -> Reply:
        if verb in ("list", "watch"):
            return self._list(asked, where, watch=verb == "watch")
        if verb == "get":
            return self._get(asked, where)
        if not where.kind.stored or verb not in ("create", "update", "patch", "delete"):
            problem = "the server does not allow this method on the requested resource"
            raise ApiProblem(405, "MethodNotAllowed", problem)
        if verb == "create":
            return self._create(asked, where)
        if verb == "delete":
            return self._delete(asked, where)
        return self._change(asked, where, patch=verb == "patch")

    def _list(self, asked: Asked, where: Where, *, watch: bool) -> Reply:
        kind, query = where.kind, asked.query
        labels, fields = query.get("labelSelector", ""), query.get("fieldSelector", "")
        if watch:
            since = int(query.get("resourceVersion") or 0) or None
            limit_s = float(query["timeoutSeconds"]) if "timeoutSeconds" in query else None
            spec = Watch(kind, where.namespace, labels, fields, since, limit_s, asked.as_table)
            return Reply(200, watch=spec)
        if kind.stored:
            found = self.store.list(kind, where.namespace)
        else:
            found = pod_metrics(self.store, where.namespace)
        found = [o for o in found if matches(o, labels, fields)]
        version = str(self.store.version)
        if asked.as_table:
            return Reply(200, table(kind, found, self.store.now(), version))
        listed = {"kind": f"{kind.kind}List", "apiVersion": kind.api_version}
        return Reply(200, {**listed, "metadata": {"resourceVersion": version}, "items": found})

    def _get(self, asked: Asked, where: Where) -> Reply:
        if not where.kind.stored:
            named = [o for o in pod_metrics(self.store, where.namespace)
                     if o["metadata"]["name"] == where.name]  # fmt: skip
            if not named:
                message = f'podmetrics.metrics.k8s.io "{where.name}" not found'
                raise ApiProblem(404, "NotFound", message, where.kind)
            return Reply(200, named[0])
        found = self.store.get(where.kind, where.namespace, where.name)
        if where.subresource == "log":
            return Reply(200, self.logs.of(found, asked.query), "text/plain")
        if where.subresource == "scale":
            return Reply(200, _scale_of(found))
        if asked.as_table:
            listed = [found]
            return Reply(200, table(where.kind, listed, self.store.now(), str(self.store.version)))
        return Reply(200, found)

    def _create(self, asked: Asked, where: Where) -> Reply:
        given = asked.json()
        if where.kind.namespaced and not self.store.find(NAMESPACES, "", where.namespace):
            message = f'namespaces "{where.namespace}" not found'
            raise ApiProblem(404, "NotFound", message, NAMESPACES)
        _check(where.kind, given)
        made = self.store.create(
            where.kind, where.namespace, defaulted(where.kind, given), dry_run=asked.dry_run
        )
        self._written(asked)
        return Reply(201, made)

    def _change(self, asked: Asked, where: Where, *, patch: bool) -> Reply:
        found = self.store.get(where.kind, where.namespace, where.name)
        self.switches.conflict(where.kind, where.name)
        scale = where.subresource == "scale"
        before = _scale_of(found) if scale else found
        given = asked.json()
        after = _patched(asked, before, given) if patch else given
        if scale:
            after = _scaled(found, after)
        elif not where.subresource:
            _check(where.kind, after)
        if patch and "resourceVersion" not in (given if isinstance(given, dict) else {}).get(
            "metadata", {}
        ):
            after["metadata"].pop("resourceVersion", None)
        after = defaulted(where.kind, {**found, **after})
        stored = self.store.replace(where.kind, after, dry_run=asked.dry_run)
        self._written(asked)
        return Reply(200, _scale_of(stored) if scale else stored)

    def _delete(self, asked: Asked, where: Where) -> Reply:
        options = asked.json()
        found = self.store.get(where.kind, where.namespace, where.name)
        dry = asked.dry_run or "All" in (options.get("dryRun") or [])
        if not dry:
            self.store.delete(where.kind, where.namespace, where.name)
            self.on_write()
        details = {"name": where.name, "group": where.kind.group, "kind": where.kind.plural,
                   "uid": found["metadata"]["uid"]}  # fmt: skip
        done = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
        return Reply(200, {**done, "details": details})

    def _written(self, asked: Asked) -> None:
        if not asked.dry_run:
            self.on_write()


def _yes(word: str | None) -> bool:
    return word in ("true", "1")


def _patched(asked: Asked, before: Json, patch: Any) -> Json:
    sent = asked.headers.get("content-type", "").partition(";")[0]
    apply = PATCHES.get(sent)
    if apply is None:
        raise ApiProblem(415, "UnsupportedMediaType", f"the sandbox takes no patch of type {sent}")
    made: Json = apply(copy.deepcopy(before), patch)
    return made


def _scale_of(found: Json) -> Json:
    meta = found["metadata"]
    labels = found["spec"].get("selector", {}).get("matchLabels") or {}
    selector = ",".join(f"{k}={v}" for k, v in labels.items())
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {
            k: meta[k] for k in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
        },
        "spec": {"replicas": found["spec"].get("replicas", 1)},
        "status": {"replicas": found.get("status", {}).get("replicas", 0), "selector": selector},
    }


def _scaled(found: Json, scale: Json) -> Json:
    made = copy.deepcopy(found)
    made["spec"]["replicas"] = scale.get("spec", {}).get("replicas", 0)
    version = scale.get("metadata", {}).get("resourceVersion")
    made["metadata"]["resourceVersion"] = version
    return made


def _check(kind: Kind, given: Json) -> None:
    """What the API server validates, as far as a runbook is likely to get it wrong."""
    problem = ""
    if kind is DEPLOYMENTS:
        problem = _problem_of_deployment(given)
    elif kind.plural == "horizontalpodautoscalers":
        spec = given.get("spec", {})
        if spec.get("maxReplicas", 0) < spec.get("minReplicas", 1):
            problem = "spec.maxReplicas: Invalid value: must not be less than minReplicas"
    if problem:
        name = given.get("metadata", {}).get("name", "")
        message = f'{kind.kind}.{kind.group} "{name}" is invalid: {problem}'
        found = ApiProblem(422, "Invalid", message, kind)
        found.name = name
        raise found


def _problem_of_deployment(given: Json) -> str:
    spec = given.get("spec", {})
    replicas = spec.get("replicas", 1)
    if not isinstance(replicas, int) or replicas < 0:
        return f"spec.replicas: Invalid value: {replicas}: must be greater than or equal to 0"
    for n, container in enumerate(
        spec.get("template", {}).get("spec", {}).get("containers") or [{}]
    ):
        for key in ("name", "image"):
            if not container.get(key):
                return f"spec.template.spec.containers[{n}].{key}: Required value"
    if not spec.get("selector", {}).get("matchLabels"):
        return "spec.selector: Required value"
    return ""


def defaulted(kind: Kind, given: Json) -> Json:
    """With what the API server fills in, so that the same is the same in a comparison."""
    if kind is not DEPLOYMENTS:
        return given
    spec = given["spec"]
    rolling = {"maxSurge": "25%", "maxUnavailable": "25%"}
    usual = {
        "replicas": 1,
        "revisionHistoryLimit": 10,
        "progressDeadlineSeconds": 600,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": rolling},
    }
    return {**given, "spec": {**usual, **spec}}
