"""What the studio refuses: other sites, paths that lead elsewhere, and hostile uploads."""

import http.client
import io
import json
import os

import pytest
import tiny
from PIL import Image
from studio_server import serving

from pippin.errors import SettingsError
from pippin.studio import gather
from pippin.studio.config import make_config
from pippin.studio.guard import HEADERS
from pippin.studio.run_files import RunFiles

SCRIPT = "<script>alert(1)</script>\x1b[31m.png"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A working folder with pictures, a secret outside what may be read, and links that lead to it."""
    folder = tmp_path_factory.mktemp("attacks")
    (folder / "work").mkdir()
    tiny.save(folder / "secret", tiny.pictures(3))
    (folder / "secret" / "key.txt").write_text("the secret", encoding="utf-8")
    photos = tiny.save(folder / "work" / "photos", tiny.pictures(3))
    Image.fromarray(tiny.pictures(1, seed=9)[0]).save(photos / "a.png")
    os.rename(photos / "a.png", photos / SCRIPT.replace("/", "-"))
    (photos / "elsewhere").symlink_to(folder / "secret")
    (photos / "link.png").symlink_to(folder / "secret" / "000.png")
    (folder / "work" / ".hidden").mkdir()
    fake_run(folder / "work" / "runs" / "one")
    (folder / "work" / "runs" / "linked").symlink_to(folder / "secret")
    return folder


def fake_run(folder):
    """Write a run without networks, as much as is shown of one."""
    folder.mkdir(parents=True)
    settings = {"settings": {"preset": "standard", "image_size": 16, "batches": 10}, "reasons": {}, "source": "photos"}
    settings |= {"format": 1, "pictures": 3, "held_out": 0, "fingerprint": "x", "engine": "jax", "machine": "m"}
    settings |= {"versions": {"keras": "3", "pippin": "0"}, "given": [], "derived": []}
    (folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")


@pytest.fixture(scope="module")
def server(place):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place / "work")
        patch.setenv("HOME", str(place / "work"))
        patch.setenv("PIPPIN_CACHE", str(place / "cache"))
        with serving("photos") as client:
            yield client


@pytest.fixture
def client(server, place, monkeypatch):
    """The client of that studio. The cache of the pictures is that of the module."""
    monkeypatch.setenv("PIPPIN_CACHE", str(place / "cache"))
    return server


@pytest.fixture(scope="module")
def photos(server, place):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIPPIN_CACHE", str(place / "cache"))
        return audited(server)


def audited(client):
    """Return the id of the set of the named folder, audited."""
    chosen = client.post("/api/sets", {"place": client.get("/api/places").json()["places"][0]["id"]}).json()
    job = client.post(f"/api/sets/{chosen['id']}/audit", {"image_size": 16, "outliers": False}).json()["job"]
    client.result(job)
    return chosen["id"]


@pytest.fixture(scope="module")
def upload(server):
    return server.post("/api/uploads", {"name": "dropped"}).json()["id"]


def raw(client, method="GET", path="/api/runs", body=b"", **headers):
    """Send a request with exactly these headers, and return the status and the body of the answer."""
    connection = http.client.HTTPConnection(client.address.removeprefix("http://"), timeout=300)
    try:
        connection.putrequest(method, path, skip_host=True)
        sent = {"Host": client.address.removeprefix("http://"), "Content-Length": str(len(body)), **headers}
        for name, value in sent.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


# -- other sites -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "localhost.evil:{port}", ""]
)
@pytest.mark.parametrize("path", ["/", "/api/session", "/api/runs", "/static/index.html", "/view/x/y/z"])
def test_a_foreign_host_is_refused(client, host, path):
    port = client.address.rsplit(":", 1)[1]
    status, body = raw(client, path=path, Host=host.format(port=port))
    assert status == 403
    assert client.token.encode() not in body


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "https://{host}", "http://127.0.0.1", "http://{host}.evil"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_foreign_origin_is_refused_even_with_the_token(client, origin, method):
    host = client.address.removeprefix("http://")
    headers = {"Origin": origin.format(host=host), "X_Pippin_Token": client.token}
    assert raw(client, method, "/api/runs", b"{}", **headers)[0] == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_what_a_browser_marks_as_another_sites_request_is_refused(client, site):
    for path in ("/api/session", "/api/runs", "/static/index.html"):
        assert raw(client, path=path, Sec_Fetch_Site=site, Sec_Fetch_Mode="no-cors")[0] == 403
    assert raw(client, path="/api/session", Sec_Fetch_Site=site, Sec_Fetch_Mode="navigate")[0] == 403
    assert raw(client, path="/", Sec_Fetch_Site=site, Sec_Fetch_Mode="navigate")[0] == 200  # a link to the page


@pytest.mark.parametrize("token", [None, "", "x", "é"])
def test_changes_need_the_token_of_the_page(client, token):
    headers = {} if token is None else {"X_Pippin_Token": token}
    for method, path in (("POST", "/api/quit"), ("POST", "/api/uploads"), ("DELETE", "/api/jobs/x")):
        assert raw(client, method, path, b"{}", **headers)[0] == 403
    assert client.get("/api/session").status_code == 200


def test_every_answer_forbids_what_is_not_its_own(client):
    for path in ("/", "/static/index.html", "/api/session", "/api/missing", "/static/missing.js"):
        headers = client.get(path).headers
        for name in ("Content-Security-Policy", "X-Content-Type-Options", "X-Frame-Options"):
            assert headers[name] == HEADERS[name], path
    assert "script-src 'self';" in HEADERS["Content-Security-Policy"]


# -- other hosts, and passwords ----------------------------------------------------------------------------------------


def test_another_host_needs_a_password():
    with pytest.raises(SettingsError, match="needs a password"):
        make_config(host="0.0.0.0")
    with pytest.raises(SettingsError, match="at least 8"):
        make_config(host="0.0.0.0", password="short")
    assert make_config(host="0.0.0.0", password="long enough").is_remote


def test_without_the_password_nothing_is_shown(place, monkeypatch):
    monkeypatch.chdir(place / "work")
    monkeypatch.setattr("pippin.studio.session.WRONG_PASSWORD_SECONDS", 0.01)
    with serving("photos", password="correct horse") as client:
        assert client.get("/api/session").json().keys() == {"token", "password", "authenticated"}
        for path in ("/api/runs", "/api/places", "/api/events", "/api/jobs", "/api/settings"):
            assert client.get(path).status_code == 401
        assert client.post("/api/quit", {}).status_code == 401
        assert client.post("/api/login", {"password": "wrong horse"}).status_code == 401
        assert client.post("/api/login", {"password": "correct horse"}).status_code == 200
        (cookie,) = client.session.cookies
        assert cookie.has_nonstandard_attr("HttpOnly")
        assert cookie.get_nonstandard_attr("SameSite") == "strict"
        assert client.get("/api/runs").status_code == 200
        client.post("/api/logout", {})
        assert client.get("/api/runs").status_code == 401


def test_with_a_host_only_named_folders_may_be_read(place, monkeypatch):
    monkeypatch.chdir(place / "work")
    monkeypatch.setenv("HOME", str(place / "work"))
    monkeypatch.setattr("pippin.studio.config.StudioConfig.is_remote", True)
    with serving("photos", password="correct horse") as client:
        client.post("/api/login", {"password": "correct horse"})
        assert [one["kind"] for one in client.get("/api/places").json()["places"]] == ["named"]
        answer = client.post("/api/places", {"path": str(place / "work" / "runs"), "confirm": True})
        assert answer.json()["error"]["code"] == "forbidden"


# -- paths that lead elsewhere -----------------------------------------------------------------------------------------

ESCAPES = (
    "..%2f..%2f..%2fetc%2fpasswd",
    "../../../../../../etc/passwd",
    "%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "..%5c..%5csecret",
    "%00",
    "/etc/passwd",
    "%2Fetc%2Fpasswd",
    "linked",
    "....//....//secret/key.txt",
)
"""What an attacker may write where an id or a name belongs."""

ROUTES = (
    "/static/{}",
    "/api/places/{}",
    "/api/sets/{}",
    "/api/sets/{}/pictures",
    "/api/sets/SET/pictures/{}",
    "/api/sets/SET/thumbs/{}/0-0.png",
    "/api/sets/SET/thumbs/AUDIT/{}-0.png",
    "/api/sets/SET/thumbs/AUDIT/0-{}.png",
    "/api/sets/SET/originals/AUDIT/{}.jpg",
    "/api/runs/{}",
    "/api/runs/{}/curves",
    "/api/runs/{}/output",
    "/api/runs/{}/latest.png",
    "/api/runs/RUN/snapshots/{}.png",
    "/api/runs/RUN/favourites/{}.png",
    "/api/runs/RUN/files/{}",
    "/api/runs/RUN/files/outputs/{}",
    "/view/SECRET/RUN/{}",
    "/view/SECRET/RUN/web/{}",
    "/api/images/{}.png",
    "/api/jobs/{}",
)
"""Every route with a name in its path."""


@pytest.fixture(scope="module")
def known(server, photos):
    """What is right in the paths of `ROUTES` besides the name that is tried."""
    audit = server.get(f"/api/sets/{photos}").json()["audit"]["audit"]
    (run,) = server.get("/api/runs").json()["runs"]
    return {"SET": photos, "AUDIT": audit, "RUN": run["id"], "SECRET": server.server.config.app._access.view_secret}


@pytest.mark.parametrize("address", ROUTES)
def test_no_name_in_a_path_leads_elsewhere(client, known, address):
    for word, value in known.items():
        address = address.replace(word, value)
    for escape in ESCAPES:
        status, body = raw(client, path=address.format(escape).replace(" ", "%20"))
        assert status in (400, 404, 405, 409), (escape, body)
        assert b"root:" not in body
        assert b"the secret" not in body


@pytest.mark.parametrize("name", ["../../up", "/etc/cron.d/x", "..\\..\\up", "studio", ".hidden", "a\x00b", "x" * 5000])
def test_no_name_of_a_run_leads_out_of_the_folder_of_runs(client, photos, name):
    order = {"set": photos, "run": name, "dry": True}
    answer = client.post("/api/runs", order)
    if answer.status_code != 400:
        folder = answer.json()["command"].rsplit(" --run ", 1)[1].strip("'")
        assert os.path.dirname(os.path.normpath(folder)) == "runs"
        assert folder not in ("runs/studio", "runs/.hidden")


@pytest.mark.parametrize(
    "path", ["../secret", "/etc", "photos/elsewhere", ".hidden", "", "\x00", "~nobody-here/x", "x" * 5000]
)
def test_no_folder_is_chosen_that_may_not_be_read(client, place, path):
    typed = str(place / "work" / path) if path in ("../secret", "photos/elsewhere", ".hidden") else path
    answer = client.post("/api/places", {"path": typed, "confirm": True})
    assert answer.status_code in (400, 403), answer.text


def test_links_out_of_a_folder_are_neither_listed_nor_shown(client, photos, place):
    named = client.get("/api/places").json()["places"][0]["id"]
    assert client.get(f"/api/places/{named}").json()["folders"] == []
    found = {item["path"]: item for item in client.get(f"/api/sets/{photos}/pictures").json()["items"]}
    assert client.get(f"/api/sets/{photos}/pictures/{found['link.png']['n']}").json()["original"] is None
    assert client.get("/api/runs").json()["runs"][0]["name"] == "one"
    assert len(client.get("/api/runs").json()["runs"]) == 1  # a link in the folder of runs is none


def test_links_in_a_run_are_not_followed(client, known, place):
    run = place / "work" / "runs" / "one"
    (run / "latest.png").symlink_to(place / "secret" / "000.png")
    (run / "report.html").symlink_to(place / "secret" / "key.txt")
    (run / "studio").symlink_to(place / "secret")
    try:
        address = f"/api/runs/{known['RUN']}"
        assert client.get(f"{address}/latest.png").status_code == 409
        assert client.get(f"{address}/files").json()["files"] == []
        assert client.get(f"{address}/favourites").status_code == 409
        new = {"position": {"seed": 1}}
        assert client.post(f"{address}/favourites", new).status_code == 409
        assert client.post(f"{address}/find", b"x").status_code == 409
        assert sorted(os.listdir(place / "secret")) == ["000.png", "001.png", "002.png", "key.txt"]
    finally:
        for name in ("latest.png", "report.html", "studio"):
            (run / name).unlink()


def test_a_file_that_is_no_picture_is_not_sent_as_one(tmp_path):
    (tmp_path / "latest.png").write_bytes(b"<script>alert(1)</script>")
    with pytest.raises(Exception, match="damaged"):
        RunFiles(tmp_path).picture("latest.png")


# -- uploads -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["x.py", "x.html", "x.svg", "x", "", ".png.exe", "x.png/", "x.zip", "settings.json"])
def test_only_pictures_are_uploaded(client, upload, name):
    assert client.post(f"/api/sets/{upload}/files", b"x", params={"name": name}).status_code == 400


@pytest.mark.parametrize(
    "name", ["../../x.png", "/etc/x.png", "..\\x.png", "a\x00.png", ".x.png", "con.png", SCRIPT, "x" * 5000 + ".png"]
)
def test_an_upload_stays_in_its_folder(client, upload, place, name):
    folder = place / "work" / "runs" / "studio" / "uploads" / "dropped"
    before = set(os.listdir(folder))
    stored = client.post(f"/api/sets/{upload}/files", b"x", params={"name": name}).json()["name"]
    assert set(os.listdir(folder)) - before == {stored}
    assert not stored.startswith(".")
    assert not set("/\\\x00\x1b<>") & set(stored)


def test_a_file_of_the_user_is_never_replaced(client, photos, upload):
    assert client.post(f"/api/sets/{photos}/files?name=000.png", b"x").status_code == 403
    names = [client.post(f"/api/sets/{upload}/files?name=twice.png", b"x").json()["name"] for _ in range(2)]
    assert names == ["twice.png", "twice-2.png"]


def test_oversized_uploads_leave_nothing(client, upload, place, monkeypatch):
    folder = place / "work" / "runs" / "studio" / "uploads" / "dropped"
    before = sorted(os.listdir(folder))
    monkeypatch.setattr(gather, "MAX_FILE_BYTES", 1000)
    assert client.post(f"/api/sets/{upload}/files?name=big.png", b"x" * 1001).status_code == 413
    monkeypatch.setattr(gather, "MAX_UPLOAD_FILES", len(before))
    assert client.post(f"/api/sets/{upload}/files?name=more.png", b"x").status_code == 413
    assert sorted(os.listdir(folder)) == before


@pytest.mark.parametrize(
    "body", [b"[]", b"{", b"\xff", b'{"name": 1}', b'{"name": NaN}', b"[" * 100_000, b"{}" * 600_000]
)
def test_a_hostile_body_is_refused(client, body):
    answer = client.send("POST", "/api/uploads", body)
    assert answer.status_code in (400, 413)
    assert answer.json()["error"]["message"]


def test_hostile_pictures_are_refused_by_name_and_the_server_lives(client, place):
    chosen = client.post("/api/uploads", {"name": "hostile"}).json()["id"]
    bomb = io.BytesIO()
    Image.new("1", (12_000, 12_000)).save(bomb, "PNG")
    files = {"bomb.png": bomb.getvalue(), "cut.png": bomb.getvalue()[:60], "text.jpg": b"<script>", "empty.png": b""}
    for number, image in enumerate(tiny.pictures(2)):
        good = io.BytesIO()
        Image.fromarray(image).save(good, "PNG")
        files[f"good{number}.png"] = good.getvalue()
    for name, contents in files.items():
        assert client.post(f"/api/sets/{chosen}/files", contents, params={"name": name}).status_code == 201
    job = client.post(f"/api/sets/{chosen}/audit", {"image_size": 16, "outliers": False}).json()["job"]
    assert client.result(job)["counts"]["refused"] == 4
    refused = client.get(f"/api/sets/{chosen}/pictures?status=refused").json()["items"]
    assert {item["path"] for item in refused} == {"bomb.png", "cut.png", "empty.png", "text.jpg"}


def test_a_script_in_a_file_name_is_text(client, photos):
    answer = client.get(f"/api/sets/{photos}/pictures")
    assert answer.headers["content-type"] == "application/json"
    (name,) = [item["path"] for item in answer.json()["items"] if "script" in item["path"]]
    assert "\x1b" not in name


# -- what ending the studio ends ---------------------------------------------------------------------------------------


def test_quitting_ends_the_server_alone(place, monkeypatch):
    monkeypatch.chdir(place / "work")
    with serving("photos") as client:
        asked = []
        monkeypatch.setattr(client.studio.runs.trainings, "stop_all", lambda: asked.append(1))
        assert client.post("/api/quit", {"stop_training": False}).json() == {"ended": True}
        assert not asked
