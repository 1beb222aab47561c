"""Commands that read: list, show, lint, schema, new, audit, doctor, version; how mistakes end."""

from __future__ import annotations

import csv
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

RUNBOOK = Path(sys.executable).with_name("runbook")


def test_runbooks_are_listed_with_title_severity_and_environments(runbook):
    done = runbook("list")
    assert done.code == 0
    assert done.out.splitlines()[:3] == [
        "RUNBOOK         TITLE                          SEVERITY  ENVIRONMENTS   REHEARSED",
        "shop/ask        Ask a person                             open, staging  never",
        "shop/disk-full  Disk full                      warning   open, staging  never",
    ]


def test_a_runbook_that_does_not_read_is_listed_too(runbook, shop):
    (shop / "runbooks/shop/ask.yaml").write_text("titel: x\n")
    assert "shop/ask        (does not read: runbook lint shop/ask)" in runbook("list", "shop").out
    rows = runbook("--json", "list").objects
    assert [row["reads"] for row in rows if row["name"] == "shop/ask"] == [False]


def test_a_runbook_is_shown_as_a_person_reads_it(runbook, golden):
    golden("show-disk-full.txt", runbook("show", "shop/disk-full").out.rstrip("\n"))


def test_showing_says_whom_a_run_tells_by_itself(runbook):
    done = runbook("show", "shop/later")
    assert done.code == 0
    assert "escalation" in done.out
    assert "when it ends unresolved" in done.out


def test_a_step_that_is_declared_idempotent_is_shown_as_one_that_may_be_repeated(runbook, shop):
    step = "action: http.request\n    target: api\n    with: {method: POST, path: /restart}\n"
    steps = f"  - {step}    idempotent: true\n  - {step}    approve: {{by: [lead]}}\n"
    text = f"title: Restart\nsteps:\n{steps}"
    (shop / "runbooks/shop/restart.yaml").write_text(text)
    shown = runbook("show", "shop/restart").out
    assert "http.request at api, changes, may be repeated" in shown
    assert "http.request at api, changes, must not be repeated" in shown


def test_a_runbook_is_shown_in_json_with_its_text(runbook):
    (shown,) = runbook("--json", "show", "shop/disk-full").objects
    assert shown["inputs"]["limit"]["default"] == 0.8
    assert shown["text"].startswith("title: Disk full")


def test_showing_says_what_may_be_repeated_and_shows_templates_as_they_are_written(runbook, shop):
    (shop / "runbooks/shop/restart.yaml").write_text(
        """
title: Restart
triggers: [{pagerduty: {match: {title: down}, inputs: {web: "{{ event.title }}"}}}]
inputs: {web: {type: string, default: web-1}}
steps:
  - {title: By hand, action: human.do, with: {instructions: look}}
  - {title: Once, action: command.run, target: host, with: {argv: [make]}, approve: {by: [ops]}}
  - {title: Again, action: command.run, target: host, with: {argv: [make]}, idempotent: true}
"""
    )
    shown = runbook("show", "shop/restart").out
    assert '"inputs": {"web": "{{ event.title }}"}' in " ".join(shown.split())
    assert "Once [command.run at host, changes, must not be repeated]" in shown
    assert "Again [command.run at host, changes, may be repeated]" in shown


def test_show_says_what_a_step_waits_for(runbook, shop):
    (shop / "runbooks/shop/night.yaml").write_text(
        "title: Night\nsteps:\n"
        "  - {escalate: default, wait: acknowledged}\n"
        "  - id: free\n    action: run.note\n    with: {text: x}\n"
        "    approve: {by: [lead], count: 2, within: 30m, reason_min: 5}\n"
    )
    shown = runbook("show", "shop/night").out
    assert "waits until somebody takes it" in shown
    assert "approved by 2 of lead, within 30m, with a reason of at least 5 characters" in " ".join(
        shown.split()
    )


def test_a_step_without_a_connection_is_shown_for_approval_without_a_place(runbook, shop):
    (shop / "runbooks/shop/night.yaml").write_text(
        "title: Night\nsteps:\n"
        "  - {id: free, action: run.note, with: {text: x}, approve: {by: [lead]}}\n"
    )
    assert runbook("run", "shop/night", "--env", "staging").code == 7
    shown = runbook("approve", "last", "--reason", "looked at it").err
    assert "  with      " in shown
    assert "None" not in shown


def test_the_manual_has_the_page_of_programs_and_says_where_the_others_are(runbook):
    assert "\nprograms" in runbook("docs").out
    assert runbook("docs", "programs").out.startswith("# Programs")
    assert "`runbook docs` lists them" in runbook("docs", "nothing-like-it").err


def test_a_name_that_is_nearly_right_gets_a_hint(runbook):
    done = runbook("show", "shop/disk-ful")
    assert done.code == 2
    assert "did you mean 'shop/disk-full'?" in done.err


def test_clean_runbooks_lint_with_0(runbook, shop):
    (shop / "runbooks/shop/contacts.yaml").write_text("policies: {default: [{who: console}]}\n")
    done = runbook("lint")
    assert (done.code, done.out, done.err) == (0, "", "10 files read: 0 errors, 0 warnings\n")


def test_everything_that_is_wrong_is_told_with_its_place(runbook, shop):
    (shop / "runbooks/shop/ask.yaml").write_text(
        "title: x\nsteps:\n  - chek: run.value\n  - check: run.valu\n    with: {value: 1}\n"
    )
    done = runbook("lint", "shop/ask")
    assert done.code == 2
    assert "runbooks/shop/ask.yaml:3:5: RB" in done.out
    assert "runbooks/shop/ask.yaml:4:12: RB" in done.out
    assert done.err == "1 file read: 2 errors, 0 warnings\n"
    assert [one["line"] for one in runbook("--json", "lint", "shop/ask").objects] == [3, 4]


def test_an_environment_that_is_wrong_is_linted_with_its_pack(runbook, shop):
    (shop / "runbooks/shop/environments/staging.yaml").write_text("conections: {}\n")
    done = runbook("lint", "shop")
    assert done.code == 2
    assert "environments/staging.yaml:1:1: RB" in done.out


def test_a_file_outside_of_any_pack_is_linted_by_its_path(runbook, shop):
    (shop / "draft.yaml").write_text("title: x\nsteps: []\n")
    done = runbook("lint", "draft.yaml")
    assert done.code == 2
    assert "draft.yaml:" in done.out


def test_a_new_runbook_lints_clean_and_runs(runbook, shop):
    made = runbook("new", "depot/out-of-stock")
    assert made.out.split() == [
        "runbooks/depot/out-of-stock.yaml",
        "runbooks/depot/out-of-stock.test.yaml",
        "runbooks/depot/environments/local.yaml",
        "runbooks/depot/contacts.yaml",
    ]
    assert "runbook run depot/out-of-stock --env local" in made.err
    assert runbook("lint", "depot/out-of-stock").code == 0
    assert (shop / "runbooks/depot/out-of-stock.test.yaml").read_text().count("- name:") == 3
    linted = runbook("lint")
    assert (linted.code, "depot" in linted.out) == (0, False)
    assert "ana  Ana Lim by console" in runbook("notify", "who", "depot").out
    assert runbook("run", "depot/out-of-stock", "--env", "local").code == 0


def test_a_new_runbook_of_a_pack_with_environments_brings_none(runbook, shop):
    made = runbook("new", "shop/out-of-stock")
    assert made.out.split()[-1] == "runbooks/shop/out-of-stock.test.yaml"
    assert "runbook run shop/out-of-stock --env open" in made.err


def test_new_never_writes_over_a_file(runbook, shop):
    before = (shop / "runbooks/shop/ask.yaml").read_text()
    done = runbook("new", "shop/ask")
    assert (done.code, done.out) == (2, "")
    assert (shop / "runbooks/shop/ask.yaml").read_text() == before
    assert not (shop / "runbooks/shop/ask.test.yaml").exists()


@pytest.mark.parametrize("name", ["ask", "../x/y", "shop/", "/x", "shop/a b", "shop/a/b"])
def test_new_takes_only_names_that_are_file_names(runbook, name):
    assert runbook("new", name).code == 2


def test_the_schema_is_json_and_knows_the_installed_checks(runbook):
    done = runbook("schema")
    assert done.code == 0
    assert json.loads(done.out)["$schema"].startswith("https://json-schema.org/")
    assert "run.value" in done.out


def test_the_schema_says_how_editors_use_it(runbook):
    assert "yaml-language-server: $schema=" in runbook("schema", "--settings").out


def test_a_trail_reads_from_top_to_bottom(runbook):
    runbook("run", "shop/disk-full", "--env", "staging")
    done = runbook("audit", "show")
    assert done.code == 0
    said = [line[43:] for line in done.out.splitlines()]
    assert said[0] == "started shop/disk-full in staging"
    assert "usage started: How full is it" in said
    assert "  found: value 0.7" in said
    assert said[-2:] == ["the run is over: resolved", "  because: 70 % used on web-1"]


def test_a_whole_trail_is_verified(runbook):
    runbook("run", "shop/disk-full", "--env", "staging")
    done = runbook("audit", "verify")
    assert done.code == 0
    assert "whole  1 run, " in done.out
    assert "whole  run " in runbook("audit", "verify", "last").out
    assert runbook("--json", "audit", "verify").objects[0]["whole"] is True


def test_one_altered_byte_is_found_and_named(runbook, shop):
    runbook("--json", "run", "shop/disk-full", "--env", "staging")
    with sqlite3.connect(shop / "state/runbook/journal.db") as database:
        ((run,),) = database.execute("SELECT run FROM runs").fetchall()
        database.execute("UPDATE events SET body = replace(body, '0.7', '0.6') WHERE seq = 3")
    done = runbook("audit", "verify")
    assert done.code == 1
    assert f"broken  run {run}, event 3: " in done.out
    assert runbook("--json", "audit", "verify", run).objects[0]["seq"] == 3


def test_a_trail_is_exported_as_json_lines_and_as_csv(runbook, shop):
    runbook("run", "shop/disk-full", "--env", "staging")
    objects = runbook("audit", "export", "last").objects
    assert [one["seq"] for one in objects] == list(range(1, len(objects) + 1))
    done = runbook("audit", "export", "last", "--format", "csv", "-o", "trail.csv")
    assert (done.code, done.out) == (0, "")
    with (shop / "trail.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["hash"] for row in rows] == [one["hash"] for one in objects]
    again = runbook("audit", "export", "last", "-o", "trail.csv")
    assert again.code == 2
    assert "trail.csv exists" in again.err


def test_a_run_that_is_not_there_is_told(runbook):
    for command in ("show", "export", "verify"):
        done = runbook("audit", command, "2019")
        assert (done.code, done.out) == (2, "")


def test_doctor_asks_every_connection_and_says_what_to_mend(runbook, shop):
    (shop / "runbooks/shop/environments/staging.yaml").write_text(
        'connections:\n  api: {adapter: http, base_url: "${env:NOT_SET_ANYWHERE}"}\n'
    )
    done = runbook("doctor", "shop", "--env", "staging")
    assert done.code == 3
    assert done.out.startswith("✗ not ok  api  http")
    assert "NOT_SET_ANYWHERE" in done.out
    assert done.err == "shop in staging: 1 connection, 1 without an answer\n"
    (ping,) = runbook("--json", "doctor", "--env", "staging").objects
    assert (ping["connection"], ping["ok"]) == ("api", False)


def test_the_version_is_told_by_command_and_by_option(runbook):
    assert runbook("version").out == runbook("--version").out
    assert runbook("version").out.startswith("runbook 0.")


def test_options_of_all_commands_may_stand_behind_the_command_too(runbook, shop):
    before = runbook("--json", "list", "shop")
    assert runbook("list", "shop", "--json") == before
    assert runbook("list", "--json", "--books", "runbooks", "shop") == before
    store = f"sqlite:///{shop}/here.db"
    runbook("run", "shop/disk-full", "-e", "staging", "--store", store, "--json")
    assert runbook("audit", "verify", "--store", store, "--json").objects[0]["runs"] == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("lits",), "did you mean 'list'?"),
        (("run",), "Missing argument 'NAME'"),
        (("run", "shop/ask", "--evn", "x"), "--env"),
        (("--books", "nowhere", "list"), "nowhere"),
        (("--store", "mysql://x", "runs"), "mysql"),
        (("runs", "--limit", "0"), "--limit"),
        (("run", "shop/disk-full", "-e", "stagin"), "staging"),
        (("run", "shop/disk-full", "-e", "staging", "-i", "limt=1"), "did you mean 'limit'?"),
        (("run", "shop/disk-full", "-e", "staging", "-i", "limit=many"), "limit"),
        (("run", "shop/disk-full", "-e", "staging", "-i", "limit"), "name=value"),
        (("demo", "shop/ask"), "sandbox"),
    ],
)
def test_a_wrong_call_ends_with_2_and_says_what_was_meant(runbook, words, said):
    done = runbook(*words)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: ")
    assert said in done.err


def test_an_unforeseen_error_ends_with_5_and_without_secrets(runbook, shop, monkeypatch):
    (shop / "runbooks/shop/environments/staging.yaml").write_text(
        'connections:\n  api: {adapter: http, base_url: "${env:SHOP_URL}"}\n'
    )
    monkeypatch.setenv("SHOP_URL", "https://ada:c4n4ry-s3cret@api.example")

    def explode(*_: object) -> None:
        raise RuntimeError("cannot cope with c4n4ry-s3cret")

    monkeypatch.setattr("engine.cli.session.Session.find_books", explode)
    short = runbook("list")
    assert (short.code, short.out) == (5, "")
    assert "bug in runbook: RuntimeError: cannot cope with" in short.err
    assert "Traceback" not in short.err
    long = runbook("--debug", "list")
    assert "Traceback" in long.err
    assert "c4n4ry" not in short.err + long.err


def test_help_imports_nothing_heavy_and_lists_every_command():
    code = (
        "import sys; from engine.cli.main import main; code = main(['--help']); "
        "heavy = {'asyncio', 'jinja2', 'httpx', 'yaml', 'psycopg', 'redis'} & set(sys.modules); "
        "print(code, *heavy, file=sys.stderr)"
    )
    wide = os.environ | {"COLUMNS": "100"}  # or a line of a command becomes two
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=wide)
    assert done.stderr == "0\n"
    commands = done.stdout.partition("Commands:\n")[2].partition("\n\n")[0]
    assert [line.split()[0] for line in commands.splitlines()] == [
        "list", "show", "lint", "schema", "test", "coverage", "replay", "new", "run", "rehearse",
        "demo", "sandbox", "runs", "watch", "answer", "ack", "notify", "settle", "approve", "deny",
        "pause", "undo", "cancel", "resume", "guards", "freeze", "thaw", "audit", "report",
        "doctor", "serve", "trigger", "deliveries", "token", "docs", "completion", "version",
    ]  # fmt: skip


def test_a_reader_who_leaves_early_ends_a_command_quietly(shop):
    done = subprocess.run(
        f"{RUNBOOK} schema | head -1", shell=True, capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("{\n", "")


def test_a_run_goes_on_to_its_end_when_the_reader_leaves(shop):
    line = f"{RUNBOOK} run shop/disk-full --env staging | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", line],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "0"
    assert done.stderr == ""


def test_output_in_ascii_shows_symbols_and_titles_all_the_same(shop):
    (shop / "runbooks/shop/cafe.yaml").write_text(
        "title: Café\nsteps:\n  - title: Déjà vu\n    check: run.value\n    with: {value: 1}\n"
    )
    done = subprocess.run(
        [RUNBOOK, "run", "shop/cafe", "--env", "staging"],
        env={"PATH": "/usr/bin:/bin", "LANG": "C", "PYTHONIOENCODING": "ascii",
             "XDG_STATE_HOME": str(shop / "state")},
        capture_output=True, check=True,
    )  # fmt: skip
    assert done.stdout.isascii()
    assert b"D\\xe9j\\xe0 vu" in done.stdout
    assert b"+ resolved" in done.stdout


def test_results_that_cannot_be_written_are_an_error_and_a_run_goes_on(shop):
    line = f"{RUNBOOK} run shop/disk-full --env staging > /dev/full"
    done = subprocess.run(line, shell=True, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "error: standard output cannot be written: No space left on device\n"
    listed = subprocess.run([RUNBOOK, "runs"], capture_output=True, text=True, check=True)
    assert "resolved" in listed.stdout


def test_a_suggested_command_finds_the_same_run(runbook, shop):
    store = f"sqlite:///{shop}/else where.db"
    done = runbook("--store", store, "run", "shop/ask", "-e", "staging")
    assert f"  runbook --store '{store}' answer " in done.err
    assert f"runbook --store '{store}' audit show " in done.out


@pytest.mark.parametrize(
    ("path", "called"),
    [(f"{RUNBOOK.parent}:/usr/bin", "runbook"), ("/usr/bin:/bin", str(RUNBOOK))],
)
def test_a_suggested_command_is_one_that_the_shell_finds(shop, path, called):
    done = subprocess.run(
        [RUNBOOK, "run", "shop/ask", "--env", "staging"],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 7
    assert f"\n  {called} answer " in done.stderr
    assert f"  trail     {called} audit show " in done.stdout


def test_a_program_below_the_folder_is_suggested_by_its_path_from_there(shop):
    (shop / "bin").mkdir()
    (shop / "bin" / "runbook").symlink_to(RUNBOOK)
    done = subprocess.run(
        [shop / "bin" / "runbook", "run", "shop/ask", "--env", "staging"],
        env={**os.environ, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "\n  bin/runbook answer " in done.stderr


def test_whoever_asks_what_a_run_does_hears_how_a_run_is_shown(runbook):
    for name in ("last", "20261121-021500-x84w0n20"):
        done = runbook("show", name)
        assert done.code == 2
        assert f"error: '{name}' is a run, and no runbook" in done.err
        assert f"help: runbook watch {name}, or runbook audit show {name}" in done.err


@pytest.mark.parametrize(
    ("word", "meant"), [("aprove", "approve"), ("status", "runs"), ("who", "notify who")]
)
def test_a_command_that_there_is_not_is_told_with_the_one_that_is_meant(runbook, word, meant):
    done = runbook(word)
    assert (done.code, done.out) == (2, "")
    assert f"there is no command '{word}'; did you mean '{meant}'?" in done.err


def test_whoever_names_no_run_hears_how_one_is_named(runbook):
    assert "its beginning, or `last`" in runbook("ack").err
    assert "`last` is the latest" in runbook("ack", "lst").err


def test_a_reason_is_taken_by_that_word_wherever_one_is_given(runbook):
    assert runbook("freeze", "--reason", "a release").code == 0
    assert runbook("thaw", "--reason", "it is out").code == 0
    runbook("run", "shop/ask", "--env", "staging")
    assert runbook("answer", "last", "yes", "--reason", "I looked").code == 0


def test_whoever_may_not_start_a_runbook_hears_who_may_and_where_that_stands(runbook, shop):
    (shop / "runbooks/shop/contacts.yaml").write_text(
        "people: {ana: {name: Ana Lim, os_user: nobody-here, roles: [lead]}}\n"
        "roles: {lead: Decides}\n"
    )
    (shop / "runbooks/shop/theirs.yaml").write_text(
        "title: Theirs\nwho: [lead]\nsteps: [{end: resolved}]\n"
    )
    done = runbook("run", "shop/theirs", "--env", "staging")
    assert done.code == 6
    assert "may not start shop/theirs: it takes one of the roles lead" in done.err
    file = "runbooks/shop/contacts.yaml"
    assert f"help: Ana Lim may; `people` of {file} says who has which role" in done.err
    assert ", and you are `os_user: " in done.err
