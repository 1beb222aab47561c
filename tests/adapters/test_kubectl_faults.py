"""A network fault in the middle of each change by kubectl: what its step is, and what is true."""

from __future__ import annotations

import pytest
import servers

from engine.errors import AdapterError
from tests.adapters.kubectl_world import step, world

ACTIONS = {
    "kubectl.scale": ({"workload": "stratum-api", "replicas": 5}, b"PATCH /"),
    "kubectl.set_image": ({"workload": "stratum-api", "images": {"api": "a:2"}}, b"PATCH /"),
    "kubectl.set_env": ({"workload": "stratum-api", "env": {"A": "1"}}, b"PATCH /"),
    "kubectl.rollout_restart": ({"workload": "stratum-api"}, b"PATCH /"),
    "kubectl.rollout_undo": ({"workload": "stratum-api"}, b"PATCH /"),
    "kubectl.patch": (
        {"resource": "hpa/stratum-api", "patch": {"spec": {"maxReplicas": 20}}},
        b"PATCH /",
    ),
    "kubectl.apply": (
        {"manifest": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "flags"}}},
        b"POST /",
    ),
    "kubectl.delete": ({"resource": "hpa/stratum-api", "wait": False}, b"DELETE /"),
}

FAULTS = {
    "refused": None,
    "reset before": "cut_before",
    "reset after": "cut_after",
    "reply lost": "lose_from",
    "black hole": "hold_from",
}
"""As in test_faults_table."""

WAITED_OUT = ("reply lost", "black hole")
WAITED_OUT_S, ANSWERED_S = 3.0, 30.0
"""For faults that only end with the time of the step, and for those that end by themselves."""


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("type_", ACTIONS)
async def test_a_change_is_in_doubt_exactly_where_it_may_have_happened(tmp_path, type_, fault):
    given, sent = ACTIONS[type_]
    async with world(tmp_path / "c") as one:
        async with servers.fault_proxy(int(one.told["port"])) as proxy:
            port = servers.free_port() if fault == "refused" else proxy.port
            if FAULTS[fault] is not None:
                setattr(proxy, FAULTS[fault], sent)
            adapter = one.adapter(kubeconfig=one.kubeconfig(port=port))
            before = one.cluster.state()
            timeout_s = WAITED_OUT_S if fault in WAITED_OUT else ANSWERED_S
            with pytest.raises(AdapterError) as caught:
                await step(adapter, type_, "action", timeout_s=timeout_s, **given)
            await adapter.close()
        happened = one.cluster.state() != before
    assert caught.value.maybe_done or not happened
    assert caught.value.maybe_done == (fault != "refused")
