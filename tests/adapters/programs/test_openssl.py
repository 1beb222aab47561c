"""openssl itself, as the page of programs says."""

from __future__ import annotations

import subprocess

import pytest


@pytest.fixture
def made(tmp_path, stage):
    """Makes a certificate that ends in some days."""
    stage.connections(containers={"allowed": ["openssl"]})

    def make(days):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem",
             "-days", str(days), "-subj", "/CN=shop.example"],
            capture_output=True, check=True,
        )  # fmt: skip
        return {"/etc/ssl/stratum.pem": tmp_path / "cert.pem"}

    return make


@pytest.mark.parametrize(("days", "status"), [(30, "passed"), (7, "failed")])
async def test_the_worked_step_tells_a_certificate_that_ends_soon(stage, made, days, status):
    await stage.page("openssl", **made(days))
    assert stage.statuses() == {"certificate": status}
    assert "notAfter=" in stage.result("certificate")["stdout"]


async def test_a_certificate_that_is_not_there_does_not_pass(stage, made, tmp_path):
    await stage.page("openssl", **{"/etc/ssl/stratum.pem": tmp_path / "none.pem"})
    assert stage.statuses()["certificate"] in ("failed", "errored")
