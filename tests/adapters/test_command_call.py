"""What a step asks of a command, before anything is started, and what is made of its output."""

from __future__ import annotations

import pytest

from engine.adapters.command_call import Rules, call_of
from engine.adapters.command_parse import ITEMS_MAX, Unparsed, parsed, table
from engine.adapters.command_programs import endpoint_of, trap, with_endpoint
from engine.errors import AdapterError


@pytest.mark.parametrize(
    ("rules", "verdicts"),
    [
        (Rules(), {0: "passed", 1: "failed", 129: "failed", 137: "unknown", 255: "failed"}),
        (Rules(ok=(0, 3)), {0: "passed", 3: "passed", 1: "failed"}),
        (Rules(ok=(1,)), {0: "failed", 1: "passed"}),
        (Rules(exit={"1": "failed", "2": "errored"}), {0: "passed", 1: "failed", 2: "errored"}),
        (Rules(exit={"other": "errored"}), {0: "passed", 1: "errored", 137: "errored"}),
        (Rules(exit={"0": "failed", "137": "passed"}), {0: "failed", 137: "passed"}),
        (Rules(ok=(4,), exit={"4": "unknown"}), {4: "unknown"}),
    ],
)
def test_an_exit_code_means_what_the_step_says_and_else_what_is_usual(rules, verdicts):
    assert {code: rules.verdict(code) for code in verdicts} == verdicts


@pytest.mark.parametrize(
    ("argv", "shell", "more", "said"),
    [
        (None, None, {}, "no command is given"),
        ([], None, {}, "no command is given"),
        (["a"], "b", {}, "`argv` and `shell` are both given"),
        (None, "  ", {}, "the `shell` line is empty"),
        ([""], None, {}, "the program of `argv` is an empty text"),
        (["a"], None, {"stdin": "", "stdin_of": "x"}, "`stdin` and `stdin_of` are both given"),
        (["a", "b\0c"], None, {}, "NUL character"),
        (["a"], None, {"env": {"A": "\0"}}, "NUL character"),
        (["a"], None, {"env": {"A=B": ""}}, "'A=B' cannot be the name"),
        (["a"], None, {"env": {"A;x": ""}}, "'A;x' cannot be the name"),
        (["a"], None, {"env": {"PATH": "/evil"}}, "a step does not set PATH"),
        (["a"], None, {"env": {"LD_PRELOAD": "x"}}, "a step does not set LD_PRELOAD"),
        (["a"], None, {"cwd": "-P"}, "'-P' is no folder"),
        (["a"], None, {"cwd": ""}, "'' is no folder"),
        (["a"], None, {"parse": "regex"}, "`parse: regex` needs a `pattern`"),
        (["a"], None, {"parse": "json", "pattern": "x"}, "`pattern` is given without"),
        (["a"], None, {"parse": "regex", "pattern": "("}, "`pattern` is no regular expression"),
        (["a"], None, {"max_output": 1 << 30}, "`max_output` is at most 16 MiB"),
        (["a"], None, {"exit": {"x": "failed"}}, "'x' is no exit code"),
        (["a"], None, {"exit": {"256": "failed"}}, "'256' is no exit code"),
        (["a"], None, {"exit": {"othr": "failed"}}, "'othr' is no exit code"),
    ],
)
def test_what_cannot_be_started_is_refused_in_words_and_certainly_not_done(argv, shell, more, said):
    with pytest.raises(AdapterError) as refused:
        call_of(argv, shell, **more)
    assert said in refused.value.message
    assert (refused.value.maybe_done, refused.value.retryable) == (False, False)


def test_a_shell_line_is_an_argument_of_the_shell():
    call = call_of(None, "a | b")
    assert (call.words, call.shown()) == (("sh", "-c", "a | b"), "a | b")


def test_an_argument_list_is_shown_as_a_person_would_type_it():
    assert call_of(["echo", "a b", "$x"], None).shown() == "echo 'a b' '$x'"


TRAPS = {
    "docker stats": "`docker stats` never ends without --no-stream",
    "docker --context prod stats web": "`docker stats` never ends without --no-stream",
    "docker container stats": "`docker stats` never ends without --no-stream",
    "docker logs -f web": "`docker logs --follow` never ends",
    "docker events": "`docker events` never ends without --until",
    "docker system prune": "`docker prune` asks whether it may",
    "docker exec -it web sh": "`docker exec -t` needs a terminal",
    "docker attach web": "`docker attach` is for a terminal",
    "docker compose up": "`docker compose up` stays with its containers",
    "docker compose -f a.yaml logs -f": "`docker compose logs --follow` never ends",
    "docker-compose rm web": "`docker compose rm` asks whether it may",
    "/usr/bin/celery -A shop purge": "`celery purge` asks whether it may",
    "celery -A shop events": "`celery events` is for a terminal",
    "celery shell": "`celery shell` is for a terminal",
    "psql -c x": "`psql` goes on after an error",
    "psql -v ON_ERROR_STOP=0 -X -c x": "`psql` goes on after an error",
    "psql -v ON_ERROR_STOP=1 -c x": "`psql` reads the .psqlrc",
    "psql -v ON_ERROR_STOP=1 -X -W -c x": "`psql -W` asks for a password",
    "psql -v ON_ERROR_STOP=1 -X shop": "`psql` is given nothing to do",
    "pg_dump -W shop": "`-W` asks for a password",
    "ping db": "`ping` never ends without -c",
    "redis-cli monitor": "`redis-cli monitor` never ends",
    "redis-cli --latency": "`redis-cli --latency` never ends",
    "tail -f log": "`tail -f` never ends",
    "tail -n 5 -F log": "`tail -f` never ends",
    "journalctl -fu web": "`journalctl -f` never ends",
    "top -b": "`top` without -b and -n never ends",
    "apt-get install x": "`apt-get install` asks whether it may",
    "terraform apply": "`terraform apply` asks whether it may",
    "watch ls": "`watch` never ends",
    "vim x": "`vim` is for a terminal",
}


@pytest.mark.parametrize("line", TRAPS)
def test_a_command_that_never_ends_asks_or_hides_its_errors_is_refused_in_words(line):
    found = trap(line.split(), has_stdin=False)
    assert found
    assert found.what.startswith(TRAPS[line])
    assert found.help


@pytest.mark.parametrize(
    "line",
    [
        "docker stats --no-stream",
        "docker ps",
        "docker",
        "docker logs --since 5m web",
        "docker events --until 0s",
        "docker system prune -af",
        "docker exec web sh -c true",
        "docker run --rm --name stats alpine",
        "docker compose up -d",
        "docker compose --file a.yaml up --wait",
        "docker compose exec web env",
        "celery -A shop purge -f",
        "celery -A shop inspect active",
        "celery -A shop events --dump",
        "psql --version",
        "psql -l",
        "psql -v ON_ERROR_STOP=1 -X -c x",
        "psql --set=ON_ERROR_STOP=on --no-psqlrc --file=x",
        "psql -vON_ERROR_STOP=1 -XAtf x",
        "pg_dump shop",
        "ping -c 3 db",
        "ping -c3 db",
        "ping -w 2 db",
        "redis-cli info",
        "tail -n 5 log",
        "journalctl -u web --since -5m",
        "top -b -n 1",
        "top -bn1",
        "apt-get update",
        "apt-get install -y x",
        "terraform apply -auto-approve",
        "terraform plan",
        "git log -f",
        "make -f Makefile.ci",
        "less-known",
    ],
)
def test_a_command_that_is_no_trap_is_left_alone(line):
    assert trap(line.split(), has_stdin=False) is None


def test_psql_may_read_what_to_do_from_its_standard_input():
    assert trap(["psql", "-v", "ON_ERROR_STOP=1", "-X", "shop"], has_stdin=True) is None


@pytest.mark.parametrize(
    ("line", "endpoint", "given"),
    [
        ("aws rds x", "http://m", "aws --endpoint-url http://m rds x"),
        ("/usr/bin/aws s3 ls", "http://m", "/usr/bin/aws --endpoint-url http://m s3 ls"),
        ("aws rds x", None, "aws rds x"),
        ("aws rds x --endpoint-url http://o", "http://m", "aws rds x --endpoint-url http://o"),
        ("aws --endpoint-url=http://o rds", "http://m", "aws --endpoint-url=http://o rds"),
        ("git push", "http://m", "git push"),
    ],
)
def test_aws_is_given_the_endpoint_of_its_connection(line, endpoint, given):
    assert " ".join(with_endpoint(line.split(), endpoint)) == given


def test_the_endpoint_an_argument_list_names_is_found():
    assert endpoint_of(["aws", "--endpoint-url", "x"]) == "x"
    assert endpoint_of(["aws", "--endpoint-url=x"]) == "x"
    assert endpoint_of(["aws", "--endpoint-url"]) is None


DOCKER_PS = """\
CONTAINER ID   IMAGE          COMMAND                  CREATED       STATUS         PORTS     NAMES
4c01db0b339c   ubuntu:22.04   "bash"                   2 hours ago   Up 2 hours               web
d7886598dbe2   crosbymichael  "redis-server --dir"     3 days ago    Exited (0)     80/tcp    redis
"""

DF = """\
Filesystem     1K-blocks    Used Available Use% Mounted on
/dev/vda       264201160 2418396 261782764  10% /
tmpfs           12345678       0  12345678   0% /run
"""

KUBECTL = """\
NAME    READY   STATUS             RESTARTS      AGE
web-1   1/1     Running            0             5d
web-2   0/1     CrashLoopBackOff   7 (10s ago)   5d
"""


def test_a_table_with_aligned_columns_becomes_rows():
    assert table(DOCKER_PS) == [
        {
            "CONTAINER ID": "4c01db0b339c",
            "IMAGE": "ubuntu:22.04",
            "COMMAND": '"bash"',
            "CREATED": "2 hours ago",
            "STATUS": "Up 2 hours",
            "PORTS": "",
            "NAMES": "web",
        },
        {
            "CONTAINER ID": "d7886598dbe2",
            "IMAGE": "crosbymichael",
            "COMMAND": '"redis-server --dir"',
            "CREATED": "3 days ago",
            "STATUS": "Exited (0)",
            "PORTS": "80/tcp",
            "NAMES": "redis",
        },
    ]
    assert [row["Use%"] for row in table(DF)] == ["10%", "0%"]
    assert [row["Mounted on"] for row in table(DF)] == ["/", "/run"]
    assert [row["RESTARTS"] for row in table(KUBECTL)] == ["0", "7 (10s ago)"]


@pytest.mark.parametrize(
    ("text", "separator", "rows"),
    [
        ("", None, []),
        ("\n \n", None, []),
        ("NAME   AGE\n", None, []),
        ("a b\n1 2\n", None, [{"a": "1", "b": "2"}]),
        ("a|b|c\n1|2\n", r"\|", [{"a": "1", "b": "2", "c": ""}]),
        ("PID CMD\n1 a b c\n", r"\s+", [{"PID": "1", "CMD": "a b c"}]),
        ("one\nx y\n", r"\s+", [{"one": "x y"}]),
        ("a\tb\nlonger value\t2\n", "\t", [{"a": "longer value", "b": "2"}]),
    ],
)
def test_a_table_that_is_empty_or_has_its_own_separator(text, separator, rows):
    assert table(text, separator) == rows


@pytest.mark.parametrize(
    ("how", "text", "pattern", "fields"),
    [
        ("json", ' {"a": [1]}\n', None, {"json": {"a": [1]}}),
        ("json_lines", '{"a": 1}\n\n{"a": 2}\n', None, {"json": [{"a": 1}, {"a": 2}]}),
        ("json_lines", "", None, {"json": []}),
        ("lines", "a\r\nb\n\nc", None, {"lines": ["a", "b", "", "c"]}),
        ("lines", "", None, {"lines": []}),
        ("regex", "a=1\nb=2\n", r"^(\w)=(\d)$", {"matches": [["a", "1"], ["b", "2"]]}),
        ("regex", "a=1\n", r"(?P<k>\w)=(?P<v>\d)", {"matches": [{"k": "a", "v": "1"}]}),
        ("regex", "a1b2", r"[a-z](\d)", {"matches": ["1", "2"]}),
        ("regex", "a1b2", r"\d", {"matches": ["1", "2"]}),
        ("regex", "abc", r"\d", {"matches": []}),
    ],
)
def test_output_is_parsed_as_the_step_says(how, text, pattern, fields):
    assert parsed(how, text, pattern) == fields


@pytest.mark.parametrize(
    ("how", "text", "pattern", "said"),
    [
        ("json", "", None, "is empty, which is no JSON"),
        ("json", "{", None, "is no JSON: "),
        ("json", "[" * 100_000, None, "is JSON nested too deeply"),
        ("json_lines", "1\nx\n", None, "line 2 is no JSON"),
        ("lines", "\n" * (ITEMS_MAX + 1), None, "has 10,001 items"),
        ("regex", "a" * (ITEMS_MAX + 5), "a", "has 10,001 items"),
        ("regex", "a" * 5000 + "b", r"(a|aa)+$", "takes too long"),
    ],
)
def test_output_that_is_not_what_the_step_says_is_told(how, text, pattern, said):
    with pytest.raises(Unparsed, match=said):
        parsed(how, text, pattern)
