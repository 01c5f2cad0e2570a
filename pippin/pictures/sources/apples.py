"""The built-in apples."""

from pathlib import Path

from PIL import Image

from pippin.pictures.decoding import Decoded
from pippin.pictures.preparation import Preparation
from pippin.pictures.sources.base import Sharing, SourceItem, hashed

BUILT_IN = "apples"
BUILT_IN_PLACE = "built-in:apples"
BUILT_IN_COUNT = 2048


class OrchardSource:
    """The built-in apples, painted one by one."""

    name = BUILT_IN
    location = BUILT_IN_PLACE
    noun = "picture"
    trims_bars = False
    sharing = Sharing.PROCESSES

    def __init__(self) -> None:
        self.items = [SourceItem(f"apple-{index:04}", row=index) for index in range(BUILT_IN_COUNT)]

    def stamp(self) -> str:
        """Returns a hash of the painter's own text: when it learns to paint better, the set is painted anew."""
        here, painter = Path(__file__).parents[1], ("orchard.py", "renderer.py", "brushes.py")
        return hashed([str(BUILT_IN_COUNT), *((here / name).read_text("utf-8") for name in painter)])

    def read(self, item: SourceItem, image_size: int, enough: int, preparation: Preparation) -> Decoded:
        """Paints one apple at the very size that is wanted."""
        from pippin.pictures.orchard import apple_factors, paint_apple

        painted = Image.fromarray(paint_apple(apple_factors(item.row), image_size))
        return Decoded(painted, [], "painted", "RGB", image_size, image_size)

    def side(self, item: SourceItem) -> int | None:
        """Returns None: an apple is painted at any size."""
        return None
