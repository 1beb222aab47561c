"""Made-up runs for the views: what a person sees of them is in the golden files."""

from __future__ import annotations

from events import Story, us

from engine.core.events import Event

QUESTION = {"question": "Is the dashboard red?", "evidence": None}
ASKING = {"plan": {"type": "human.confirm", "params": QUESTION}}


def clearing() -> Story:
    """A check that observed, a way that was not taken, an action under way."""
    story = Story()
    story.run_started(text="when: memory.used_memory / memory.maxmemory < 0.8")
    story.started(0.1, "memory", title="How full is it")
    found = {
        "redis_version": "6.2",
        "used_memory": 48_200_000,
        "used_memory_human": "48.2M",
        "maxmemory": 50_000_000,
        "maxmemory_human": "50.0M",
    }
    story.finished(0.112, "memory", outcome={"result": found})
    story.started(0.2, "choose-1", kind="choose", plan={"way": None, "name": None})
    story.finished(0.2, "choose-1", outcome={"result": {"way": None}})
    story.started(
        0.3, "clear", kind="action", title="Drop the analytics cache", plan={"effect": "idempotent"}
    )
    story.add(2.0, "StepProgressed", path="clear", text="12000 keys deleted")
    return story


def verifying() -> Story:
    """The action is done; its verification does not hold yet and is asked again."""
    story = clearing()
    story.finished(3.3, "clear", outcome={"result": {"deleted": 48211}})
    story.started(3.4, "verify", title="Did it help")
    story.again(3.41, "verify", 13.41, "result.used_memory / result.maxmemory < inputs.limit: 0.93")
    return story


def resolved() -> Story:
    story = verifying()
    story.started(13.41, "verify", attempt=2, title="Did it help")
    story.finished(
        13.42, "verify",
        outcome={"result": {"used_memory": 9, "used_memory_human": "9.1M", "maxmemory": 50,
                            "maxmemory_human": "50.0M"}},
    )  # fmt: skip
    story.run_finished(13.5, "resolved", "18 % used, below the limit")
    return story


def nested() -> Story:
    """Blocks in blocks: a way, branches at once, items of a list."""
    story = Story()
    story.run_started()
    story.started(0.1, "choose-1", kind="choose", plan={"way": 2, "name": "is_primary"})
    story.started(0.1, "choose-1/way-2/replicas", kind="each", plan={"items": ["db-a", "db-b"]})
    story.started(0.2, "choose-1/way-2/replicas/item-1/lag", title="Replication lag")
    story.finished(
        0.3, "choose-1/way-2/replicas/item-1/lag", outcome={"result": {"lag_s": 0.25, "up": True}}
    )
    story.started(0.4, "choose-1/way-2/replicas/item-2/lag", title="Replication lag")
    story.started(0.5, "both", kind="parallel", plan={"branches": 2})
    story.started(0.5, "both/branch-1/api", title="API answers")
    story.finished(
        0.9, "both/branch-1/api", "failed", why=['json.status: expected "healthy", was "degraded"'],
        outcome={"result": {"status": 200}},
    )  # fmt: skip
    story.started(0.5, "both/branch-2/pause", kind="wait", plan={"until_us": 1_795_227_300_000_000})
    return story


def failing() -> Story:
    """All the ways in which a step does not go well."""
    story = Story()
    story.run_started()
    story.started(0.1, "slow", title="API is quick")
    story.finished(0.4, "slow", warnings=["elapsed_ms: expected < 200, was 297"])
    story.started(0.5, "health", title="API is healthy")
    story.finished(
        0.9, "health", "failed",
        why=['json.status: expected "healthy", was "degraded"',
             "json.queue: expected < 10, was 4211"],
    )  # fmt: skip
    story.started(1.0, "database", title="Connections in use")
    story.finished(
        6.0, "database", "errored",
        why=["cannot connect to db.staging.example:5432: connection refused"],
        outcome={"error": {"message": "cannot connect to db.staging.example:5432: "
                           "connection refused",
                           "help": "is the server up, and does a firewall allow port 5432?"}},
    )  # fmt: skip
    story.add(6.1, "StepSkipped", path="cleanup", why="`when: inputs.clean` does not hold")
    story.started(
        6.2, "restart", kind="action", title="Restart the worker", plan={"effect": "unsafe"}
    )
    story.finished(
        36.2, "restart", "unknown", why=["no answer within 30 s: it may or may not have happened"]
    )
    return story


def asking() -> Story:
    story = Story()
    story.run_started()
    story.started(0.1, "dashboard", title="Look at the dashboard", **ASKING)
    return story


def wide() -> Story:
    """More at once than a screen has lines."""
    story = Story()
    story.run_started()
    story.started(0.1, "shards", kind="each", plan={"items": list(range(40))})
    for item in range(1, 41):
        story.started(0.1, f"shards/item-{item}/check", title=f"Shard {item}")
        if item <= 35:
            story.finished(0.2, f"shards/item-{item}/check")
    return story


LEVELS = [
    {"who": ["ana", "primary"], "by": ["slack", "sms"], "after_us": 0, "unless": "acknowledged"},
    {"who": ["lead"], "by": ["mail"], "after_us": 900_000_000, "unless": "acknowledged"},
]
WAYS = [{"channel": "slack", "again": True}, {"channel": "sms", "again": True}]
CALL = "on_failure/call"


def calling() -> Story:
    """A check failed; two people are called, one is reached by the second channel only."""
    story = Story()
    story.run_started(telling={"policies": {"default": {"levels": LEVELS}}})
    story.started(0.1, "memory", title="How full is it")
    story.finished(0.2, "memory", "failed", why=["result.value < 90: 97 < 90 does not hold"])
    plan = {"policy": "default", "wait": "acknowledged", "message": "db-1 is 97 % full"}
    story.started(0.3, CALL, kind="escalate", title="Somebody makes room", plan=plan)
    people = [{"id": "ana", "name": "Ana Lim"}, {"id": "bo", "name": "Bo Ek"}]
    story.add(
        0.3, "LevelDue", escalation=CALL, level=1, round=1, due_us=us(0.3), skipped=False,
        who=["ana", "primary"], by=["slack", "sms"], nobody=[], words={},
        recipients=[{**one, "by": WAYS} for one in people],
    )  # fmt: skip
    for who, name in (("ana", "Ana Lim"), ("bo", "Bo Ek")):
        _tell(story, 0.3, "TellStarted", who, name=name, channel="slack", kind="page")
    _tell(story, 0.5, "Told", "bo", receipt={})
    _tell(
        story, 0.6, "TellFailed", "ana", why="it is down", doubt=False, dropped=False, next_us=None
    )
    _tell(story, 0.6, "TellStarted", "ana", name="Ana Lim", channel="sms", kind="page")
    return story


def _tell(story: Story, at: float, type_: str, who: str, **more: object) -> None:
    known = {"escalation": CALL, "summons": f"1.1.1:{who}", "key": f"k:{who}", "attempt": 1}
    story.add(at, type_, **known, **more)


def taken() -> Story:
    """Somebody took it; the run goes on."""
    story = calling()
    _tell(story, 0.8, "Told", "ana", receipt={})
    bo = {"name": "bo", "means": "os-user"}
    story.add(42, "Acknowledged", bo, escalations=[CALL], note="on my way", via="command line")
    story.finished(42, CALL)
    story.started(42, "rest", title="Is there room again")
    return story


def taken_for_now() -> Story:
    """Somebody took it, and the last level is called all the same until it is resolved."""
    story = taken()
    room = {"who": ["room"], "by": ["slack"], "after_us": 60_000_000, "unless": "resolved"}
    story.events[0].body["telling"]["policies"]["default"]["levels"] = [*LEVELS, room]
    return story


def unheard() -> Story:
    """Both levels were told, and nobody took it."""
    story = calling()
    _tell(story, 0.8, "Told", "ana", receipt={})
    lead = {"id": "lead", "name": "Lee Ott", "by": [{"channel": "mail", "again": False}]}
    story.add(
        900.3, "LevelDue", escalation=CALL, level=2, round=1, due_us=us(900.3), skipped=False,
        who=["lead"], by=["mail"], nobody=[], words={}, recipients=[lead],
    )  # fmt: skip
    known = {"escalation": CALL, "summons": "1.2.1:lead", "key": "k:lead", "attempt": 1}
    story.add(900.3, "TellStarted", **known, name="Lee Ott", channel="mail", kind="page")
    story.add(
        901, "TellFailed", **known, why="it broke off", doubt=True, dropped=False, next_us=None
    )
    why = "nobody has taken it so far, and no level is left"
    story.add(901, "EscalationExhausted", escalation=CALL, told=2, failed=1, doubts=1, why=why)
    return story


def waited_for() -> Story:
    """Both levels were told; whoever was last has a quarter of an hour."""
    story = unheard()
    story.events.pop()
    story.events[0].body["telling"]["answer_us"] = 900_000_000
    return story


def untaken() -> Story:
    """They had it, and nobody took it."""
    story = waited_for()
    why = "nobody took it within 15m, and no level is left"
    story.finished(901, CALL)
    story.run_finished(901, "failed", "memory: 97 < 90 does not hold")
    story.add(1800.3, "EscalationExhausted", escalation=CALL, told=2, failed=1, doubts=1, why=why)
    story.add(1800.3, "EscalationClosed", escalation=CALL, why="no level is left")
    return story


STORIES = {
    "clearing": (clearing, 12.4),
    "verifying": (verifying, 6.4),
    "resolved": (resolved, 14),
    "nested": (nested, 4.5),
    "failing": (failing, 40),
    "asking": (asking, 65),
    "calling": (calling, 30.3),
    "taken_for_now": (taken_for_now, 60),
    "taken": (taken, 50),
    "unheard": (unheard, 930),
    "waited-for": (waited_for, 930),
    "untaken": (untaken, 1900),
}
"""Each with the second at which somebody looks."""


def before(events: list[Event], type: str) -> list[Event]:
    return [event for event in events if event.type != type]
