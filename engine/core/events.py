"""What can have happened in a run. The list of these is all that is known of it.

An event is `(run, seq, at_us, type, version, actor, body)`. `actor` is an `Actor`, `type` a past
participle from `TYPES`; `body` is JSON whose keys are given here. Every type carries a version: a
change of meaning makes a new one, and `fold` goes on to understand the old one for ever.

RunStarted: name, digest, texts {name: text}, inputs, event (what triggered it, or null),
    environment, mode (`real`), engine (version), connections {name: fingerprint}, telling {policies
    {name: {levels, reopen_us, informs}}, status, questions {by [channel, ...], after_us, every_us,
    times, who [role, ...]}, until_end (who took it hears of the end too), answer_us (of a policy,
    or of all: how long whoever is called last has to take it), hands_over (a step goes on once
    its first level was tried), handlers_tell (an expired approval is told by what handles its
    failure, where that tells the same people)}: whom it tells; without it nobody but the console
RunQueued, RunRefused: what RunStarted would say, and guard, reason, until_us (when to ask again, or
    null), behind (the run that is in the way, or null); a RunRefused behind a RunQueued only these
RunJoined: event, inputs: somebody asked for what this run does already
RunTakenUp: driver (`host:pid:start`), interrupted [path, ...]: started, and not finished then; held
    {why, mute, mend}: none of its steps is gone on with, as things are; mute: nor can anybody be
    called; mend: what puts that right
StepStarted: path, id, kind, attempt (from 1), plan (below), title
StepProgressed: path, text: at most `PROGRESS_MAX_CHARS`, for people only, never decided upon
AttemptFinished: path, attempt, status, outcome (below), why [line, ...], elapsed_ms,
    random (0 <= x < 1), next_us: when it will be tried again
StepFinished: path, attempt, status, why [line, ...], warnings [line, ...], outcome, extracted
    {name: value}, handled (its failure was made up for), elapsed_ms; id, kind, title where nothing
    was started; in a rehearsal, asks {kind, who, by}: whom a run would tell of what it asks
StepSkipped: path, id, kind, title, why
TimeReached: nothing: the event's own time is the news
Answered: path, answer (`yes`, `no`, `done`, `not-done`, `acknowledged`), note
DoubtSettled: path, happened (true, false; null: unknown, and done again with the same key), reason
CancelRequested, PauseRequested, ContinueRequested, UndoRequested: reason
ApprovalRequested: path, id, kind, title, plan, hash, by [role, ...], count, reason_min, expires_us
    (or null), why (what asks for it: `approve`, `propose`, `plan`)
Approved, Denied: path, hash, reason, roles [role, ...]: those the actor had; persons [name, ...]:
    what else they are called, by the contacts
UndoRefused: reason, guard, why: a guard was against it
ApprovalExpired: path, why, policy (null: by what handles its failure), message: it was not
    approved in time, and people are told
ApprovalRefused: path, hash, wanted (`approve`, `deny`), reason, why: it did not count
UndoFinished: undone [path, ...], failed (path or null), why
EscalationStarted: escalation, policy, message, why: the run's own; that of a step begins with it;
    of a question that people are told of, question {path, kind, attempt, who [role, ...], and of
    an approval hash, count, reason_min, expires_us}
LevelDue: escalation, level, round (both from 1), due_us, who [name, ...], by [channel, ...],
    skipped (nobody needs it any more), recipients [recipient (below), ...], nobody [name, ...]:
    whom the level names and who cannot be found, words (what there is to say; of an approval too
    what a preview said), on_call [{rota,
    schedule, connection, asked_us, found [{user, name, person or null}], until_us, trouble (why
    it is not known who is on call, or null)}, ...]: what was answered of rotas that others keep
TellStarted: escalation, summons, key, attempt, kind (`page`, `status`, `question`, `acknowledged`,
    `resolved`, `counted`, `answered`), who, name, channel; group: `generation.level` of the
    incident that it belongs to, where it is that of an earlier one
Told: escalation, summons, key, attempt, receipt {..., follows: it can take in what comes of it,
    edits: by being changed, remark: why it was not said in the pack's own words}, elapsed_ms
TellFailed: escalation, summons, key, attempt, why, doubt (it may have gone out), dropped (nobody
    needs it any more), next_us (when it is tried again by this channel, or null), random,
    elapsed_ms, unsent (true where its turn had not come when its driver let go: it did not leave),
    unseen (true where it may have come all the same, and what follows goes by its key there);
    later_us (when this channel may be tried again, though another one is taken now), back {channel:
    its number, at_us}: all were tried, and this one is tried again
Acknowledged: escalations [key, ...], note, via; by an incident of PagerDuty: incident (its key),
    occurred_us (when, by PagerDuty's clock, or null)
Unacknowledged: escalations [key, ...], incident, occurred_us, via, how (`ran-out`, `taken-back`,
    `reopened`, `handed-on`): whoever took it by that incident has it no longer
EscalationReopened: escalation, why; incident: whose acknowledgement ended, where that is why
QuestionCounted: escalation, given, why: so many agreed, and more are needed
QuestionClosed: escalation, word (the answer, `approved`, `denied`, `settled`, `expired`, `over`),
    by (or null), why: what became of a question that people were told of
EscalationExhausted: escalation, told, failed, doubts (how many summons), why
EscalationClosed: escalation, why
RunFinished: outcome, because, worst (`passed`, `failed`, `errored`, `unknown`), outputs,
    running [path, ...]: what may have happened, and may still go on

`plan` of a check or action: `{type, target, fingerprint, params, effect, timeout_s, max_affected,
idempotent, key}`. Of `choose`: `{way, name, when}` (way counts from 1, null when none holds); of
`each`: `{items}`; of `parallel`: `{branches}`; of `runbook`: `{name, inputs}`; of `wait`:
`{until_us}`; of `escalate`: `{policy, message, wait}`; of a question to a person: `{type, params,
asks}` (`confirm` or `do`); of `end`: `{outcome, because}`.

`escalation` is the path of its step, `run`, `status`, or `ask:<path>#<n>`. `recipient`: `{id, name,
by [{channel, again, by_key}, ...], not_before_us}`; `again`: that channel tells a second message
with the same key from a first one; `by_key`: what follows a message there goes by its key, and does
nothing where it never came.

`outcome`: `{"result": JSON}` or `{"error": {"message", "help", "maybe_done", "retryable", "detail",
"kind"}}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from msgspec import Struct

Status = Literal["passed", "failed", "errored", "unknown", "skipped", "previewed", "unverifiable"]
Outcome = Literal["resolved", "unresolved", "failed", "aborted", "cancelled"]

PROGRESS_MAX_CHARS = 500
"""Of one progress line in the journal; a longer one is cut. Enough for a line on a wide terminal.
"""

TYPES: Mapping[str, int] = {
    "RunStarted": 1,
    "RunQueued": 1,
    "RunRefused": 1,
    "RunJoined": 1,
    "RunTakenUp": 1,
    "StepStarted": 1,
    "StepProgressed": 1,
    "AttemptFinished": 1,
    "StepFinished": 1,
    "StepSkipped": 1,
    "TimeReached": 1,
    "Answered": 1,
    "DoubtSettled": 1,
    "CancelRequested": 1,
    "PauseRequested": 1,
    "ContinueRequested": 1,
    "ApprovalRequested": 1,
    "Approved": 1,
    "Denied": 1,
    "ApprovalExpired": 1,
    "ApprovalRefused": 1,
    "UndoRequested": 1,
    "UndoRefused": 1,
    "UndoFinished": 1,
    "EscalationStarted": 1,
    "LevelDue": 1,
    "TellStarted": 1,
    "Told": 1,
    "TellFailed": 1,
    "Acknowledged": 1,
    "Unacknowledged": 1,
    "EscalationReopened": 1,
    "QuestionCounted": 1,
    "QuestionClosed": 1,
    "EscalationExhausted": 1,
    "EscalationClosed": 1,
    "RunFinished": 1,
}
"""Every event type, with the version written today."""


SETTLED: Final[Mapping[bool | None, str]] = {
    True: "happened",
    False: "did not happen",
    None: "may have happened, and is done again, which does no harm",
}
"""How a doubt was settled, in words."""

CLOSED: Final[Mapping[str, str]] = {
    "approved": "Approved",
    "denied": "Denied",
    "settled": "Settled",
    "done": "Done",
    "not-done": "Not done",
    "yes": "Answered yes",
    "no": "Answered no",
    "expired": "Too late",
    "over": "No longer asked",
}
"""What became of a question, in a word or two."""


def closing(end: Mapping[str, Any]) -> str:
    """What became of a question (`{word, by, why}`): `Approved by ana: looked at it`."""
    head = CLOSED.get(end["word"], str(end["word"]))
    by = f" by {end['by']}" if end["by"] else ""
    return f"{head}{by}" + (f": {end['why']}" if end["why"] else "")


class Actor(Struct, frozen=True):
    """Who caused an event: a person, by what means we know, and who acted for them.

    `means`: `os-user` (the operating system's word), `as` (named by `--as`, then `via` is the
    operating-system user who did so), `token` and `sign-on` (a person over HTTP; `via` is the token
    or the identity provider), `webhook` and `schedule` (what triggered a run; `via` is the
    delivery), `slack` (a button; `via` is Slack's id of them), `link` (their own one in a mail),
    `engine` (nobody: the engine itself).

    `called`: what people call them, as the contacts said when they acted, where that is something
    else. It is kept with the event, so that what is told of them later is the same wherever and
    whenever it is told; events of older engines have none.
    """

    name: str
    means: str
    via: str | None = None
    called: str | None = None

    def to_json(self) -> dict[str, str]:
        known = {"name": self.name, "means": self.means, "via": self.via, "called": self.called}
        return {key: value for key, value in known.items() if value}


def spoken(actor: Mapping[str, str]) -> str:
    """What people call whoever caused an event."""
    return actor.get("called") or actor.get("name", "")


ENGINE = Actor("engine", "engine")


class Draft(Struct, frozen=True):
    """An event that is not in the journal yet: the store gives it its seq and its hash."""

    type: str
    body: Mapping[str, Any]
    at_us: int
    actor: Actor = ENGINE


class Event(Struct, frozen=True):
    """An event as the journal holds it. `seq` counts from 1 in its run."""

    run: str
    seq: int
    at_us: int
    type: str
    version: int
    actor: Mapping[str, str]
    body: Mapping[str, Any]
    hash: str
    """SHA-256, hex, of the hash before it and this event's canonical JSON; see
    `engine.journal.chain`.
    """
