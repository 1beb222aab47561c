"""Each kubectl command of a real deployment document: a step does what typing it does."""

from __future__ import annotations

import re

import pytest

from tests.adapters.kubectl_world import step, world

API, WORKERS = "deployment/stratum-api", "deployment/stratum-workers"
IN = ("-n", "production")

CHANGES = {
    "set image api": (
        ("set", "image", API, "api=stratum/api:1.6.0", *IN),
        ("kubectl.set_image", {"workload": API, "images": {"api": "stratum/api:1.6.0"}}),
    ),
    "set image workers": (
        ("set", "image", WORKERS, "*=stratum/workers:8", *IN),
        ("kubectl.set_image", {"workload": WORKERS, "images": {"*": "stratum/workers:8"}}),
    ),
    "rollout undo api": (
        ("rollout", "undo", API, *IN),
        ("kubectl.rollout_undo", {"workload": API}),
    ),
    "rollout undo workers": (
        ("rollout", "undo", WORKERS, *IN),
        ("kubectl.rollout_undo", {"workload": WORKERS}),
    ),
    "rollout restart": (
        ("rollout", "restart", API, *IN),
        ("kubectl.rollout_restart", {"workload": API}),
    ),
    "set env": (
        ("set", "env", API, "DATABASE_POOL_SIZE=20", "LOG_LEVEL=debug", *IN),
        (
            "kubectl.set_env",
            {"workload": API, "env": {"DATABASE_POOL_SIZE": "20", "LOG_LEVEL": "debug"}},
        ),
    ),
    "scale workers": (
        ("scale", WORKERS, "--replicas=16", *IN),
        ("kubectl.scale", {"workload": WORKERS, "replicas": 16}),
    ),
    "scale api": (
        ("scale", API, "--replicas=10", *IN),
        ("kubectl.scale", {"workload": API, "replicas": 10}),
    ),
    "patch hpa": (
        ("patch", "hpa", "stratum-api", *IN, "-p", '{"spec":{"maxReplicas":20}}'),
        (
            "kubectl.patch",
            {"resource": "hpa/stratum-api", "patch": {"spec": {"maxReplicas": 20}}},
        ),
    ),
}

_OTHERWISE = re.compile(
    r"(?<=')[0-9a-f]{8}-[0-9a-f-]{27}(?=')|\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)|(?<=-)[a-z0-9]{5}(?=')"
)
"""What is another every time: uids, times, the ends of pods' names."""


def alike(cluster) -> list[str]:
    """What a cluster holds, without what is another every time."""
    found = []
    for key, held in cluster.state().items():
        if key.startswith("pods/"):
            continue
        meta = {k: v for k, v in held["metadata"].items() if k not in _NOISE}
        text = repr((key, {**held, "metadata": meta}))
        if "restartedAt" in text and key.startswith("replicasets."):
            text = text.replace(meta["labels"]["pod-template-hash"], "*")  # made of the time too
        found.append(_OTHERWISE.sub("*", text))
    return sorted(found)


_NOISE = ("uid", "resourceVersion", "creationTimestamp", "managedFields", "generation")


def pods(cluster) -> list[str]:
    """The images of all pods."""
    return sorted(
        held["spec"]["containers"][0]["image"]
        for key, held in cluster.state().items()
        if key.startswith("pods/")
    )


@pytest.mark.parametrize("name", CHANGES)
async def test_a_change_by_a_step_leaves_what_the_typed_one_leaves(tmp_path, name):
    typed, (type_, given) = CHANGES[name]
    async with world(tmp_path / "typed") as by_hand, world(tmp_path / "step") as by_step:
        assert alike(by_hand.cluster) == alike(by_step.cluster)
        await by_hand.typed(*typed)
        await step(by_step.adapter(), type_, "action", **given)
        await by_hand.cluster.settled()
        await by_step.cluster.settled()
        assert alike(by_hand.cluster) == alike(by_step.cluster)
        assert pods(by_hand.cluster) == pods(by_step.cluster)


READS = {
    "get pods": (("get", "pods", *IN), "kubectl.pods", {}, "pods"),
    "get deployments": (
        ("get", "deployments", *IN), "kubectl.get", {"resource": "deployments"}, "names",
    ),
    "get hpa": (("get", "hpa", *IN), "kubectl.hpa", {}, "hpas"),
    "logs": (
        ("logs", "-l", "app=stratum-api", *IN, "--tail=100"),
        "kubectl.logs", {"selector": "app=stratum-api", "tail": 100}, "text",
    ),
    "rollout history": (
        ("rollout", "history", API, *IN), "kubectl.history", {"workload": API}, "revisions",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", READS)
async def test_a_question_by_a_step_finds_what_the_typed_one_shows(tmp_path, name):
    typed, type_, given, field = READS[name]
    async with world(tmp_path / "c") as one:
        shown = await one.typed(*typed)
        found = await step(one.adapter(), type_, **given)
    rows = [line for line in shown.splitlines() if line.strip()]
    heads = 0 if name == "logs" else 2 if name == "rollout history" else 1
    assert len(rows) - heads == len(getattr(found, field))


async def test_waiting_for_a_rollout_ends_as_the_typed_one_does(tmp_path):
    async with world(tmp_path / "c") as one:
        await one.typed("set", "image", API, "api=stratum/api:1.6.0", *IN)
        shown = await one.typed("rollout", "status", API, *IN, "--timeout=5m")
        found = await step(one.adapter(), "kubectl.rollout", workload=API, deadline="5m")
    assert shown.splitlines()[-1] == 'deployment "stratum-api" successfully rolled out'
    assert found.done
