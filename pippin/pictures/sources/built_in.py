"""The source of the built-in image set."""

from pathlib import Path
from typing import Any

from PIL import Image

from pippin.pictures import built_in
from pippin.pictures.decoding.picture import Decoded
from pippin.pictures.preparation import Preparation
from pippin.pictures.sources.base import Sharing, SourceItem, hashed

BUILT_IN = "apples"
BUILT_IN_PLACE = "built-in:apples"
BUILT_IN_COUNT = 2048


class BuiltInSource:
    """The built-in apples, rendered one at a time."""

    name = BUILT_IN
    location = BUILT_IN_PLACE
    noun = "picture"
    trims_bars = False
    sharing = Sharing.PROCESSES
    notes: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.items = [SourceItem(f"apple-{index:04}", row=index) for index in range(BUILT_IN_COUNT)]

    def stamp(self) -> str:
        """Return a hash of the renderer's source code. When the code changes, the images are rendered again."""
        folder = Path(built_in.__file__).parent
        modules = ("apples.py", "renderer.py", "brushes.py")
        return hashed([str(BUILT_IN_COUNT), *((folder / name).read_text("utf-8") for name in modules)])

    def read(self, item: SourceItem, image_size: int, needed_side: int, preparation: Preparation) -> Decoded:
        """Render one apple at exactly the requested size."""
        rendered = Image.fromarray(built_in.render_apple(built_in.apple_factors(item.row), image_size))
        return Decoded(rendered, [], "rendered", "RGB", image_size, image_size)

    def label_columns(self) -> dict[str, str]:
        """Return no columns."""
        return {}

    def labels(self, column: str) -> dict[str, Any]:
        """Return no labels."""
        return {}

    def side(self, item: SourceItem) -> int | None:
        """Return None, because apples are rendered at any size."""
        return None
