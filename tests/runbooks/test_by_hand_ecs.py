"""Of the ten that were drawn: EC1 "Deploy to ECS" of Stratum, lines 529-555.

The current commit is to be deployed. In the one world its tasks do not come up, in the other they
do. What `docker` and the registry are told is noted by a stand-in; `aws` is the real one.
"""

from __future__ import annotations

import json

import pytest

from tests.runbooks.by_hand.world import WHATEVER, differences, explained

DEPLOY = "stratum/ecs-deploy"
PATIENCE_S = 2.0

BUILD = """
VERSION=$(git rev-parse --short HEAD)
docker build -t stratum-api:${VERSION} ./backend
docker tag stratum-api:${VERSION} ${ECR_REPO}:${VERSION}
docker tag stratum-api:${VERSION} ${ECR_REPO}:latest
aws ecr get-login-password | docker login --username AWS --password-stdin ${ECR_REPO}
docker push ${ECR_REPO}:${VERSION}
docker push ${ECR_REPO}:latest
"""
REGISTER = """aws ecs register-task-definition \\
  --cli-input-json file://ecs/task-definition.json"""
UPDATE = """aws ecs update-service \\
  --cluster stratum-prod \\
  --service stratum-api \\
  --task-definition stratum-api:latest \\
  --deployment-configuration "minimumHealthyPercent=50,maximumPercent=200\""""
WAIT = "aws ecs wait services-stable --cluster stratum-prod --services stratum-api"
SMOKE = "BASE_URL=https://api.stratum.ai bash ./scripts/smoke_test.sh"
"""With `bash`: the sandbox's checkout has no files that can be executed."""
LOOK = (
    "aws ecs describe-services --cluster stratum-prod --services stratum-api"
    ' --query "services[0].deployments"'
)
"""What `watch -n 10` shows for 15 minutes; it needs a terminal."""


async def by_hand(it):
    """Up to the update of the service, with the revision that was made a moment before."""
    operator = it.at(
        "builder",
        {"https://api.stratum.ai": it.services["api.url"]},
        ECR_REPO="registry.sandbox/stratum-api",
        AWS_DEFAULT_REGION=it.services["cloud.region"],
        AWS_MAX_ATTEMPTS="1",  # to an error 500 `aws` repeats itself for ten seconds
    )
    assert (await operator(BUILD)).err == ""
    registered = json.loads((await operator(REGISTER)).out)["taskDefinition"]["revision"]
    refused = await operator(UPDATE)
    assert refused.code not in (0, None), "a revision has a number, not the name `latest`"
    assert (await operator(UPDATE.replace(":latest", f":{registered}"))).code == 0
    return operator, (await operator("git rev-parse --short HEAD")).out.strip()


def named(left, version):
    """The same world with the commit's name as `VERSION`: two checkouts are never made alike."""
    return json.loads(json.dumps(left).replace(version, "VERSION"))


LOG = "builder files docker.log"
IMAGE = "cloud definitions stratum-api:2"
AS_IT_STANDS = ("registry.sandbox/stratum-api:latest", "registry.sandbox/stratum-api:VERSION")
"""By hand the file is registered as it is, so that nobody can tell later which version ran."""


def as_typed(pair):
    """What docker was told both times, in the document's words for it."""
    hand, ours = pair
    return hand, ours.replace("--tag", "-t").replace("push --quiet", "push")


@pytest.mark.slow
async def test_a_deployment_is_the_same_by_hand_and_by_the_runbook_but_for_the_images_name(world):
    async with world(DEPLOY, fault=False) as hands:
        operator, version = await by_hand(hands)
        await operator(LOOK)  # `wait` asks every 15 s, and it is done before that
        assert (await operator(WAIT)).code == 0
        smoke = json.loads((await operator(SMOKE)).out)
        shown = json.loads((await operator(LOOK)).out)
        hand = named(await hands.left(), version)
    async with world(DEPLOY, fault=False) as it:
        run = await it.run(repository="registry.sandbox/stratum-api", watch="1s")
        ours = named(await it.left(), it.found["commit"]["stdout"].strip())
    assert run.status == "resolved", str(run)
    differ = differences(hand, ours)
    told = as_typed(differ[LOG])
    assert told[0] == told[1]
    assert explained(differ, {LOG: WHATEVER, IMAGE: AS_IT_STANDS}) == {}
    assert (smoke["status"], json.loads(it.found["smoke"]["stdout"])["status"]) == ("healthy",) * 2
    stays = it.found["stays"]["json"]
    assert [one["runningCount"] for one in shown] == [3] == [stays["running"]]
    assert len(shown) == stays["deployments"]


@pytest.mark.slow
async def test_what_does_not_come_up_the_document_leaves_so_and_the_runbook_takes_back(world):
    async with world(DEPLOY) as hands:
        operator, version = await by_hand(hands)
        waited = await operator(WAIT, patience_s=PATIENCE_S)
        assert waited.code is None, "for ten minutes, and the document does not say what then"
        hand = named(await hands.left(), version)
    async with world(DEPLOY) as it:
        run = await it.run()
        ours = named(await it.left(), it.found["commit"]["stdout"].strip())
    assert run.status == "unresolved", str(run)
    before, new = "stratum-api:1: 3 running", "stratum-api:2: 0 running"
    expected = {
        LOG: WHATEVER,
        IMAGE: AS_IT_STANDS,
        "cloud service stratum-api definition": ("stratum-api:2", "stratum-api:1"),
        "cloud service stratum-api deployments": ([new, before], [before]),
    }
    assert explained(differences(hand, ours), expected) == {}
