"""`pippin collect`, against a server on this machine that answers as Openverse does, and against worse ones."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from email.utils import formatdate
from urllib.parse import parse_qs, urlsplit

import odd_files
import openverse
import pytest
from openverse import photograph, reply
from typer.testing import CliRunner

import pippin
from pippin import cli
from pippin.cli import narrator
from pippin.collecting import web
from pippin.collecting.collection import safe_name
from pippin.collecting.openverse import permitted
from pippin.collecting.web import Web, is_local
from pippin.errors import SettingsError, SourceError
from pippin.pictures.colour import Refused


class Clock:
    """A time that passes only when somebody waits."""

    def __init__(self):
        self.seconds, self.waits = 1000.0, []

    def sleep(self, seconds):
        self.waits.append(seconds)
        self.seconds += seconds

    def monotonic(self):
        return self.seconds

    def time(self):
        return time.time()


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(web, "time", clock)
    return clock


@pytest.fixture
def server():
    with openverse.serving() as there:
        yield there


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "photos"


@pytest.fixture
def collect(server, folder):
    def collected(query="apple", count=100, **options):
        return pippin.collect(query, folder, count=count, **{"api": server.api, "inspect": False, **options})

    return collected


def credits(folder):
    with (folder / "CREDITS.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def pictures(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix == ".jpg"}


def test_pages_of_pictures_and_their_credits(server, folder, collect):
    server.add_many(45)
    told = []
    found = collect(count=42, progress=lambda done, total: told.append((done, total)))
    assert len(found.files) == len(pictures(folder)) == 42
    assert sorted(pictures(folder).values()) == sorted(photograph(n) for n in range(42))
    assert told == [(done, 42) for done in range(43)]
    assert [parse_qs(urlsplit(call).query)["page"] for call in server.pages()] == [["1"], ["2"], ["3"]]
    assert parse_qs(urlsplit(server.pages()[0]).query)["q"] == ["apple"]
    assert {agent.split("/")[0] for agent in server.agents} == {"Pippin"}
    row = credits(folder)[0]
    assert (folder / row["file"]).read_bytes() == photograph(0)
    del row["file"]
    assert row == {
        "title": "An apple 0.jpg",
        "author": "Eve",
        "licence": "CC BY-SA 4.0",
        "licence address": "https://creativecommons.org/licenses/by-sa/4.0/",
        "source page": "https://example.org/0.jpg",
        "original address": f"{server.address}/0.jpg",
        "search": "apple",
    }


def test_it_goes_on_and_downloads_nothing_twice(server, folder, collect):
    server.add_many(30)
    server.add("gone.jpg", lambda request: reply(request, b"", 410))
    collect(count=10)
    before = pictures(folder)
    found = collect(count=100)
    assert len(found.files) == 30
    assert before.items() <= pictures(folder).items()
    assert sorted(server.pictures()) == sorted(server.answers)
    assert found.lines()[1:] == ["The search has no more: 100 were asked for", "left out: 1 its server says 410"]
    asked = len(server.calls)
    assert len(collect(count=30).files) == 30
    assert len(server.calls) == asked  # the folder holds as many as it shall
    collect(count=100)
    assert len(server.pictures()) == 31


def test_what_was_deleted_by_hand_does_not_come_back(server, folder, collect):
    server.add_many(6)
    found = collect(count=4)
    (folder / found.files[1]).unlink()
    again = collect(count=4)
    assert len(pictures(folder)) == len(again.files) == 4
    assert found.files[1] not in again.files
    assert len(server.pictures()) == 5


def test_another_search_in_the_same_folder(server, folder, collect):
    server.add_many(4)
    collect(count=2)
    assert len(collect("green apple", count=2).files) == 2
    assert [row["search"] for row in credits(folder)] == ["apple", "apple", "green apple", "green apple"]
    assert len(pictures(folder)) == 4


def test_results_that_move_between_pages(server, folder, collect):
    server.add_many(40)

    def shrinking(request, asked):
        server.page(request, asked)
        del server.results[:5]  # those that come after move to the page before

    server.search = shrinking
    assert len(collect().files) == 35
    assert len(set(server.pictures())) == len(server.pictures())


def test_pages_that_repeat_for_ever_end(server, collect):
    server.add_many(20)
    server.search = lambda request, asked: reply(
        request, json.dumps({"page_count": 10**9, "results": server.results}).encode()
    )
    assert len(collect().files) == 20
    assert len(server.pages()) == 4


# --- politeness ---


def test_a_second_between_calls(server, collect, clock):
    server.add_many(5)
    collect()
    assert clock.waits == [pytest.approx(1.0)] * 5  # six calls


def failing(times, status, **headers):
    """Fail so many times, and then give a picture."""
    left = [times]

    def answer(request):
        left[0] -= 1
        if left[0] >= 0:
            reply(request, b"{}", status, **headers)
        else:
            reply(request, photograph(1))

    return answer


def test_failures_that_pass_are_waited_out_longer_and_longer(server, collect, clock):
    server.add("a.jpg", failing(3, 503))
    assert len(collect().files) == 1
    assert clock.waits == pytest.approx([1, 2, 4, 8])


def test_failures_that_stay_are_left_for_another_time(server, collect):
    server.add("a.jpg", failing(4, 500))
    assert collect().lines()[-1] == "left out: 1 its server says 500, for now"
    assert len(server.pictures()) == 4
    assert len(collect().files) == 1


@pytest.mark.parametrize("asked", ["37", "date"])
def test_retry_after_is_heeded(server, collect, clock, asked):
    said = []
    if asked == "date":
        asked = formatdate(time.time() + 37, usegmt=True)
    server.add("a.jpg", failing(1, 429, Retry_After=asked))
    assert len(collect(notice=said.append).files) == 1
    assert clock.waits[1] == pytest.approx(37, abs=2)
    assert len(said) == 1
    assert said[0].startswith("127.0.0.1:")


def test_who_asks_to_wait_long_is_left_alone(server, collect):
    server.add("a.jpg", failing(1, 429, Retry_After="86400"))
    server.add("b.jpg", photograph(2))
    found = collect()
    assert server.pictures() == ["/a.jpg"]
    assert found.left_out == {"its server asks to wait 86,400 s, for now": 2}


def test_the_limits_that_the_search_announces(server, collect, clock):
    def search(request, asked):
        headers = {"X_RateLimit_Available_anon__burst": "0", "X_RateLimit_Limit_anon__burst": "20/min"}
        found = [] if asked["page"] == ["1"] else server.results
        reply(request, json.dumps({"page_count": 2, "results": found}).encode(), **headers)

    server.search = search
    server.add_many(1)
    assert len(collect().files) == 1
    assert clock.waits == pytest.approx([60, 60])


def test_a_day_that_is_used_up_ends_it(server, collect, folder):
    server.add_many(1)
    server.search = lambda request, asked: reply(request, b'{"detail": "throttled"}', 429, Retry_After="40000")
    with pytest.raises(SourceError, match=r"The search does not work: its server asks to wait 40,000 s\. Try again"):
        collect()


# --- what is no picture ---


def endless(request):
    request.send_response(200)
    request.end_headers()
    try:
        for _ in range(2**12):
            request.wfile.write(bytes(2**16))
    except OSError:
        pass


BAD = {
    "page.jpg": (b"<!doctype html><title>Not found</title>", "not a picture"),
    "small.jpg": (photograph(1, 100), "too small"),
    "cut.jpg": (photograph(1)[:900], "truncated: the end of the file is missing"),
    "bomb.jpg": (odd_files.png(30_000, 30_000), "too large"),
    "drawing.jpg": (odd_files.bad_files()["drawing.eps"][0], "a drawing"),
    "empty.jpg": (b"", "the file is empty"),
    "endless.jpg": (endless, "too large"),
    "announced.jpg": (lambda request: reply(request, b"", announced=2**40), "too large"),
    "forbidden.jpg": (lambda request: reply(request, b"<html>", 403), "its server says 403"),
    "loop.jpg": (
        lambda request: reply(request, b"", 302, Location="/loop.jpg"),
        "its address leads on and on",
    ),
    "passwd.jpg": (
        lambda request: reply(request, b"", 302, Location="file:///etc/passwd"),
        "its address is none of the web",
    ),
    "torn.jpg": (lambda request: reply(request, photograph(1)[:500], announced=5000), "it broke off, for now"),
    "silent.jpg": (lambda request: None, "its server cannot be reached, for now"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_picture_is_left_out_with_a_reason(server, folder, collect, monkeypatch, name):
    answer, reason = BAD[name]
    server.add(name, answer)
    server.add("good.jpg", photograph(2))
    found = collect()
    assert list(found.left_out) == [reason]
    assert list(pictures(folder).values()) == [photograph(2)]
    assert {path.name for path in folder.iterdir()} - set(found.files) <= {"CREDITS.csv", ".refused.jsonl"}


def test_a_server_that_does_not_answer_in_time(server, collect, monkeypatch):
    monkeypatch.setattr(web, "TIMEOUTS", (5, 0.05))
    server.add("slow.jpg", lambda request: time.sleep(0.4))
    assert list(collect().left_out) == ["its server does not answer in time, for now"]


def test_what_the_search_says_spares_a_call(server, collect):
    server.add("icon.jpg", photograph(1), width=64)
    server.add("drawing.svg", b"<svg/>", filetype="svg")
    server.add("other.jpg", photograph(1), license="by-nc")
    found = collect(licence="commercial")
    assert found.left_out == {
        "too small": 1,
        "a drawing, not a picture made of pixels": 1,
        "another licence than asked for": 1,
    }
    assert server.pictures() == []
    assert parse_qs(urlsplit(server.pages()[0]).query)["license_type"] == ["commercial"]
    assert len(collect(min_side=64).files) == 2


def test_without_a_network_it_does_not_try_for_ever(server, collect):
    for n in range(30):
        server.add(f"{n}.jpg", photograph(n), url=f"http://127.0.0.1:1/{n}.jpg")
    with pytest.raises(SourceError, match="20 pictures in a row cannot be had: its server cannot be reached"):
        collect()


# --- what others may have written ---


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("../../etc/passwd", "etc-passwd"),
        ("CON", "con"),
        ("..", "picture"),
        (None, "picture"),
        ("\0\n'; rm -rf *", "rm-rf"),
        ("Яблоко №1", "яблоко-no1"),
        ("a" * 500, "a" * 40),
        ("=1+1", "1-1"),
    ],
)
def test_names_of_files_are_harmless(server, folder, collect, title, name):
    server.add("a.jpg", photograph(1), title=title)
    (file,) = collect().files
    assert file.rpartition("-")[0] == name
    assert (folder / file).read_bytes() == photograph(1)
    assert safe_name(title or "") == name


def test_no_cell_is_a_formula(server, folder, collect):
    bad = '=HYPERLINK("http://example.org";"x")\nsecond, line'
    server.add("a.jpg", photograph(1), title=bad, creator="@SUM(A1)", license_version="", license_url="javascript:1")
    collect("-apple")
    (row,) = credits(folder)
    assert row["title"] == '\'=HYPERLINK("http://example.org";"x") second, line'
    assert (row["author"], row["licence"], row["licence address"]) == ("'@SUM(A1)", "CC BY-SA", "")
    assert len((folder / "CREDITS.csv").read_text().splitlines()) == 2
    assert len(collect("-apple").files) == 1


def test_foreign_files_stay(server, folder, collect):
    server.add_many(2)
    found = collect(count=1)
    folder.joinpath("CREDITS.csv").unlink()
    for content, target in ((b"mine", None), (None, "nowhere")):
        (folder / found.files[0]).unlink()
        if target:
            (folder / found.files[0]).symlink_to(folder / target)
        else:
            (folder / found.files[0]).write_bytes(content)
        (again,) = collect(count=1).files
        assert again != found.files[0]
        assert (folder / again).read_bytes() == photograph(0)
        assert not (folder / "nowhere").exists()
        (folder / "CREDITS.csv").unlink()
    (folder / "CREDITS.csv").write_text("name,what\napple,mine\n")
    with pytest.raises(SourceError, match=r"This CREDITS\.csv is not as Pippin writes it; move it away"):
        collect()
    assert (folder / "CREDITS.csv").read_text() == "name,what\napple,mine\n"


def test_a_torn_line_of_the_credits_is_written_anew(server, folder, collect):
    server.add_many(3)
    collect()
    whole = (folder / "CREDITS.csv").read_bytes()
    (folder / "CREDITS.csv").write_bytes(whole[:-30])
    assert len(collect().files) == 3
    assert (folder / "CREDITS.csv").read_bytes() == whole
    assert len(pictures(folder)) == 3


@pytest.mark.parametrize(
    "item", [7, None, [], {}, {"url": 5}, {"url": "file:///etc/passwd"}, {"url": "http://[", "license": "by"}]
)
def test_results_that_make_no_sense_are_passed_over(server, collect, item):
    server.add_many(1)
    server.results.insert(0, item)
    assert len(collect().files) == 1


@pytest.mark.parametrize(
    "content",
    [b"<html>", b"[]", b"{}", b'{"results": {}, "page_count": 1}', b'{"results": [], "page_count": "x"}', b"[" * 10**5],
)
def test_answers_that_are_no_pages(server, collect, content):
    server.search = lambda request, asked: reply(request, content)
    with pytest.raises(SourceError, match="The search answers with something else than a page of results"):
        collect()


def test_what_the_search_has_against_a_question(server, collect):
    server.search = lambda request, asked: reply(request, b'{"detail": "page_size\\nmust be lower"}', 401)
    with pytest.raises(SourceError, match=r"its server says 401 \(page_size must be lower\)\. .* Received: api=http"):
        collect()


# --- this machine's own neighbours ---


@pytest.mark.parametrize("address", ["http://127.0.0.1:{port}/0.jpg", "http://localhost:{port}/0.jpg"])
def test_what_a_search_elsewhere_found_leads_nowhere_here(server, address):
    server.add_many(1)
    port = server.address.rpartition(":")[2]
    with pytest.raises(Refused, match="its address leads into a private network"):
        Web(local=False).get(address.format(port=port), 2**20, 1)
    assert server.calls == []
    assert Web(local=True).get(address.format(port=port), 2**20, 1) == photograph(0)


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("http://127.0.0.1:8000/", True),
        ("http://localhost/", True),
        ("http://10.0.0.7/", True),
        ("http://169.254.169.254/", True),
        ("http://[::1]/", True),
        ("http://[::ffff:127.0.0.1]/", True),
        ("https://api.openverse.org/v1/images/", False),
        ("http://8.8.8.8/", False),
    ],
)
def test_which_addresses_are_local(address, local):
    assert is_local(address) is local


# --- what is asked for ---


@pytest.mark.parametrize(
    ("asked", "fit"),
    [
        ((), {"by", "by-sa", "by-nc", "by-nd", "by-nc-nd", "cc0", "pdm"}),
        (("commercial",), {"by", "by-sa", "by-nd", "cc0", "pdm"}),
        (("commercial", "modification"), {"by", "by-sa", "cc0", "pdm"}),
        (("cc0", "pdm"), {"cc0", "pdm"}),
        (("by-nc", "by", "commercial"), {"by"}),
    ],
)
def test_licences(asked, fit):
    some = ("by", "by-sa", "by-nc", "by-nd", "by-nc-nd", "cc0", "pdm", "all rights reserved", "")
    assert {licence for licence in some if permitted(licence, asked)} == fit


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"query": "  "}, "Say what to look for"),
        ({"count": 0}, "count must be from 1 to 10,000. Received: count=0"),
        ({"min_side": 2}, "min_side must be at least 8"),
        ({"api": "ftp://example.org"}, "api must be an http or https address"),
        ({"api": "http://["}, "api must be an http or https address"),
        ({"licence": "by,free"}, "licence is one or several of commercial, modification, cc0"),
    ],
)
def test_options_that_do_not_do(collect, folder, options, message):
    with pytest.raises(SettingsError) as error:
        collect(**options)
    assert str(error.value).startswith(message)
    assert not folder.exists()


def test_a_place_that_cannot_be_written(server, collect, folder):
    folder.write_text("a file")
    with pytest.raises(SourceError, match="The pictures cannot be written: File exists"):
        collect()


# --- the command ---


def test_the_command_audits_what_it_collected(server, folder):
    server.add_many(3)
    words = ["collect", "apple", "--count", "3", "-o", str(folder), "--api", server.api, "--licence", "modification"]
    done = CliRunner().invoke(cli.app, words)
    assert done.exit_code == 0, done.output
    assert f"3 pictures in {folder}, credited in {folder / 'CREDITS.csv'}" in done.output
    assert "3 files: 3 kept, 0 mended, 0 refused" in done.output


def test_collecting_loads_no_engine(server, folder):
    server.add_many(2)
    script = """
import sys, pippin
found = pippin.collect("apple", sys.argv[1], count=2, api=sys.argv[2])
print(len(found.files), [name for name in ("keras", "tensorflow", "jax", "torch") if name in sys.modules])
"""
    words = [sys.executable, "-c", script, str(folder), server.api]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout == "2 []\n"


def test_the_time_that_is_left(monkeypatch, clock):
    monkeypatch.setattr(narrator, "time", clock)
    left = narrator.Left()
    assert left.after(10, 40) == ""  # these were there before
    clock.sleep(20)
    assert left.after(10, 40) == ""
    assert left.after(20, 40) == ", 40 s left"
    clock.sleep(100)
    assert left.after(30, 40) == ", 1 min 00 s left"
    assert left.after(40, 40) == ""


def test_stopped_by_ctrl_c_it_goes_on(server, folder):
    server.add_many(6)
    words = [sys.executable, "-m", "pippin", "collect", "apple", "--count", "6", "--quick", "-o", str(folder)]
    process = subprocess.Popen(
        [*words, "--api", server.api],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # jobs in the background ignore it
    )
    while len(server.pictures()) < 2:
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate()
    assert (process.returncode, err) == (130, "")
    assert out == "Stopped; what was collected is whole and credited. The same command goes on.\n"
    assert {row["file"] for row in credits(folder)} == set(pictures(folder))
    assert 1 <= len(pictures(folder)) < 6
    assert not list(folder.glob(".*.part*"))
    found = pippin.collect("apple", folder, count=6, api=server.api, inspect=False)
    assert len(found.files) == len(set(server.pictures())) == 6
