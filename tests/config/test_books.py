"""Where runbooks are found, and what their names are."""

from __future__ import annotations

import pytest

import checks.run
from engine.config import Books
from engine.errors import Diagnosed, Usage
from engine.registry import Registry

CATALOG = Registry.of([checks.run])

RUNBOOK = """\
title: Look
steps:
  - id: look
    check: run.value
    with: {value: 1}
"""


@pytest.fixture
def folder(tmp_path):
    books = tmp_path / "runbooks"
    for name in ("stratum/redis-full", "stratum/database-slow", "trading/alerts"):
        file = books / f"{name}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(RUNBOOK)
    (books / "stratum" / "redis-full.test.yaml").write_text("[]")
    (books / "stratum" / "contacts.yaml").write_text("people: {}")
    (books / "stratum" / "environments").mkdir()
    (books / "stratum" / "environments" / "staging.yaml").write_text("description: x")
    (books / "stratum" / "notes.md").write_text("x")
    (books / ".git").mkdir()
    (books / ".git" / "x.yaml").write_text("x")
    (books / "stray.yaml").write_text(RUNBOOK)
    return books


def test_runbooks_are_the_yaml_files_of_packs_and_nothing_else(folder):
    books = Books([folder])
    assert books.packs() == ("stratum", "trading")
    assert books.names() == ("stratum/database-slow", "stratum/redis-full", "trading/alerts")
    assert books.environments("stratum") == ("staging",)
    assert books.environments("trading") == ()


def test_a_runbook_is_loaded_by_its_name(folder):
    book = Books([folder]).load("stratum/redis-full", CATALOG)
    assert (book.name, book.title, book.text) == ("stratum/redis-full", "Look", RUNBOOK)
    assert book.place.file == str(folder / "stratum" / "redis-full.yaml")


def test_what_is_wrong_in_a_runbook_is_told(folder):
    (folder / "stratum" / "broken.yaml").write_text("titel: x")
    with pytest.raises(Diagnosed):
        Books([folder]).load("stratum/broken", CATALOG)


def test_a_called_runbook_is_found_in_any_pack(folder):
    text = "title: Calls\nsteps:\n  - runbook: trading/alerts\n"
    (folder / "stratum" / "calls.yaml").write_text(text)
    book = Books([folder]).load("stratum/calls", CATALOG)
    assert list(book.calls) == ["trading/alerts"]


def test_scenarios_belong_to_their_runbook(folder):
    books = Books([folder])
    assert books.scenarios("stratum/redis-full") == folder / "stratum" / "redis-full.test.yaml"
    assert books.scenarios("trading/alerts") is None


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("stratum/redis-ful", "did you mean 'stratum/redis-full'?"),
        ("startum/redis-full", "did you mean 'stratum/redis-full'?"),
        ("redis-full", "did you mean 'stratum/redis-full'?"),
        ("stratum/contacts", None),
        ("stratum/redis-full.test", None),
        ("stratum/environments/staging", None),
        ("../runbooks/stratum/redis-full", None),
        ("stratum/../trading/alerts", None),
        (".git/x", None),
        ("", None),
    ],
)
def test_a_runbook_that_is_not_there_is_told_with_the_nearest(folder, name, hint):
    with pytest.raises(Usage, match="no runbook is named") as caught:
        Books([folder]).source(name)
    assert hint is None or caught.value.help == hint


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("runbooks/stratum/redis-full.yaml", "did you mean 'stratum/redis-full'?"),
        ("./stratum/redis-full.yaml", "did you mean 'stratum/redis-full'?"),
        ("trading", "'trading' is a pack; its runbooks are trading/alerts"),
        ("quite-something-else", "`runbook list` names them all"),
    ],
)
def test_a_path_or_a_pack_where_a_name_belongs_is_told_what_is_meant(folder, name, hint):
    with pytest.raises(Usage, match="no runbook is named") as caught:
        Books([folder]).source(name)
    assert caught.value.help == hint


def test_a_file_with_the_wrong_ending_is_told(folder):
    (folder / "stratum" / "new.yml").write_text(RUNBOOK)
    with pytest.raises(Usage, match="no runbook is named") as caught:
        Books([folder]).source("stratum/new")
    assert caught.value.help == f"rename {folder / 'stratum' / 'new.yml'} to new.yaml"


def test_an_empty_folder_says_what_belongs_there(tmp_path):
    with pytest.raises(Usage, match="no runbook is named 'a/b'") as caught:
        Books([tmp_path]).source("a/b")
    assert caught.value.help == f"{tmp_path} holds no runbooks: PACK/NAME.yaml"


def test_an_unknown_pack_is_told_with_the_nearest(folder):
    with pytest.raises(Usage, match="no pack is named 'tradin'") as caught:
        Books([folder]).environments("tradin")
    assert caught.value.help == "did you mean 'trading'?"


def test_a_pack_in_two_folders_is_told(folder, tmp_path):
    (tmp_path / "more" / "trading").mkdir(parents=True)
    with pytest.raises(Usage, match="the pack 'trading' is there twice"):
        Books([folder, tmp_path / "more"]).names()


def test_folders_are_named_by_the_call_then_the_environment_then_the_place(
    folder, tmp_path, monkeypatch
):
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.chdir(tmp_path)
    environ = {"RUNBOOK_BOOKS": f"{other}:{folder}"}
    assert [str(f) for f in Books.find([str(other)], environ).folders] == [str(other)]
    assert [str(f) for f in Books.find([], environ).folders] == [str(other), str(folder)]
    assert [str(f) for f in Books.find().folders] == ["runbooks"]
    assert Books.find().names() == Books([folder]).names()


@pytest.mark.parametrize(
    ("given", "environ", "words"),
    [
        (["/no/such"], {}, "the folder '/no/such' of --books is not there"),
        ([], {"RUNBOOK_BOOKS": "/no/such"}, "the folder '/no/such' of RUNBOOK_BOOKS is not there"),
        ([], {}, "the folder 'runbooks' is not there"),
    ],
)
def test_a_folder_that_is_not_there_is_told_with_where_it_was_named(
    tmp_path, monkeypatch, given, environ, words
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Usage) as caught:
        Books.find(given, environ)
    assert caught.value.message == words
    assert caught.value.help == "runbooks are looked for in ./runbooks, --books or RUNBOOK_BOOKS"


def test_a_file_that_is_not_text_is_told(folder):
    (folder / "stratum" / "binary.yaml").write_bytes(b"\xff\x00")
    with pytest.raises(Diagnosed) as caught:
        Books([folder]).source("stratum/binary")
    assert [d.code for d in caught.value.diagnostics] == ["RB003"]
