"""Rendering of a drawing as a self-contained SVG file."""

from xml.sax.saxutils import escape

from pippin.show.diagram.layout import Box, Drawing, Line, Text
from pippin.show.diagram.themes import palette


def render(drawing: Drawing, theme: str = "auto") -> str:
    """Return a drawing as the text of an SVG file.

    Args:
        drawing: the result of `lay_out`.
        theme: "light", "dark", or "auto" for the preferred colour scheme of the viewer.

    Returns:
        The text of the file.
    """
    size = f'width="{drawing.width}" height="{drawing.height}" viewBox="0 0 {drawing.width} {drawing.height}"'
    used = {"background"} | {shape.fill if isinstance(shape, Box) else shape.colour for shape in drawing.shapes}
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
            f"<style>{_style(theme, used)}</style>",
            '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" markerHeight="6" '
            'orient="auto"><path d="M0 0.5 8 4 0 7.5z" class="line"/></marker></defs>',
            '<rect width="100%" height="100%" class="background"/>',
            *(_shape(shape) for shape in drawing.shapes),
            "</svg>\n",
        ]
    )


def _style(theme: str, used: set[str]) -> str:
    """Return the style sheet, with the colours that the drawing uses."""
    rules = "text{font-family:'DejaVu Sans',Verdana,system-ui,sans-serif}polyline{fill:none;stroke-width:1.4}"
    if theme != "auto":
        return rules + _colours(theme, used)
    return f"{rules}{_colours('light', used)}@media (prefers-color-scheme:dark){{{_colours('dark', used)}}}"


def _colours(theme: str, used: set[str]) -> str:
    """Return a rule for each colour of a theme that the drawing uses."""
    colours = {name: colour for name, colour in palette(theme).items() if name in used}
    rules = [f".{name}{{fill:{colour}}}" for name, colour in colours.items()]
    return "".join(rules) + f"polyline.line{{stroke:{colours.get('line', 'none')};fill:none}}"


def _shape(shape: Box | Text | Line) -> str:
    """Return the SVG element of a shape."""
    if isinstance(shape, Box):
        radius = f' rx="{shape.radius:g}"' if shape.radius else ""
        sides = f'x="{shape.x:g}" y="{shape.y:g}" width="{shape.width:.4g}" height="{shape.height:g}"'
        return f'<rect {sides}{radius} class="{shape.fill}"/>'
    if isinstance(shape, Line):
        points = " ".join(f"{x:g},{y:g}" for x, y in shape.points)
        marker = ' marker-end="url(#arrow)"' if shape.arrow else ""
        return f'<polyline points="{points}" class="{shape.colour}"{marker}/>'
    anchor = f' text-anchor="{shape.anchor}"' if shape.anchor != "start" else ""
    weight = ' font-weight="bold"' if shape.bold else ""
    position = f'x="{shape.x:g}" y="{shape.y:g}" font-size="{shape.size}"{anchor}{weight}'
    return f'<text {position} class="{shape.colour}">{escape(shape.content)}</text>'
