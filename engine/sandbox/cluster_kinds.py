"""The kinds of objects the stand-in API server knows: their paths, and how it lists them for
people.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Json = dict[str, Any]
Row = Callable[[Json], list[Any]]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind: `group` is empty for the core's. `columns` and `row` are its table."""

    group: str
    version: str
    plural: str
    kind: str
    short: tuple[str, ...] = ()
    namespaced: bool = True
    subresources: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    row: Row = field(default=lambda _object: [])
    stored: bool = True
    """False for those that are computed when asked for: the metrics."""

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> str:
        """As in errors: `deployments.apps`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def described(self) -> list[Json]:
        """The kind and its subresources as discovery lists them."""
        verbs = ["get", "list", "watch"]
        if self.stored:
            verbs += ["create", "delete", "deletecollection", "patch", "update"]
        found = [
            {
                "name": self.plural,
                "singularName": self.kind.lower(),
                "namespaced": self.namespaced,
                "kind": self.kind,
                "verbs": verbs,
                "shortNames": list(self.short),
                "categories": ["all"] if self.plural in IN_ALL else [],
            }
        ]
        for name in self.subresources:
            scale = {"group": "autoscaling", "version": "v1", "kind": "Scale"}
            more = scale if name == "scale" else {"kind": self.kind}
            found.append(
                {
                    "name": f"{self.plural}/{name}",
                    "singularName": "",
                    "namespaced": self.namespaced,
                    "verbs": ["get"] if name == "log" else ["get", "patch", "update"],
                    **more,
                }
            )
        return found


IN_ALL = frozenset({"pods", "services", "deployments", "replicasets", "horizontalpodautoscalers"})
"""What `kubectl get all` asks for."""


def ready_of(pod: Json) -> tuple[int, int]:
    """Containers that are ready, and all."""
    found = pod.get("status", {}).get("containerStatuses") or []
    return sum(bool(c.get("ready")) for c in found), len(pod["spec"].get("containers") or [])


def pod_reason(pod: Json) -> str:
    for container in pod.get("status", {}).get("containerStatuses") or []:
        for state in ("waiting", "terminated"):
            reason = container.get("state", {}).get(state, {}).get("reason")
            if reason:
                return str(reason)
    return str(pod.get("status", {}).get("phase", "Unknown"))


def _pod(pod: Json) -> list[Any]:
    ready, wanted = ready_of(pod)
    restarts = sum(c["restartCount"] for c in pod.get("status", {}).get("containerStatuses") or [])
    return [f"{ready}/{wanted}", pod_reason(pod), restarts]


def _deployment(d: Json) -> list[Any]:
    status = d.get("status", {})
    ready = f"{status.get('readyReplicas', 0)}/{d['spec'].get('replicas', 1)}"
    return [ready, status.get("updatedReplicas", 0), status.get("availableReplicas", 0)]


def _replicaset(rs: Json) -> list[Any]:
    status = rs.get("status", {})
    return [rs["spec"]["replicas"], status.get("replicas", 0), status.get("readyReplicas", 0)]


def _hpa(hpa: Json) -> list[Any]:
    spec, ref = hpa["spec"], hpa["spec"]["scaleTargetRef"]
    targets = []
    measured = hpa.get("status", {}).get("currentMetrics") or []
    now = {m["resource"]["name"]: m["resource"]["current"] for m in measured if "resource" in m}
    for metric in spec.get("metrics") or []:
        if "resource" in metric:
            name = metric["resource"]["name"]
            current = now.get(name, {}).get("averageUtilization", "<unknown>")
            targets.append(
                f"{name}: {current}%/{metric['resource']['target'].get('averageUtilization')}%"
            )
    replicas = hpa.get("status", {}).get("currentReplicas", 0)
    about = f"{ref['kind']}/{ref['name']}"
    return [about, ", ".join(targets), spec.get("minReplicas", 1), spec["maxReplicas"], replicas]


def _event(event: Json) -> list[Any]:
    about = event["involvedObject"]
    return [event["type"], event["reason"], f"{about['kind'].lower()}/{about['name']}",
            event["message"]]  # fmt: skip


def _service(service: Json) -> list[Any]:
    spec = service["spec"]
    ports = ",".join(f"{p['port']}/{p.get('protocol', 'TCP')}" for p in spec.get("ports") or [])
    return [spec.get("type", "ClusterIP"), spec.get("clusterIP", "None"), ports]


KINDS: tuple[Kind, ...] = (
    Kind("", "v1", "namespaces", "Namespace", ("ns",), namespaced=False,
         columns=("Status",), row=lambda n: [n.get("status", {}).get("phase", "Active")]),
    Kind("", "v1", "pods", "Pod", ("po",), subresources=("log", "status"),
         columns=("Ready", "Status", "Restarts"), row=_pod),
    Kind("", "v1", "services", "Service", ("svc",),
         columns=("Type", "Cluster-IP", "Port(s)"), row=_service),
    Kind("", "v1", "configmaps", "ConfigMap", ("cm",),
         columns=("Data",), row=lambda c: [len(c.get("data") or {})]),
    Kind("", "v1", "secrets", "Secret",
         columns=("Type", "Data"), row=lambda s: [s.get("type"), len(s.get("data") or {})]),
    Kind("", "v1", "events", "Event", ("ev",),
         columns=("Type", "Reason", "Object", "Message"), row=_event),
    Kind("", "v1", "nodes", "Node", ("no",), namespaced=False),
    Kind("apps", "v1", "deployments", "Deployment", ("deploy",), subresources=("scale", "status"),
         columns=("Ready", "Up-to-date", "Available"), row=_deployment),
    Kind("apps", "v1", "replicasets", "ReplicaSet", ("rs",), subresources=("status",),
         columns=("Desired", "Current", "Ready"), row=_replicaset),
    Kind("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", ("hpa",),
         columns=("Reference", "Targets", "MinPods", "MaxPods", "Replicas"), row=_hpa),
    Kind("batch", "v1", "jobs", "Job"),
    Kind("metrics.k8s.io", "v1beta1", "pods", "PodMetrics", stored=False),
)  # fmt: skip
"""All there are. Not here: StatefulSets, DaemonSets, custom resources."""

BY_PATH: Mapping[tuple[str, str, str], Kind] = {(k.group, k.version, k.plural): k for k in KINDS}
BY_NAME: Mapping[tuple[str, str], Kind] = {(k.api_version, k.kind): k for k in KINDS}


def table(kind: Kind, objects: list[Json], now: datetime, version: str) -> Json:
    """What is answered where the client accepts a Table: the columns `kubectl get` shows."""
    names = ("Name", *kind.columns, "Age")
    columns = [
        {"name": name, "type": "string", "format": "", "description": "", "priority": 0}
        for name in names
    ]
    rows = [
        {
            "cells": [o["metadata"]["name"], *kind.row(o), _age(o, now)],
            "object": {
                "kind": "PartialObjectMetadata",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": o["metadata"],
            },
        }
        for o in objects
    ]
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": version},
        "columnDefinitions": columns,
        "rows": rows,
    }


def _age(found: Json, now: datetime) -> str:
    made = found["metadata"].get("creationTimestamp")
    if not made:
        return "<unknown>"
    age_s = int((now - datetime.fromisoformat(made)).total_seconds())
    for unit_s, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if age_s >= 2 * unit_s:
            return f"{age_s // unit_s}{unit}"
    return f"{max(0, age_s)}s"
