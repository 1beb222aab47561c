"""Where messages lead to: a page that says how a run is looked at, and nothing of the run."""

from __future__ import annotations

import pytest

from tests.server.conftest import serving_in

RUN = "20261121-021500-aaaaaaaa"


@pytest.fixture
async def serving(books, tmp_path):
    async with serving_in(books, tmp_path / "journal.db") as made:
        yield made


async def test_the_address_in_a_message_leads_to_a_page_with_the_next_command(serving):
    found = await serving.http.get(f"/runs/{RUN}")
    assert found.status_code == 200
    assert found.headers["content-type"].startswith("text/html")
    assert f"runbook watch {RUN}" in found.text
    assert f"runbook ack {RUN}" in found.text
    assert "default-src 'none'" in found.headers["content-security-policy"]


async def test_it_does_not_say_whether_there_is_such_a_run(serving):
    (known, other) = [await serving.http.get(f"/runs/{run}") for run in (RUN, "another-one")]
    assert known.text.replace(RUN, "another-one") == other.text


@pytest.mark.parametrize("run", ["<b>", "a;rm", "A", "x" * 65, "a b", "%0Aa"])
async def test_what_is_no_name_of_a_run_is_put_on_no_page(serving, run):
    found = await serving.http.get(f"/runs/{run}")
    assert found.status_code == 404
    assert run not in found.text
