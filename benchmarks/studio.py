"""How fast the studio answers with many pictures and many snapshots, and what it costs a training.

python benchmarks/studio.py answers [--pictures 10000] [--snapshots 5000] [--log 20000] [--repeats 50]
python benchmarks/studio.py rate [--turns 12] [--ticks 1] [-- OPTIONS OF pippin train]

`answers` makes a folder of small pictures and a run of that many snapshots and lines of the log. It starts a studio and
prints for each kind of answer the median and the largest time, the time of the first answer after the log changed, and
the CPU time of the server, which depends less on what else the machine does.

`rate` trains on the built-in set and compares the training's rate with its page open in a browser, in turns, with the
rate without a studio. It needs Playwright and Chromium.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import requests
from harness import machine, versions
from PIL import Image

COLUMNS = ("answer", "median (ms)", "largest (ms)", "first after a change (ms)", "CPU of the server (ms)")

PAGE_SECONDS = 5.0
"""Time from the start of a studio until its page is open and its start is not measured any more, in seconds."""


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser()
    kinds = parser.add_subparsers(dest="kind", required=True)
    answers, rate = kinds.add_parser("answers"), kinds.add_parser("rate")
    for name, default in (("pictures", 10_000), ("snapshots", 5000), ("log", 20_000), ("repeats", 50)):
        answers.add_argument(f"--{name}", type=int, default=default)
    rate.add_argument("--turns", type=int, default=12)
    rate.add_argument("--ticks", type=int, default=1)
    rate.add_argument("options", nargs="*", default=[])
    options = parser.parse_args()
    print(f"{machine()}, {versions(['tensorflow'])}")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ["PIPPIN_CACHE"] = f"{folder}/cache"
        if options.kind == "answers":
            make_pictures(Path("photos"), options.pictures)
            make_run(Path("runs/long"), options.snapshots, options.log)
            measure_answers(options.repeats)
        else:
            measure_rate(options.turns, options.ticks, options.options)
        os.chdir("/")


@contextmanager
def studio(*folders: str) -> Iterator[tuple[psutil.Process, str]]:
    """Run a studio in the working folder; yield its process and its address."""
    words = [sys.executable, "-m", "pippin", "studio", *folders, "--no-browser", "--port", "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            found = re.search(r"http://\S+", process.stdout.readline())
            assert found, "the studio did not start"
            yield psutil.Process(process.pid), found[0].rstrip("/")
        finally:
            process.terminate()


def cpu_seconds(process: psutil.Process, with_children: bool = False) -> float:
    """Return the CPU time of a process so far, in seconds; with that of the processes that it started, if wanted."""
    times = process.cpu_times()
    children = process.children(recursive=True) if with_children else []
    return times.user + times.system + sum(cpu_seconds(child) for child in children)


# -- answers -----------------------------------------------------------------------------------------------------------


def make_pictures(folder: Path, count: int) -> None:
    """Write small PNG files of noise."""
    folder.mkdir()
    random = np.random.default_rng(0)
    for n in range(count):
        image = random.integers(0, 256, (8, 8, 3), np.uint8).repeat(4, axis=0).repeat(4, axis=1)
        Image.fromarray(image).save(folder / f"{n:05d}.png", compress_level=1)


def make_run(folder: Path, snapshots: int, lines: int) -> None:
    """Write the files of a long run as the page reads them, without networks."""
    (folder / "pictures").mkdir(parents=True)
    settings = {"settings": {"preset": "standard", "image_size": 64, "batches": 10**6, "batch_size": 8}, "reasons": {}}
    about = {"format": 1, "source": "photos", "pictures": 3, "held_out": 0, "fingerprint": "x", "engine": "tensorflow"}
    more = {"machine": "m", "versions": {"keras": "3", "pippin": "0"}, "given": [], "derived": []}
    (folder / "settings.json").write_text(json.dumps({**settings, **about, **more}), encoding="utf-8")
    sheet = Image.fromarray(np.random.default_rng(0).integers(0, 256, (526, 526, 3), np.uint8))
    sheet.save(folder / "latest.png", compress_level=1)
    contents = (folder / "latest.png").read_bytes()
    for n in range(snapshots):
        (folder / "pictures" / f"batch-{200 * n:06d}.png").write_bytes(contents if n < 50 else contents[:100])
    figures = dict.fromkeys(("d_loss", "g_loss", "r1_penalty", "r2_penalty", "images_per_second"), 0.123456)
    text = "".join(f"{json.dumps({'batches': 50 * n, **figures})}\n" for n in range(lines))
    (folder / "log.jsonl").write_text(text, encoding="utf-8")
    checkup = {"kid": 0.1, "diversity": 0.7, "findings": []}
    text = "".join(f"{json.dumps({'batches': 1250 * n, **checkup})}\n" for n in range(lines // 25))
    (folder / "checkups.jsonl").write_text(text, encoding="utf-8")


def measure_answers(repeats: int) -> None:
    """Start a studio, and print the times of its answers."""
    session = requests.Session()
    session.trust_env = False
    with studio("photos") as (process, address):

        def get(path: str) -> requests.Response:
            answer = session.get(address + path, timeout=60)
            answer.raise_for_status()
            return answer

        paths = prepared(session, address, get)
        log = Path("runs/long/log.jsonl")
        print(f"| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}")
        for name, path in paths.items():
            log.touch()
            first = milliseconds(get, path)
            before = cpu_seconds(process)
            times = [milliseconds(get, path) for _ in range(repeats)]
            cpu = 1000 * (cpu_seconds(process) - before) / repeats
            print(f"| {name} | {statistics.median(times):.0f} | {max(times):.0f} | {first:.0f} | {cpu:.1f} |")
        run = paths["run"].rsplit("/", 1)[1]
        with session.get(f"{address}/api/events?run={run}", stream=True, timeout=60):
            before = cpu_seconds(process)
            time.sleep(10)
            print(f"with a page open: {100 * (cpu_seconds(process) - before) / 10:.1f}% of a core")


def prepared(session: requests.Session, address: str, get: Callable[[str], requests.Response]) -> dict[str, str]:
    """Audit the pictures; return the kinds of answers with an address of each."""
    headers = {"X-Pippin-Token": get("/api/session").json()["token"]}
    place = get("/api/places").json()["places"][0]["id"]
    chosen = session.post(f"{address}/api/sets", json={"place": place}, headers=headers).json()["id"]
    order = {"image_size": 32, "outliers": False}
    started = time.perf_counter()
    job = session.post(f"{address}/api/sets/{chosen}/audit", json=order, headers=headers).json()["job"]["id"]
    while get(f"/api/jobs/{job}").json()["ended"] is None:
        time.sleep(0.2)
    print(f"the audit took {time.perf_counter() - started:.0f} s")
    run = get("/api/runs").json()["runs"][0]["id"]
    return {
        "page": "/",
        "folder": f"/api/places/{place}",
        "sets": "/api/sets",
        "pictures, first 100": f"/api/sets/{chosen}/pictures?limit=100",
        "pictures, last 100": f"/api/sets/{chosen}/pictures?limit=100&offset=9900",
        "pictures, searched": f"/api/sets/{chosen}/pictures?search=99",
        "picture": f"/api/sets/{chosen}/pictures/77",
        "thumbnail": get(f"/api/sets/{chosen}/pictures/77").json()["crop_urls"][0],
        "runs": "/api/runs",
        "run": f"/api/runs/{run}",
        "curves": f"/api/runs/{run}/curves?points=400",
        "snapshots": f"/api/runs/{run}/snapshots",
        "snapshot": f"/api/runs/{run}/snapshots/200.png",
        "snapshot, reduced": f"/api/runs/{run}/snapshots/400.png?side=300",
    }


def milliseconds(get: Callable[[str], object], path: str) -> float:
    """Return the duration of a request."""
    started = time.perf_counter()
    get(path)
    return 1000 * (time.perf_counter() - started)


# -- the rate of a training --------------------------------------------------------------------------------------------


def measure_rate(turns: int, ticks: int, options: list[str]) -> None:
    """Train, and print the rate in each turn, and the ratios of the rates with the studio to those without.

    Args:
        turns: number of turns, each without and with the studio.
        ticks: entries of the log in each part of a turn. There is one every 50 batches.
        options: options of `pippin train`.
    """
    from playwright.sync_api import sync_playwright

    words = [sys.executable, "-m", "pippin", "train", "apples", "--batches", "1000000", "--run", "runs/trained"]
    words += ["--set", "checkup=0", *options]
    with sync_playwright() as started, subprocess.Popen(words, stdout=subprocess.DEVNULL) as training:
        try:
            watched = Watched(psutil.Process(training.pid), Path("runs/trained/log.jsonl"))
            watched.measure(1, None)  # compiling
            parts: dict[str, list[dict[str, float]]] = {"without": [], "with": []}
            for turn in range(turns):
                for name in ("without", "with") if turn % 2 == 0 else ("with", "without"):
                    parts[name].append(measured_part(watched, started, name == "with", ticks))
                    print(turn, name, {key: round(value, 3) for key, value in parts[name][-1].items()}, flush=True)
        finally:
            training.terminate()
    for key in ("images per second", "images per CPU second"):
        ratios = [a[key] / b[key] for a, b in zip(parts["with"], parts["without"], strict=True)]
        print(f"{key}, with the studio / without: median {statistics.median(ratios):.3f}, {sorted(ratios)}")
    for key in ("server", "browser"):
        print(f"{key}: {100 * statistics.median(part[key] for part in parts['with']):.1f}% of a core")


def measured_part(watched: "Watched", started: Any, open_studio: bool, ticks: int) -> dict[str, float]:
    """Return the figures of a part of a turn, perhaps with the page of the run open in a browser."""
    if not open_studio:
        watched.measure(1, None)  # the rest of an entry of the part before
        return watched.measure(ticks, None)
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with studio() as (server, address), closing_browser(started, chromium) as browser:
        tab = browser.new_page(viewport={"width": 1280, "height": 800})
        run = requests.get(f"{address}/api/runs", timeout=60).json()["runs"][0]["id"]
        tab.goto(f"{address}/#/train/{run}")
        tab.wait_for_selector("canvas.sheet[data-shown]")
        time.sleep(PAGE_SECONDS)
        watched.measure(1, tab)
        return watched.measure(ticks, tab, server)


@contextmanager
def closing_browser(started: Any, chromium: str | None) -> Iterator[Any]:
    """Yield a browser, and close it."""
    browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
    try:
        yield browser
    finally:
        browser.close()


class Watched:
    """A training, measured from one entry of its log to a later one.

    Args:
        process: the process that trains.
        log: its log.
    """

    def __init__(self, process: psutil.Process, log: Path) -> None:
        self.process, self.log = process, log

    def measure(self, ticks: int, tab: Any, server: psutil.Process | None = None) -> dict[str, float]:
        """Wait for new entries of the log; return the rates, and the shares of a core of the server and the browser.

        Args:
            ticks: number of entries to wait for.
            tab: the tab of a browser, which gets time to work; None if there is none.
            server: the process of the studio, or None.
        """
        lines = self._lines()
        start, cpu = time.perf_counter(), cpu_seconds(self.process)
        browser = [child for child in psutil.Process().children(recursive=True) if "chrom" in child.name()]
        before = [cpu_seconds(each) for each in ([server] if server else []) + browser]
        while self._lines() < lines + ticks:
            if self.process.status() == psutil.STATUS_ZOMBIE:
                sys.exit("the training ended")
            tab.wait_for_timeout(20) if tab else time.sleep(0.02)
        seconds, used = time.perf_counter() - start, cpu_seconds(self.process) - cpu
        entry = json.loads(self.log.read_text(encoding="utf-8").splitlines()[-1])
        images = entry["images_seen"] / entry["batches"] * 50 * ticks
        after = [cpu_seconds(each) for each in ([server] if server else []) + browser]
        shares = [(b - a) / seconds for a, b in zip(before, after, strict=True)]
        return {
            "images per second": images / seconds,
            "images per CPU second": images / used,
            "server": shares[0] if server else 0.0,
            "browser": sum(shares[1:]) if server else 0.0,
        }

    def _lines(self) -> int:
        return self.log.read_bytes().count(b"\n") if self.log.is_file() else 0


if __name__ == "__main__":
    main()
