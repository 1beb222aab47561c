"""One contract of the kubectl steps, kept by the stand-in API server and by a real one.

The real one is used where RUNBOOK_TEST_KUBECONFIG names a kubeconfig (its current context, or that
of RUNBOOK_TEST_CONTEXT). The tests make a namespace of their own there, of pods that do nothing
(registry.k8s.io/pause), and delete it. Nothing else of that cluster is read or changed.
"""

from __future__ import annotations

import asyncio
import json
import os
import uuid
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from engine.adapters.kubectl import KubectlAdapter
from engine.errors import AdapterError
from tests.adapters.kubectl_world import preview, step, world

REAL = os.environ.get("RUNBOOK_TEST_KUBECONFIG")
PAUSE = "registry.k8s.io/pause"
WAIT_S = 120.0
"""For a real cluster to pull an image of 300 KB and to start pods."""
SETTINGS = {
    "namespace": "contract",
    "deployments": {
        "api": {
            "image": f"{PAUSE}:3.9",
            "history": [f"{PAUSE}:3.7", f"{PAUSE}:3.8"],
            "container": "api",
            "replicas": 2,
            "env": {"POOL": "10"},
        }
    },
    "images": {"*:none": "ImagePullBackOff"},
    "hpas": {},
}


@dataclass
class There:
    """A namespace with the deployment `api` at its third revision."""

    adapter: KubectlAdapter

    async def ask(self, name, **given):
        return await step(self.adapter, f"kubectl.{name}", timeout_s=WAIT_S, **given)

    async def do(self, name, **given):
        return await step(self.adapter, f"kubectl.{name}", "action", timeout_s=WAIT_S, **given)


async def kubectl(*words, given=None):
    """kubectl as an operator types it, on the real cluster."""
    named = os.environ.get("RUNBOOK_TEST_CONTEXT")
    context = [f"--context={named}"] if named else []
    process = await asyncio.create_subprocess_exec(
        "kubectl", f"--kubeconfig={REAL}", *context, *words, stdin=-1, stdout=-1, stderr=-2
    )
    out, _ = await process.communicate(given)
    assert process.returncode == 0, out.decode()
    return out.decode().strip()


def deployment(tag):
    container = {"name": "api", "image": f"{PAUSE}:{tag}", "env": [{"name": "POOL", "value": "10"}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "api"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "api"}},
            "template": {
                "metadata": {"labels": {"app": "api"}},
                "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
            },
        },
    }


@asynccontextmanager
async def real_cluster():
    space = f"runbook-test-{uuid.uuid4().hex[:8]}"
    context = os.environ.get("RUNBOOK_TEST_CONTEXT") or await kubectl("config", "current-context")
    made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}}
    await kubectl("create", "-f", "-", given=json.dumps(made).encode())
    adapter = KubectlAdapter(context=context, namespace=space, kubeconfig=REAL)
    there = There(adapter)
    try:
        for tag in ("3.7", "3.8", "3.9"):
            await there.do("apply", manifest=deployment(tag))
            await there.ask("rollout", workload="api", deadline="90s")
        yield there
    finally:
        await adapter.close()
        await kubectl("delete", "namespace", space, "--wait=false")


@asynccontextmanager
async def stand_in(folder):
    async with world(folder / "cluster", **SETTINGS) as one:
        adapter = one.adapter()
        yield There(adapter)
        await adapter.close()


@pytest.fixture(params=["stand-in", *(["real"] if REAL else [])])
async def there(request, tmp_path):
    async with real_cluster() if request.param == "real" else stand_in(tmp_path) as one:
        yield one


async def as_it_is(there):
    found = await there.ask("get", resource="deployment/api")
    return json.dumps(found.object["spec"], sort_keys=True)


async def test_what_is_there_is_found_and_what_is_not_is_not(there):
    all_ = await there.ask("get", resource="deployments")
    assert (all_.count, list(all_.names)) == (1, ["api"])
    missing = await there.ask("get", resource="deployment/nobody")
    assert (missing.count, missing.object) == (0, None)
    with pytest.raises(AdapterError, match="no pod"):
        await there.ask("pods", selector="app=nobody")


async def test_a_deployment_that_came_up_has_ready_pods_and_its_history(there):
    pods = await there.ask("pods", selector="app=api")
    assert (pods.count, pods.ready, pods.unready) == (2, 2, 0)
    history = await there.ask("history", workload="api")
    assert (history.current, history.previous, history.returns_bad) == (3, 2, False)
    assert [dict(one.images)["api"] for one in history.revisions] == [
        f"{PAUSE}:3.7", f"{PAUSE}:3.8", f"{PAUSE}:3.9",
    ]  # fmt: skip


async def test_a_new_image_rolls_and_one_that_is_not_there_does_not(there):
    await there.do("set_image", workload="api", images={"api": f"{PAUSE}:3.10"})
    done = await there.ask("rollout", workload="api", deadline="90s")
    assert (done.state, dict(done.images)) == ("done", {"api": f"{PAUSE}:3.10"})
    await there.do("set_image", workload="api", images={"api": f"{PAUSE}:none"})
    stuck = await there.ask("rollout", workload="api", deadline="3s")
    assert not stuck.done


async def test_an_undo_goes_back_once_and_refuses_to_bring_the_bad_one_back(there):
    undone = await there.do("rollout_undo", workload="api")
    assert (undone.left, undone.revision, undone.images["api"]) == (3, 2, f"{PAUSE}:3.8")
    await there.ask("rollout", workload="api", deadline="90s")
    with pytest.raises(AdapterError, match="has gone back already") as caught:
        await there.do("rollout_undo", workload="api")
    assert not caught.value.maybe_done


async def test_scale_tells_the_former_number_and_can_expect_it(there):
    found = await there.do("scale", workload="api", replicas=1)
    assert (found.before, found.replicas) == (2, 1)
    with pytest.raises(AdapterError, match="not as expected") as caught:
        await there.do("scale", workload="api", replicas=3, expected=2)
    assert not caught.value.maybe_done


async def test_the_environment_is_set_and_told_as_it_was(there):
    found = await there.do("set_env", workload="api", env={"POOL": "20", "NEW": "1"})
    assert (dict(found.before), found.changed) == ({"POOL": "10", "NEW": None}, True)
    await there.ask("rollout", workload="api", deadline="90s")  # its status is a change to kubectl
    again = await there.do("set_env", workload="api", env={"POOL": "20", "NEW": "1"})
    assert not again.changed


async def test_an_object_is_made_changed_and_deleted(there):
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "flags"}}
    made = await there.do("apply", manifest={**manifest, "data": {"a": "1"}})
    assert list(made.objects.values()) == ["created"]
    assert (await there.do("apply", manifest={**manifest, "data": {"a": "1"}})).changed == 0
    patch = {"resource": "configmap/flags", "patch": {"data": {"a": "2"}}}
    assert (await there.do("patch", **patch)).changed
    assert (await there.do("delete", resource="configmap/flags")).count == 1
    assert (await there.ask("get", resource="configmap/flags")).count == 0


PREVIEWS = [
    ("rollout_undo", {"workload": "api"}, "revision 3 for 2"),
    ("rollout_restart", {"workload": "api"}, "2 pods anew"),
    ("scale", {"workload": "api", "replicas": 5}, "from 2 to 5 pods"),
    ("set_image", {"workload": "api", "images": {"api": f"{PAUSE}:3.10"}}, "roll 2 pods"),
    ("set_env", {"workload": "api", "env": {"A": "1"}}, "roll 2 pods"),
    ("delete", {"resource": "pods", "selector": "app=api"}, "2 pods would be"),
]


@pytest.mark.parametrize(("name", "given", "words"), PREVIEWS, ids=[one[0] for one in PREVIEWS])
async def test_a_preview_says_what_would_come_and_changes_nothing(there, name, given, words):
    before = await as_it_is(there)
    found = await preview(there.adapter, f"kubectl.{name}", **given)
    assert words in found.text
    assert await as_it_is(there) == before


async def test_a_namespace_that_does_not_exist_is_an_error_and_not_empty(there):
    known = there.adapter
    elsewhere = KubectlAdapter(
        context=known._context, namespace="no-such-namespace", kubeconfig=known._kubeconfig
    )
    with pytest.raises(AdapterError, match="no-such-namespace"):
        await step(elsewhere, "kubectl.pods", timeout_s=WAIT_S)
    await elsewhere.close()
