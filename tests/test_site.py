"""The site of the documentation: it builds strictly, refers to no other host, and what is generated is up to date."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_web_page import CHROMIUM

import pippin
from pippin.settings import PIXELS, PRESETS, Settings

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
LESSONS = [page for page in sorted((DOCS / "how-it-works").glob("*.md")) if ".ja." not in page.name]
FIGURES_MB = 3
PICTURES = sorted(file for file in (DOCS / "figures").iterdir() if file.suffix in (".png", ".webp"))


def load(path):
    """Import a script of `docs/` as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site."""
    pytest.importorskip("mkdocs")
    folder = tmp_path_factory.mktemp("site")
    words = [sys.executable, str(DOCS / "build_site.py"), str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def foreign_references(text):
    """Return the addresses on other hosts from which a page would load something."""
    tags = re.findall(r"<(?:link|script|img|iframe|source|video|audio|embed|object|form|input)\b[^>]*>", text)
    values = [
        value for tag in tags for value in re.findall(r"\b(?:href|src|srcset|data|action)=[\"']?([^\"'\s>]+)", tag)
    ]
    values += re.findall(r"(?:url\(|@import)\s*[\"']?([^\"')\s]+)", text)
    return [value for value in values if re.match(r"(https?:)?//", value)]


def test_a_reference_to_another_host_is_found():
    page = '<link href=//a.example/x.css><img src="https://b.example/y.png"><a href="https://c.example">c</a>'
    style = "@import 'https://d.example/z.css'; p { background: url(//e.example/p.png) }"
    assert len(foreign_references(page)) == 2
    assert len(foreign_references(style)) == 2


@pytest.mark.slow
def test_no_page_loads_anything_from_another_host(site):
    files = [file for kind in ("html", "css") for file in site.rglob(f"*.{kind}")]
    assert len(files) > 40
    found = {file.relative_to(site): foreign_references(file.read_text(encoding="utf-8")) for file in files}
    assert not {file: links for file, links in found.items() if links}


@pytest.mark.slow
def test_the_site_has_every_page_in_english_and_the_translated_ones_in_japanese(site):
    for page in DOCS.rglob("*.md"):
        path = page.relative_to(DOCS).with_suffix(".html")
        file = site / "ja" / path.with_name(path.name.replace(".ja.", ".")) if ".ja." in page.name else site / path
        text = file.read_text(encoding="utf-8")
        assert f'<html lang="{"ja" if ".ja." in page.name else "en"}"' in text


@pytest.mark.slow
def test_the_site_has_the_api_with_its_shapes(site):
    text = (site / "api.html").read_text(encoding="utf-8")
    for name in set(pippin.__all__) - {"__version__"}:
        assert re.search(rf"<h3 [^>]*>\s*(<[^>]+>)*pippin\.{name}\s*<", text), name
    assert "LocallyConnected2D" in text
    assert "uint8" in text


@pytest.mark.slow
def test_the_site_has_every_setting_with_its_reason(site):
    text = (site / "settings.html").read_text(encoding="utf-8")
    rows = re.findall(r"<td><code>(\w+)</code></td>\n<td>(.+?)</td>\n<td>(.*?)</td>\n<td>(.*?)</td>", text)
    assert [row[0] for row in rows] == list(Settings.__dataclass_fields__)
    assert sum(bool(row[3]) for row in rows) >= len(rows) - 2
    for values in (PRESETS["classic"], PIXELS):
        assert all(
            f"<td><code>{name}</code></td>\n<td><code>{value}</code></td>" in text for name, value in values.items()
        )


@pytest.mark.slow
@pytest.mark.parametrize("page", LESSONS, ids=lambda page: page.name)
def test_each_block_of_a_lesson_prints_what_the_page_says(page):
    for printed, expected in load(DOCS / "run_lessons.py").outputs(page):
        assert printed == expected


@pytest.fixture(scope="module")
def lessons():
    return load(DOCS / "figures" / "lessons.py")


@pytest.mark.parametrize("name", ["axes", "layers", "convolution"])
def test_the_figures_of_the_lessons_are_what_their_script_makes(lessons, name):
    stored = np.asarray(Image.open(DOCS / "figures" / f"{name}.png").convert("RGB"), "float64")
    made = np.asarray(lessons.FIGURES[name](), "float64")
    assert stored.shape == made.shape
    assert np.abs(stored - made).mean() < 0.5


@pytest.mark.slow
def test_the_figure_of_memory_is_what_its_script_makes(lessons):
    stored, made = Image.open(DOCS / "figures" / "memory.png"), lessons.memory()
    assert stored.size == made.size
    difference = np.abs(np.asarray(stored.convert("RGB"), "float64") - np.asarray(made))
    assert difference.mean() < 3  # fonts differ between versions of Matplotlib
    assert sum(lessons.output_sizes(256).values()) > 10 * sum(lessons.output_sizes(64).values())


def test_the_figures_are_small():
    sizes = [file.stat().st_size for file in DOCS.rglob("*") if file.suffix in (".png", ".webp", ".jpg", ".gif")]
    assert sum(sizes) < (FIGURES_MB + 2.2) * 2**20  # 2.2 MB of them are sheets of results


def test_every_figure_is_on_a_page_and_has_a_text():
    pages = "".join(page.read_text(encoding="utf-8") for page in DOCS.rglob("*.md"))
    for file in PICTURES:
        assert re.search(rf"!\[[^\]]{{10,}}\]\([^)]*{re.escape(file.name)}\)", pages), file.name


@pytest.fixture
def trained(monkeypatch):
    monkeypatch.syspath_prepend(DOCS / "figures")
    return load(DOCS / "figures" / "trained.py")


def test_every_figure_of_the_lessons_and_of_the_first_page_is_made_by_a_script(trained):
    scripts = [load(file) for file in (DOCS / "figures").glob("*.py")]
    made = {name for script in scripts for name in script.FIGURES}
    assert {file.stem for file in PICTURES} <= made
    for page in [ROOT / "README.md", *DOCS.glob("index*.md"), *(DOCS / "how-it-works").glob("*.md")]:
        for path in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / path).resolve() in PICTURES, f"{page.name}: {path}"


def test_the_script_of_trainings_makes_a_figure_and_resumes(trained, monkeypatch, tmp_path, capsys):
    np.save(tmp_path / "noise.npy", np.random.default_rng(0).integers(0, 255, (12, 16, 16, 3), dtype=np.uint8))
    monkeypatch.setattr(trained, "SIDE", 16)
    monkeypatch.setattr(trained, "scores", lambda run, seconds: {"batches": run.batches, "seconds": seconds})
    monkeypatch.setitem(trained.ARTICLE_BATCHES, "classic", 3)
    words = ["article-classic", "--source", tmp_path / "noise.npy", "--runs", tmp_path / "runs", "--out", tmp_path]
    monkeypatch.setattr(sys, "argv", ["trained.py", *map(str, words)])
    trained.main()
    with Image.open(tmp_path / "article-classic.webp") as picture:
        rows, gaps = 2, 1
        assert picture.size == (16 * 16 * trained.SCALE, rows * 16 * trained.SCALE + gaps * 8)
    measured = json.loads((tmp_path / "trained.json").read_text())["article-classic"]
    assert measured["batches"] == 3
    assert measured["moments"] == [0, 3]
    assert measured["seconds"] > 0
    first = (tmp_path / "article-classic.webp").read_bytes()
    trained.main()  # trains nothing more
    assert (tmp_path / "article-classic.webp").read_bytes() == first
    assert json.loads((tmp_path / "trained.json").read_text())["article-classic"] == measured


# -- the game of two networks ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def game():
    return load(DOCS / "figures" / "game.py")


def test_the_gradients_of_the_game_are_those_of_finite_differences(game):
    rng = np.random.default_rng(0)
    network, x, v = game.Network(2, rng), rng.normal(size=(5, 2)), rng.normal(size=(5, 2))
    network.forward(x)
    by_inputs, gradients = network.backward(v)
    for value, gradient in [(x, by_inputs), *zip(network.weights + network.biases, gradients, strict=True)]:
        step = rng.normal(size=value.shape)
        outputs = []
        for sign in (1, -1):
            value += sign * 1e-6 * step
            outputs.append((network.forward(x) * v).sum())
            value -= sign * 1e-6 * step
        assert (outputs[0] - outputs[1]) / 2e-6 == pytest.approx((gradient * step).sum(), rel=1e-4)


@pytest.mark.slow
def test_the_generator_of_the_game_finds_the_spots(game):
    played = game.Game()
    assert played.hit_spots() <= 3
    hits = []
    for _ in range(6):  # the two networks never come to rest, so a single count depends on rounding
        for _ in range(250):
            played.step()
        hits.append(played.hit_spots())
    assert max(hits) >= 6


@pytest.mark.slow
def test_the_game_is_played_in_the_browser_without_any_request(site):
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    requests, errors = [], []
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("request", lambda request: requests.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto((site / "how-it-works" / "game.html").as_uri())
        page.click("figure.game [data-do=run]")
        page.wait_for_function("Number(/\\d+/.exec(document.querySelector('figure.game output').textContent)) > 20")
        page.goto((site / "ja" / "how-it-works" / "game.html").as_uri())
        assert "ステップ" in page.text_content("figure.game output")
        browser.close()
    assert not errors
    assert not [url for url in requests if not url.startswith(("file:", "data:", "blob:"))]


# -- the translations ------------------------------------------------------------------------------------------------


def test_the_japanese_pages_translate_todays_english_ones():
    translation = load(DOCS / "translation.py")
    assert len(translation.PAGES) >= 4
    for page in translation.PAGES:
        assert translation.changed(page) == [], f"compare {page.name}, then run `python docs/translation.py --stamp`"


def test_a_changed_section_is_named(tmp_path):
    translation = load(DOCS / "translation.py")
    (tmp_path / "a.md").write_text("# Title\n\nText.\n\n## Part\n\n```\n# no heading\n```\n")
    page = tmp_path / "a.ja.md"
    code = "```\n# no heading\n```\n"
    page.write_text(f"# 題\n<!-- en: - -->\n\n## 部\n<!-- en: - -->\n\n{code}")
    assert len(translation.changed(page)) == 4
    translation.stamp(page)
    assert translation.changed(page) == []
    (tmp_path / "a.md").write_text("# Title\n\nOther text.\n\n## Part\n\n```\n# no heading\n```\n")
    missing, old = translation.changed(page)
    assert missing == "not translated: # Title"
    assert old.startswith("changed since: ")
    page.write_text(page.read_text().replace("no heading", "other code"))
    assert translation.changed(page)[-1] == "its blocks of code are not those of the English page"
