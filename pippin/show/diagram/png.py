"""A drawing → pixels."""

from PIL import Image, ImageDraw

from pippin.show.diagram.layout import Box, Drawing, Line, Text, font
from pippin.show.diagram.themes import palette

SCALE = 2
"""Pixels of the picture for each of the drawing, so that it is sharp on today's screens."""

ANCHORS = {"start": "ls", "middle": "ms", "end": "rs"}


def render(drawing: Drawing, theme: str = "auto") -> Image.Image:
    """Draw with Pillow.

    Args:
        drawing: what `lay_out` placed.
        theme: "light" or "dark"; "auto" is light, since a picture cannot know who looks at it.

    Returns:
        A Pillow picture in RGB, `SCALE` times as large as the drawing.
    """
    colours = palette(theme)
    picture = Image.new("RGB", (SCALE * drawing.width, SCALE * drawing.height), colours["ground"])
    canvas = ImageDraw.Draw(picture)
    for shape in drawing.shapes:
        if isinstance(shape, Box):
            corners = [shape.x, shape.y, shape.x + shape.width, shape.y + shape.height]
            x, y, right, bottom = (round(SCALE * place) for place in corners)
            box = [x, y, max(right - 1, x), max(bottom - 1, y)]
            canvas.rounded_rectangle(box, SCALE * shape.radius, fill=colours[shape.fill])
        elif isinstance(shape, Text):
            place = (SCALE * shape.x, SCALE * shape.y)
            lettering = font(SCALE * shape.size, shape.bold)
            canvas.text(place, shape.words, colours[shape.colour], lettering, ANCHORS[shape.anchor])
        else:
            _line(canvas, shape, colours[shape.colour])
    return picture


def _line(canvas: ImageDraw.ImageDraw, line: Line, colour: str) -> None:
    points = [(SCALE * x, SCALE * y) for x, y in line.points]
    canvas.line(points, fill=colour, width=round(1.4 * SCALE))
    if line.arrow:
        (x, y), (tip_x, tip_y) = points[-2:]
        right, down = (tip_x > x) - (tip_x < x), (tip_y > y) - (tip_y < y)
        back, side = 6 * SCALE, 3 * SCALE
        foot_x, foot_y = tip_x - back * right, tip_y - back * down
        wings = [(foot_x - side * down, foot_y - side * right), (foot_x + side * down, foot_y + side * right)]
        canvas.polygon([(tip_x, tip_y), *wings], fill=colour)
