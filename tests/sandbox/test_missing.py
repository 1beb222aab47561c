"""What is not installed here is told with the cure, and left out of a sandbox that stays up."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.sandbox import NotStarted, Sandbox
from engine.sandbox.holder import Holder

ENVIRONMENT = """
services:
  broker: {kind: redis}
  cloud: {kind: aws}
  jobs: {kind: celery, broker: broker}
connections:
  cache: {adapter: redis, url: "${service:broker.url}"}
  cloud: {adapter: command, allowed: [aws], aws_endpoint_url: "${service:cloud.url}"}
  jobs: {adapter: command, allowed: [celery], cwd: "${service:jobs.home}"}
"""


@pytest.fixture
def nothing_more(monkeypatch):
    """Neither moto nor celery."""
    for module in ("aws", "celery"):
        monkeypatch.setattr(f"engine.sandbox.{module}.find_spec", lambda _name: None)


@pytest.mark.usefixtures("nothing_more")
@pytest.mark.parametrize(
    ("connection", "cure"),
    [("cloud", r"pip install 'moto\[server\]'"), ("jobs", r"pip install 'celery\[redis\]'")],
)
async def test_a_run_that_needs_it_is_told_what_to_install(environment, connection, cure):
    with pytest.raises(NotStarted, match=cure):
        async with Sandbox(environment(ENVIRONMENT), "pack/none", [connection]):
            raise AssertionError("it started")


def test_an_aws_that_is_not_there_is_told_what_to_install(monkeypatch):
    from engine.sandbox import aws  # noqa: PLC0415

    monkeypatch.setattr(aws, "_aws", lambda: None)
    assert "pip install awscli" in aws.missing_aws()


@pytest.mark.usefixtures("nothing_more")
def test_one_that_stays_up_does_without_and_says_so(environment, tmp_path: Path):
    holder = Holder("pack", tmp_path / "pack.json", environment(ENVIRONMENT))
    assert [spec.name for spec in holder.sandbox("").specs] == ["broker"]
    assert sorted(holder.left_out) == ["cloud", "jobs"]
    assert "sandbox-more" in holder.left_out["jobs"]
