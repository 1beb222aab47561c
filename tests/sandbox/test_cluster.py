"""The stand-in API server, asked over HTTP as any client would."""

from __future__ import annotations

import httpx
import pytest

from tests.adapters.kubectl_world import world

APPS = "/apis/apps/v1/namespaces/production/deployments"
PATCH = {"Content-Type": "application/strategic-merge-patch+json"}


@pytest.fixture
async def there(tmp_path):
    async with (
        world(tmp_path / "c") as one,
        httpx.AsyncClient(base_url=one.told["url"], timeout=60) as client,
    ):
        yield one, client


@pytest.mark.parametrize(
    "path",
    [
        "/version",
        "/api",
        "/apis",
        "/api/v1",
        "/apis/apps/v1",
        "/openapi/v3",
        "/api/v1/namespaces/production",
        "/api/v1/namespaces/production/pods",
        "/api/v1/namespaces/production/events",
        APPS,
        f"{APPS}/stratum-api",
        f"{APPS}/stratum-api/scale",
        "/apis/apps/v1/namespaces/production/replicasets",
        "/apis/autoscaling/v2/namespaces/production/horizontalpodautoscalers",
        "/apis/metrics.k8s.io/v1beta1/namespaces/production/pods",
    ],
)
async def test_what_clients_ask_for_is_served(there, path):
    _, client = there
    answer = await client.get(path)
    assert answer.status_code == 200
    assert isinstance(answer.json(), dict)


async def test_what_is_not_there_is_answered_as_the_real_one_does(there):
    _, client = there
    answer = await client.get(f"{APPS}/nobody")
    assert answer.status_code == 404
    found = answer.json()
    assert (found["kind"], found["reason"], found["status"]) == ("Status", "NotFound", "Failure")


async def test_a_dry_run_changes_nothing_and_shows_what_would_be(there):
    one, client = there
    before = one.cluster.state()
    body = {"spec": {"replicas": 9}}
    answer = await client.patch(
        f"{APPS}/stratum-api", params={"dryRun": "All"}, json=body, headers=PATCH
    )
    assert answer.json()["spec"]["replicas"] == 9
    gone = await client.delete(f"{APPS}/stratum-api", params={"dryRun": "All"})
    assert gone.status_code == 200
    made = await client.post(
        "/api/v1/namespaces/production/configmaps",
        params={"dryRun": "All"},
        json={"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}},
    )
    assert made.status_code == 201
    assert one.cluster.state() == before


async def roll(client, one, image):
    containers = [{"name": "api", "image": image}]
    body = {"spec": {"template": {"spec": {"containers": containers}}}}
    await client.patch(f"{APPS}/stratum-api", json=body, headers=PATCH)
    await one.cluster.settled()
    return (await client.get(f"{APPS}/stratum-api")).json()["status"]


async def test_a_deployment_rolls_and_keeps_its_revisions(there):
    one, client = there
    status = await roll(client, one, "stratum/api:1.6.0")
    assert (status["updatedReplicas"], status["availableReplicas"]) == (3, 3)
    sets = (await client.get("/apis/apps/v1/namespaces/production/replicasets")).json()["items"]
    revisions = {
        found["metadata"]["annotations"]["deployment.kubernetes.io/revision"]
        for found in sets
        if found["metadata"]["name"].startswith("stratum-api")
    }
    assert revisions == {"1", "2", "3", "4"}


async def test_an_image_that_never_gets_ready_leaves_the_old_pods_running(there):
    one, client = there
    status = await roll(client, one, "stratum/api:crashes")
    assert status["availableReplicas"] == 3
    assert status["updatedReplicas"] == 1
    pods = (await client.get("/api/v1/namespaces/production/pods")).json()["items"]
    waiting = [
        state["state"]["waiting"]["reason"]
        for pod in pods
        for state in pod["status"].get("containerStatuses", [])
        if "waiting" in state["state"]
    ]
    assert waiting == ["CrashLoopBackOff"]
