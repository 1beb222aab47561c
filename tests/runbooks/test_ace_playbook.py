"""The ways of ACE's runbooks that their faults do not take, on the same stand-ins; and undoing."""

from __future__ import annotations

import dataclasses

import pytest

from engine.sandbox import Sandbox, connections_of
from tests.runbooks.every import BOOKS, Stage

PACK = "ace-playbook"
BAD = {"message": "Merge insights at once", "files": {"VERSION": "v1.10.0\n"}, "tag": "v1.10.0"}
EVERYWHERE = {f"state/running{stage}": "v1.10.0\n" for stage in ("", ".staging", ".shadow")}
OPEN = "open 212 1240 4\n"
SLOW_LOG = "INFO batch_merge_start size={0}\nERROR batch_merge_timeout size={0} duration_s=50.0\n"
ONCE_SLOW = {
    "on": "GET /api/v1/query",
    "when": '"histogram_quantile(0.95," in request.query.query and calls <= 1',
    "json": {
        "status": "success",
        "data": {"resultType": "vector", "result": [{"metric": {}, "value": [0, "26.4"]}]},
    },
}


def machine(**files):
    return {"machine": {"files": {f"state/{name}": text for name, text in files.items()}}}


class Broken:
    """A runbook before a sandbox with a fault of the test's own."""

    def __init__(self, registry, folder, name, services, answers):
        self.stage = Stage(registry, f"{PACK}/{name}", folder)
        place = BOOKS.environment(PACK, "sandbox", registry)
        fault = {"summary": "A fault of the test", "services": services, "answers": answers}
        self.place = dataclasses.replace(place, faults={name: fault})
        self.uses = connections_of(BOOKS.load(self.stage.name, registry))

    def sandbox(self):
        return Sandbox(self.place, self.stage.name, self.uses)


@pytest.fixture
def broken(registry, tmp_path):
    def make(name, services, answers=None):
        return Broken(registry, tmp_path, name, services, answers or {})

    return make


async def ran(broken, **inputs):
    """How it ended, and the machine's files then."""
    async with broken.sandbox() as sandbox:
        seen = await broken.stage.run(sandbox, inputs)
        assert [p for one in sandbox.behaviours.values() for p in one.problems] == []
        return seen, sandbox.states()["machine"]["files"]


def bad_version(**files):
    return {
        "machine": {
            "git": {PACK: {"commits": [BAD]}},
            "files": {**EVERYWHERE, **{f"state/{name}": text for name, text in files.items()}},
        }
    }


async def test_an_emergency_rollback_can_throw_the_bad_commits_away(broken):
    seen, files = await ran(broken("emergency-rollback", bad_version()), good="v1.9.0", how="reset")
    assert seen.status == "resolved", str(seen)
    assert (files["ace-playbook/VERSION"], files["state/running"]) == ("v1.9.0\n", "v1.9.0\n")


async def test_on_kubernetes_an_emergency_rollback_takes_the_deployment_back(broken):
    services = {
        "machine": {
            "git": {PACK: {"commits": [BAD]}},
            "files": {"state/platform": "kubernetes\n"},
        },
        "cluster": {
            "deployments": {"ace-app": {"image": "ace/app:v1.10.0", "history": ["ace/app:v1.9.0"]}}
        },
    }
    seen, _ = await ran(
        broken("emergency-rollback", services), good="v1.9.0", platform="kubernetes"
    )
    assert (seen.status, seen.because) == (
        "resolved",
        "ACE runs v1.9.0, and its smoke tests hold",
    ), str(seen)


@pytest.mark.parametrize(("to", "revision"), [("3e07aa", "3e07aa"), ("base", "base")])
async def test_the_schema_goes_back_to_a_revision_or_to_the_beginning(broken, to, revision):
    fault = machine(alembic="c4a9d7\n", running="v1.10.0\n")
    seen, files = await ran(broken("migration-rollback", fault), leaving="c4a9d7", to=to)
    assert seen.status == "resolved", str(seen)
    assert files["state/alembic"].strip() == revision


async def test_the_revision_that_is_not_the_current_one_is_not_taken_back(broken):
    fault = machine(alembic="8c1b2e\n", running="v1.10.0\n")
    seen, files = await ran(broken("migration-rollback", fault), leaving="c4a9d7")
    assert (seen.status, seen.began, files["state/alembic"]) == ("resolved", [], "8c1b2e\n")


async def test_a_revert_that_meets_a_conflict_leaves_the_checkout_as_it_was(broken):
    newer = {"message": "Newer", "files": {"VERSION": "v1.11.0\n"}}
    fault = {"machine": {"git": {PACK: {"commits": [BAD, newer]}}, "files": EVERYWHERE}}
    seen, files = await ran(broken("staged-rollback", fault), commit="v1.10.0")
    assert seen.status == "aborted", str(seen)
    assert files["ace-playbook/VERSION"] == "v1.11.0\n"
    assert files["state/running.shadow"] == "v1.10.0\n"


async def test_production_is_not_rolled_back_while_staging_is_unwell(broken):
    unwell = 'playbook_retrieval_latency_ms{quantile="0.95"} 9.4\nhttp_error_rate 0.21\n'
    fault = bad_version() | {"staging": {"first": [{"on": "GET /metrics", "text": unwell}]}}
    seen, files = await ran(broken("staged-rollback", fault), commit="v1.10.0", watch="1s")
    assert seen.status == "failed", str(seen)
    assert (files["state/running.staging"], files["state/running"]) == ("v1.9.0\n", "v1.10.0\n")


async def test_one_breaker_is_reset_and_the_other_stays_as_it_is(broken):
    fault = machine(**{"breaker.generator": OPEN, "breaker.reflector": OPEN})
    seen, files = await ran(broken("reset-circuit-breakers", fault), name="generator")
    assert seen.status == "resolved", str(seen)
    assert files["state/breaker.generator"].startswith("closed")
    assert files["state/breaker.reflector"] == OPEN


async def test_no_breaker_is_reset_while_the_llm_is_down(broken):
    shut = 'circuit_breaker_state{name="generator",state="open"} '
    fault = machine(**{"breaker.generator": OPEN}) | {
        "openai": {"state": {"indicator": "major"}},
        "app": {
            "first": [
                {"on": "GET /metrics", "when": "calls <= 4", "text": f"{shut}1\n"},
                {"on": "GET /metrics", "text": f"{shut}0\n"},
            ]
        },
    }
    seen, files = await ran(broken("circuit-breaker-open", fault), settle="1s")
    assert (seen.status, seen.began) == ("resolved", []), str(seen)
    assert files["state/breaker.generator"] == OPEN


async def test_a_breaker_that_opens_again_and_again_gets_more_time(broken):
    fault = machine(**{"breaker.generator": "open 212 1240 14\n"})
    seen, files = await ran(broken("circuit-breaker-open", fault), settle="1s")
    assert seen.status == "resolved", str(seen)
    for file in ("generator/cot_generator.py", "reflector/grounded_reflector.py"):
        text = files[f"ace-playbook/ace/{file}"]
        assert ("failure_threshold=10," in text, "recovery_timeout=120," in text) == (True, True)


async def test_slow_queries_get_their_indexes_rebuilt_and_the_missing_one_made(broken):
    fault = {
        "database": {
            "sql": [
                "DROP INDEX idx_playbook_bullets_section",
                "UPDATE pg_stat_statements SET mean_exec_time = 48.2",
            ]
        },
        "metrics": {"first": [ONCE_SLOW]},
    }
    seen, _ = await ran(broken("high-retrieval-latency", fault))
    assert seen.status == "resolved", str(seen)
    assert [type_ for _, type_ in seen.began] == [
        "sql.maintenance",
        "sql.execute",
        "sql.execute",
        "sql.maintenance",
    ]


async def test_retrieval_that_is_slow_because_of_a_breaker_gets_it_reset(broken):
    fault = machine(**{"breaker.generator": OPEN}) | {"metrics": {"first": [ONCE_SLOW]}}
    seen, files = await ran(broken("high-retrieval-latency", fault))
    assert seen.status == "resolved", str(seen)
    assert files["state/breaker.generator"].startswith("closed")


async def test_an_application_that_large_batches_fill_gets_smaller_ones(broken):
    fault = machine(**{"mem.ace-app": "94\n"})
    fault["machine"]["files"]["logs/ace-app.log"] = "INFO batch_merge_start size=400\n"
    seen, files = await ran(broken("out-of-memory", fault), settle="1s")
    assert seen.status == "resolved", str(seen)
    assert "MAX_BATCH_SIZE = 50\n" in files["ace-playbook/ace/curator/semantic_curator.py"]
    assert "size=50" in files["logs/ace-app.log"]


@pytest.mark.parametrize(
    ("size", "why", "setting"),
    [(400, "they are large", "@timeout(30)"), (40, "they are slow", "@timeout(60)")],
)
async def test_batches_that_fill_no_memory_are_split_or_get_more_time(broken, size, why, setting):
    fault = {"machine": {"files": {"logs/ace-app.log": SLOW_LOG.format(size)}}}
    seen, files = await ran(broken("batch-operations-timing-out", fault))
    assert (seen.status, why in seen.because) == ("resolved", True), str(seen)
    assert setting in files["ace-playbook/ace/curator/semantic_curator.py"]


async def test_gates_that_are_lowered_for_now_are_as_before_when_it_is_over(broken):
    fault = machine(bullets="b-1 SHADOW 2 1\nb-2 SHADOW 1 1\n")
    seen, files = await ran(broken("failed-promotions", fault), helpful_min=2, ratio_min=2)
    assert seen.status == "resolved", str(seen)
    assert files["state/bullets"] == "b-1 STAGING 2 1\nb-2 SHADOW 1 1\n"
    code = files["ace-playbook/ace/curator/semantic_curator.py"]
    assert "promotion_helpful_min = 3\npromotion_ratio_min = 3" in code
    assert [float(n) for n in files["state/gates"].split()] == [3, 3]


async def test_a_setting_that_is_undone_is_as_before_in_the_code_and_in_the_container(broken):
    it = broken("change-setting", {})
    async with it.sandbox() as sandbox, it.stage.stand(sandbox) as stand:
        seen = await stand.run({"name": "MAX_BATCH_SIZE", "value": 50})
        assert seen.status == "resolved", str(seen)
        assert "size=50" in sandbox.states()["machine"]["files"]["logs/ace-app.log"]
        runs = await stand.engine.store.runs()
        undone = await stand.engine.undo(
            runs[0].run,
            reason="It was not the batch",
            actor=stand.starter,
            services=sandbox.services,
        )
        assert undone.status == "undone"
        assert "size=100" in sandbox.states()["machine"]["files"]["logs/ace-app.log"]
