"""Run the Python of the lessons, and compare or write what it prints.

python docs/run_lessons.py [--write]

A block of Python in `docs/how-it-works/` may be followed by a block of text, which is what it prints. All blocks of a
page are one program.
"""

import contextlib
import io
import re
import sys
from pathlib import Path

PAGES = [page for page in sorted((Path(__file__).parent / "how-it-works").glob("*.md")) if ".ja." not in page.name]
BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n^```text\n(.*?)^```\n)?", flags=re.DOTALL | re.MULTILINE)


def outputs(page: Path) -> list[tuple[str, str]]:
    """Run a page, and return what each block prints, and what the page says that it prints."""
    names: dict[str, object] = {}
    found = []
    for code, expected in BLOCK.findall(page.read_text(encoding="utf-8")):
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(code, page.name, "exec"), names)
        found.append(("\n".join(line.rstrip() for line in printed.getvalue().splitlines()), expected.rstrip("\n")))
    return found


def write(page: Path) -> None:
    """Write what the blocks of a page print below them."""
    printed = iter([text for text, _ in outputs(page)])

    def block(found: re.Match[str]) -> str:
        text = next(printed)
        return f"```python\n{found[1]}```\n" + (f"\n```text\n{text}\n```\n" if text else "")

    page.write_text(BLOCK.sub(block, page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    for each in PAGES:
        if "--write" in sys.argv:
            write(each)
        elif any(printed != expected for printed, expected in outputs(each)):
            sys.exit(f"{each} prints something else; run this with --write and look at what changed.")
