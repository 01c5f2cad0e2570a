"""Rendering of a drawing as a Pillow image."""

from PIL import Image, ImageDraw

from pippin.show.diagram.layout import Box, Drawing, Line, Text, font
from pippin.show.diagram.themes import palette

SCALE = 2
"""Image pixels for each pixel of the drawing, so that it is sharp on high-resolution displays."""

ANCHORS = {"start": "ls", "middle": "ms", "end": "rs"}
"""SVG's text anchors → Pillow's, at the baseline."""


def render(drawing: Drawing, theme: str = "auto") -> Image.Image:
    """Return a drawing as an image.

    Args:
        drawing: the result of `lay_out`.
        theme: "light" or "dark". "auto" is light, because a PNG cannot follow its viewer.

    Returns:
        A Pillow image in RGB, `SCALE` times as large as the drawing.
    """
    colours = palette(theme)
    picture = Image.new("RGB", (SCALE * drawing.width, SCALE * drawing.height), colours["background"])
    canvas = ImageDraw.Draw(picture)
    for shape in drawing.shapes:
        if isinstance(shape, Box):
            corners = [shape.x, shape.y, shape.x + shape.width, shape.y + shape.height]
            x, y, right, bottom = (round(SCALE * corner) for corner in corners)
            box = [x, y, max(right - 1, x), max(bottom - 1, y)]
            canvas.rounded_rectangle(box, SCALE * shape.radius, fill=colours[shape.fill])
        elif isinstance(shape, Text):
            position = (SCALE * shape.x, SCALE * shape.y)
            typeface = font(SCALE * shape.size, shape.bold)
            canvas.text(position, shape.content, colours[shape.colour], typeface, ANCHORS[shape.anchor])
        else:
            _line(canvas, shape, colours[shape.colour])
    return picture


def _line(canvas: ImageDraw.ImageDraw, line: Line, colour: str) -> None:
    """Draw a line, with its arrowhead if it has one."""
    points = [(SCALE * x, SCALE * y) for x, y in line.points]
    canvas.line(points, fill=colour, width=round(1.4 * SCALE))
    if line.arrow:
        (x, y), (tip_x, tip_y) = points[-2:]
        right, down = (tip_x > x) - (tip_x < x), (tip_y > y) - (tip_y < y)
        back, side = 6 * SCALE, 3 * SCALE
        foot_x, foot_y = tip_x - back * right, tip_y - back * down
        wings = [(foot_x - side * down, foot_y - side * right), (foot_x + side * down, foot_y + side * right)]
        canvas.polygon([(tip_x, tip_y), *wings], fill=colour)
