"""kubectl itself against the stand-in API server, through the steps."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from engine.errors import AdapterError
from tests.adapters.kubectl_world import preview, step, world


@pytest.fixture
async def there(tmp_path: Path):
    async with world(tmp_path / "cluster") as one:
        adapter = one.adapter()
        yield one, adapter
        await adapter.close()


# -- checks ----------------------------------------------------------------------------------------


async def test_get_finds_a_kind_or_one_by_name(there):
    _, adapter = there
    all_ = await step(adapter, "kubectl.get", resource="deployments")
    assert (all_.count, sorted(all_.names)) == (2, ["stratum-api", "stratum-workers"])
    one = await step(adapter, "kubectl.get", resource="deployment/stratum-api")
    assert one.object["spec"]["replicas"] == 3


async def test_what_is_not_there_is_never_found(there):
    _, adapter = there
    none = await step(adapter, "kubectl.get", resource="pods", selector="app=nobody")
    assert none.count == 0  # which the default expectation of kubectl.get does not let pass
    missing = await step(adapter, "kubectl.get", resource="deployment/nobody")
    assert (missing.count, missing.object) == (0, None)
    with pytest.raises(AdapterError, match="no pod"):
        await step(adapter, "kubectl.pods", selector="app=nobody")


async def test_a_namespace_that_does_not_exist_is_an_error_and_not_empty(there):
    one, _ = there
    adapter = one.adapter(namespace="nowhere")
    with pytest.raises(AdapterError, match="nowhere"):
        await step(adapter, "kubectl.pods")


async def test_pods_are_a_table_with_the_reason_of_those_that_are_not_ready(tmp_path):
    deployments = {"api": {"image": "api:broken", "replicas": 2}, "ok": {"image": "ok:1"}}
    async with world(tmp_path / "c", deployments=deployments, hpas={}) as one:
        found = await step(one.adapter(), "kubectl.pods", selector="app=api")
    assert (found.count, found.ready, found.unready) == (2, 0, 2)
    assert dict(found.reasons) == {"ImagePullBackOff": 2}
    assert {pod.status for pod in found.pods} == {"ImagePullBackOff"}


async def test_a_rollout_is_waited_for(there):
    _, adapter = there
    image = {"api": "stratum/api:1.6.0"}
    await step(adapter, "kubectl.set_image", "action", workload="stratum-api", images=image)
    found = await step(adapter, "kubectl.rollout", workload="stratum-api")
    assert (found.state, found.available, dict(found.images)) == ("done", 3, image)


async def test_a_rollout_that_does_not_come_to_its_end_says_what_is_missing(there):
    _, adapter = there
    images = {"api": "stratum/api:broken"}
    await step(adapter, "kubectl.set_image", "action", workload="stratum-api", images=images)
    found = await step(adapter, "kubectl.rollout", workload="stratum-api", deadline="600ms")
    assert not found.done
    assert dict(found.reasons) == {"ImagePullBackOff": 1}


async def test_the_history_tells_what_an_undo_would_go_to(there):
    _, adapter = there
    found = await step(adapter, "kubectl.history", workload="stratum-api")
    assert (found.current, found.previous, found.returns_bad) == (3, 2, False)
    assert [dict(one.images)["api"] for one in found.revisions] == [
        "stratum/api:1.3.0", "stratum/api:1.4.0", "stratum/api:1.5.0",
    ]  # fmt: skip


async def test_logs_are_counted_by_pattern_and_bounded_by_age(there):
    _, adapter = there
    given = {"selector": "app=stratum-api", "count": ["ERROR", "panic"]}
    found = await step(adapter, "kubectl.logs", **given)
    assert dict(found.patterns) == {"ERROR": 6, "panic": 0}
    young = await step(adapter, "kubectl.logs", since="1h", **given)
    assert dict(young.patterns) == {"ERROR": 3, "panic": 0}
    with pytest.raises(AdapterError):
        await step(adapter, "kubectl.logs", selector="app=nobody")


async def test_autoscalers_events_and_usage(there):
    _, adapter = there
    hpa = await step(adapter, "kubectl.hpa", name="stratum-api")
    assert (hpa.count, hpa.hpas[0].min, hpa.hpas[0].max) == (1, 3, 10)
    events = await step(adapter, "kubectl.events")
    assert events.count > 0
    top = await step(adapter, "kubectl.top", selector="app=stratum-api")
    assert top.count == 3


# -- actions ---------------------------------------------------------------------------------------


async def test_scale_tells_the_former_number_and_can_expect_it(there):
    one, adapter = there
    found = await step(adapter, "kubectl.scale", "action", workload="stratum-workers", replicas=4)
    assert (found.before, found.replicas) == (1, 4)
    assert one.object("deployments.apps", "stratum-workers")["spec"]["replicas"] == 4
    given = {"workload": "stratum-workers", "replicas": 8, "expected": 1}
    with pytest.raises(AdapterError, match="not as expected") as caught:
        await step(adapter, "kubectl.scale", "action", **given)
    assert not caught.value.maybe_done


async def test_an_undo_goes_back_once_and_refuses_to_bring_the_bad_one_back(there):
    _, adapter = there
    undone = await step(adapter, "kubectl.rollout_undo", "action", workload="stratum-api")
    assert (undone.left, undone.revision) == (3, 2)
    assert undone.images["api"] == "stratum/api:1.4.0"
    await step(adapter, "kubectl.rollout", workload="stratum-api")
    with pytest.raises(AdapterError, match="has gone back already") as caught:
        await step(adapter, "kubectl.rollout_undo", "action", workload="stratum-api")
    assert not caught.value.maybe_done
    with pytest.raises(AdapterError, match="is at revision 4, not at 3"):
        await step(adapter, "kubectl.rollout_undo", "action", workload="stratum-api", leaving=3)
    named = {"workload": "stratum-api", "to_revision": 1}
    again = await step(adapter, "kubectl.rollout_undo", "action", **named)
    assert again.images["api"] == "stratum/api:1.3.0"


async def test_a_restart_makes_every_pod_anew(there):
    one, adapter = there
    before = {key for key in one.cluster.state() if key.startswith("pods/")}
    await step(adapter, "kubectl.rollout_restart", "action", workload="stratum-api")
    await step(adapter, "kubectl.rollout", workload="stratum-api")
    await one.cluster.settled()
    after = {key for key in one.cluster.state() if key.startswith("pods/")}
    assert len(after) == len(before)
    assert not {key for key in after & before if "stratum-api" in key}


async def test_the_environment_is_set_and_told_as_it_was(there):
    one, adapter = there
    env = {"DATABASE_POOL_SIZE": "20", "NEW": "1"}
    found = await step(adapter, "kubectl.set_env", "action", workload="stratum-api", env=env)
    assert (dict(found.before), found.changed) == ({"DATABASE_POOL_SIZE": "10", "NEW": None}, True)
    template = one.object("deployments.apps", "stratum-api")["spec"]["template"]["spec"]
    assert {v["name"]: v["value"] for v in template["containers"][0]["env"]} == env
    await one.cluster.settled()  # to kubectl a change of the status is one too
    again = await step(adapter, "kubectl.set_env", "action", workload="stratum-api", env=env)
    assert not again.changed


async def test_patch_apply_and_delete(there):
    one, adapter = there
    given = {"resource": "hpa/stratum-api", "patch": {"spec": {"maxReplicas": 20}}}
    assert (await step(adapter, "kubectl.patch", "action", **given)).changed
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "flags"}}
    made = await step(adapter, "kubectl.apply", "action", manifest={**manifest, "data": {"a": "1"}})
    assert list(made.objects.values()) == ["created"]
    same = await step(adapter, "kubectl.apply", "action", manifest={**manifest, "data": {"a": "1"}})
    assert same.changed == 0
    gone = await step(adapter, "kubectl.delete", "action", resource="configmap/flags")
    assert gone.count == 1
    assert "configmaps/production/flags" not in one.cluster.state()


# -- previews change nothing -----------------------------------------------------------------------

PREVIEWS = [
    ("kubectl.rollout_undo", {"workload": "stratum-api"}, "revision 3 for 2"),
    ("kubectl.rollout_restart", {"workload": "stratum-api"}, "3 pods anew"),
    ("kubectl.scale", {"workload": "stratum-api", "replicas": 5}, "from 3 to 5 pods"),
    ("kubectl.set_image", {"workload": "stratum-api", "images": {"api": "a:2"}}, "roll 3 pods"),
    ("kubectl.set_env", {"workload": "stratum-api", "env": {"A": "1"}}, "roll 3 pods"),
    (
        "kubectl.patch",
        {"resource": "hpa/stratum-api", "patch": {"spec": {"maxReplicas": 20}}},
        "would change",
    ),
    (
        "kubectl.apply",
        {"manifest": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "flags"}}},
        "1 objects would change",
    ),
    ("kubectl.delete", {"resource": "pods", "selector": "app=stratum-api"}, "3 pods would be"),
]


@pytest.mark.parametrize(("type_", "given", "words"), PREVIEWS, ids=[one[0] for one in PREVIEWS])
async def test_a_preview_says_what_would_come_and_changes_nothing(there, type_, given, words):
    one, adapter = there
    before = one.cluster.state()
    found = await preview(adapter, type_, **given)
    assert words in found.text
    assert one.cluster.state() == before


async def test_a_preview_of_what_cannot_be_done_is_refused_by_the_server(there):
    _, adapter = there
    with pytest.raises(AdapterError, match="not found"):
        await preview(adapter, "kubectl.scale", workload="nobody", replicas=2)


async def test_the_reading_side_runs_no_verb_that_changes(there):
    _, adapter = there
    from engine.adapters.kubectl_line import Call  # noqa: PLC0415
    from engine.plugin import StepContext  # noqa: PLC0415

    reader = adapter.reader(StepContext(run="r", path="s"))
    with pytest.raises(AdapterError, match="the reading side does not run kubectl delete"):
        await reader._line.run(Call("delete", ("pod/x",)))


# -- errors, each its own --------------------------------------------------------------------------


async def test_a_missing_binary_is_told(there):
    one, _ = there
    with pytest.raises(AdapterError, match="there is no program no-such-kubectl") as caught:
        await step(one.adapter(binary="no-such-kubectl"), "kubectl.pods")
    assert caught.value.detail["kind"] == "missing"


async def test_a_context_that_is_not_in_the_kubeconfig_is_told(there):
    one, _ = there
    with pytest.raises(AdapterError, match="the kubeconfig has no such context"):
        await step(one.adapter(context="elsewhere"), "kubectl.pods")


@pytest.mark.parametrize(
    ("more", "kind", "maybe_done", "retryable"),
    [
        ({"forbidden": ["patch deployments"]}, "forbidden", False, False),
        ({"conflicts": {"deployments": 9}}, "conflict", False, True),
    ],
    ids=["forbidden", "conflict"],
)
async def test_what_the_server_refuses_certainly_did_not_happen(
    tmp_path, more, kind, maybe_done, retryable
):
    async with world(tmp_path / "c", **more) as one:
        given = {"workload": "stratum-api", "images": {"api": "a:2"}}
        with pytest.raises(AdapterError) as caught:
            await step(one.adapter(), "kubectl.set_image", "action", **given)
    found = caught.value
    assert (found.detail["kind"], found.maybe_done, found.retryable) == (
        kind, maybe_done, retryable,
    )  # fmt: skip


async def test_an_answer_that_does_not_come_in_time_leaves_a_change_in_doubt(tmp_path):
    async with world(tmp_path / "c", slow={"patch deployments": "20s"}) as one:
        given = {"workload": "stratum-api", "images": {"api": "a:2"}, "timeout_s": 8.0}
        with pytest.raises(AdapterError, match="did not answer within") as caught:
            await step(one.adapter(), "kubectl.set_image", "action", **given)
    assert caught.value.maybe_done


async def test_a_token_is_in_no_argument_list_and_no_error(there):
    one, _ = there
    canary = "canary-7f3a-token"
    adapter = one.adapter(kubeconfig=one.kubeconfig(token=canary))
    seen: list[bytes] = []

    async def look():
        while True:
            seen.extend(argument_lists())
            await asyncio.sleep(0)

    watching = asyncio.create_task(look())
    await step(adapter, "kubectl.pods")
    with pytest.raises(AdapterError) as caught:
        await step(adapter, "kubectl.pods", selector="app=nobody")
    watching.cancel()
    await adapter.close()
    assert any(b"kubectl" in words for words in seen)
    assert not [words for words in seen if canary.encode() in words]
    assert canary not in repr(caught.value.detail) + str(caught.value)


def argument_lists() -> list[bytes]:
    """Of all processes that can be read."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(file.read_bytes())
    return found
