"""pip, fetched from an index for a Python that came without it."""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from engine.bootstrap.wheel import (
    NoPip,
    Offer,
    fetch_pip,
    in_index,
    pip_settings,
    without_password,
)

WHEEL = b"not really a wheel"
SHA256 = hashlib.sha256(WHEEL).hexdigest()
PAGE = "https://index.example/simple/pip/"

HTML = f"""<!DOCTYPE html><html><body>
<a href="../../files/pip-9.0.3.tar.gz#sha256=aa">pip-9.0.3.tar.gz</a><br/>
<a href="../../files/pip-25.1-py3-none-any.whl#sha256={SHA256}"
   data-requires-python="&gt;=3.9">pip-25.1-py3-none-any.whl</a>
<a href="../../files/pip-26.0-py3-none-any.whl#sha256=cc" data-yanked="">pip-26.0</a>
</body></html>"""

JSON = json.dumps(
    {
        "files": [
            {"filename": "pip-9.0.3.tar.gz", "url": "../../files/pip-9.0.3.tar.gz", "hashes": {}},
            {
                "filename": "pip-25.1-py3-none-any.whl",
                "url": "../../files/pip-25.1-py3-none-any.whl",
                "hashes": {"sha256": SHA256},
                "requires-python": ">=3.9",
            },
            {"filename": "pip-26.0-py3-none-any.whl", "url": "x", "hashes": {}, "yanked": True},
        ]
    }
)


@pytest.fixture(autouse=True)
def no_settings(monkeypatch, tmp_path):
    """pip's settings of this machine are not those of the test."""
    for name in ("INDEX_URL", "EXTRA_INDEX_URL", "FIND_LINKS", "NO_INDEX", "PROXY", "CERT"):
        monkeypatch.delenv(f"PIP_{name}", raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    config = tmp_path / "pip.conf"
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    monkeypatch.setattr("engine.bootstrap.wheel.configuration_files", lambda: [config])
    return config


@pytest.fixture
def index():
    """An index on the loopback: `answers` by path, `asked` what came."""
    answers: dict[str, bytes] = {}
    asked: list[tuple[str, str | None]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append((self.path, self.headers["Authorization"]))
            body = answers.get(self.path)
            self.send_response(404 if body is None else 200)
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_args):
            """Nobody listens."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    server.answers, server.asked = answers, asked
    server.place = f"127.0.0.1:{server.server_port}"
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("answer", [HTML, JSON], ids=["html", "json"])
def test_both_answers_of_an_index_are_understood(answer):
    offers = [offer for offer in in_index(PAGE, answer.encode()) if offer.suits((3, 11))]
    assert offers == [
        Offer(
            "pip-25.1-py3-none-any.whl",
            "https://index.example/files/pip-25.1-py3-none-any.whl",
            SHA256,
            ">=3.9",
        )
    ]


@pytest.mark.parametrize(
    ("name", "requires", "suits"),
    [
        ("pip-25.1-py3-none-any.whl", ">=3.9", True),
        ("pip-25.1-py3-none-any.whl", "", True),
        ("pip-25.1-py3-none-any.whl", ">=3.12", False),
        ("pip-25.1rc1-py3-none-any.whl", "", False),
        ("pip-25.1.tar.gz", "", False),
        ("pip-tools-7.0-py3-none-any.whl", "", False),
    ],
)
def test_only_a_released_wheel_that_this_python_meets_suits(name, requires, suits):
    assert Offer(name, "https://x", SHA256, requires).suits((3, 11)) is suits


def test_the_newest_is_by_number_and_not_by_letters():
    newest = max(
        (Offer(f"pip-{v}-py3-none-any.whl", "", "", "") for v in ("9.0.3", "25.1", "25.0.1")),
        key=lambda offer: offer.version,
    )
    assert newest.name == "pip-25.1-py3-none-any.whl"


def test_pip_comes_from_the_index_pip_would_ask(index, tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", f"http://me:pass%20word@{index.place}/simple")
    index.answers |= {
        "/simple/pip/": HTML.encode(),
        "/files/pip-25.1-py3-none-any.whl": WHEEL,
    }
    found = fetch_pip(tmp_path / "download", (3, 11))
    assert (found.name, found.read_bytes()) == ("pip-25.1-py3-none-any.whl", WHEEL)
    assert [path for path, _ in index.asked] == list(index.answers)
    assert index.asked[0][1] == "Basic bWU6cGFzcyB3b3Jk"


def test_a_file_that_is_another_than_the_index_says_is_not_used(index, tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", f"http://{index.place}/simple")
    index.answers |= {
        "/simple/pip/": HTML.encode(),
        "/files/pip-25.1-py3-none-any.whl": WHEEL + b"!",
    }
    with pytest.raises(NoPip, match=f"has SHA-256 .*, not {SHA256}"):
        fetch_pip(tmp_path / "download", (3, 11))
    assert not (tmp_path / "download").exists()


def test_a_folder_of_wheels_is_enough_without_any_index(no_settings, tmp_path):
    (tmp_path / "pip-25.1-py3-none-any.whl").write_bytes(WHEEL)
    no_settings.write_text(f"[global]\nno-index = true\nfind-links = {tmp_path}\n")
    assert fetch_pip(tmp_path / "download", (3, 11)).read_bytes() == WHEEL


def test_an_index_in_a_folder_is_read_too(no_settings, tmp_path):
    (tmp_path / "simple" / "pip").mkdir(parents=True)
    (tmp_path / "simple" / "pip" / "index.html").write_text(HTML)
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "pip-25.1-py3-none-any.whl").write_bytes(WHEEL)
    no_settings.write_text(f"[global]\nindex-url = file://{tmp_path}/simple\n")
    assert fetch_pip(tmp_path / "download", (3, 11)).read_bytes() == WHEEL


def test_without_a_network_it_says_where_it_looked(monkeypatch, tmp_path):
    monkeypatch.setenv("PIP_INDEX_URL", "http://me:secret@127.0.0.1:9/simple")
    with pytest.raises(NoPip) as caught:
        fetch_pip(tmp_path / "download", (3, 11))
    told = str(caught.value)
    assert "is there a network?" in told
    assert "http://127.0.0.1:9/simple/pip/" in told
    assert "apt install python3-venv" in told
    assert "secret" not in told


def test_the_environment_counts_more_than_a_file(no_settings, monkeypatch):
    no_settings.write_text("[global]\nindex-url = https://file\ncert = /a\n[install]\nproxy = p\n")
    monkeypatch.setenv("PIP_INDEX_URL", "https://variable")
    settings = pip_settings()
    assert (settings["index-url"], settings["cert"], settings["proxy"]) == (
        "https://variable",
        "/a",
        "p",
    )


def test_a_configuration_that_cannot_be_read_is_left_to_pip(no_settings):
    no_settings.write_text("no section\n")
    assert "index-url" not in pip_settings()


def test_a_password_is_left_out_of_what_is_shown():
    assert without_password("https://me:secret@host:8/x") == "https://host:8/x"
