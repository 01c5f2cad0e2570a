"""Build the site of the documentation into `site/`, or into another folder.

python docs/build_site.py [FOLDER]

The pages of `docs/` are copied into a temporary folder, beside pages that are generated and files of the repository
that pages link to. MkDocs builds from there, strictly: a link that leads nowhere is an error.
"""

import dataclasses
import logging
import posixpath
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.commands.build import build as build_with_mkdocs
from mkdocs.config import load_config

from pippin.settings import PIXELS, PRESETS, Settings

ROOT = Path(__file__).resolve().parents[1]
OUTSIDE = "project"
"""Folder of the site for files of the repository that are not in `docs/`."""

GENERATED = {"examples": "examples.md", "README.md": "index.md", "README.ja.md": "index.ja.md"}
"""Paths of the repository that are another page in the site."""

LINK = re.compile(r"(\]\()(?!\w+:|#|/)([^)\s#]+)")

SETTINGS_HEAD = """\
# Settings

Every setting of a training, its default and the reason for the default. The page is generated from
`pippin/settings.py`. On the command line the common ones have options of their own, and `--set NAME=VALUE` sets any of
them; in Python they are arguments of `pippin.train`. `pippin plan` shows the values for your own pictures, each with
its reason: some defaults follow from the pictures and the machine.
"""

PRESET_HEAD = """\
## What `{name}` changes

{text}

| setting | value |
| --- | --- |
"""


def main(site: Path) -> None:
    """Build the site into a folder."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    with tempfile.TemporaryDirectory() as folder:
        collect(Path(folder))
        config = load_config(str(ROOT / "mkdocs.yml"), docs_dir=folder, site_dir=str(site), strict=True)
        pages = {page.relative_to(folder).as_posix() for page in Path(folder).glob("*.md")}
        others = sorted(page for page in pages - set(_in_navigation(config.nav)) if not page.endswith(".ja.md"))
        config.nav += [{"More": others}] if others else []
        config.plugins.on_startup(command="build", dirty=False)
        build_with_mkdocs(config)


def _in_navigation(nav: Any) -> Iterator[str]:
    """Yield the pages that a part of the navigation names."""
    if isinstance(nav, str):
        yield nav
    else:
        for part in nav.values() if isinstance(nav, dict) else nav:
            yield from _in_navigation(part)


def collect(folder: Path) -> None:
    """Write everything that the site is built from into a folder."""
    ignored = shutil.ignore_patterns("*.py", "__pycache__")
    shutil.copytree(ROOT / "docs", folder, dirs_exist_ok=True, ignore=ignored)
    (folder / "settings.md").write_text(settings_page(), encoding="utf-8")
    (folder / "examples.md").write_text(examples_page(), encoding="utf-8")
    waiting = sorted(folder.rglob("*.md"))
    while waiting:
        page = waiting.pop()
        text = page.read_text(encoding="utf-8")
        targets = [_target(page.relative_to(folder), link) for _, link in LINK.findall(text)]
        for target in filter(_is_outside, targets):
            copy = folder / _site_path(target)
            if not copy.exists():
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / target, copy)
                waiting += [copy] if copy.suffix == ".md" else []
        page.write_text(_with_links_within_site(page.relative_to(folder), text), encoding="utf-8")


def _with_links_within_site(page: Path, text: str) -> str:
    """Return the text of a page with its links into the repository turned into links within the site."""

    def within_site(found: re.Match[str]) -> str:
        uri = _site_path(_target(page, found[2]))
        return found[1] + posixpath.relpath(uri, page.parent.as_posix())

    return LINK.sub(within_site, text)


def _target(page: Path, link: str) -> str:
    """Return the path in the repository to which a link of a page of the site leads."""
    outside = page.parts[0] == OUTSIDE
    source = page.relative_to(OUTSIDE) if outside else "docs" / page
    return posixpath.normpath(posixpath.join(source.parent.as_posix(), link))


def _is_outside(target: str) -> bool:
    """Return whether a path of the repository is a file outside `docs/` that becomes a part of the site."""
    return not target.startswith("docs/") and target not in GENERATED and (ROOT / target).is_file()


def settings_page() -> str:
    """Return the page of all settings, generated from `pippin.settings`."""
    lines = [SETTINGS_HEAD, "| setting | meaning | default | why |", "| --- | --- | --- | --- |"]
    for item in dataclasses.fields(Settings):
        default = "" if item.default is None else f"`{item.default:,}`" if _is_count(item) else f"`{item.default}`"
        lines.append(f"| `{item.name}` | {item.metadata['help']} | {default} | {item.metadata['why']} |")
    text = "\n".join(lines)
    for name, about, values in (
        ("--preset classic", "The networks and the alternating rule of the early Keras GANs.", PRESETS["classic"]),
        ("--set features=none", "The discriminator of `standard` takes pixels; values at 64×64.", PIXELS),
    ):
        rows = "\n".join(f"| `{setting}` | `{value}` |" for setting, value in values.items())
        text += "\n\n" + PRESET_HEAD.format(name=name, text=about) + rows
    return text + "\n"


def _is_count(item: Any) -> bool:
    """Return whether a setting is a whole number that is not a switch or a text."""
    return isinstance(item.default, int) and item.default >= 1000


def examples_page() -> str:
    """Return the page of the examples, with the text of each script and a link to each notebook."""
    text = "# Examples\n\nThe tests run all of these.\n"
    for path in sorted((ROOT / "examples").glob("*.py")):
        text += f"\n## {path.name}\n\n```python\n{path.read_text(encoding='utf-8')}```\n"
    text += "\n## Notebooks\n\n"
    for path in sorted((ROOT / "examples").glob("*.ipynb")):
        text += f"- [{path.name}](../examples/{path.name})\n"
    return text


def _site_path(target: str) -> str:
    """Return the path in the site of a file of the repository."""
    if target.startswith("docs/"):
        return target.removeprefix("docs/")
    return GENERATED.get(target, f"{OUTSIDE}/{target}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "site")
