"""Rows → boxes, lines and words at their places; what they are drawn with is not its business."""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import matplotlib
from PIL import ImageFont

from pippin.show.diagram.rows import Row, Section

MARGIN, LINE, ROW, GAP = 24, 17, 28, 12
"""In pixels: around everything, of a line of text, the height of a row of one line, between two rows."""

TEXT, SMALL, LARGE = 13, 11, 18
"""Sizes of the lettering, in pixels."""

TITLE, SHAPE, PARAMETERS, BAR, VALUE = 345, 104, 76, 60, 66
"""Widths in pixels: of a row's layers at most, its shape, its parameters, the longest bar, the figure behind it."""

LANE = 9
"""Pixels between two lines that lead past rows."""


class Box(NamedTuple):
    """A rectangle; colours are names in a theme."""

    x: float
    y: float
    width: float
    height: float
    fill: str
    radius: float = 0


class Text(NamedTuple):
    """Words whose baseline begins, has its middle or ends at (x, y)."""

    x: float
    y: float
    words: str
    size: int = TEXT
    colour: str = "ink"
    anchor: str = "start"
    bold: bool = False


class Line(NamedTuple):
    """A line through points, with an arrow at its end where that is so."""

    points: tuple[tuple[float, float], ...]
    colour: str = "line"
    arrow: bool = True


class Drawing(NamedTuple):
    """All of it, in the order in which it is drawn."""

    width: int
    height: int
    shapes: list[Box | Text | Line]


class Place(NamedTuple):
    """Where a row is: its box, and its layers in lines."""

    y: float
    height: float
    lines: list[str]


class Scale(NamedTuple):
    """What the longest bars of a network stand for."""

    memory: int
    flop: int


def lay_out(columns: list[list[Section]]) -> Drawing:
    """Place networks side by side.

    Args:
        columns: each network's sections, from top to bottom.

    Returns:
        A `Drawing`.
    """
    shapes: list[Box | Text | Line] = []
    x, bottom = float(MARGIN), 0.0
    for sections in columns:
        column = _Column(x, sections)
        shapes += column.shapes
        x, bottom = column.right + 2 * MARGIN, max(bottom, column.bottom)
    note = (
        "For one picture, forward: memory is what the layers give in float32, FLOP are products and sums. "
        "Bars compare the rows of one network."
    )
    shapes.append(Text(MARGIN, bottom + LINE, note, SMALL, "quiet"))
    return Drawing(round(x - MARGIN), round(bottom + LINE + MARGIN), shapes)


class _Column:
    """One network, from top to bottom."""

    def __init__(self, x: float, sections: list[Section]):
        self.shapes: list[Box | Text | Line] = []
        rows = [row for section in sections for row in section.rows]
        self.width = max(min(TITLE, max(_measure(_title(row)) for row in rows)), 120) + SHAPE + 28
        self.places: dict[int, Place] = {}
        lanes = _lanes(rows)
        self.left = x + LANE * (2 + max(lanes.values(), default=-1) + 1)
        self.parameters = self.left + self.width + PARAMETERS
        self.memory, self.flop = self.parameters + 16, self.parameters + 16 + BAR + VALUE
        self.right = self.flop + BAR + VALUE
        y = float(MARGIN)
        for section in sections:
            y = self._head(section, y)
            scale = Scale(max(row.memory for row in section.rows) or 1, max(row.flop for row in section.rows) or 1)
            for row in section.rows:
                y = self._row(row, y, scale)
            y += LINE
        self.bottom = y
        self._edges(rows, lanes)

    def _head(self, section: Section, y: float) -> float:
        """Say what the network is, and head the figures; return where its rows begin."""
        name = section.name.replace("_", " ")
        self._say(self.left, y + LARGE, name[:1].upper() + name[1:], LARGE, bold=True)
        held = f"{count(section.parameters)} parameters" + (", never trained" if section.frozen else "")
        facts = f"{held} · {size(section.memory)} · {_flop(section.flop)} a picture"
        self._say(self.left, y + LARGE + LINE + 4, facts, colour="quiet")
        y += LARGE + 2 * LINE + 12
        self._say(self.left + self.width - 10, y, "gives", SMALL, "quiet", "end")
        self._say(self.parameters, y, "parameters", SMALL, "quiet", "end")
        self._say(self.memory, y, "memory", SMALL, "quiet")
        self._say(self.flop, y, "FLOP", SMALL, "quiet")
        return y + 8

    def _row(self, row: Row, y: float, scale: Scale) -> float:
        """Place a row; return where the next one begins."""
        lines = _wrapped(row.labels, self.width - SHAPE - 28)
        height = ROW + LINE * (len(lines) - 1)
        self.places[id(row)] = Place(y, height, lines)
        fill = "frozen" if row.frozen else row.kind
        self.shapes.append(Box(self.left, y, self.width, height, f"{fill}-soft", 5))
        self.shapes.append(Box(self.left, y, 4, height, fill))
        for number, line in enumerate(lines):
            self._say(self.left + 14, y + 18 + LINE * number, line)
        baseline = y + height / 2 + 4
        self._say(self.left + self.width - 10, baseline, _shapes(row.shapes), SMALL, "quiet", "end")
        if row.parameters:
            self._say(self.parameters, baseline, count(row.parameters), SMALL, "quiet" if row.frozen else "ink", "end")
        self._bar(self.memory, y + height / 2, row.memory / scale.memory, "memory", size(row.memory))
        self._bar(self.flop, y + height / 2, row.flop / scale.flop, "flop", count(row.flop))
        return y + height + GAP

    def _bar(self, x: float, middle: float, share: float, colour: str, value: str) -> None:
        if not share:
            return
        length = max(1.0, BAR * share)
        self.shapes.append(Box(x, middle - 5, length, 10, colour, min(2, length / 2)))
        self._say(x + length + 5, middle + 4, value, SMALL, "quiet")

    def _edges(self, rows: list[Row], lanes: dict[int, int]) -> None:
        """Draw what goes from row to row: straight to the next one, past others on the left."""
        for above, below in zip([None, *rows], rows, strict=False):
            x, place = self.left + self.width / 2, self.places[id(below)]
            for source in below.sources:
                start = self.places[id(source)]
                if source is above:
                    self.shapes.append(Line(((x, start.y + start.height), (x, place.y))))
                    continue
                lane = self.left - LANE * (1.5 + lanes[id(source)])
                out, into = start.y + start.height - 7, place.y + 8
                self.shapes.append(Line(((self.left, out), (lane, out), (lane, into), (self.left, into))))

    def _say(
        self,
        x: float,
        y: float,
        words: str,
        size: int = TEXT,
        colour: str = "ink",
        anchor: str = "start",
        bold: bool = False,
    ) -> None:
        self.shapes.append(Text(x, y, words, size, colour, anchor, bold))


def _lanes(rows: list[Row]) -> dict[int, int]:
    """Return row → the lane of what it gives to rows that are not the next one; short ways run inside."""
    places = {id(row): number for number, row in enumerate(rows)}
    ways: dict[int, tuple[int, int]] = {}
    for number, row in enumerate(rows):
        for source in row.sources:
            if places[id(source)] != number - 1:
                ways[id(source)] = (places[id(source)], number)
    lanes: dict[int, int] = {}
    taken: list[list[tuple[int, int]]] = []
    for key, (first, last) in sorted(ways.items(), key=lambda way: way[1][1] - way[1][0]):
        free = (n for n, lane in enumerate(taken) if all(last <= a or first >= b for a, b in lane))
        lane = next(free, len(taken))
        if lane == len(taken):
            taken.append([])
        taken[lane].append((first, last))
        lanes[key] = lane
    return lanes


def _title(row: Row) -> str:
    return " → ".join(row.labels)


def _wrapped(labels: list[str], width: float) -> list[str]:
    """Break a row's layers into lines, between layers."""
    lines = [labels[0]]
    for text in labels[1:]:
        if _measure(f"{lines[-1]} → {text}") <= width:
            lines[-1] += f" → {text}"
        else:
            lines.append(f"→ {text}")
    return lines


def _shapes(shapes: list[tuple[int, ...]]) -> str:
    words = [" × ".join("?" if side is None else f"{side}" for side in shape) for shape in shapes]
    return words[0] if len(words) == 1 else f"{words[0]} … {words[-1]}"


def count(number: float) -> str:
    """Return a number as people read it: `640`, `41.5 k`, `2.1 M`, `0.31 G`."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= 0.995 * size:
            return f"{number / size:.3g} {letter}"
    return f"{number:.0f}"


def _flop(number: int) -> str:
    words = count(number)
    return f"{words}FLOP" if " " in words else f"{words} FLOP"


def size(number: int) -> str:
    """Return bytes as people read them: `40 B`, `9.8 KiB`, `0.38 MiB`."""
    if number < 1000:
        return f"{number} B"
    unit, name = (2**10, "KiB") if number < 100 * 2**10 else (2**20, "MiB")
    return f"{number / unit:.2g} {name}" if number < 100 * unit else f"{number / unit:.0f} {name}"


@cache
def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Return the lettering, which comes with Matplotlib: it has every sign, and is the same on every machine."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name), size)


def _measure(words: str) -> float:
    """Return the width of words in pixels."""
    return font(TEXT).getlength(words)
