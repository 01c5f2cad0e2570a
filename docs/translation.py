"""Keep the Japanese pages in step with the English ones.

python docs/translation.py            name each section whose English text has changed since it was translated, and each
                                      block of code that differs
python docs/translation.py --stamp    write the checksums of today's English sections into the Japanese pages

Each section of a Japanese page begins with a comment `<!-- en: 1a2b3c4d -->`: the checksum of the English section that
it translates. Stamp a page only after its Japanese text was compared with the English one.
"""

import hashlib
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([ROOT / "README.ja.md", *(ROOT / "docs").rglob("*.ja.md")])
STAMP = re.compile(r"<!-- en: ([0-9a-f]{8}|-) -->")
CODE = re.compile(r"^```.*?^```$", flags=re.DOTALL | re.MULTILINE)
HEADING = re.compile(r"^(?=#{1,3} )", flags=re.MULTILINE)


def sections(page: Path) -> dict[str, str]:
    """Return the sections of an English page: checksum → heading. Code blocks never begin one."""
    text = page.read_text(encoding="utf-8")
    hidden = CODE.sub(lambda block: block[0].replace("#", "-"), text)
    starts = [found.start() for found in HEADING.finditer(hidden)]
    parts = [text[a:b].strip() for a, b in zip(starts, [*starts[1:], None], strict=True)]
    return {hashlib.sha256(part.encode()).hexdigest()[:8]: part.splitlines()[0] for part in parts}


def english(page: Path) -> Path:
    """Return the English page that a Japanese one translates."""
    return page.with_name(page.name.replace(".ja.md", ".md"))


def changed(page: Path) -> list[str]:
    """Return what is out of step: English sections without a translation, and translations of older sections."""
    current, stamps = sections(english(page)), STAMP.findall(page.read_text(encoding="utf-8"))
    whole = page.name != "README.ja.md"  # it translates only the beginning of the README, and links to the rest
    missing = [heading for checksum, heading in current.items() if checksum not in stamps]
    old = [stamp for stamp in stamps if stamp not in current]
    problems = [f"not translated: {heading}" for heading in missing if whole]
    problems += [f"changed since: {each}" for each in old]
    if whole and CODE.findall(page.read_text("utf-8")) != CODE.findall(english(page).read_text("utf-8")):
        problems.append("its blocks of code are not those of the English page")
    return problems


def stamp(page: Path) -> None:
    """Write the checksums of the English sections into a page, in their order."""
    checksums = iter(sections(english(page)))
    text = page.read_text(encoding="utf-8")
    page.write_text(STAMP.sub(lambda _: f"<!-- en: {next(checksums)} -->", text), encoding="utf-8")


if __name__ == "__main__":
    for each in PAGES:
        if "--stamp" in sys.argv:
            stamp(each)
    problems = [f"{page.relative_to(ROOT)}: {problem}" for page in PAGES for problem in changed(page)]
    sys.exit("\n".join(problems) or 0)
