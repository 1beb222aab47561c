"""Of the ten that were drawn: I2 "Database Connection Exhaustion" and EC1 "Deploy to ECS"."""

from __future__ import annotations

import asyncio

import psycopg

from tests.runbooks.by_hand.world import ABSENT, differences, explained

DEPLOYMENT = "deployments.apps/production/stratum"
EXHAUSTED = "stratum/database-connection-exhaustion"


# I2, lines 180-222. 21 sessions were opened by the API and forgotten, of 30 there may be.

WHO = """psql -AtF' ' -c "
SELECT usename, application_name, state, count(*)
FROM pg_stat_activity
GROUP BY usename, application_name, state
ORDER BY count DESC
LIMIT 20;
" $DATABASE_URL"""
"""Line 180. (`-AtF' '`: as lines, without a frame.)"""
LONG = """psql -At -c "
SELECT pid, now() - pg_stat_activity.query_start AS duration, query
FROM pg_stat_activity
WHERE state = 'active'
  AND now() - pg_stat_activity.query_start > interval '30 seconds'
ORDER BY duration DESC;
" $DATABASE_URL"""
LEAKS = 'kubectl logs -l app=stratum-api -n production | grep -i "connection"'
END_IDLE = """psql -At -c "
SELECT pg_terminate_backend(pid)
FROM pg_stat_activity
WHERE state = 'idle'
  AND query_start < now() - interval '10 minutes'
  AND usename = 'stratum';
" $DATABASE_URL"""
FEWER = "kubectl scale deployment/stratum-workers --replicas=4 -n production"
POOL = """kubectl set env deployment/stratum-api \\
  DATABASE_POOL_SIZE=20 \\
  -n production"""
RESTART = "kubectl rollout restart deployment/stratum-api -n production"


def operator_of(it, **sizes):
    """With the document's ten minutes as long as the fault's `idle_for`."""
    path = f"{it.services['database.bin']}:/usr/local/bin:/usr/bin:/bin"
    url = it.services["database.url"]
    kubeconfig = it.services["cluster.kubeconfig"]
    idle = {"10 minutes": sizes.get("idle", "500 milliseconds")}
    return it.at("", idle, PATH=path, DATABASE_URL=url, KUBECONFIG=kubeconfig)


async def looked_at(operator):
    """Who is connected, what runs for long, and what the API says of its connections."""
    rows = [line.rsplit(" ", 1) for line in (await operator(WHO)).lines]
    groups = {group: int(count) for group, count in rows}
    ours = {"stratum psql active"}  # and PostgreSQL's own, which hold no connection
    connected = {k: n for k, n in groups.items() if k not in ours and not k.endswith(" ")}
    return connected, (await operator(LONG)).lines, (await operator(LEAKS)).lines


def found_by(it):
    """The same, as our runbook found it; its own session is not counted either."""
    rows = it.found["who"]["rows"]
    return (
        {
            f"{row['usename']} {row['application_name']} {row['state']}": row["sessions"]
            for row in rows
            if row["application_name"] != "runbook"
        },
        it.found["before"]["sessions"],
        [line for line in it.found["leaks"]["text"] if "connection" in line.lower()],
    )


async def have_gone(it):
    """Sessions that were told to end take a moment: until there is none of the API's."""
    url = it.services["database.url"]
    left = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'stratum-api'"
    async with (
        asyncio.timeout(30),
        await psycopg.AsyncConnection.connect(url, autocommit=True) as database,
    ):
        while await (await database.execute(left)).fetchone() != (0,):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def has_room(session):
    """Who has left still counts for a moment: until one more may connect, of 28 that are no
    superusers.
    """
    there = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
    async with asyncio.timeout(30):
        while (await (await session.execute(there)).fetchone())[0] >= 28:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_sessions_that_are_leaked_are_ended_by_hand_and_by_the_runbook_and_no_others(world):
    async with world(EXHAUSTED) as by_hand:
        operator = operator_of(by_hand)
        seen = await looked_at(operator)
        ended = (await operator(END_IDLE)).lines
        await have_gone(by_hand)
        enough = await by_hand.left()
        for typed in (FEWER, POOL, RESTART):
            assert (await operator(typed)).code == 0
        hand = await by_hand.left()
    async with world(EXHAUSTED) as it:
        run = await it.run()
        await have_gone(it)
        ours = await it.left()
    assert run.status == "resolved", str(run)
    assert seen == (
        {
            "stratum stratum-api idle": 21,
            "stratum stratum-workers active": 2,
            "stratum stratum-workers idle in transaction": 1,
            "reporting nightly-report active": 1,
            "reporting nightly-report idle": 1,
        },
        [],
        [],
    )
    assert found_by(it) == seen
    assert ended == ["t"] * it.found["terminate"]["count"] == ["t"] * 21
    assert differences(enough, ours) == {}
    # The document goes on, whether or not that was enough: half of the workers, a pool that it
    # "increases" from 40 to 20, and pods of the API that are replaced twice.
    env = [[{"name": "DATABASE_POOL_SIZE", "value": size}] for size in ("20", "40")]
    besides = differences(hand, ours)
    assert {path for path in besides if not path.startswith(f"cluster {DEPLOYMENT}")} == {
        "cluster replicasets.apps",
        "cluster pods",
    }
    assert besides[f"cluster {DEPLOYMENT}-workers spec replicas"] == (4, 8)
    (one,), (other,) = besides[f"cluster {DEPLOYMENT}-api spec template spec containers"]
    assert [one["env"], other["env"]] == env


async def test_what_runs_for_long_and_has_just_ended_is_leaked_by_the_documents_words(world):
    """It goes by when the last statement began, ours by since when the session does nothing."""
    began = "SELECT extract(epoch FROM state_change - query_start) FROM pg_stat_activity"
    async with world(EXHAUSTED) as it:
        url = it.services["database.url"]
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as api:
            await has_room(api)
            await api.execute("SELECT pg_sleep(0.5)")
            pid = api.info.backend_pid
            first = f'psql -At -c "{began} WHERE pid = {pid}" -c'
            taken = END_IDLE.replace("SELECT pg_terminate_backend(pid)", "SELECT pid")
            asked = await operator_of(it)(taken.replace("psql -At -c", first))
    idle, *leaked = asked.lines
    assert float(idle) >= 0.5
    assert str(pid) in leaked


async def test_where_no_session_is_leaked_both_leave_fewer_workers_and_a_smaller_pool(world):
    async with world(EXHAUSTED) as by_hand:
        operator = operator_of(by_hand, idle="10 minutes")
        assert (await operator(END_IDLE)).lines == []
        for typed in (FEWER, POOL):
            await operator(typed)
        once = await by_hand.left()
        await operator(RESTART)
        twice = await by_hand.left()
    async with world(EXHAUSTED) as it:
        run = await it.run(idle_for="10m")
        ours = await it.left()
    assert run.status == "failed"  # the sessions of this sandbox go with no pod
    assert it.found["terminate"]["count"] == 0
    assert differences(once, ours) == {}
    # To set the size replaced the pods already: their fresh connections are dropped once more.
    api = f"cluster {DEPLOYMENT}-api"
    again = {"kubectl.kubernetes.io/restartedAt": "<time>"}
    restarted = {
        f"{api} metadata annotations deployment.kubernetes.io/revision": ("4", "3"),
        f"{api} metadata generation": (4, 3),
        f"{api} spec template metadata annotations": (again, ABSENT),
        f"{api} status observedGeneration": (4, 3),
        "cluster replicasets.apps": (6, 5),
    }
    assert explained(differences(twice, ours), restarted) == {}
