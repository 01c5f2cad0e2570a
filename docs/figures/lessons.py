"""Make the figures of the lessons in `docs/how-it-works/` from the built-in apples.

python docs/figures/lessons.py [FOLDER]
"""

import sys
from pathlib import Path

import keras
import numpy as np
from keras import layers, ops
from PIL import Image

from pippin import networks
from pippin.networks.layers import LocallyConnected2D
from pippin.pictures.built_in import render_apples

GAP = 8
"""Pixels of white between the panels of a figure."""

RED, WHITE, BLUE = np.array([200, 60, 40]), np.array([255, 255, 255]), np.array([40, 90, 200])


def axes() -> Image.Image:
    """Show a picture, its numbers in the wrong order of axes, and put right again."""
    apple = render_apples(1, 64)
    channels_first = np.transpose(apple, (0, 3, 1, 2))
    scrambled = channels_first.reshape(apple.shape)
    right = np.transpose(channels_first, (0, 2, 3, 1))
    return side_by_side([enlarged(panel[0], 192) for panel in (apple, scrambled, right)])


def layer_outputs() -> list[np.ndarray]:
    """Return what each layer of the lesson makes of one picture, each float (H, W, C) in [−1, 1]."""
    x = render_apples(1, 64).astype("float32") / 127.5 - 1
    edges = np.zeros((3, 3, 3, 1), "float32")
    edges[:, 0], edges[:, 2] = 1 / 9, -1 / 9
    convolution = layers.Conv2D(1, 3, padding="same")
    convolution.build(x.shape)
    convolution.set_weights([edges, np.zeros(1)])
    small = layers.AveragePooling2D(4)(x)
    own = LocallyConnected2D(3, 1)
    own.build(x.shape)
    ramp = np.linspace(0.2, 1, 64)[None, :, None, None] * np.eye(3)
    light = np.linspace(-0.6, 0, 64)[None, :, None] * np.ones((64, 64, 3))
    own.set_weights([np.broadcast_to(ramp, own.kernel.shape), light])
    found = [
        x,
        convolution(x),
        layers.Activation("relu")(convolution(x)),
        layers.MaxPooling2D(2)(convolution(x)),
        small,
        layers.UpSampling2D(4)(small),
        layers.UpSampling2D(4, interpolation="bilinear")(small),
        own(x),
    ]
    return [np.array(ops.convert_to_numpy(each))[0] for each in found]


def all_layers() -> Image.Image:
    """Show what each layer makes of one picture."""
    panels = [enlarged(to_picture(output), 128) for output in layer_outputs()]
    return stacked([side_by_side(panels[:4]), side_by_side(panels[4:])])


def convolution_step() -> dict[str, np.ndarray]:
    """Return the arrays of the lesson on convolution: patch, filter, outputs, and the filter after a step."""
    apple = render_apples(2, 64)[1].astype("float64") / 127.5 - 1
    x = apple[20:25, 50:55, 0].round(2)
    w = np.array([[0.5, 0.0, -0.5], [1.0, 0.0, -1.0], [0.5, 0.0, -0.5]])
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3))
    a = np.einsum("ijst,st->ij", windows, w) + 0.1
    return {"patch": x, "filter": w, "outputs": a, "after": w - 0.01 * np.einsum("ijst,ij->st", windows, a)}


def convolution() -> Image.Image:
    """Show the arrays of the lesson on convolution."""
    found = convolution_step()
    patch = np.repeat(found.pop("patch")[:, :, None], 3, 2)
    panels = [enlarged(to_picture(patch), 160)]
    panels += [enlarged(signed(array), 160) for array in found.values()]
    return side_by_side(panels)


def output_sizes(image_size: int, batch: int = 32) -> dict[str, float]:
    """Return the sizes of the outputs of the layers of `classic`'s generator, in MiB, by layer and side."""
    model = networks.build("classic", image_size, 100).generator
    return {
        f"{type(layer).__name__} {layer.output.shape[1]}": 4 * batch * np.prod(layer.output.shape[1:]) / 2**20
        for layer in model.layers
        if len(layer.output.shape) == 4
    }


def memory() -> Image.Image:
    """Show the memory of each layer of a generator at two sizes."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, 2, figsize=(9, 4.6), sharex=True, layout="constrained")
    for panel, side in zip(panels, (64, 256), strict=True):
        sizes = output_sizes(side)
        panel.barh(list(sizes), list(sizes.values()), color="#4f7a28")
        panel.set(title=f"{side}×{side}: {sum(sizes.values()):,.0f} MiB", xlabel="MiB for a batch of 32")
        panel.invert_yaxis()
        panel.tick_params(labelsize=6)
    figure.canvas.draw()
    picture = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())[..., :3].copy())
    pyplot.close(figure)
    return picture


def to_picture(output: np.ndarray) -> np.ndarray:
    """Return an output in [−1, 1], grey or coloured, as uint8 RGB."""
    clipped = np.clip((output + 1) * 127.5, 0, 255).round().astype("uint8")
    return np.repeat(clipped, 3, axis=-1) if output.shape[-1] == 1 else clipped


def signed(array: np.ndarray) -> np.ndarray:
    """Return numbers as colours: blue for positive ones, red for negative ones, white for 0."""
    part = np.clip(array / np.abs(array).max(), -1, 1)[..., None]
    return np.where(part > 0, WHITE + part * (BLUE - WHITE), WHITE - part * (RED - WHITE)).astype("uint8")


def enlarged(image: np.ndarray, side: int) -> Image.Image:
    """Return an image enlarged to a side without smoothing, so that its pixels can be seen."""
    return Image.fromarray(image).resize((side, side), Image.Resampling.NEAREST)


def side_by_side(panels: list[Image.Image]) -> Image.Image:
    """Return panels of the same size in a row."""
    width, height = panels[0].size
    row = Image.new("RGB", (len(panels) * (width + GAP) - GAP, height), "white")
    for n, panel in enumerate(panels):
        row.paste(panel, (n * (width + GAP), 0))
    return row


def stacked(rows: list[Image.Image]) -> Image.Image:
    """Return rows of the same width, one below the other."""
    column = Image.new("RGB", (rows[0].width, sum(row.height + GAP for row in rows) - GAP), "white")
    for n, row in enumerate(rows):
        column.paste(row, (0, n * (row.height + GAP)))
    return column


FIGURES = {"axes": axes, "layers": all_layers, "convolution": convolution, "memory": memory}

if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    keras.utils.set_random_seed(0)
    for name, make in FIGURES.items():
        make().save(folder / f"{name}.png", optimize=True)
