"""The exported page in a real browser, opened from disk, without a network."""

import base64
import gzip
import hashlib
import json
import re
import shutil
from importlib import resources

import keras
import numpy as np
import onnx
import pytest
import test_export
import tiny
from keras import layers
from PIL import Image

from pippin.export import export, web_page
from pippin.pictures import to_uint8

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    generator = test_export.with_random_vectors(tiny.generator())
    return export(test_export.trained_generator(generator), "web", tmp_path_factory.mktemp("page") / "web"), generator


def script_contents(text):
    return json.loads(text.partition(" = ")[2].rstrip(";\n"))


def test_the_page_links_only_to_files_in_its_folder(page):
    folder, _ = page
    names = {file.name for file in folder.iterdir()}
    text = (folder / "index.html").read_text(encoding="utf-8")
    linked = set(re.findall(r'(?:src|href)="([^"]*)"', text))
    assert linked < names
    assert names == linked | {"index.html"}
    for name in ("index.html", "canvas.js", "page.js", "page.css"):
        assert "//" not in re.sub(r"^\s*//.*$|// .*$", "", (folder / name).read_text(encoding="utf-8"), flags=re.M), (
            name
        )


def test_the_content_policy_allows_no_connection_and_no_image_from_elsewhere(page):
    folder, _ = page
    text = (folder / "index.html").read_text(encoding="utf-8")
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["img-src"] == "data: blob:"
    nothing = ("connect", "media", "font", "object", "frame")
    assert {rules[f"{kind}-src"] for kind in nothing} == {"'none'"}
    assert rules["form-action"] == rules["base-uri"] == "'none'"


def test_the_scripts_hold_the_model_and_the_runtime(page):
    folder, _ = page
    model = script_contents((folder / "model.js").read_text())
    assert (model["name"], model["latentDim"], model["imageSize"]) == ("apples", tiny.LATENT_DIM, tiny.SIZE)
    onnx.checker.check_model(onnx.load_from_string(gzip.decompress(base64.b64decode(model["onnx"]))))
    binary = gzip.decompress(base64.b64decode(script_contents((folder / "runtime.js").read_text())["binary"]))
    assert binary.startswith(b"\0asm")


def test_the_runtime_has_the_checksums_in_its_readme():
    vendor = resources.files("pippin.export") / "vendor" / web_page.RUNTIME
    readme = (vendor / "README.md").read_text(encoding="utf-8")
    checksums = dict(re.findall(r"\| `(ort[^`]*)` \| `([0-9a-f]{64})` \|", readme))
    assert len(checksums) == 3
    for name, expected in checksums.items():
        file = vendor / (name + ".gz" if name.endswith(".wasm") else name)
        data = file.read_bytes()
        data = gzip.decompress(data) if file.name.endswith(".gz") else data
        assert hashlib.sha256(data).hexdigest() == expected, name


def test_a_name_with_markup_is_escaped(tmp_path):
    renamed = test_export.trained_generator(tiny.generator())
    object.__setattr__(renamed, "name", '</script><b>"x')
    folder = export(renamed, "web", tmp_path / "web")
    assert "<b>" not in (folder / "index.html").read_text(encoding="utf-8")
    assert script_contents((folder / "model.js").read_text())["name"] == '</script><b>"x'


@pytest.fixture(scope="module")
def opened(page):
    """Open the page in a browser without a network. Yields its tab, the requested URLs and the errors on the page."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="no Playwright here: pip install playwright")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_context(offline=True).new_page()
        requested, problems = [], []
        tab.on("request", lambda request: requested.append(request.url))
        tab.on("pageerror", lambda problem: problems.append(str(problem)))
        tab.goto((page[0] / "index.html").as_uri())
        wait_until_idle(tab)
        yield tab, requested, problems
        browser.close()


def wait_until_idle(tab):
    """Wait until the page has generated all requested images."""
    tab.wait_for_function("document.body.dataset.busy === 'false'", timeout=120_000)


def pixels(tab, canvas):
    data = "c => Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data)"
    shown = tab.locator(canvas).first.evaluate(data)
    return np.reshape(shown, (tiny.SIZE, tiny.SIZE, 4))[..., :3]


def slide(tab, position):
    move = "(slider, to) => { slider.value = to; slider.dispatchEvent(new Event('input')); }"
    tab.locator("#position").evaluate(move, str(position))
    wait_until_idle(tab)


@pytest.mark.slow
def test_the_page_generates_the_images_of_keras(page, opened):
    tab, _, problems = opened
    assert problems == []
    assert re.fullmatch(r"16 pictures, [\d.]+ per second", tab.inner_text("#status"))
    given = np.array([tab.evaluate("Array.from(pippin.latentOf(1))")], "float32")
    expected = keras.ops.convert_to_numpy(page[1](keras.ops.convert_to_tensor(given), training=False))
    wanted = np.clip(np.rint((expected[0] + 1) * 127.5), 0, 255)
    assert np.abs(pixels(tab, "#sheet canvas") - wanted).max() <= 1


@pytest.mark.slow
def test_the_page_requests_only_files_in_its_folder(page, opened):
    _, requested, _ = opened
    home = page[0].as_uri() + "/"
    assert len(requested) >= 6
    assert all(url.startswith((home, "blob:")) for url in requested), requested


@pytest.mark.slow
def test_latents_are_standard_normal_and_the_walk_keeps_their_length(opened):
    tab, *_ = opened
    drawn = np.array(tab.evaluate("Array.from({length: 2000}, (_, seed) => Array.from(pippin.latentOf(seed)))"))
    assert abs(drawn.mean()) < 0.04
    assert abs(drawn.std() - 1) < 0.04
    a, b = drawn[1] / np.linalg.norm(drawn[1]), drawn[2] / np.linalg.norm(drawn[2])
    middle = tab.evaluate("([a, b]) => Array.from(pippin.interpolate(a, b, 0.5))", [a.tolist(), b.tolist()])
    assert np.linalg.norm(middle) == pytest.approx(1, abs=1e-6)


@pytest.mark.slow
def test_the_slider_walks_from_the_first_picture_to_the_second(opened):
    tab, *_ = opened
    slide(tab, 0)
    np.testing.assert_array_equal(pixels(tab, "#walk"), pixels(tab, "#from"))
    start = pixels(tab, "#walk")
    slide(tab, 0.5)
    middle = pixels(tab, "#walk")
    slide(tab, 1)
    np.testing.assert_array_equal(pixels(tab, "#walk"), pixels(tab, "#to"))
    assert (middle != start).any()
    assert (middle != pixels(tab, "#to")).any()


@pytest.mark.slow
def test_pictures_can_be_chosen_and_downloaded(opened, tmp_path):
    tab, *_ = opened
    tab.locator("#sheet button").nth(6).click()
    wait_until_idle(tab)
    chosen = pixels(tab, "#sheet button:nth-child(7) canvas")
    np.testing.assert_array_equal(pixels(tab, "#walk"), chosen)
    for button, name, side in (("#save-picture", "apples-walk.png", 16), ("#save-sheet", "apples-seeds-1-16.png", 70)):
        with tab.expect_download() as waiting:
            tab.click(button)
        assert waiting.value.suggested_filename == name
        waiting.value.save_as(tmp_path / name)
        with Image.open(tmp_path / name) as picture:
            assert picture.size == (side, side)
    with Image.open(tmp_path / "apples-walk.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture.convert("RGB")), chosen)


@pytest.mark.slow
def test_the_next_button_shows_the_next_seeds(opened):
    tab, *_ = opened
    before = pixels(tab, "#sheet canvas")
    tab.click("#next")
    wait_until_idle(tab)
    assert tab.input_value("#seed") == "17"
    assert (pixels(tab, "#sheet canvas") != before).any()


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 4])
def test_the_page_shows_grey_and_transparent_images(opened, tmp_path, channels):
    keras.utils.set_random_seed(3)
    count = tiny.SIZE * tiny.SIZE * channels
    stack = [layers.Dense(count, activation="tanh"), layers.Reshape((tiny.SIZE, tiny.SIZE, channels))]
    generator = keras.Sequential([keras.Input((tiny.LATENT_DIM,)), *stack])
    folder = export(test_export.trained_generator(generator), "web", tmp_path / "web")
    tab = opened[0].context.browser.new_context(offline=True).new_page()
    tab.goto((folder / "index.html").as_uri())
    wait_until_idle(tab)
    shown = np.array(tab.evaluate("pippin.generate(pippin.latentOf(1)).then((pixels) => Array.from(pixels.data))"))
    given = np.array([tab.evaluate("Array.from(pippin.latentOf(1))")], "float32")
    wanted = to_uint8(keras.ops.convert_to_numpy(generator(keras.ops.convert_to_tensor(given), training=False)))[0]
    shown = shown.reshape(tiny.SIZE, tiny.SIZE, 4)
    if channels == 1:
        wanted = np.concatenate([np.repeat(wanted, 3, axis=2), np.full_like(wanted, 255)], axis=2)
    plain = wanted[..., 3] > 2
    assert plain.sum() > 100
    assert np.abs(shown.astype(int) - wanted)[plain].max() <= 1
    assert np.abs(shown[..., 3].astype(int) - wanted[..., 3]).max() <= 1
    checkered = tab.locator("#walk").evaluate("canvas => getComputedStyle(canvas).backgroundImage.includes('conic')")
    assert checkered == (channels == 4)
