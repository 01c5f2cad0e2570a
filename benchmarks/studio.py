"""How fast the studio answers with many pictures and many snapshots.

python benchmarks/studio.py [--pictures 10000] [--snapshots 5000] [--log 20000] [--repeats 20]

It makes a folder of small pictures and a run of that many snapshots and lines of the log, starts a server in this
process, and prints the median and the largest time of each kind of answer in milliseconds.
"""

import argparse
import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import requests
from PIL import Image

from pippin.studio.config import make_config
from pippin.studio.server import StudioServer


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser()
    for name, default in (("pictures", 10_000), ("snapshots", 5000), ("log", 20_000), ("repeats", 20)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ["PIPPIN_CACHE"] = f"{folder}/cache"
        make_pictures(Path("photos"), options.pictures)
        make_run(Path("runs/long"), options.snapshots, options.log)
        measure(options.repeats)
        os.chdir("/")


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


def measure(repeats: int) -> None:
    """Start a server, and print the times of its answers."""
    server = StudioServer(make_config(["photos"], port=0))
    thread = threading.Thread(target=server.answer)
    thread.start()
    session = requests.Session()
    address = f"http://127.0.0.1:{server.port}"

    def get(path: str) -> requests.Response:
        answer = session.get(address + path, timeout=60)
        answer.raise_for_status()
        return answer

    headers = {"X-Pippin-Token": get("/api/session").json()["token"]}
    try:
        place = get("/api/places").json()["places"][0]["id"]
        chosen = session.post(f"{address}/api/sets", json={"place": place}, headers=headers).json()["id"]
        order = {"image_size": 32, "outliers": False}
        started = time.perf_counter()
        job = session.post(f"{address}/api/sets/{chosen}/audit", json=order, headers=headers).json()["job"]["id"]
        while get(f"/api/jobs/{job}").json()["ended"] is None:
            time.sleep(0.2)
        print(f"the audit took {time.perf_counter() - started:.0f} s")
        run = get("/api/runs").json()["runs"][0]["id"]
        paths = {
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
        log = Path("runs/long/log.jsonl")
        print("| answer | median (ms) | largest (ms) | first after a change (ms) |\n| --- | --- | --- | --- |")
        for name, path in paths.items():
            log.touch()
            first = milliseconds(get, path)
            times = [milliseconds(get, path) for _ in range(repeats)]
            print(f"| {name} | {statistics.median(times):.0f} | {max(times):.0f} | {first:.0f} |")
    finally:
        server.end()
        thread.join()
        server.close()


def milliseconds(get: Callable[[str], object], path: str) -> float:
    """Return the duration of a request."""
    started = time.perf_counter()
    get(path)
    return 1000 * (time.perf_counter() - started)


if __name__ == "__main__":
    main()
