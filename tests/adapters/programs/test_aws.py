"""The real `aws` against moto's server, as the page of programs says."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest
import servers

KEYS = {
    "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_MAX_ATTEMPTS": "1",
    "AWS_EC2_METADATA_DISABLED": "true",
}  # fmt: skip

# In us-east-1 `aws rds` of version 1 does not heed AWS_ENDPOINT_URL: the harder case.
REGION = "us-east-1"
START_MAX_S = 30.0


class Cloud:
    """moto's server, with nothing in it."""

    def __init__(self):
        port = servers.free_port()
        self.url = f"http://127.0.0.1:{port}"
        program = Path(sys.executable).with_name("moto_server")
        self.process = subprocess.Popen(
            [sys.executable, program, "-H", "127.0.0.1", "-p", str(port)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        until = time.monotonic() + START_MAX_S
        while not self._answers():
            assert self.process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.02)

    def _answers(self):
        with suppress(OSError):
            self.reset()
            return True
        return False

    def reset(self):
        request = urllib.request.Request(f"{self.url}/moto-api/reset", method="POST")
        urllib.request.urlopen(request, timeout=START_MAX_S).close()

    def aws(self, *words):
        """What the operator types; its answer."""
        done = subprocess.run(
            [Path(sys.executable).with_name("aws"), "--endpoint-url", self.url, *words],
            env=KEYS | {"AWS_DEFAULT_REGION": REGION, "PATH": "/usr/bin:/bin"},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return json.loads(done.stdout) if done.stdout.startswith("{") else None


@pytest.fixture(scope="session")
def moto():
    cloud = Cloud()
    yield cloud
    cloud.process.terminate()
    cloud.process.wait()


@pytest.fixture
def cloud(moto, stage, tmp_path):
    moto.reset()
    stage.connections(
        cloud={
            "allowed": ["aws"],
            "aws_endpoint_url": moto.url,
            "cwd": str(tmp_path),
            "env": KEYS | {"AWS_DEFAULT_REGION": REGION},
        }
    )
    return moto


def with_database(cloud):
    cloud.aws(
        "rds", "create-db-instance", "--db-instance-identifier", "stratum-prod",
        "--db-instance-class", "db.t3.micro", "--engine", "postgres", "--allocated-storage", "20",
    )  # fmt: skip


def snapshots(cloud):
    found = cloud.aws("rds", "describe-db-snapshots", "--output", "json")["DBSnapshots"]
    # beside those that the service makes by itself
    return [one["DBSnapshotIdentifier"] for one in found if one["SnapshotType"] == "manual"]


async def test_the_worked_steps_keep_a_copy_of_a_database(stage, cloud):
    with_database(cloud)
    result = await stage.page("aws")
    assert (result.status, snapshots(cloud)) == ("resolved", ["before-deploy"])


async def test_their_rehearsal_makes_none(stage, cloud):
    with_database(cloud)
    await stage.page("aws", rehearse=True)
    assert snapshots(cloud) == []
    assert "create-db-snapshot" in stage.preview("snapshot")["text"]


async def test_a_database_that_is_not_there_stops_them(stage, cloud):
    result = await stage.page("aws")
    assert (result.status, stage.statuses()) == ("failed", {"database": "failed"})


async def test_the_same_snapshot_a_second_time_was_certainly_not_made(stage, cloud):
    with_database(cloud)
    await stage.page("aws")
    await stage.page("aws")
    status, why = stage.ends()["snapshot"]
    assert (status, "DBSnapshotAlreadyExists" in why[0]) == ("errored", True)


async def test_a_service_that_is_not_there_could_not_be_asked(stage, cloud, tmp_path):
    nowhere = f"http://127.0.0.1:{servers.free_port()}"
    stage.connections(
        cloud={
            "allowed": ["aws"],
            "aws_endpoint_url": nowhere,
            "env": KEYS | {"AWS_DEFAULT_REGION": REGION},
        }
    )
    await stage.page("aws")
    status, why = stage.ends()["database"]
    assert (status, "Could not connect to the endpoint URL" in why[0]) == ("errored", True)


async def test_files_are_copied_to_a_bucket_and_a_secret_is_replaced(stage, cloud, tmp_path):
    cloud.aws("s3", "mb", "s3://shop-backups")
    cloud.aws("secretsmanager", "create-secret", "--name", "shop/jwt", "--secret-string", "old")
    (tmp_path / "shop.dump").write_text("a dump")
    (tmp_path / "new").write_text("new")
    result = await stage.run("""
steps:
  - {id: copy, action: command.run, target: cloud, idempotent: true,
     with: {argv: [aws, s3, cp, shop.dump, s3://shop-backups/shop.dump, --only-show-errors]}}
  - {id: there, check: command.run, target: cloud,
     with: {argv: [aws, s3api, list-objects-v2, --bucket, shop-backups, --output, json],
            parse: json},
     expect: {json.Contents: {some: {Key: shop.dump}}}}
  - {id: rotate, action: command.run, target: cloud, idempotent: true,
     with: {argv: [aws, secretsmanager, put-secret-value, --secret-id, shop/jwt,
                   --secret-string, "file://new"]}}
""")
    assert result.status == "resolved"
    found = cloud.aws("secretsmanager", "get-secret-value", "--secret-id", "shop/jwt")
    assert found["SecretString"] == "new"
