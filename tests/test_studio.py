"""The studio's API: gathering pictures, planning, watching runs, exploring them and taking files away."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from typing import get_args

import numpy as np
import pytest
import tiny
from PIL import Image
from studio_server import serving

from pippin.runs.documents import HOLDER, LOCK
from pippin.session.lock import current_holder, training_lock
from pippin.session.training_session import is_snapshot
from pippin.studio import take
from pippin.studio.health import health
from pippin.studio.jobs import line_progress
from pippin.studio.run_files import RunFiles, state_metadata
from pippin.studio.speeds import Speeds


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A working folder with a folder of pictures and a run that was trained on them."""
    folder = tmp_path_factory.mktemp("studio")
    tiny.save(folder / "photos", tiny.pictures(12))
    (folder / "photos" / "broken.jpg").write_bytes(b"no picture")
    shutil.copy(folder / "photos" / "000.png", folder / "photos" / "same.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("PIPPIN_CACHE", str(folder / "cache"))
        tiny.train("runs/tiny", source="photos", batches=60, checkup=80)
    return folder


@pytest.fixture(scope="module")
def server(place):
    """A studio in that folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setenv("PIPPIN_CACHE", str(place / "cache"))
        with serving("photos") as client:
            yield client


@pytest.fixture
def client(server, place, monkeypatch):
    """The client of that studio. The cache of the pictures is that of the module."""
    monkeypatch.chdir(place)
    monkeypatch.setenv("PIPPIN_CACHE", str(place / "cache"))
    return server


@pytest.fixture(scope="module")
def photos(server):
    """The picture set of the folder, audited."""
    chosen = server.post("/api/sets", {"place": server.get("/api/places").json()["places"][0]["id"]}).json()
    order = {"image_size": 16, "outliers": False}
    server.result(server.post(f"/api/sets/{chosen['id']}/audit", order).json()["job"])
    return chosen["id"]


@pytest.fixture(scope="module")
def run(server):
    """The address of the run."""
    (found,) = [run for run in server.get("/api/runs").json()["runs"] if run["name"] == "tiny"]
    return f"/api/runs/{found['id']}"


def picture(response):
    assert response.status_code == 200, response.text
    return np.asarray(Image.open(io.BytesIO(response.content)))


# -- gathering ---------------------------------------------------------------------------------------------------------


def test_the_server_loads_no_engine():
    code = "import pippin.studio.server, sys; sys.exit('keras' in sys.modules or 'matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_audit_is_listed_with_thumbnails(client, photos):
    found = client.get(f"/api/sets/{photos}/pictures").json()
    assert found["counts"] == {
        "all": 14, "kept": 12, "repaired": 0, "refused": 1, "duplicate": 1, "outlier": 0, "unusual": 0, "left_out": 0
    }  # fmt: skip
    first = found["items"][0]
    assert (first["path"], first["status"], first["left_out"]) == ("000.png", "kept", False)
    assert picture(client.get(first["thumb"])).tolist() == tiny.pictures(1)[0].tolist()
    (refused,) = client.get(f"/api/sets/{photos}/pictures?status=refused").json()["items"]
    assert (refused["path"], refused["thumb"]) == ("broken.jpg", None)
    assert "not a picture" in refused["reasons"][0]
    (copy,) = client.get(f"/api/sets/{photos}/pictures?status=duplicate").json()["items"]
    assert (copy["path"], copy["copy_of"]) == ("same.png", "000.png")


def test_pictures_are_paged_and_searched(client, photos):
    page = client.get(f"/api/sets/{photos}/pictures?offset=2&limit=3").json()
    assert [item["path"] for item in page["items"]] == ["002.png", "003.png", "004.png"]
    assert page["total"] == 14
    assert client.get(f"/api/sets/{photos}/pictures?search=SAME").json()["total"] == 1


def test_a_picture_has_its_crops_and_its_original(client, photos):
    found = client.get(f"/api/sets/{photos}/pictures/0").json()
    assert len(found["crop_urls"]) == 1
    assert picture(client.get(found["original"])).shape == (16, 16, 3)


def test_pictures_that_are_left_out_are_missing_in_the_list_that_training_takes(client, photos, place):
    audit = client.get(f"/api/sets/{photos}").json()["audit"]["audit"]
    body = {"audit": audit, "pictures": [0, 1], "left_out": True}
    left = client.post(f"/api/sets/{photos}/leave-out", body).json()
    assert left["command"] == "pippin train runs/studio/lists/photos.txt"
    lines = (place / left["source"]).read_text(encoding="utf-8").splitlines()
    assert str(place / "photos" / "002.png") in lines
    assert not {str(place / "photos" / "000.png"), str(place / "photos" / "001.png")} & set(lines)
    listed = client.get(f"/api/sets/{photos}/pictures?status=left_out").json()["items"]
    assert [item["path"] for item in listed] == ["000.png", "001.png"]
    back = client.post(f"/api/sets/{photos}/leave-out", {**body, "left_out": False}).json()
    assert (back["left_out"], back["source"]) == (0, "photos")


def test_a_list_of_an_older_audit_is_refused(client, photos):
    body = {"audit": "0" * 14, "pictures": [0], "left_out": True}
    answer = client.post(f"/api/sets/{photos}/leave-out", body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "stale")


def test_dropped_files_become_a_set(client):
    upload = client.post("/api/uploads", {"name": "My photos"}).json()
    for n, image in enumerate(tiny.pictures(3, seed=5)):
        file = io.BytesIO()
        Image.fromarray(image).save(file, "PNG")
        sent = client.post(f"/api/sets/{upload['id']}/files?name=a.PNG", file.getvalue())
        assert sent.json()["name"] == ("a.png" if n == 0 else f"a-{n + 1}.png")
    client.result(client.post(f"/api/sets/{upload['id']}/audit", {"image_size": 16, "outliers": False}).json()["job"])
    assert client.get(f"/api/sets/{upload['id']}").json()["audit"]["counts"]["kept"] == 3
    assert upload["source"] == "runs/studio/uploads/My-photos"


def test_a_restarted_studio_knows_the_sets_and_their_audits(client, photos):
    with serving("photos") as again:
        found = {one["id"]: one for one in again.get("/api/sets").json()["sets"]}
        assert found[photos]["audit"]["counts"]["kept"] == 12


# -- planning and training ---------------------------------------------------------------------------------------------


def test_an_order_becomes_the_command_of_the_command_line(client, photos):
    order = {"set": photos, "image_size": 32, "quality": "quick", "settings": {"seed": 3, "gamma": 5.0}}
    order |= {"preparation": {"fit": "pad", "keep_borders": True}, "run": "my run", "dry": True}
    assert client.post("/api/plan", order).json()["command"] == (
        "pippin plan photos --image-size 32 --seed 3 --set gamma=5.0 --batches 1000 --fit pad --keep-borders"
    )
    assert client.post("/api/runs", order).json()["command"].endswith("--fit pad --keep-borders --run 'runs/my run'")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"settings": {"gama": 1}}, "Unknown setting"),
        ({"settings": {"seed": "x"}}, "must be an integer"),
        ({"minutes": 5.0, "quality": "quick"}, "not several"),
        ({"preparation": {"fit": "x"}}, "fit must be one of"),
        ({"image_size": 20}, "power of two"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
def test_a_wrong_order_is_refused_in_one_sentence(client, photos, change, message):
    answer = client.post("/api/runs", {"set": photos, "dry": True, **change})
    assert answer.status_code == 400
    assert message in answer.json()["error"]["message"]


def test_a_speed_is_measured_once_for_all_lengths_of_a_training():
    def plan(rate, **settings):
        values = {"batch_size": 8, "image_size": 64, **settings}
        made = {"settings": [{"name": name, "value": value} for name, value in values.items()], "training_images": 50}
        return speeds.add_to({**made, "engine": "e", "device": "d", "inputs": [3, 0], "images_per_second": rate})

    speeds = Speeds()
    unknown = plan(None, batches=1000)
    assert (unknown["images_per_second"], unknown["seconds"], unknown["epochs"]) == (None, None, 160)
    assert plan(16.0, batches=1000)["seconds"] == 500
    longer = plan(None, batches=4000)
    assert (longer["seconds"], longer["choices"][0]) == (2000, {"quality": "quick", "batches": 1000, "seconds": 500})
    assert plan(None, minutes=5.0)["batches"] == 600
    assert plan(None, batches=1000, image_size=32)["seconds"] is None


def test_a_run_says_how_it_was_trained(client, run, place):
    found = client.get(run).json()
    saved = state_metadata(place / "runs" / "tiny" / "checkpoint.safetensors")
    for name in ("seconds", "compile_seconds"):
        assert found[name] == pytest.approx(saved[name], abs=0.01)  # the log has two digits
    assert found["compile_seconds"] > 0
    assert (found["state"], found["batches"], found["progress"], found["image_size"]) == ("finished", 60, 1.0, 16)
    assert found["health"]["code"].startswith("finished")
    assert found["command"] is None  # it has its own networks
    assert client.get("/api/runs").json()["runs"][0]["best"] == found["best"]


def test_curves_and_snapshots_are_those_of_the_files(client, run, place):
    curves = client.get(f"{run}/curves").json()
    assert curves["log"]["batches"][-1] == 60
    assert len(curves["log"]["d_loss"]) == len(curves["log"]["batches"])
    assert curves["checkups"]["kid"] == []
    found = client.get(f"{run}/snapshots").json()
    assert found["batches"] == [0, 50, 60]
    sent = client.get(found["url"].replace("{batch}", "50"))
    assert sent.content == (place / "runs" / "tiny" / "pictures" / "batch-000050.png").read_bytes()
    assert picture(client.get(found["url"].replace("{batch}", "50") + "?side=40")).shape[1] == 40


def test_the_page_is_told_what_changes(client, run):
    with client.get(f"/api/events?run={run.rsplit('/', 1)[1]}", stream=True) as stream:
        names, lines = set(), stream.iter_lines(decode_unicode=True)
        while not {"event: runs", "event: run", "event: sets"} <= names:
            names.add(next(lines))


@pytest.mark.slow
def test_a_training_survives_the_studio_waits_in_memory_stops_and_resumes(client, photos):
    order = {"set": photos, "image_size": 16, "batches": 600, "run": "own"}
    order["settings"] = {"features": "none", "batch_size": 4, "checkup": 0}
    started = client.post("/api/runs", order).json()
    address = f"/api/runs/{started['run']['id']}"
    assert started["run"]["state"] == "starting"
    with serving("photos") as other:  # a studio that did not start it
        wait_for(other, address, lambda run: run["batches"] >= 50)
        assert other.post(f"{address}/resume", {}).status_code == 409
        pid = paused(other, address)["held_by"]["pid"]
        assert other.get(address).json()["command"] == "rm runs/own/pause"
        assert other.post(f"{address}/resume", {}).json()["command"] == "rm runs/own/pause"
        resumed = wait_for(other, address, lambda run: run["state"] == "training")
        assert (resumed["held_by"]["pid"], resumed["command"]) == (pid, "touch runs/own/pause")
        paused(other, address)
    assert client.post(f"{address}/resume", {"batches": 700}).status_code == 409
    client.post(f"{address}/stop", {})
    stopped = wait_for(client, address, lambda run: run["state"] == "stopped")
    assert 50 <= stopped["batches"] < 600
    again = client.post(f"{address}/resume", {}).json()
    assert set(again["command"].split()) == set(started["command"].split())
    finished = wait_for(client, address, lambda run: run["state"] == "finished")
    assert finished["batches"] == 600
    assert client.get(f"{address}/output").json()["lines"]


def paused(client, address):
    """Let a training wait, and return what the studio says of the run then."""
    answer = client.post(f"{address}/pause", {}).json()
    assert (answer["state"], answer["command"]) == ("stopping", "touch runs/own/pause")
    return wait_for(client, address, lambda run: run["state"] == "paused")


def wait_for(client, address, condition, seconds=300):
    """Return what the studio says of a run once a condition holds."""
    end = time.monotonic() + seconds
    while not condition(found := client.get(address).json()):
        assert time.monotonic() < end, found
        assert found["state"] not in ("failed", "damaged"), found
        time.sleep(0.1)
    return found


def trained_elsewhere(folder):
    """Return a process that holds the lock of a run until it is asked to end."""
    code = (
        "import sys, signal, threading; from pathlib import Path; from pippin.session.lock import training_lock\n"
        "end = threading.Event(); signal.signal(signal.SIGTERM, lambda *_: end.set())\n"
        "with training_lock(Path(sys.argv[1])): print('held', flush=True); end.wait(600)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    return process


def test_a_training_of_a_terminal_is_seen_and_can_be_stopped(client, run, place):
    process = trained_elsewhere(place / "runs" / "tiny")
    try:
        found = client.get(run).json()
        assert found["state"] == "training"
        assert (found["held_by"]["pid"], found["held_by"]["verified"]) == (process.pid, True)
        assert client.post(f"{run}/resume", {"batches": 70}).status_code == 409
        assert client.post(f"{run}/stop", {}).json()["state"] == "stopping"
        assert process.wait(300) == 0
        assert client.get(run).json()["state"] == "finished"
    finally:
        process.kill()
        process.stdout.close()
        process.wait()


def test_a_stale_description_of_a_process_holds_nothing(tmp_path):
    with training_lock(tmp_path / "run"):
        assert current_holder(tmp_path / "run")["pid"] == os.getpid()
        described = (tmp_path / "run" / HOLDER).read_text(encoding="utf-8")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / HOLDER).write_text(described, encoding="utf-8")
    (tmp_path / "run" / LOCK).touch()
    assert current_holder(tmp_path / "run") is None  # this process runs, and does not hold the lock


def test_nobody_is_sent_a_signal_for_a_stale_description(client, run, place):
    with training_lock(place / "runs" / "tiny"):
        described = json.loads((place / "runs" / "tiny" / HOLDER).read_text(encoding="utf-8"))
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        stale = json.dumps({**described, "pid": bystander.pid})
        (place / "runs" / "tiny" / HOLDER).write_text(stale, encoding="utf-8")
        (place / "runs" / "tiny" / LOCK).touch()
        assert client.post(f"{run}/stop", {}).status_code == 409
        assert bystander.poll() is None
    finally:
        bystander.send_signal(signal.SIGKILL)
        bystander.wait()
        (place / "runs" / "tiny" / HOLDER).unlink()
        (place / "runs" / "tiny" / LOCK).unlink()


def test_health_is_one_sentence():
    checkups = [{"batches": 10, "kid": 0.3, "findings": []}, {"batches": 20, "kid": 0.2, "findings": []}]
    assert health("training", 25, None, checkups)["code"] == "improving"
    assert health("training", 25, None, [*checkups, {"batches": 30, "kid": 0.4, "findings": []}])["code"] == "steady"
    collapsed = {"batches": 30, "kid": 0.4, "findings": ["The generated images have collapsed (diversity 0.1)"]}
    assert health("training", 35, None, [*checkups, collapsed])["level"] == "bad"
    assert health("finished", 40, None, checkups)["text"].endswith("The best images are those of batch 20.")
    assert health("training", 5, None, [])["code"] == "no_checkup"
    assert health("training", 0, None, [])["values"]["first"] == next(n for n in range(1, 100) if is_snapshot(n))


def test_a_long_log_is_thinned_and_damaged_lines_are_left_out(tmp_path):
    lines = [json.dumps({"batches": n, "d_loss": float(n)}) for n in range(1000)]
    (tmp_path / "log.jsonl").write_text("\n".join([*lines, '{"batches": 10']) + "\n", encoding="utf-8")
    files = RunFiles(tmp_path)
    curves = files.curves(100)
    assert 90 <= len(curves["log"]["batches"]) <= 100
    assert files.last_log() == {"batches": 999, "d_loss": 999.0}


def test_metadata_is_read_from_the_header_alone(place):
    found = state_metadata(place / "runs" / "tiny" / "checkpoint.safetensors")
    assert (found["batches"], found["finished"]) == (60, True)
    assert state_metadata(place / "runs" / "tiny" / "log.jsonl") == {}


# -- exploring ---------------------------------------------------------------------------------------------------------


def test_samples_are_those_of_the_command_line(client, run, place):
    found = client.post(f"{run}/sample", {"n": 2, "seed": 7, "truncation": 0.5}).json()
    assert found["command"] == "pippin sample runs/tiny --seeds 7-8 --truncation 0.5 -o grid.png"
    assert found["images"][1]["position"] == {"seed": 8, "truncation": 0.5}
    images = tiny.pippin.open_run(place / "runs" / "tiny").sample(2, 7, truncation=0.5)
    for shown, image in zip(found["images"], images, strict=True):
        assert picture(client.get(shown["url"])).tolist() == image.tolist()
    latest = client.post(f"{run}/sample", {"n": 1, "which": "latest"}).json()
    assert latest["batch"] == 60


def test_a_point_between_two_positions_starts_at_the_first_and_ends_at_the_second(client, run):
    ends = [{"seed": 1}, {"seed": 2}]
    between = [{"between": ends, "t": t} for t in (0.0, 0.5, 1.0)]
    shown = client.post(f"{run}/sample", {"positions": [*between, *ends]}).json()
    first, middle, last, one, two = [picture(client.get(image["url"])).astype(int) for image in shown["images"]]
    assert abs(first - one).max() <= 1
    assert abs(last - two).max() <= 1
    assert abs(middle - one).max() > 1
    assert shown["command"] is None


def test_favourites_are_kept_in_the_run_and_walked_through(client, run, place):
    kept = [
        client.post(f"{run}/favourites", {"position": {"seed": seed}, "name": f"<b>{seed}"}).json() for seed in (3, 4)
    ]
    assert [one["name"] for one in client.get(f"{run}/favourites").json()["favourites"]] == ["<b>3", "<b>4"]
    assert picture(client.get(kept[0]["url"])).shape == (16, 16, 3)
    walk = {"what": "walk", "dry": True, "options": {"favourites": [one["id"] for one in kept], "frames": 5}}
    assert client.post(f"{run}/take", walk).json()["command"].startswith("pippin walk runs/tiny --seeds 3-4 --frames 5")
    renamed = client.send("PATCH", f"{run}/favourites/{kept[0]['id']}", {"name": "red"}).json()
    assert renamed["name"] == "red"
    for one in kept:
        client.send("DELETE", f"{run}/favourites/{one['id']}")
    assert client.get(f"{run}/favourites").json()["favourites"] == []
    assert not list((place / "runs" / "tiny" / "studio" / "favourites").iterdir())


def test_walks_directions_and_mixing(client, run):
    walk = client.post(f"{run}/walk", {"positions": [{"seed": 1}, {"seed": 2}], "frames": 3}).json()
    assert len(walk["images"]) == 6
    named = client.post(f"{run}/directions", {"number": 2, "name": "redder"}).json()
    assert {"number": 2, "name": "redder"} in named["directions"]
    assert named["command"] == "pippin directions runs/tiny --name 2=redder"
    edited = client.post(f"{run}/sample", {"positions": [{"seed": 1, "edits": {"redder": 3.0}}]}).json()
    assert edited["command"].endswith("--edit redder=+3 -o grid.png")


def test_a_photo_is_found_and_its_training_images_are_named(client, run):
    file = io.BytesIO()
    Image.fromarray(tiny.pictures(1)[0]).save(file, "PNG")
    found = client.result(client.post(f"{run}/find?name=me.png&steps=2", file.getvalue()).json()["job"])
    assert picture(client.get(found["image"])).shape == (16, 16, 3)
    again = client.post(f"{run}/sample", {"positions": [found["position"]]}).json()
    assert "--from runs/tiny/studio/found/" in again["command"]
    order = {"position": {"seed": 1, "truncation": 0.5}, "count": 3}
    made = client.post(f"{run}/nearest", order).json()
    assert made["command"] == "pippin nearest runs/tiny --seed 1 --truncation 0.5 -n 3"
    nearest = client.result(made["job"])
    distances = [one["distance"] for one in nearest["nearest"]]
    assert distances == sorted(distances)
    assert nearest["nearest"][0]["path"].endswith(".png")


# -- taking away -------------------------------------------------------------------------------------------------------


def test_a_grid_is_written_listed_downloaded_and_seen(client, run):
    order = {"what": "pictures", "options": {"n": 4, "seed": 2, "format": "png"}}
    made = client.post(f"{run}/take", order).json()
    (file,) = client.result(made["job"])["files"]
    assert made["command"].endswith("-o runs/tiny/studio/outputs/pictures-1.png")
    assert file["kind"] == "pictures"
    assert picture(client.get(file["url"])).shape == picture(client.get(file["view"])).shape
    assert "attachment" in client.get(file["url"]).headers["content-disposition"]


def test_a_folder_is_downloaded_as_an_archive_without_links(client, run, place):
    folder = place / "runs" / "tiny" / "huggingface"
    folder.mkdir()
    (folder / "README.md").write_text("card", encoding="utf-8")
    (folder / "secret").symlink_to(place / "photos" / "000.png")
    try:
        sent = client.get(f"{run}/files/huggingface")
        with zipfile.ZipFile(io.BytesIO(sent.content)) as members:
            assert members.namelist() == ["huggingface/README.md"]
    finally:
        shutil.rmtree(folder)


def test_jobs_wait_and_can_be_cancelled(client):
    from pippin.studio.jobs import Job, Jobs

    jobs, started, release = Jobs(), threading.Event(), threading.Event()

    def work(job):
        started.set()
        release.wait(60)
        return 1

    first, second = (jobs.add(Job("test", "", {}, None, work)) for _ in range(2))
    assert started.wait(60)
    jobs.cancel(second)
    release.set()
    while first.ended is None:
        threading.Event().wait(0.01)
    assert (first.state, first.result, second.state) == ("done", 1, "cancelled")


def test_the_progress_of_a_command_is_read_from_its_lines():
    assert line_progress("generating: 1,024 of 4,096, 42 s left") == {"done": 1024, "total": 4096}
    assert line_progress("64 pictures in grid.png") == {}


def test_a_task_that_fails_says_why_and_the_next_one_works(client):
    from pippin.errors import PippinError
    from pippin.studio.worker import TASKS

    with pytest.raises(PippinError, match="There is no"):
        client.studio.hand.run((TASKS, "audit"), "missing", 16, {}, False)
    client.studio.hand.close()
    assert client.studio.hand.run((TASKS, "original"), "missing.png") is None


@pytest.mark.parametrize("what", get_args(take.What))
def test_files_of_a_training_are_not_taken_for_those_of_a_command(what, tmp_path):
    names = [*take.OWN_FILES, f"{take.OUTPUTS}/pictures-1.png"]
    made = {name for name in names if take.is_made_by(what, name)}
    assert made.isdisjoint({"latest.png", "timeline.png"})
    has_output = "-o" in take.take_words(tmp_path, take.TakeOrder(what=what))
    assert (f"{take.OUTPUTS}/pictures-1.png" in made) == has_output
    assert made
