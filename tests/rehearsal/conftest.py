from __future__ import annotations

import pytest

from engine.sandbox import aws


@pytest.fixture(autouse=True)
def aws_of_sandboxes(aws_forks, monkeypatch):
    monkeypatch.setattr(aws, "SERVER", aws_forks)
