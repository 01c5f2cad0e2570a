"""Layout: positions of the boxes, lines and texts of a diagram, independent of the output format."""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import matplotlib
from PIL import ImageFont

from pippin.show.diagram.rows import Row, Section

MARGIN, LINE, ROW, GAP = 24, 17, 28, 12
"""In pixels: margin of the diagram, height of a line of text, height of a row of one line, gap between two rows."""

TEXT, SMALL, LARGE = 13, 11, 18
"""Font sizes, in pixels."""

TITLE, SHAPE, PARAMETERS, BAR, VALUE = 345, 104, 76, 60, 66
"""Widths in pixels: the layers of a row (at most), its output shape, its parameters, the longest bar, a value."""

LANE = 9
"""Distance in pixels between two skip connections that run side by side."""


class Box(NamedTuple):
    """A rectangle. `fill` is the name of a colour in a theme."""

    x: float
    y: float
    width: float
    height: float
    fill: str
    radius: float = 0


class Text(NamedTuple):
    """A text whose baseline starts, is centred or ends at (x, y), according to `anchor`."""

    x: float
    y: float
    content: str
    size: int = TEXT
    colour: str = "text"
    anchor: str = "start"
    bold: bool = False


class Line(NamedTuple):
    """A line through points, with an arrowhead at its end if `arrow`."""

    points: tuple[tuple[float, float], ...]
    colour: str = "line"
    arrow: bool = True


class Drawing(NamedTuple):
    """A laid-out diagram: its size in pixels, and its shapes in the order in which they are drawn."""

    width: int
    height: int
    shapes: list[Box | Text | Line]


class RowBox(NamedTuple):
    """The vertical position and height of a row, and the lines of its text."""

    y: float
    height: float
    lines: list[str]


class Scale(NamedTuple):
    """The values of the longest bars of a section: memory in bytes, operations in FLOP."""

    memory: int
    flop: int


def lay_out(columns: list[list[Section]]) -> Drawing:
    """Return the drawing of networks side by side.

    Args:
        columns: the sections of each network, from top to bottom.
    """
    shapes: list[Box | Text | Line] = []
    x, bottom = float(MARGIN), 0.0
    for sections in columns:
        column = _Column(x, sections)
        shapes += column.shapes
        x, bottom = column.right + 2 * MARGIN, max(bottom, column.bottom)
    note = (
        "Forward pass of one image. Memory: layer outputs in float32. FLOP: multiplications and additions. "
        "Bars compare the rows of one network."
    )
    shapes.append(Text(MARGIN, bottom + LINE, note, SMALL, "muted"))
    return Drawing(round(x - MARGIN), round(bottom + LINE + MARGIN), shapes)


class _Column:
    """The shapes of one network.

    Args:
        x: left edge of the column, in pixels.
        sections: the sections of the network, from top to bottom.
    """

    def __init__(self, x: float, sections: list[Section]) -> None:
        self.shapes: list[Box | Text | Line] = []
        rows = [row for section in sections for row in section.rows]
        self.width = max(min(TITLE, max(_measure(_title(row)) for row in rows)), 120) + SHAPE + 28
        self.boxes: dict[int, RowBox] = {}
        lanes = _lanes(rows)
        self.left = x + LANE * (2 + max(lanes.values(), default=-1) + 1)
        self.parameters = self.left + self.width + PARAMETERS
        self.memory, self.flop = self.parameters + 16, self.parameters + 16 + BAR + VALUE
        self.right = self.flop + BAR + VALUE
        y = float(MARGIN)
        for section in sections:
            y = self._add_header(section, y)
            scale = Scale(max(row.memory for row in section.rows) or 1, max(row.flop for row in section.rows) or 1)
            for row in section.rows:
                y = self._add_row(row, y, scale)
            y += LINE
        self.bottom = y
        self._add_connections(rows, lanes)

    def _add_header(self, section: Section, y: float) -> float:
        """Add the name and totals of a section and the column headings, and return the y of its first row."""
        name = section.name.replace("_", " ")
        self._add_text(self.left, y + LARGE, name[:1].upper() + name[1:], LARGE, bold=True)
        parameters = f"{count(section.parameters)} parameters" + (", frozen" if section.frozen else "")
        totals = f"{parameters} · {size(section.memory)} · {_flop(section.flop)} per image"
        self._add_text(self.left, y + LARGE + LINE + 4, totals, colour="muted")
        y += LARGE + 2 * LINE + 12
        self._add_text(self.left + self.width - 10, y, "output", SMALL, "muted", "end")
        self._add_text(self.parameters, y, "parameters", SMALL, "muted", "end")
        self._add_text(self.memory, y, "memory", SMALL, "muted")
        self._add_text(self.flop, y, "FLOP", SMALL, "muted")
        return y + 8

    def _add_row(self, row: Row, y: float, scale: Scale) -> float:
        """Add a row, and return the y of the next one."""
        lines = _wrapped(row.labels, self.width - SHAPE - 28)
        height = ROW + LINE * (len(lines) - 1)
        self.boxes[id(row)] = RowBox(y, height, lines)
        fill = "frozen" if row.frozen else row.kind
        self.shapes.append(Box(self.left, y, self.width, height, f"{fill}-soft", 5))
        self.shapes.append(Box(self.left, y, 4, height, fill))
        for number, line in enumerate(lines):
            self._add_text(self.left + 14, y + 18 + LINE * number, line)
        baseline = y + height / 2 + 4
        self._add_text(self.left + self.width - 10, baseline, _shapes(row.shapes), SMALL, "muted", "end")
        if row.parameters:
            self._add_text(
                self.parameters, baseline, count(row.parameters), SMALL, "muted" if row.frozen else "text", "end"
            )
        self._add_bar(self.memory, y + height / 2, row.memory / scale.memory, "memory", size(row.memory))
        self._add_bar(self.flop, y + height / 2, row.flop / scale.flop, "flop", count(row.flop))
        return y + height + GAP

    def _add_bar(self, x: float, middle: float, share: float, colour: str, value: str) -> None:
        """Add a bar of a share of the full length, and its value. Nothing is added if the share is 0."""
        if not share:
            return
        length = max(1.0, BAR * share)
        self.shapes.append(Box(x, middle - 5, length, 10, colour, min(2, length / 2)))
        self._add_text(x + length + 5, middle + 4, value, SMALL, "muted")

    def _add_connections(self, rows: list[Row], lanes: dict[int, int]) -> None:
        """Add a straight line to each next row, and skip connections past other rows on the left."""
        for above, below in zip([None, *rows], rows, strict=False):
            x, target = self.left + self.width / 2, self.boxes[id(below)]
            for source in below.sources:
                start = self.boxes[id(source)]
                if source is above:
                    self.shapes.append(Line(((x, start.y + start.height), (x, target.y))))
                    continue
                lane = self.left - LANE * (1.5 + lanes[id(source)])
                out, into = start.y + start.height - 7, target.y + 8
                self.shapes.append(Line(((self.left, out), (lane, out), (lane, into), (self.left, into))))

    def _add_text(
        self,
        x: float,
        y: float,
        content: str,
        size: int = TEXT,
        colour: str = "text",
        anchor: str = "start",
        bold: bool = False,
    ) -> None:
        """Add a text."""
        self.shapes.append(Text(x, y, content, size, colour, anchor, bold))


def _lanes(rows: list[Row]) -> dict[int, int]:
    """Return id(row) → lane of the skip connections that start at the row. Shorter ones are nearer to the rows."""
    numbers = {id(row): number for number, row in enumerate(rows)}
    spans: dict[int, tuple[int, int]] = {}
    for number, row in enumerate(rows):
        for source in row.sources:
            if numbers[id(source)] != number - 1:
                spans[id(source)] = (numbers[id(source)], number)
    lanes: dict[int, int] = {}
    taken: list[list[tuple[int, int]]] = []
    for key, (first, last) in sorted(spans.items(), key=lambda item: item[1][1] - item[1][0]):
        free = (n for n, lane in enumerate(taken) if all(last <= a or first >= b for a, b in lane))
        lane = next(free, len(taken))
        if lane == len(taken):
            taken.append([])
        taken[lane].append((first, last))
        lanes[key] = lane
    return lanes


def _title(row: Row) -> str:
    """Return the labels of a row in one line."""
    return " → ".join(row.labels)


def _wrapped(labels: list[str], width: float) -> list[str]:
    """Return the labels of a row in lines of a limited width, broken between layers."""
    lines = [labels[0]]
    for label in labels[1:]:
        if _measure(f"{lines[-1]} → {label}") <= width:
            lines[-1] += f" → {label}"
        else:
            lines.append(f"→ {label}")
    return lines


def _shapes(shapes: list[tuple[int, ...]]) -> str:
    """Return output shapes as text; of several, the first and the last."""
    texts = [" × ".join("?" if side is None else f"{side}" for side in shape) for shape in shapes]
    return texts[0] if len(texts) == 1 else f"{texts[0]} … {texts[-1]}"


def count(number: float) -> str:
    """Return a number with an SI prefix: `640`, `41.5 k`, `2.1 M`, `0.31 G`."""
    for factor, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= 0.995 * factor:
            return f"{number / factor:.3g} {prefix}"
    return f"{number:.0f}"


def _flop(number: int) -> str:
    """Return operations with an SI prefix: `41.5 kFLOP`."""
    text = count(number)
    return f"{text}FLOP" if " " in text else f"{text} FLOP"


def size(number: int) -> str:
    """Return a number of bytes with its unit: `40 B`, `9.8 KiB`, `0.38 MiB`."""
    if number < 1000:
        return f"{number} B"
    unit, name = (2**10, "KiB") if number < 100 * 2**10 else (2**20, "MiB")
    return f"{number / unit:.2g} {name}" if number < 100 * unit else f"{number / unit:.0f} {name}"


@cache
def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Return the font. It ships with Matplotlib, so it is the same on every machine and has all characters."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name), size)


def _measure(text: str) -> float:
    """Return the width of a text in pixels."""
    return font(TEXT).getlength(text)
