"""`pippin collect`, against a local server with Openverse's interface, and against misbehaving servers."""

import csv
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from email.utils import formatdate
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import odd_files
import openverse
import pytest
from openverse import photograph, reply
from typer.testing import CliRunner

import pippin
from pippin import cli
from pippin.cli import console
from pippin.collecting import web
from pippin.collecting.collection import safe_name
from pippin.collecting.credits import Credits, escaped
from pippin.collecting.openverse import permitted
from pippin.collecting.web import Client, is_local
from pippin.errors import SettingsError, SourceError
from pippin.pictures.refused import Refused

STOPPED = "Stopped. All pictures so far are complete and credited; the same command resumes.\n"


class Clock:
    """A clock that advances only when the code sleeps."""

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
    with openverse.serving() as server:
        yield server


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "photos"


@pytest.fixture
def collect(server, folder):
    def call(query="apple", count=100, **options):
        return pippin.collect(query, folder, count=count, **{"api": server.api, "inspect": False, **options})

    return call


def credits(folder):
    with (folder / "CREDITS.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def pictures(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix == ".jpg"}


def test_pictures_of_several_pages_are_downloaded_and_credited(server, folder, collect):
    server.add_many(45)
    calls = []
    found = collect(count=42, progress=lambda done, total: calls.append((done, total)))
    assert len(found.files) == len(pictures(folder)) == 42
    assert sorted(pictures(folder).values()) == sorted(photograph(n) for n in range(42))
    assert calls == [(done, 42) for done in range(43)]
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


def test_it_resumes_and_downloads_nothing_twice(server, folder, collect):
    server.add_many(30)
    server.add("gone.jpg", lambda request: reply(request, b"", 410))
    collect(count=10)
    before = pictures(folder)
    found = collect(count=100)
    assert len(found.files) == 30
    assert before.items() <= pictures(folder).items()
    assert sorted(server.pictures()) == sorted(server.answers)
    assert found.lines()[1:] == [
        "The search has no more results; 100 pictures were requested",
        "skipped: 1 HTTP status 410",
    ]
    calls = len(server.calls)
    assert len(collect(count=30).files) == 30
    assert len(server.calls) == calls  # the folder already holds as many as requested
    collect(count=100)
    assert len(server.pictures()) == 31


def test_deleted_pictures_are_not_downloaded_again(server, folder, collect):
    server.add_many(6)
    found = collect(count=4)
    (folder / found.files[1]).unlink()
    again = collect(count=4)
    assert len(pictures(folder)) == len(again.files) == 4
    assert found.files[1] not in again.files
    assert len(server.pictures()) == 5


def test_two_queries_can_share_a_folder(server, folder, collect):
    server.add_many(4)
    collect(count=2)
    assert len(collect("green apple", count=2).files) == 2
    assert [row["search"] for row in credits(folder)] == ["apple", "apple", "green apple", "green apple"]
    assert len(pictures(folder)) == 4


def test_results_that_move_between_pages_are_downloaded_once(server, folder, collect):
    server.add_many(40)

    def shrinking(request, query):
        server.page(request, query)
        del server.results[:5]  # later results move to an earlier page

    server.search = shrinking
    assert len(collect().files) == 35
    assert len(set(server.pictures())) == len(server.pictures())


def test_a_search_that_repeats_its_pages_ends(server, collect):
    server.add_many(20)
    server.search = lambda request, query: reply(
        request, json.dumps({"page_count": 10**9, "results": server.results}).encode()
    )
    assert len(collect().files) == 20
    assert len(server.pages()) == 4


# --- rate limits ---


def test_requests_to_a_server_are_one_second_apart(server, collect, clock):
    server.add_many(5)
    collect()
    assert clock.waits == [pytest.approx(1.0)] * 5  # six requests


def failing(times, status, **headers):
    """Return an answer that fails `times` times, and then sends a picture."""
    remaining = [times]

    def answer(request):
        remaining[0] -= 1
        if remaining[0] >= 0:
            reply(request, b"{}", status, **headers)
        else:
            reply(request, photograph(1))

    return answer


def test_the_waiting_time_doubles_after_each_temporary_error(server, collect, clock):
    server.add("a.jpg", failing(3, 503))
    assert len(collect().files) == 1
    assert clock.waits == pytest.approx([1, 2, 4, 8])


def test_a_persistent_error_is_tried_again_by_the_next_call(server, collect):
    server.add("a.jpg", failing(4, 500))
    assert collect().lines()[-1] == "skipped: 1 HTTP status 500 (temporary)"
    assert len(server.pictures()) == 4
    assert len(collect().files) == 1


@pytest.mark.parametrize("retry_after", ["37", "date"])
def test_retry_after_is_obeyed(server, collect, clock, retry_after):
    notices = []
    if retry_after == "date":
        retry_after = formatdate(time.time() + 37, usegmt=True)
    server.add("a.jpg", failing(1, 429, Retry_After=retry_after))
    assert len(collect(notice=notices.append).files) == 1
    assert clock.waits[1] == pytest.approx(37, abs=2)
    assert len(notices) == 1
    assert notices[0].startswith("127.0.0.1:")


def test_a_server_that_asks_for_a_long_wait_is_not_called_again(server, collect):
    server.add("a.jpg", failing(1, 429, Retry_After="86400"))
    server.add("b.jpg", photograph(2))
    found = collect()
    assert server.pictures() == ["/a.jpg"]
    assert found.skipped == {"the server asks to wait 86,400 s (temporary)": 2}


def test_announced_rate_limits_are_obeyed(server, collect, clock):
    def search(request, query):
        headers = {"X_RateLimit_Available_anon__burst": "0", "X_RateLimit_Limit_anon__burst": "20/min"}
        found = [] if query["page"] == ["1"] else server.results
        reply(request, json.dumps({"page_count": 2, "results": found}).encode(), **headers)

    server.search = search
    server.add_many(1)
    assert len(collect().files) == 1
    assert clock.waits == pytest.approx([60, 60])


def test_an_exhausted_daily_quota_ends_the_collection(server, collect, folder):
    server.add_many(1)
    server.search = lambda request, query: reply(request, b'{"detail": "throttled"}', 429, Retry_After="40000")
    with pytest.raises(SourceError, match=r"The search failed: the server asks to wait 40,000 s\. Try again"):
        collect()


# --- unusable downloads ---


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
    "digits.jpg": (lambda request: reply(request, b"", announced="9" * 5000), "too large"),
    "forbidden.jpg": (lambda request: reply(request, b"<html>", 403), "HTTP status 403"),
    "loop.jpg": (
        lambda request: reply(request, b"", 302, Location="/loop.jpg"),
        "too many redirects",
    ),
    "passwd.jpg": (
        lambda request: reply(request, b"", 302, Location="file:///etc/passwd"),
        "the address is not a valid http or https URL",
    ),
    "torn.jpg": (
        lambda request: reply(request, photograph(1)[:500], announced=5000),
        "the connection was interrupted (temporary)",
    ),
    "silent.jpg": (lambda request: None, "the server cannot be reached (temporary)"),
}


@pytest.mark.parametrize("name", BAD)
def test_an_unusable_download_is_skipped_with_a_reason(server, folder, collect, monkeypatch, name):
    answer, reason = BAD[name]
    server.add(name, answer)
    server.add("good.jpg", photograph(2))
    found = collect()
    assert list(found.skipped) == [reason]
    assert list(pictures(folder).values()) == [photograph(2)]
    assert {path.name for path in folder.iterdir()} - set(found.files) <= {"CREDITS.csv", ".refused.jsonl"}


def test_a_server_that_times_out_is_skipped(server, collect, monkeypatch):
    over = threading.Event()

    def search(request, query):
        monkeypatch.setattr(web, "TIMEOUTS", (60, 0.05))  # from the next request on
        server.page(request, query)

    server.search = search
    server.add("slow.jpg", lambda request: over.wait(60))
    assert list(collect().skipped) == ["the server timed out (temporary)"]
    over.set()


class ManualTimer:
    """A timer that fires when a test says so. `last` is the one that was made last."""

    def __init__(self, seconds, function):
        self.seconds, self.function, self.cancelled = seconds, function, False
        ManualTimer.last = self

    def start(self):
        pass

    def cancel(self):
        self.cancelled = True

    def fire(self):
        assert not self.cancelled
        self.function()


@pytest.fixture
def manual_timer(monkeypatch):
    """Let the time of a download be over when a test says so."""
    monkeypatch.setattr(web.threading, "Timer", ManualTimer)


def drip(request, pieces):
    """Send pieces of a response without end. The time of the download is over after the hundredth."""
    try:
        for n, piece in enumerate(itertools.islice(pieces, 10**5)):
            request.wfile.write(piece)
            request.wfile.flush()
            if n == 100:
                ManualTimer.last.fire()
    except OSError:
        pass


DRIPPING = {
    "status": lambda: itertools.repeat(b"H"),
    "headers": lambda: itertools.chain([b"HTTP/1.1 200 OK\r\n"], itertools.cycle([b"X", b"-a", b": b\r\n"])),
    "one header": lambda: itertools.chain([b"HTTP/1.1 200 OK\r\nX-a: "], itertools.repeat(b"b")),
    "interim responses": lambda: itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "body": lambda: itertools.chain([b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"], itertools.repeat(b"x")),
    "body without a length": lambda: itertools.chain([b"HTTP/1.1 200 OK\r\n\r\n"], itertools.repeat(b"x")),
    "chunks": lambda: itertools.chain(
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"], itertools.repeat(b"1\r\nx\r\n")
    ),
}


@pytest.mark.parametrize("part", DRIPPING)
def test_a_response_that_arrives_byte_by_byte_is_ended(server, folder, collect, manual_timer, part):
    server.add("slow.jpg", lambda request: drip(request, DRIPPING[part]()))
    server.add("good.jpg", photograph(2))
    found = collect()
    assert list(found.skipped) == ["the download takes more than 120 s (temporary)"]
    assert list(pictures(folder).values()) == [photograph(2)]


def test_redirects_that_never_end_are_within_the_time_limit(server, collect, manual_timer):
    redirects = []

    def redirect(request):
        redirects.append(ManualTimer.last)
        if len(redirects) == 2:
            ManualTimer.last.fire()
        reply(request, b"", 302, Location=f"/slow.jpg?{len(server.calls)}")

    server.add("slow.jpg", redirect)
    assert list(collect().skipped) == ["the download takes more than 120 s (temporary)"]
    assert len(set(redirects)) == 1
    assert redirects[0].seconds == web.MAX_SECONDS


def test_a_connection_is_shut_down_when_its_time_is_over():
    deadline = web.Deadline()
    connected, other = socket.socketpair()
    with connected, other, deadline.limit(0.01):
        deadline.watch(connected)
        other.settimeout(60)
        assert other.recv(1) == b""
        assert deadline.passed


def test_results_with_unusable_metadata_are_not_downloaded(server, collect):
    server.add("icon.jpg", photograph(1), width=64)
    server.add("drawing.svg", b"<svg/>", filetype="svg")
    server.add("other.jpg", photograph(1), license="by-nc")
    found = collect(licence="commercial")
    assert found.skipped == {
        "too small": 1,
        "a drawing, not a picture made of pixels": 1,
        "another licence than requested": 1,
    }
    assert server.pictures() == []
    assert parse_qs(urlsplit(server.pages()[0]).query)["license_type"] == ["commercial"]
    assert len(collect(min_side=64).files) == 2


def test_it_ends_when_the_network_is_down(server, collect):
    for n in range(30):
        server.add(f"{n}.jpg", photograph(n), url=f"http://127.0.0.1:1/{n}.jpg")
    with pytest.raises(SourceError, match="20 pictures in a row could not be downloaded: the server cannot be reached"):
        collect()


# --- untrusted text ---


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
def test_file_names_are_safe(server, folder, collect, title, name):
    server.add("a.jpg", photograph(1), title=title)
    (file,) = collect().files
    assert file.rpartition("-")[0] == name
    assert (folder / file).read_bytes() == photograph(1)
    assert safe_name(title or "") == name


def test_no_cell_of_the_credits_is_a_formula(server, folder, collect):
    bad = '=HYPERLINK("http://example.org";"x")\nsecond, line'
    server.add("a.jpg", photograph(1), title=bad, creator="@SUM(A1)", license_version="", license_url="javascript:1")
    collect("-apple")
    (row,) = credits(folder)
    assert row["title"] == '\'=HYPERLINK("http://example.org";"x") second, line'
    assert (row["author"], row["licence"], row["licence address"]) == ("'@SUM(A1)", "CC BY-SA", "")
    assert len((folder / "CREDITS.csv").read_text().splitlines()) == 2
    assert len(collect("-apple").files) == 1


@pytest.mark.parametrize(
    "cell",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "＝1",
        "＋1",
        "－1",
        "＠a",
        "﹦1",
        "﹢1",
        "﹣1",
        "﹫a",
        "⁼1",
        "−1",
        "\t1",
        "\r1",
        "\n1",
    ]
    + [f"{space}=1" for space in " \t\r\n\x00\x0b\x1b\x85\xa0\u200b\u200e\u202e\u2028\u3000\ufeff\u2060"],
)
def test_every_beginning_of_a_formula_is_escaped(cell):
    assert escaped(cell) == f"'{cell}"
    assert escaped(f"{cell}\u0301") == f"'{cell}\u0301"


@pytest.mark.parametrize("cell", ["", " ", "apple", "1 + 1", "a=b", "Äpfel", "写真", "'=1", "https://a.org/=1", "(−1)"])
def test_other_cells_are_not_escaped(cell):
    assert escaped(cell) == cell


def test_controls_of_a_terminal_are_left_out_of_the_credits(server, folder, collect):
    server.add("a.jpg", photograph(1), title="an\x1b[31m \u202eapple\x07", creator="\u200fEve\x9b")
    collect()
    (row,) = credits(folder)
    assert (row["title"], row["author"]) == ("an[31m apple", "Eve")


@pytest.mark.parametrize("name", ["license_url", "foreign_landing_url"])
def test_a_long_link_is_left_out(server, folder, collect, name):
    server.add("a.jpg", photograph(1), **{name: "https://example.org/" + "a" * 300_000})
    assert len(collect().files) == 1
    assert (folder / "CREDITS.csv").stat().st_size < 1000
    assert len(collect().files) == 1


def test_a_picture_with_a_long_address_is_not_used(server, folder, collect):
    server.add("a.jpg", photograph(1), url=f"{server.address}/a.jpg?" + "a" * 300_000)
    assert collect().files == ()
    assert server.pictures() == []


def test_credits_with_a_long_cell_are_read(server, folder, collect):
    server.add_many(3)
    collect(count=1)
    long = '"' + '","'.join(["x" * 300_000, *[""] * 5, "http://example.org/" + "a" * 300_000, "apple"]) + '"\n'
    with (folder / "CREDITS.csv").open("a", encoding="utf-8") as file:
        file.write(long)
    limit = csv.field_size_limit()
    assert len(collect(count=3).files) == 3
    assert csv.field_size_limit() == limit
    assert long in (folder / "CREDITS.csv").read_text(encoding="utf-8-sig")


def endless_search(server, **about):
    """Let each page of the search have one new result, for ever."""

    def page(request, query):
        number = int(query["page"][0])
        result = {"url": f"{server.address}/{number}.jpg", "license": "by", **about}
        reply(request, json.dumps({"page_count": number + 1, "results": [result]}).encode())

    server.search = page


def test_a_search_of_dead_results_without_end_is_ended(server, collect):
    endless_search(server)
    notices = []
    found = collect(notice=notices.append)
    assert found.skipped == {"HTTP status 404": 200}
    assert notices == ["200 pictures in a row cannot be used, so the search ends"]


def test_a_search_without_end_is_ended(server, collect, monkeypatch):
    monkeypatch.setattr("pippin.collecting.openverse.MAX_PAGES", 30)
    endless_search(server, license="by-nc")
    assert collect(licence="by").skipped == {"another licence than requested": 30}


def test_files_that_pippin_did_not_write_are_not_changed(server, folder, collect):
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
    with pytest.raises(SourceError, match=r"This CREDITS\.csv was not written by Pippin; move it away"):
        collect()
    assert (folder / "CREDITS.csv").read_text() == "name,what\napple,mine\n"


def test_an_incomplete_line_of_the_credits_is_written_again(server, folder, collect):
    server.add_many(3)
    collect()
    whole = (folder / "CREDITS.csv").read_bytes()
    (folder / "CREDITS.csv").write_bytes(whole[:-30])
    assert len(collect().files) == 3
    assert (folder / "CREDITS.csv").read_bytes() == whole
    assert len(pictures(folder)) == 3


def test_the_credits_survive_a_failed_write(server, folder, collect, monkeypatch):
    server.add_many(3)
    collect()
    damaged = (folder / "CREDITS.csv").read_bytes()[:-30]
    (folder / "CREDITS.csv").write_bytes(damaged)
    write_bytes = Path.write_bytes

    def fail_halfway(path, content):
        write_bytes(path, content[: len(content) // 2])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", fail_halfway)
        with pytest.raises(SourceError, match="The pictures cannot be written: No space left on device"):
            collect()
    assert (folder / "CREDITS.csv").read_bytes() == damaged
    assert sorted(path.suffix for path in folder.iterdir()) == [".csv", ".jpg", ".jpg", ".jpg"]


@pytest.mark.parametrize(
    "item", [7, None, [], {}, {"url": 5}, {"url": "file:///etc/passwd"}, {"url": "http://[", "license": "by"}]
)
def test_invalid_results_are_ignored(server, collect, item):
    server.add_many(1)
    server.results.insert(0, item)
    assert len(collect().files) == 1


@pytest.mark.parametrize(
    "content",
    [b"<html>", b"[]", b"{}", b'{"results": {}, "page_count": 1}', b'{"results": [], "page_count": "x"}', b"[" * 10**5],
)
def test_an_answer_that_is_not_a_page_of_results_is_refused(server, collect, content):
    server.search = lambda request, query: reply(request, content)
    with pytest.raises(SourceError, match="The search did not return a page of results"):
        collect()


def test_the_reason_of_a_refused_search_is_shown(server, collect):
    server.search = lambda request, query: reply(request, b'{"detail": "page_size\\nmust be lower"}', 401)
    with pytest.raises(SourceError, match=r"HTTP status 401 \(page_size must be lower\)\. .* Received: api=http"):
        collect()


# --- private networks ---


@pytest.mark.parametrize("address", ["http://127.0.0.1:{port}/0.jpg", "http://localhost:{port}/0.jpg"])
def test_a_public_search_cannot_lead_to_this_machine(server, address):
    server.add_many(1)
    port = server.address.rpartition(":")[2]
    with pytest.raises(Refused, match="the address points into a private network"):
        Client(local=False).get(address.format(port=port), 2**20, 1)
    assert server.calls == []
    assert Client(local=True).get(address.format(port=port), 2**20, 1) == photograph(0)


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


# --- arguments ---


@pytest.mark.parametrize(
    ("requested", "expected"),
    [
        ((), {"by", "by-sa", "by-nc", "by-nd", "by-nc-nd", "cc0", "pdm"}),
        (("commercial",), {"by", "by-sa", "by-nd", "cc0", "pdm"}),
        (("commercial", "modification"), {"by", "by-sa", "cc0", "pdm"}),
        (("cc0", "pdm"), {"cc0", "pdm"}),
        (("by-nc", "by", "commercial"), {"by"}),
    ],
)
def test_a_licence_must_fulfil_the_request(requested, expected):
    licences = ("by", "by-sa", "by-nc", "by-nd", "by-nc-nd", "cc0", "pdm", "all rights reserved", "")
    assert {licence for licence in licences if permitted(licence, requested)} == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"query": "  "}, "Give search terms"),
        ({"count": 0}, "count must be a whole number from 1 to 10,000. Received: count=0"),
        ({"count": "3"}, "count must be a whole number from 1 to 10,000. Received: count='3'"),
        ({"min_side": 2}, "min_side must be at least 8"),
        ({"api": "ftp://example.org"}, "api must be an http or https address"),
        ({"api": "http://["}, "api must be an http or https address"),
        ({"licence": "by,free"}, "licence must be one or more of commercial, modification, cc0"),
    ],
)
def test_invalid_arguments_are_refused(collect, folder, options, message):
    with pytest.raises(SettingsError) as error:
        collect(**options)
    assert str(error.value).startswith(message)
    assert not folder.exists()


def test_a_folder_that_cannot_be_written_is_named(server, collect, folder):
    folder.write_text("a file")
    with pytest.raises(SourceError, match="The pictures cannot be written: File exists"):
        collect()


# --- the command ---


def test_the_command_audits_the_folder(server, folder):
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


def test_the_remaining_time_is_estimated(monkeypatch, clock):
    monkeypatch.setattr(console, "time", clock)
    left = console.RemainingTime()
    assert left.update(10, 40) == ""  # these ten existed at the start
    clock.sleep(20)
    assert left.update(10, 40) == ""
    assert left.update(20, 40) == "40 s"
    clock.sleep(100)
    assert left.update(30, 40) == "1 min 00 s"
    assert left.update(40, 40) == ""


def test_it_resumes_after_ctrl_c(server, folder):
    server.add_many(6)
    third_requested, stopped = threading.Event(), threading.Event()

    def wait(request):
        third_requested.set()
        stopped.wait(60)
        reply(request, photograph(2))

    server.answers["/2.jpg"] = wait
    words = [sys.executable, "-m", "pippin", "collect", "apple", "--count", "6", "--quick", "-o", str(folder)]
    process = subprocess.Popen(
        [*words, "--api", server.api],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # background jobs ignore SIGINT
    )
    assert third_requested.wait(60)
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate()
    stopped.set()
    assert (process.returncode, err) == (130, "")
    assert out == STOPPED
    assert {row["file"] for row in credits(folder)} == set(pictures(folder))
    assert len(pictures(folder)) == 2
    assert not list(folder.glob(".*.part*"))
    server.answers["/2.jpg"] = photograph(2)
    found = pippin.collect("apple", folder, count=6, api=server.api, inspect=False)
    assert len(found.files) == len(set(server.pictures())) == 6


def test_ctrl_c_between_a_picture_and_its_credits_waits_for_the_credits(server, folder, monkeypatch):
    server.add_many(3)
    add, written = Credits.add, []

    def interrupted(self, file, *about):
        written.append((folder / file).exists())
        if len(written) == 2:
            signal.raise_signal(signal.SIGINT)
        add(self, file, *about)

    monkeypatch.setattr(Credits, "add", interrupted)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs ignore SIGINT
    try:
        done = CliRunner().invoke(cli.app, ["collect", "apple", "--quick", "-o", str(folder), "--api", server.api])
    finally:
        signal.signal(signal.SIGINT, before)
    assert (done.exit_code, done.output) == (130, STOPPED)
    assert written == [True, True]
    assert {row["file"] for row in credits(folder)} == set(pictures(folder))
    assert len(pictures(folder)) == 2
