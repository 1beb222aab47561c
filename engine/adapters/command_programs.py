"""Programs with which a plain command is a trap: it never ends, asks on a terminal that is not
there, or says that all is well when it is not.

A trap is refused in words, not mended: what runs is what the runbook says. The one exception is
`aws`, which is given the connection's endpoint, because without it the command would go to the real
service.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath


@dataclass(frozen=True, slots=True)
class Trap:
    """What is wrong with a command, and what to write instead."""

    what: str
    help: str


Words = Sequence[str]

DOCKER_VALUES = frozenset({"-c", "--context", "-H", "--host", "-l", "--log-level", "--config"})
COMPOSE_VALUES = frozenset({"-f", "--file", "-p", "--project-name", "--env-file", "--profile"})
CELERY_VALUES = frozenset({"-A", "--app", "-b", "--broker", "--result-backend", "--workdir"})
"""Options that stand before the subcommand and take the next word as their value."""


def trap(argv: Words, *, has_stdin: bool) -> Trap | None:
    """The trap this command is, or None. Known are programs by name, wherever they lie."""
    look = _LOOKS.get(PurePosixPath(argv[0]).name)
    return look(argv[1:], has_stdin) if look else None


def with_endpoint(argv: Words, endpoint: str | None) -> tuple[str, ...]:
    """The argument list of `aws` with the endpoint of its connection; any other as it is.

    The variable AWS_ENDPOINT_URL is not enough: `aws rds` of version 1 ignores it in us-east-1 and
    calls the real service.
    """
    given = tuple(argv)
    is_aws = PurePosixPath(given[0]).name == "aws"
    if endpoint is None or not is_aws or _has(given[1:], "--endpoint-url"):
        return given
    return (given[0], "--endpoint-url", endpoint, *given[1:])


def endpoint_of(argv: Words) -> str | None:
    """The endpoint an argument list names itself."""
    for at, word in enumerate(argv):
        if word == "--endpoint-url" and at + 1 < len(argv):
            return argv[at + 1]
        if word.startswith("--endpoint-url="):
            return word.partition("=")[2]
    return None


def _has(words: Words, *options: str) -> bool:
    """Whether an option is given: `-f`, `-xf` (short ones together), `--force`, `--force=yes`."""
    for word in words:
        name = word.partition("=")[0]
        if name in options:
            return True
        together = word[1:] if len(word) > 2 and word[0] == "-" and word[1:].isalpha() else ""
        if any(len(option) == 2 and option[1] in together for option in options):
            return True
    return False


def _subcommands(words: Words, values: frozenset[str], count: int) -> tuple[list[str], Words]:
    """The first `count` words that are no options, and what follows them."""
    found: list[str] = []
    at = 0
    while at < len(words) and len(found) < count:
        word = words[at]
        if word in values:
            at += 2
            continue
        if not word.startswith("-"):
            found.append(word)
        at += 1
    return found, words[at:]


def _docker(words: Words, _stdin: bool) -> Trap | None:
    found, rest = _subcommands(words, DOCKER_VALUES, 1)
    sub = found[0] if found else ""
    if sub == "compose":
        return _compose(rest, _stdin)
    if sub in ("container", "image", "volume", "network", "system", "builder"):
        found, rest = _subcommands(rest, frozenset(), 1)
        sub = found[0] if found else ""
    name = f"docker {sub}"
    if sub == "stats" and not _has(rest, "--no-stream"):
        return Trap("`docker stats` never ends without --no-stream", "add --no-stream")
    if sub == "logs" and _has(rest, "-f", "--follow"):
        return Trap("`docker logs --follow` never ends", "use --since or --tail instead")
    if sub == "events" and not _has(rest, "--until"):
        return Trap("`docker events` never ends without --until", "add --until 0s")
    if sub == "prune" and not _has(rest, "-f", "--force"):
        return Trap(f"`{name}` asks whether it may, and nobody is there to answer", "add --force")
    return _docker_terminal(name, sub, rest)


def _docker_terminal(name: str, sub: str, rest: Words) -> Trap | None:
    if sub == "attach":
        return Trap("`docker attach` is for a terminal, and there is none", "use `docker exec`")
    if sub in ("exec", "run"):
        options, _ = _leading(rest)
        if _has(options, "-t", "--tty"):
            return Trap(f"`{name} -t` needs a terminal, and there is none", "leave -t away")
    return None


def _leading(words: Words) -> tuple[Words, Words]:
    """The options before the first word that is none, as far as can be told without knowing which
    take a value.
    """
    at = next((n for n, word in enumerate(words) if not word.startswith("-")), len(words))
    return words[:at], words[at:]


def _compose(words: Words, _stdin: bool) -> Trap | None:
    found, rest = _subcommands(words, COMPOSE_VALUES, 1)
    sub = found[0] if found else ""
    if sub == "up" and not _has(rest, "-d", "--detach", "--no-start", "--wait"):
        return Trap("`docker compose up` stays with its containers until they end", "add --detach")
    if sub == "logs" and _has(rest, "-f", "--follow"):
        return Trap("`docker compose logs --follow` never ends", "use --since or --tail instead")
    if sub == "rm" and not _has(rest, "-f", "--force"):
        return Trap("`docker compose rm` asks whether it may", "add --force")
    return None


def _celery(words: Words, _stdin: bool) -> Trap | None:
    found, rest = _subcommands(words, CELERY_VALUES, 1)
    sub = found[0] if found else ""
    if sub == "purge" and not _has(rest, "-f", "--force"):
        return Trap("`celery purge` asks whether it may, and nobody is there to answer", "add -f")
    if sub == "events" and not _has(rest, "-d", "--dump"):
        return Trap("`celery events` is for a terminal", "use `celery inspect`")
    if sub == "shell":
        return Trap("`celery shell` is for a terminal", "use `celery call` or `celery inspect`")
    return None


def _psql(words: Words, has_stdin: bool) -> Trap | None:
    if _has(words, "-V", "--version", "-?", "--help") or _has(words, "-l", "--list"):
        return None
    stops = any(
        _sets_stop(option, value) for option, value in zip(words, [*words[1:], ""], strict=True)
    )
    if not stops:
        return Trap(
            "`psql` goes on after an error, and ends as if all were well",
            "add -v ON_ERROR_STOP=1",
        )
    if not _has(words, "-X", "--no-psqlrc"):
        return Trap("`psql` reads the .psqlrc of whoever runs it", "add -X")
    if _has(words, "-W", "--password"):
        return Trap("`psql -W` asks for a password", "set PGPASSWORD in the connection's env")
    given = has_stdin or _has(words, "-c", "--command") or _has(words, "-f", "--file")
    if not given and not any(word.startswith(("-c", "-f")) for word in words):
        return Trap("`psql` is given nothing to do", "give it -c, -f or `stdin`")
    return None


def _sets_stop(option: str, value: str) -> bool:
    settings = ("ON_ERROR_STOP=1", "ON_ERROR_STOP=on")
    if option in ("-v", "--set", "--variable"):
        return value in settings
    return option.removeprefix("-v") in settings or option.partition("=")[2] in settings


def _pg_dump(words: Words, _stdin: bool) -> Trap | None:
    if _has(words, "-W", "--password"):
        return Trap("`-W` asks for a password", "set PGPASSWORD in the connection's env")
    return None


def _ping(words: Words, _stdin: bool) -> Trap | None:
    counted = any(word[:2] in ("-c", "-w") for word in words)
    return None if counted else Trap("`ping` never ends without -c", "add -c 3")


def _redis_cli(words: Words, _stdin: bool) -> Trap | None:
    endless = ("--latency", "--latency-history", "--stat", "--latency-dist")
    if option := next((word for word in words if word in endless), None):
        return Trap(f"`redis-cli {option}` never ends", "use the checks `redis.info`")
    lowered = [word.lower() for word in words]
    for name in ("monitor", "subscribe", "psubscribe"):
        if name in lowered:
            return Trap(f"`redis-cli {name}` never ends", "ask with `redis.info` instead")
    return None


def _top(words: Words, _stdin: bool) -> Trap | None:
    short = "".join(word for word in words if word.startswith("-"))
    once = "b" in short and "n" in short
    return None if once else Trap("`top` without -b and -n never ends", "write -b -n 1")


def _follows(name: str) -> Callable[[Words, bool], Trap | None]:
    def look(words: Words, _stdin: bool) -> Trap | None:
        if _has(words, "-f", "-F", "--follow"):
            return Trap(f"`{name} -f` never ends", "leave -f away, or ask again with `every`")
        return None

    return look


def _needs(option: str, *same: str, what: str, only: str = "") -> Callable[..., Trap | None]:
    """A look at a program that needs an option; with `only`, if that is among its words."""

    def look(words: Words, _stdin: bool) -> Trap | None:
        if (only and only not in words) or _has(words, option, *same):
            return None
        return Trap(what, f"add {option}")

    return look


def _never(what: str, help: str) -> Callable[[Words, bool], Trap | None]:
    return lambda _words, _stdin: Trap(what, help)


_FOR_A_TERMINAL = "is for a terminal, and there is none"

_LOOKS: dict[str, Callable[[Words, bool], Trap | None]] = {
    "docker": _docker,
    "docker-compose": _compose,
    "celery": _celery,
    "psql": _psql,
    "pg_dump": _pg_dump,
    "pg_restore": _pg_dump,
    "ping": _ping,
    "redis-cli": _redis_cli,
    "tail": _follows("tail"),
    "journalctl": _follows("journalctl"),
    "top": _top,
    "apt-get": _needs(
        "-y", "--yes", "--assume-yes", what="`apt-get install` asks whether it may", only="install"
    ),
    "terraform": _needs(
        "-auto-approve", what="`terraform apply` asks whether it may", only="apply"
    ),
    "watch": _never("`watch` never ends", "ask again with `within` and `every` of the step"),
    "less": _never(f"`less` {_FOR_A_TERMINAL}", "use `cat`"),
    "more": _never(f"`more` {_FOR_A_TERMINAL}", "use `cat`"),
    "vi": _never(f"`vi` {_FOR_A_TERMINAL}", "change files with a program that asks nothing"),
    "vim": _never(f"`vim` {_FOR_A_TERMINAL}", "change files with a program that asks nothing"),
    "nano": _never(f"`nano` {_FOR_A_TERMINAL}", "change files with a program that asks nothing"),
}
