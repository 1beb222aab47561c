"""Forks that stand for the sandbox's AWS in other tests: they are it, and leave nothing behind."""

from __future__ import annotations

import httpx
import psutil
import pytest

from engine.sandbox import Sandbox, aws
from tests.aws_forks import forked_aws

USED = 'adapter: command, allowed: [aws], aws_endpoint_url: "${service:cloud.url}"'
CREDENTIAL = "a/20261121/us-east-1/ecs/aws4_request"


@pytest.fixture
def forks(monkeypatch):
    before = set(psutil.Process().children())
    with forked_aws() as words:
        monkeypatch.setattr(aws, "SERVER", words)
        (made,) = set(psutil.Process().children()) - before
        yield made
    assert not made.is_running()


async def clusters(sandbox):
    """What its API says there are; the credential names the service, as moto's server reads it."""
    headers = {
        "Authorization": f"AWS4-HMAC-SHA256 Credential={CREDENTIAL}, Signature=none",
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": "AmazonEC2ContainerServiceV20141113.ListClusters",
    }
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        answer = await client.post(sandbox.services["cloud.url"], headers=headers, content=b"{}")
    assert answer.status_code == 200, answer.text
    return [arn.rpartition("/")[2] for arn in answer.json()["clusterArns"]]


async def test_each_is_an_account_of_its_own_and_ends_with_its_sandbox(forks, environment):
    def account(cluster):
        seed = f"[{{call: ecs create-cluster, with: {{clusterName: {cluster}}}}}]"
        services = f"services: {{cloud: {{kind: aws, seed: {seed}}}}}"
        text = f"{services}\nconnections: {{cloud: {{{USED}}}}}\n"
        return Sandbox(environment(text), "pack/none", ["cloud"])

    async with account("one") as one, account("other") as other:
        assert (await clusters(one), await clusters(other)) == (["one"], ["other"])
        servers = forks.children()
        assert len(servers) == 2
    assert psutil.wait_procs(servers, timeout=60)[1] == []


async def test_a_mistake_in_the_seed_is_told_with_its_place(forks, mistake):
    seed = "[{call: ecs make-cluster}]"
    told = await mistake("cloud", f"cloud: {{kind: aws, seed: {seed}}}", USED)
    assert "seed[1]: ecs has no 'make-cluster'" in told
    assert psutil.wait_procs(forks.children(), timeout=60)[1] == []
