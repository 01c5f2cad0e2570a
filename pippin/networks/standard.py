"""The default pair: small residual networks that work at half the pictures' resolution.

Two cores are enough for them because only one narrow convolution works at the full resolution; the discriminator
begins by moving pixels into channels (`layers.py`), which costs nothing. Nothing in them is strided or transposed, so
no engine stumbles over second derivatives, and the generator doubles its maps bilinearly, so that it has no grid to
unlearn. The generator's maps are normalised over the batch, so that it can learn at four times the rate; nothing in the
discriminator normalises, so it treats each picture by itself. Given a projector (`projector.py`), the
discriminator is a narrow head for each of its maps; otherwise it judges the pixels at every scale.
"""

from typing import Any

import keras
from keras import layers

from pippin.networks.layers import edge_padded, space_to_depth

SMALLEST = 4
"""Side of the smallest feature maps, in pixels."""

SLOPE = 0.2
"""Of the leaky ReLU."""

MOMENTUM = 0.9
"""Of the generator's normalisation: its averages follow within a few dozen batches."""

IMAGE_SCALE, LOGIT_SCALE = 0.25, 0.2
"""Adam moves every weight by about the learning rate, and the last layers' all at once in the direction that helps: a
few batches would throw the pictures out of range and the logits far apart. Scaled down, the ends learn as slowly as
the middle. (With a tanh at the generator's end the same haste saturates it, and it never paints again.)"""

LABEL_SCALE = 0.5
"""A label is one number among many latents; times this and their root it is a fifth of what the seed is made of."""

MAPPING_LAYERS, MAPPING_UNITS = 2, 256
"""Between latents and the smallest map, beside the straight way: kinds of pictures lie apart, and what is painted of
latents between two of them should be the one or the other, not half of each. (StyleGAN has eight such layers, Karras et
al. 2019, arXiv 1812.04948; with four, or with 512 units, nothing was gained here.)"""

FILTERS = (48, 96, 192, 256)
"""For each halving of the resolution."""

DETAIL_FILTERS = 16
"""At full resolution, in the generator's last convolution."""

WIDE_FILTERS = (24, 48, 96, 160, 224, 256)
"""The same for pictures above 64 pixels, whose first stages would otherwise need most of the time and memory."""


def stage_filters(image_size: int) -> dict[int, int]:
    """Return resolution → filters, from `SMALLEST` to half of `image_size`."""
    widths = FILTERS if image_size <= 64 else WIDE_FILTERS
    resolutions = [2**power for power in range(2, 8) if 2**power < image_size]
    return dict(zip(resolutions[::-1], widths, strict=False))


HEAD_FILTERS = {64: 24, 32: 24, 16: 48, 8: 96, 4: 128, 2: 128}
"""In the heads that judge a projector's maps, by the side of the map in pixels."""


def build(
    image_size: int, latent_dim: int, channels: int = 3, projector: keras.Model | None = None, labels: int = 0
) -> tuple[keras.Model, keras.Model]:
    """Build the standard networks.

    Args:
        image_size: side of the pictures in pixels, a power of two from 16 to 256.
        latent_dim: numbers that each picture is painted from.
        channels: of the pictures.
        projector: what the discriminator is to judge instead of pixels.
        labels: kinds of pictures; 0: they are not told apart.

    Returns:
        `(generator, discriminator)`: latents (B, latent_dim) → images (B, S, S, channels), about [−1, 1] (what is
        outside is clipped where pictures are written); and images, or the projector's K maps, → logits (B, 1), or
        (B, K). With labels, 1 in the place of each picture's kind and 0 elsewhere, the generator takes (B, latent_dim +
        labels), and the discriminator a last input (B, labels).
    """
    filters = stage_filters(image_size)
    discriminator = _heads(projector, labels) if projector else _discriminator(image_size, filters, channels, labels)
    return _generator(latent_dim, filters, channels, labels), discriminator


def _heads(projector: keras.Model, labels: int) -> keras.Model:
    """Judge each map by itself: narrow convolutions, for all that is difficult about seeing is done already."""
    maps = [keras.Input(x.shape[1:], name=f"map{n}") for n, x in enumerate(projector.outputs)]
    kinds = _labels(labels)
    logits = []
    for n, x in enumerate(maps):
        side = x.shape[1]
        x = _conv(x, HEAD_FILTERS[side], name=f"read{n}")
        while side > SMALLEST:
            side //= 2
            x = layers.AveragePooling2D(2, name=f"pool{n}_{side}")(_act(x))
            x = _conv(x, HEAD_FILTERS[side], name=f"conv{n}_{side}")
        seen = _act(x)
        x = layers.Flatten(name=f"flat{n}")(seen)
        x = layers.Dense(1, kernel_initializer=_he(0.5), name=f"score{n}")(x)
        logits.append(_fitting(x, seen, kinds, str(n)))
    together = layers.Concatenate(name="scores")(logits)
    logits = layers.Rescaling(LOGIT_SCALE, name="logits")(together)
    return keras.Model([*maps, *kinds], logits, name="discriminator")


def _generator(latent_dim: int, filters: dict[int, int], channels: int, labels: int) -> keras.Model:
    """Paint in two hands: a colour sketch that is summed up from coarse to fine, and the details on top of it."""
    resolutions = sorted(filters)
    latents = given = keras.Input((latent_dim + labels,), name="latents")
    if labels:
        scale = [1.0] * latent_dim + [LABEL_SCALE * latent_dim**0.5] * labels
        given = layers.Rescaling(scale, [0.0] * len(scale), name="weighed")(latents)
    mapped = given
    for n in range(MAPPING_LAYERS):
        mapped = _act(layers.Dense(MAPPING_UNITS, kernel_initializer=_he(), name=f"mapping{n}")(mapped))
    first, sketch = filters[SMALLEST], None
    x = layers.Add(name="seeds")([_seed(given, first, 0.4, "seed"), _seed(mapped, first, 0.57, "mapped")])
    for r in resolutions:
        conv = _stroke if r == resolutions[-1] else _conv
        y = conv(_norm_act(x, f"norm{r}a"), filters[r], name=f"conv{r}a")
        y = conv(_norm_act(y, f"norm{r}b"), filters[r], gain=0.3, name=f"conv{r}b")
        x = layers.Add(name=f"stage{r}")([x, y])
        if r != resolutions[-1]:
            colour = _conv(_norm_act(x, f"norm{r}"), channels, kernel=1, name=f"sketch{r}")
            sketch = _up(colour if sketch is None else layers.Add(name=f"sketch{r}_sum")([sketch, colour]))
            x = _up(_conv(x, filters[2 * r], kernel=1, name=f"widen{r}"))
    x = _up(_conv(_norm_act(x, "norm_narrow"), DETAIL_FILTERS, kernel=1, name="narrow"))
    details = _stroke(_norm_act(x, "norm_details"), channels, gain=0.5, name="details")
    total = layers.Add(name="sum")([details, _up(sketch)])
    return keras.Model(latents, layers.Rescaling(IMAGE_SCALE, name="images")(total), name="generator")


def _seed(x: Any, filters: int, gain: float, name: str) -> Any:
    """The smallest map, from as many numbers as one likes."""
    x = layers.Dense(SMALLEST * SMALLEST * filters, kernel_initializer=_he(gain), name=name)(x)
    return layers.Reshape((SMALLEST, SMALLEST, filters), name=f"{name}_map")(x)


def _discriminator(image_size: int, filters: dict[int, int], channels: int, labels: int) -> keras.Model:
    """Look at the picture at every scale: each stage also gets to see the picture itself, shrunk to its size."""
    resolutions = sorted(filters, reverse=True)
    images = keras.Input((image_size, image_size, channels), name="images")
    x = _conv(space_to_depth(images, name="blocks"), filters[resolutions[0]], name="read")
    shrunk = layers.AveragePooling2D(2, name="shrunk")(images)
    for r in resolutions:
        y = _conv(_act(x), filters[r], name=f"conv{r}a") if r != resolutions[0] else x
        x = layers.Add(name=f"stage{r}")([x, _conv(_act(y), filters[r], gain=0.4, name=f"conv{r}b")])
        if r != SMALLEST:
            x = _conv(layers.AveragePooling2D(2, name=f"pool{r}")(x), filters[r // 2], kernel=1, name=f"widen{r}")
            shrunk = layers.AveragePooling2D(2, name=f"shrunk{r}")(shrunk)
            glance = _conv(shrunk, filters[r // 2], kernel=1, gain=0.5, name=f"glance{r}")
            x = layers.Add(name=f"enter{r // 2}")([x, glance])
    seen, kinds = _act(x), _labels(labels)
    x = layers.Flatten(name="flat")(seen)
    x = layers.Dense(1, kernel_initializer=_he(0.5), name="score")(x)
    x = _fitting(x, seen, kinds, "")
    return keras.Model(
        [images, *kinds] if kinds else images, layers.Rescaling(LOGIT_SCALE, name="logit")(x), name="discriminator"
    )


def _labels(count: int) -> list[Any]:
    """The input for labels, if there are some."""
    return [keras.Input((count,), name="labels")] if count else []


def _fitting(logit: Any, seen: Any, kinds: list[Any], name: str) -> Any:
    """Add how well what is seen fits the label: a projection (Miyato and Koyama 2018, arXiv 1802.05637).

    The paper sums what is seen over the map; here its mean is taken, as large for a map of any side.
    """
    if not kinds:
        return logit
    pooled = layers.GlobalAveragePooling2D(name=f"pooled{name}")(seen)
    wanted = layers.Dense(pooled.shape[1], use_bias=False, kernel_initializer=_he(0.5), name=f"wanted{name}")(kinds[0])
    return layers.Add(name=f"judged{name}")([logit, layers.Dot(1, name=f"fitting{name}")([pooled, wanted])])


def _conv(x: Any, filters: int, kernel: int = 3, gain: float = 1.0, name: str | None = None) -> Any:
    return layers.Conv2D(filters, kernel, padding="same", kernel_initializer=_he(gain), name=name)(x)


def _stroke(x: Any, filters: int, gain: float = 1.0, name: str | None = None) -> Any:
    """A 3×3 convolution that goes on beyond the edge as at it: the last ones, finding zeros, would paint a frame."""
    return layers.Conv2D(filters, 3, kernel_initializer=_he(gain), name=name)(edge_padded(x))


def _he(gain: float = 1.0) -> keras.initializers.Initializer:
    """N(0, gain² · 2 / ((1 + slope²) fan_in)), which keeps the variance through a leaky ReLU (He et al. 2015)."""
    scale = gain**2 * 2 / (1 + SLOPE**2)
    return keras.initializers.VarianceScaling(scale, mode="fan_in", distribution="untruncated_normal")


def _act(x: Any) -> Any:
    return layers.LeakyReLU(negative_slope=SLOPE)(x)


def _norm_act(x: Any, name: str) -> Any:
    return _act(layers.BatchNormalization(momentum=MOMENTUM, name=name)(x))


def _up(x: Any) -> Any:
    return layers.UpSampling2D(interpolation="bilinear")(x)
