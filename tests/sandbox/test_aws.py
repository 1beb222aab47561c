"""AWS in the sandbox: the real `aws` against moto's server, whose services of ECS roll."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from engine.sandbox import Sandbox

ENVIRONMENT = """
services:
  cloud:
    kind: aws
    region: eu-central-1
    pace: 50ms
    images_up: ["shop:1.*"]
    seed:
      - call: ecs create-cluster
        with: {clusterName: prod}
      - call: ecs register-task-definition
        with: {family: shop, containerDefinitions: [{name: shop, image: "shop:1.0", memory: 64}]}
      - call: ecs create-service
        with: {cluster: prod, serviceName: shop, taskDefinition: shop, desiredCount: 2}
  api:
    kind: http
    routes:
      - {on: GET /health, json: {runs: "{{ services.cloud.ecs.shop.image }}"}}
connections:
  cloud:
    adapter: command
    allowed: [aws]
    aws_endpoint_url: "${service:cloud.url}"
"""

SERVICE = ("--cluster", "prod", "--services", "shop")


@pytest.fixture
async def up(environment):
    async with Sandbox(environment(ENVIRONMENT), "pack/none", ["cloud"]) as sandbox:
        yield sandbox


def aws(sandbox, *words):
    """What the operator types; its answer."""
    told = sandbox.services
    done = subprocess.run(
        [
            f"{told['cloud.bin']}/aws",
            "--endpoint-url",
            told["cloud.url"],
            "--output",
            "json",
            *words,
        ],
        env={
            "PATH": os.environ["PATH"],
            "AWS_DEFAULT_REGION": told["cloud.region"],
            "AWS_ACCESS_KEY_ID": told["cloud.access_key"],
            "AWS_SECRET_ACCESS_KEY": told["cloud.secret_key"],
        },
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout) if done.stdout.strip() else None


def register(sandbox, image):
    containers = json.dumps([{"name": "shop", "image": image, "memory": 64}])
    words = ["register-task-definition", "--family", "shop", "--container-definitions", containers]
    return aws(sandbox, "ecs", *words)["taskDefinition"]["taskDefinitionArn"]


def deploy(sandbox, image):
    definition = register(sandbox, image)
    words = ["--cluster", "prod", "--service", "shop", "--task-definition", definition]
    aws(sandbox, "ecs", "update-service", *words)
    return definition


async def test_a_service_that_is_seeded_runs_and_is_stable(up):
    (service,) = aws(up, "ecs", "describe-services", *SERVICE)["services"]
    assert (service["runningCount"], service["desiredCount"]) == (2, 2)
    aws(up, "ecs", "wait", "services-stable", *SERVICE)
    assert up.states()["cloud"]["ecs"] == {"shop": {"image": "shop:1.0", "running": 2}}


async def test_a_deployment_is_done_after_its_pace_and_others_see_it(up):
    definition = deploy(up, "shop:1.1")
    (service,) = aws(up, "ecs", "describe-services", *SERVICE)["services"]
    assert up.states()["cloud"]["ecs"]["shop"]["image"] == "shop:1.1"
    assert service["taskDefinition"] == definition
    assert [one["rolloutState"] for one in service["deployments"]] == ["COMPLETED"]


async def test_one_whose_image_does_not_come_up_leaves_the_former_one_running(up):
    deploy(up, "shop:2.0")
    (service,) = aws(up, "ecs", "describe-services", *SERVICE)["services"]
    new, old = service["deployments"]
    assert (new["runningCount"], new["rolloutState"]) == (0, "IN_PROGRESS")
    assert (old["runningCount"], old["status"]) == (2, "ACTIVE")
    assert up.states()["cloud"]["ecs"]["shop"]["image"] == "shop:1.0"


@pytest.mark.parametrize(
    ("seed", "words"),
    [
        ("[{call: ecs make-cluster}]", "seed[1]: ecs has no 'make-cluster'"),
        ("[{call: nosuch list-things}]", "Unknown service: 'nosuch'"),
        ("[{call: ecs create-cluster, with: {name: x}}]", 'Unknown parameter in input: "name"'),
        ("[{call: create-cluster}]", "is no service and operation"),
        ("[{call: ecs list-clusters, params: {}}]", "unknown key 'params'"),
    ],
)
async def test_a_mistake_in_its_seed_is_told_with_its_place(mistake, seed, words):
    used = 'adapter: command, allowed: [aws], aws_endpoint_url: "${service:cloud.url}"'
    assert words in await mistake("cloud", f"cloud: {{kind: aws, seed: {seed}}}", used)
