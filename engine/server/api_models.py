"""What the API takes and gives, with examples, for its OpenAPI document."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

RUN = "20261121-020000-4kz8m1qa"

Name = Annotated[str, Field(max_length=200, pattern=r"^[^\x00]+$")]
Words = Annotated[str, Field(max_length=2000)]


class Strict(BaseModel):
    """Unknown fields are an error: a typing mistake must not be a default."""

    model_config = ConfigDict(extra="forbid")


class StartRun(Strict):
    """What a run is asked with."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "runbook": "stratum/redis-memory-pressure",
                    "environment": "staging",
                    "inputs": {"limit": 0.8},
                }
            ]
        },
    )

    runbook: Name
    environment: Name
    inputs: dict[str, Any] = Field(default_factory=dict, max_length=100)
    rehearse: bool = False
    plan: Name | None = Field(None, description="carry out what this rehearsal showed")
    through: Words | None = Field(None, description="why it may try although the breaker is open")
    autonomy: Literal["guide", "propose", "auto"] | None = None


class ListedRun(BaseModel):
    """A run, and what stands behind its status."""

    run: str = Field(examples=[RUN])
    name: str
    environment: str
    mode: Literal["real", "rehearsal"]
    actor: str
    status: str
    because: str | None
    started: str
    finished: str | None
    events: int
    calls: list[str] = Field([], description="what it calls people for, and nobody took so far")
    asks: list[str] = Field(
        [], description="what it asks people, where they were told of it or it calls them"
    )
    untaken: list[str] = Field(
        [], description="what nobody took, though all who there are were called"
    )
    held: str | None = Field(None, description="why it cannot be gone on with as things are")
    mend: str | None = Field(None, description="what puts right what holds it")
    mute: bool = Field(False, description="nor can anybody be called before that is put right")
    undriven: bool = Field(
        False,
        description="something is to go on, and no server and no command drives it",
    )


class RunsPage(BaseModel):
    """Runs, the newest first; `next`: where the next ones begin."""

    items: list[ListedRun]
    next: str | None


class Begun(BaseModel):
    """What became of it."""

    run: str = Field(examples=[RUN])
    how: Literal["started", "queued", "joined", "refused", "exists"]
    why: str = ""


class Answer(Strict):
    """A person's answer to a question of a run. `step`: needed where several are open."""

    answer: Literal["yes", "no", "done", "not-done", "acknowledged"]
    step: Name | None = None
    note: Words = ""


class Taking(Strict):
    """`step`: only what that step calls for; `run` is the run's own escalation."""

    step: Name | None = None
    note: Words = ""


class Approval(Strict):
    """`hash`: of the plan step that was looked at; what has changed since is not agreed to."""

    step: Name | None = None
    reason: Words = ""
    hash: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None


class Settling(Strict):
    """Whether an action in doubt happened, and how you know."""

    happened: bool
    reason: Annotated[str, Field(min_length=1, max_length=2000)]
    step: Name | None = None


class Reason(Strict):
    """Why."""

    reason: Annotated[str, Field(min_length=1, max_length=2000)]


class NewToken(Strict):
    """`roles`: `operator`, or `approver:PACK`."""

    person: Annotated[str, Field(min_length=1, max_length=200)]
    roles: Annotated[list[Name], Field(min_length=1, max_length=100)]
    scopes: Annotated[list[Name], Field(max_length=10)] = []
    days: Annotated[float, Field(gt=0, le=366)] = 90


class Rotation(Strict):
    """`grace_s`: how long the old one stays valid."""

    grace_s: Annotated[float, Field(ge=0, le=604_800)] = 3600
    days: Annotated[float, Field(gt=0, le=366)] = 90


class Recorded(BaseModel):
    """The event that was written, and what came of it. `took`: what was taken; `given`: of an
    approval, how many agreed of how many; `remark`: what there is to say besides. `held`: why the
    run cannot be gone on with all the same, and `mend`: what puts that right.
    """

    run: str = Field(examples=[RUN])
    seq: int
    type: str
    took: list[str] = []
    given: str = ""
    remark: str = ""
    held: str | None = None
    mend: str | None = None


class Resumed(BaseModel):
    """`remark`: what the run waits for, where it was under way already; else empty."""

    run: str = Field(examples=[RUN])
    remark: str = Field(
        "",
        examples=["it is under way by itself: `Cool down` waits until 02:30:00 UTC"],
    )
