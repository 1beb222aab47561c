"""Every key of the language: what it takes and what it means.

One table for each mapping. The loader reads by them, the JSON Schema and the reference page are
made of them, so that none of the three can know a key that another does not.
"""

from __future__ import annotations

from typing import Final, get_args

from engine.language.compounds import Block, Json, ListOf, MapOf, Probe
from engine.language.expecting import Expectation
from engine.language.fields import (
    Bare,
    Boolean,
    Identifier,
    Key,
    Message,
    Number,
    Span,
    Table,
    Text,
    Texts,
    table,
)
from engine.language.model import OUTCOMES, InputType
from engine.language.tables import Nested, OneOf
from engine.language.trigger_keys import MAX_TRIGGERS, MEANT, TRIGGERS

MAX_ATTEMPTS = 100
"""Of one step. More is a loop that nobody watches."""

MAX_AT_ONCE = 100
"""Branches or items at the same time: each may hold a connection."""

MAX_INPUTS = 100
"""Of one runbook. Nobody fills in more."""

MAX_CHOICES = 100
"""Values in `one_of`. A message lists them."""

MAX_AFFECTED = 10**12
"""Things one action may change: a number that no target reaches, against slips."""

RETRY: Final = table(
    Key(
        "attempts",
        Number(1, MAX_ATTEMPTS, whole=True),
        "how often at most, the first time included",
    ),
    Key("delay", Span(zero=True), "the wait before the second attempt; 1s unless given"),
    Key("factor", Number(1, 10), "by what each wait is longer than the one before; 2 unless given"),
    Key("max", Span(), "the longest wait; 1m unless given"),
    Key(
        "jitter",
        Text(words=("full", "none")),
        "full (unless given): a random part of each wait; none: all of it",
    ),
)

APPROVE: Final = table(
    Key("by", Texts(), "roles of which somebody must agree", required=True),
    Key("count", Number(1, 20, whole=True), "how many people must agree; 1 unless given"),
    Key("within", Span(), "after this time the request expires"),
    Key("reason_min", Number(0, 1000, whole=True), "how many characters their reason has at least"),
)

_COMMON: Final = (
    Key("id", Identifier(claimed=True), "the name by which later steps speak of this one"),
    Key("title", Text(), "what people read while it runs"),
    Key("when", Bare(), "the step is skipped unless this holds"),
    Key("timeout", Span(), "of a check or action: of one attempt; else: of all that is inside"),
    Key(
        "on_failure",
        Block(words=("stop", "continue", "undo")),
        "what follows when it does not pass: stop (unless given), continue, undo, or steps to take",
    ),
    Key("covers", Texts(), "the lines of a document that it carries out: stratum/I3:245-262"),
)
_RETRY: Final = Key(
    "retry",
    Nested(RETRY, "retry", short="attempts"),
    "tries again when it could not be asked or done",
)
_TARGET: Final = Key(
    "target", Text("the name of a connection"), "the connection of the environment it goes to"
)
_WITH: Final = Key(
    "with", MapOf(Json(), "a mapping of parameters"), "its parameters; strings may be templates"
)

CHECK: Final = table(
    Key("check", Text("the name of a check"), "asks; reads only", required=True),
    *_COMMON,
    _TARGET,
    _WITH,
    _RETRY,
    Key(
        "expect", Expectation(), "what must hold of the result; without it the check only observes"
    ),
    Key(
        "warn", Expectation(), "what should hold: the check passes with a warning when it does not"
    ),
    Key(
        "extract",
        MapOf(Bare(), "a mapping of names to expressions", identifiers=True),
        "more fields for the result",
    ),
    Key("within", Span(templates=True), "asks again until `expect` holds, this long at most"),
    Key("hold", Span(templates=True), "`expect` must hold all this time"),
    Key("every", Span(templates=True), "how often it asks, with these; 5s unless given"),
)

ACTION: Final = table(
    Key("action", Text("the name of an action"), "makes one change", required=True),
    *_COMMON,
    _TARGET,
    _WITH,
    _RETRY,
    Key("approve", Nested(APPROVE, "approve"), "who must agree before it acts"),
    Key("idempotent", Boolean(), "whether doing it twice is the same as doing it once"),
    Key("probe", Probe(), "a check that tells whether it happened"),
    Key("undo", Block(), "steps that take it back"),
    Key(
        "max_affected",
        Number(0, MAX_AFFECTED, whole=True),
        "the most it may change; more, and it changes nothing",
    ),
)

ESCALATE: Final = table(
    Key(
        "escalate",
        Text("the name of a policy"),
        "tells people, by a policy of the contacts",
        required=True,
    ),
    *_COMMON,
    Key("message", Message(), "what they are told; may be a template"),
    Key(
        "wait", Text(words=("acknowledged",)), "acknowledged: holds the run until somebody takes it"
    ),
    _RETRY,
)

BESIDE_CHOOSE: Final = "`otherwise` stands beside `choose`, with the same indentation"

WAY: Final = table(
    Key("when", Bare(), "the way is taken when this holds and no way before it was", required=True),
    Key("name", Text(), "what people read"),
    Key("steps", Block(), "what is done then", required=True),
)

CHOOSE: Final = table(
    Key(
        "choose",
        ListOf(
            Nested(WAY, "a way", misplaced=("otherwise", BESIDE_CHOOSE)),
            "a list of ways, each with `when` and `steps`",
        ),
        "ways, of which the first whose `when` holds is taken",
        required=True,
    ),
    Key("otherwise", Block(), "what is done when no way is taken"),
    *_COMMON,
)

PARALLEL: Final = table(
    Key(
        "parallel",
        Block(),
        "entries done at once; a `group` where one has several steps",
        required=True,
    ),
    Key("limit", Number(1, MAX_AT_ONCE, whole=True), "how many at the same time; all unless given"),
    *_COMMON,
)

EACH: Final = table(
    Key("each", Bare(), "an expression whose value is a list", required=True),
    Key("as", Identifier(), "the name of the item; `item` unless given"),
    Key("steps", Block(), "what is done for every item", required=True),
    Key(
        "limit",
        Number(1, MAX_AT_ONCE, whole=True),
        "how many items at the same time; 1 unless given",
    ),
    *_COMMON,
)


GROUP: Final = table(
    Key("group", Text(empty=True), "a block of steps; its title, or nothing", required=True),
    Key("steps", Block(), "what is done", required=True),
    Key("undo", Block(), "steps that take it back"),
    Key("always", Block(), "steps at the end, however it went"),
    *_COMMON,
)

RUNBOOK_CALL: Final = table(
    Key(
        "runbook",
        Text("the name of a runbook"),
        "another runbook as one step: pack/name",
        required=True,
    ),
    Key("inputs", MapOf(Json(), "a mapping of its inputs"), "its inputs; strings may be templates"),
    *_COMMON,
)

WAIT: Final = table(
    Key("wait", Span(templates=True), "time passes; may be a template", required=True),
    *_COMMON,
)

END: Final = table(
    Key("end", Text(words=OUTCOMES), "the run is over", required=True),
    Key("because", Message(), "why; may be a template"),
    *_COMMON,
)

ENTRIES: Final[dict[str, Table]] = {
    "check": CHECK,
    "action": ACTION,
    "escalate": ESCALATE,
    "choose": CHOOSE,
    "parallel": PARALLEL,
    "each": EACH,
    "group": GROUP,
    "runbook": RUNBOOK_CALL,
    "wait": WAIT,
    "end": END,
}
"""The kinds of entries, by the key that makes one."""

INPUT: Final = table(
    Key("type", Text(words=get_args(InputType)), "what it takes; string unless given"),
    Key("description", Text(), "what it means"),
    Key("default", Json(templates=False), "its value when none is given"),
    Key("required", Boolean(), "whether one must be given; so unless there is a default"),
    Key(
        "pattern",
        Text("a regular expression"),
        "what a string must match, from its beginning to its end",
    ),
    Key("min", Number(), "the smallest number, or the shortest length"),
    Key("max", Number(), "the largest number, or the longest length"),
    Key(
        "one_of",
        ListOf(Json(templates=False), "a list of values", most=MAX_CHOICES),
        "the only values there are",
    ),
)

GUARDS: Final = table(
    Key(
        "lock",
        Nested(
            table(
                Key(
                    "key",
                    Message(),
                    "what only one run at a time may hold; may be a template",
                    required=True,
                ),
                Key(
                    "when_taken",
                    Text(words=("queue", "reject", "join")),
                    "what another run does; queue unless given",
                ),
            ),
            "lock",
            short="key",
        ),
        "one run at a time for what it names",
    ),
    Key("cooldown", Span(), "how long after a run no other begins"),
    Key(
        "max_runs",
        Nested(
            table(
                Key("count", Number(1, 1_000_000, whole=True), "how many runs", required=True),
                Key("per", Span(), "in how long", required=True),
            ),
            "max_runs",
        ),
        "how many runs in how long",
    ),
    Key(
        "breaker",
        Nested(
            table(
                Key(
                    "after",
                    Number(1, 1000, whole=True),
                    "how many unresolved runs in a row",
                    required=True,
                ),
                Key("reset", Span(), "after this time one approved run may try"),
            ),
            "breaker",
            short="after",
        ),
        "after so many unresolved runs in a row only people start it",
    ),
)

ESCALATION: Final = table(
    Key("policy", Text("the name of a policy"), "a policy of the contacts", required=True),
    Key("unresolved_after", Span(), "tells people when the run is not over after this time"),
)

RUNBOOK: Final = table(
    Key("title", Text(), "what it is, in a line", required=True),
    Key("description", Text(), "what it is for and what it does"),
    Key("covers", Texts(), "the procedures of documents that it carries out"),
    Key("owner", Text(), "who keeps it right"),
    Key("who", Texts(), "roles that may start it"),
    Key("tags", Texts(), "words to find it by"),
    Key("severity", Text(), "how bad what it is for is"),
    Key("respond_within", Span(), "how soon somebody must act"),
    Key("rehearse_every", Span(), "how old its last rehearsal may be"),
    Key(
        "triggers",
        ListOf(OneOf(TRIGGERS, "trigger", MEANT), "a list of triggers", most=MAX_TRIGGERS),
        "events that start it",
    ),
    Key(
        "inputs",
        MapOf(Nested(INPUT, "an input"), "a mapping of inputs", identifiers=True, most=MAX_INPUTS),
        "what it must be given",
    ),
    Key(
        "autonomy",
        Text(words=("guide", "propose", "auto")),
        "how far it goes by itself, where the environment lets it go further",
    ),
    Key("guards", Nested(GUARDS, "guards"), "when it may not start"),
    Key(
        "escalation",
        Nested(ESCALATION, "escalation", short="policy"),
        "who is told when it is not resolved",
    ),
    Key("steps", Block(), "what is done, in order", required=True),
    Key("on_failure", Block(), "what is done when a step did not pass"),
    Key("always", Block(), "what is done at the end, however it went"),
    Key(
        "outputs",
        MapOf(Json(), "a mapping of values", identifiers=True),
        "its result, for who calls it",
    ),
)
