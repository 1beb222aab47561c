"""What the metrics server would say of the stand-in cluster's pods: the same small use for each."""

from __future__ import annotations

from typing import Any

from engine.sandbox.cluster_pods import PODS, is_ready
from engine.sandbox.cluster_store import Store

Json = dict[str, Any]

USED = {"cpu": "12m", "memory": "34Mi"}
"""By every container that runs."""


def pod_metrics(store: Store, namespace: str) -> list[Json]:
    return [
        {
            "kind": "PodMetrics",
            "apiVersion": "metrics.k8s.io/v1beta1",
            "metadata": {
                key: pod["metadata"][key]
                for key in ("name", "namespace", "labels", "creationTimestamp")
                if key in pod["metadata"]
            },
            "timestamp": store.stamp(),
            "window": "15s",
            "containers": [{"name": c["name"], "usage": USED} for c in pod["spec"]["containers"]],
        }
        for pod in store.list(PODS, namespace)
        if is_ready(pod)
    ]
