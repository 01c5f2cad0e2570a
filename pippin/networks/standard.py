"""The default pair: small residual networks that work at half the resolution of the images.

Only one narrow convolution works at the full resolution, so two cores are enough. The discriminator begins by moving
pixels into channels (`layers.space_to_depth`), which costs no arithmetic. No convolution is strided or transposed,
because some engines are slow at the second derivatives of those. The generator upsamples bilinearly, so it starts
without a checkerboard. Batch normalisation in the generator allows four times the learning rate. The discriminator has
no normalisation, so it treats images independently. With a projector (`projector.py`) the discriminator consists of one
narrow head for each of its feature maps; without one it sees the pixels at every scale.
"""

import random
from typing import Any

import keras
from keras import layers

from pippin.networks.groups import STATISTICS
from pippin.networks.layers import edge_padded, smoothed, space_to_depth
from pippin.networks.random_state import next_seed

MIN_SIDE = 4
"""Side of the smallest feature maps, in pixels: the generator's first ones and the discriminator's last ones."""

LEAKY_SLOPE = 0.2
"""Slope of the leaky ReLU for negative inputs, the usual value in GANs since DCGAN (arXiv 1511.06434)."""

MOMENTUM = 0.9
"""Momentum of the generator's batch normalisation. Its moving averages follow the weights within a few dozen steps."""

IMAGE_SCALE, LOGIT_SCALE = 0.25, 0.2
"""Factors on the outputs of the generator and of the discriminator. Adam moves every weight by about the learning rate,
and all weights of a last layer in the direction that helps. Without the factors, a few steps move the images out of
range and the logits far apart; with them, the last layers learn as slowly as the others. (A tanh at the generator's
end saturates under the same steps and never recovers.)"""

LABEL_SCALE = 0.5
"""Scale of the label, relative to √latent_dim. One label entry among many latents would hardly count; with this factor
it contributes a fifth of the variance of the initial feature map."""

MAPPING_LAYERS, MAPPING_UNITS = 2, 256
"""Depth and width of the mapping network, whose output is added to the latents' own linear path. Images of different
kinds have distant latents, and a latent between two of them should give one or the other, not half of each. StyleGAN
has eight such layers (Karras et al. 2019, arXiv 1812.04948); here four layers, or 512 units, improved nothing."""

MAPPING_MOMENTUM = 0.97
"""Momentum of the batch normalisation of the mapping network's output. It has one value per image, where the feature
maps have 16 or more, so its moving averages need more batches than those of `MOMENTUM`."""

NOISE_MAPS = {4: 0.3, 8: 0.3}
"""Resolution of a stage that takes a noise map → gain of the convolution that reads it, relative to He initialisation.
The last latents are these maps, one number for each place. The other latents reach every place through weights of its
own, which are learnt slowly: without noise maps all images of many small things, such as heaps of apples, have the same
layout. The maps are white noise: smoothed ones brought the common layout back. A gain below 1 lets the other latents
dominate. (StyleGAN draws new noise for each image, arXiv 1812.04948; here the noise belongs to the latent, so that a
seed stands for one image.)"""

SMOOTH_UPSAMPLING_SIDE = 16
"""Largest side in pixels of an upsampled map that a binomial filter smooths, in the generator for a discriminator of
features. A bilinearly upsampled map has less variance between the places of the smaller map than at them, which shows
as a lattice in the images; with the filter it is nearly the same everywhere. With the filter at larger sides too,
images became soft."""

FILTERS = {
    16: (48, 96),
    32: (48, 96, 192),
    64: (48, 96, 192, 256),
    128: (24, 48, 96, 192, 256),
    256: (24, 48, 96, 160, 224, 256),
    512: (16, 24, 48, 96, 160, 224, 256),
}
"""Image size → filters at 1/2, 1/4, … of its resolution, down to 4×4. At 128×128 the stages up to 32×32 are those of
64×64, so that a run at 128×128 can start from one at 64×64; likewise 512×512 from 256×256. The first stages of large
images are narrower, because they would otherwise take most of the time and memory."""

DETAIL_FILTERS = 16
"""Filters at the full resolution, before the generator's last convolution."""

HEAD_FILTERS = {128: 24, 64: 24, 32: 24, 16: 48, 8: 96, 4: 128, 2: 128}
"""Filters of the discriminator heads, by the side of the feature map in pixels."""

GROUP_HEADS = 3
"""Number of the projector's maps, from the finest on, whose group statistics (`pippin.networks.groups`) have a head of
their own. The two coarsest maps have too few places for a repeated detail to show."""


def noise_dimensions(latent_dim: int) -> int:
    """Return how many of `latent_dim` latents, the last ones, are noise maps: none if they were more than half."""
    count = sum(r * r for r in NOISE_MAPS)
    return count if latent_dim >= 2 * count else 0


def stage_filters(image_size: int, width: float = 1.0) -> dict[int, int]:
    """Return the filters of each stage by its resolution, from `MIN_SIDE` to half of `image_size`: multiples of 8."""
    return {image_size >> n: max(8, 8 * round(width * filters / 8)) for n, filters in enumerate(FILTERS[image_size], 1)}


def build(
    image_size: int,
    latent_dim: int,
    channels: int = 3,
    projector: keras.Model | None = None,
    labels: int = 0,
    seed: int = 0,
    width: float = 1.0,
) -> tuple[keras.Model, keras.Model]:
    """Build the standard networks.

    Args:
        image_size: Side of the images in pixels, a power of two from 16 to 512.
        latent_dim: Length of the latent vectors.
        channels: Channels of the images.
        projector: Model whose feature maps the discriminator takes; None: it takes images.
        labels: Number of classes; 0: the networks are unconditional.
        seed: Seed of the initial weights.
        width: Multiplier of the filters of the generator's stages, and of the discriminator's if it takes images.

    Returns:
        `(generator, discriminator)`. The generator maps latents (B, latent_dim) to images (B, S, S, channels), about
        [−1, 1]; values outside are clipped when images are written. The discriminator maps images to logits (B, 1), or
        the projector's K maps to logits (B, K). With labels, one-hot, the generator takes (B, latent_dim + labels), and
        the discriminator has one more input (B, labels).

        With a projector, the discriminator also has group heads (see `pippin.networks.groups`): after the K maps it
        takes the group statistics of the first `GROUP_HEADS` of them, and its second output are the logits of the
        groups, (G, `GROUP_HEADS`).
    """
    rng = random.Random(seed)
    filters = stage_filters(image_size, width)
    if projector is None:
        discriminator = _pixel_discriminator(image_size, filters, channels, labels, rng)
    else:
        discriminator = _feature_discriminator(projector, labels, rng)
    generator = _generator(latent_dim, filters, channels, labels, rng, varied=projector is not None)
    return generator, discriminator


def _generator(
    latent_dim: int, filters: dict[int, int], channels: int, labels: int, rng: random.Random, varied: bool
) -> keras.Model:
    """Build the generator: residual stages, a colour branch and a detail branch.

    The colour branch adds up low-resolution images from every stage, as the skip connections of StyleGAN2 do (Karras et
    al. 2020, arXiv 1912.04958). The detail branch adds a correction at the full resolution. Shapes in the comments are
    those for RGB images of 64×64; the stages are then r = 4, 8, 16, 32 with f = 256, 192, 96, 48 filters.

    If `varied`, the images do not repeat the same detail at the same place: the initial map has a mean of 0 over the
    latents at every place, noise maps are added, and small upsampled maps are smoothed. Otherwise the initial map has a
    bias, which is the same for all latents and is learnt before anything else. The generator for a discriminator of
    pixels is not varied, because this was not measured with one.
    """
    resolutions = sorted(filters)

    def upsample(x: Any) -> Any:
        """Double the resolution: (B, H, W, C) → (B, 2H, 2W, C)."""
        x = layers.UpSampling2D(interpolation="bilinear")(x)
        return smoothed(x) if varied and x.shape[1] <= SMOOTH_UPSAMPLING_SIDE else x

    latents = inputs = keras.Input((latent_dim + labels,), name="latents")  # (B, latent_dim + labels)
    if labels:
        scale = [1.0] * latent_dim + [LABEL_SCALE * latent_dim**0.5] * labels
        inputs = layers.Rescaling(scale, [0.0] * len(scale), name="weighed")(latents)
    mapped = inputs
    for n in range(MAPPING_LAYERS):
        mapped = _leaky_relu(_dense(mapped, MAPPING_UNITS, rng, name=f"mapping{n}"))  # (B, 256)
    if varied:
        normalise = layers.BatchNormalization(momentum=MAPPING_MOMENTUM, center=False, scale=False, name="mapping_norm")
        mapped = normalise(mapped)
    linear = _initial_map(inputs, filters[MIN_SIDE], rng, gain=0.4, use_bias=not varied, name="seed")
    mapped = _initial_map(mapped, filters[MIN_SIDE], rng, gain=0.57, use_bias=not varied, name="mapped")
    x, colours = layers.Add(name="seeds")([linear, mapped]), None  # (B, 4, 4, 256)
    noise = _noise_maps(latents, latent_dim) if varied else {}
    for r in resolutions:
        if r in noise:
            mixed = _conv(noise[r], filters[r], rng, gain=NOISE_MAPS[r], name=f"noise{r}_mix")
            x = layers.Add(name=f"noisy{r}")([x, mixed])  # (B, r, r, f)
        conv = _edge_padded_conv if r == resolutions[-1] else _conv
        y = conv(_norm_relu(x, f"norm{r}a"), filters[r], rng, name=f"conv{r}a")  # (B, r, r, f)
        y = conv(_norm_relu(y, f"norm{r}b"), filters[r], rng, gain=0.3, name=f"conv{r}b")  # (B, r, r, f)
        x = layers.Add(name=f"stage{r}")([x, y])  # (B, r, r, f)
        if r != resolutions[-1]:
            colour = _conv(_norm_relu(x, f"norm{r}"), channels, rng, kernel=1, name=f"sketch{r}")  # (B, r, r, 3)
            colour = colour if colours is None else layers.Add(name=f"sketch{r}_sum")([colours, colour])
            colours = upsample(colour)  # (B, 2r, 2r, 3)
            x = upsample(_conv(x, filters[2 * r], rng, kernel=1, name=f"widen{r}"))  # (B, 2r, 2r, f of stage 2r)
    x = _conv(_norm_relu(x, "norm_narrow"), DETAIL_FILTERS, rng, kernel=1, name="narrow")  # (B, 32, 32, 16)
    x = upsample(x)  # (B, 64, 64, 16)
    details = _edge_padded_conv(_norm_relu(x, "norm_details"), channels, rng, gain=0.5, name="details")
    x = layers.Add(name="sum")([details, upsample(colours)])  # (B, 64, 64, 3)
    images = layers.Rescaling(IMAGE_SCALE, name="images")(x)  # (B, 64, 64, 3)
    return keras.Model(latents, images, name="generator")


def _initial_map(x: Any, filters: int, rng: random.Random, gain: float, use_bias: bool, name: str) -> Any:
    """Map vectors (B, N) linearly to feature maps (B, 4, 4, filters)."""
    units, initializer = MIN_SIDE * MIN_SIDE * filters, _he_normal(rng, gain)
    x = layers.Dense(units, use_bias=use_bias, kernel_initializer=initializer, name=name)(x)
    return layers.Reshape((MIN_SIDE, MIN_SIDE, filters), name=f"{name}_map")(x)


def _noise_maps(latents: Any, latent_dim: int) -> dict[int, Any]:
    """Return the noise maps (B, r, r, 1) by their resolution r; none if there are too few latents."""
    if not noise_dimensions(latent_dim):
        return {}
    start = latent_dim - noise_dimensions(latent_dim)
    column = layers.Reshape((latents.shape[1], 1), name="latents_column")(latents)  # (B, latent_dim + labels, 1)
    maps = {}
    for r in NOISE_MAPS:
        end = start + r * r
        x = layers.Cropping1D((start, latents.shape[1] - end), name=f"noise{r}_latents")(column)  # (B, r², 1)
        maps[r] = layers.Reshape((r, r, 1), name=f"noise{r}")(x)
        start = end
    return maps


def _feature_discriminator(projector: keras.Model, labels: int, rng: random.Random) -> keras.Model:
    """Build one head for each map of the projector, and one for the group statistics of the finest maps."""
    maps = [keras.Input(x.shape[1:], name=f"map{n}") for n, x in enumerate(projector.outputs)]
    statistics = [
        keras.Input((*x.shape[1:3], STATISTICS * x.shape[3]), name=f"group{n}")
        for n, x in enumerate(maps[:GROUP_HEADS])
    ]
    label_inputs = _label_inputs(labels)
    logits = []
    for n, x in enumerate(maps):
        logit, features = _head(x, rng, str(n))
        logits.append(_add_label_projection(logit, features, label_inputs, rng, str(n)))
    group_logits = [_head(x, rng, f"_group{n}")[0] for n, x in enumerate(statistics)]
    outputs = [
        layers.Rescaling(LOGIT_SCALE, name=f"{name}logits")(layers.Concatenate(name=f"{name}scores")(parts))
        for name, parts in (("", logits), ("group_", group_logits))
    ]  # (B, K) and (G, GROUP_HEADS)
    return keras.Model([*maps, *statistics, *label_inputs], outputs, name="discriminator")


def _head(x: Any, rng: random.Random, suffix: str) -> tuple[Any, Any]:
    """Return the logit (B, 1) of a map (B, side, side, C), and the features before it: a few narrow convolutions."""
    side = x.shape[1]
    x = _conv(x, HEAD_FILTERS[side], rng, name=f"read{suffix}")  # (B, side, side, HEAD_FILTERS[side])
    while side > MIN_SIDE:
        side //= 2
        x = layers.AveragePooling2D(2, name=f"pool{suffix}_{side}")(_leaky_relu(x))
        x = _conv(x, HEAD_FILTERS[side], rng, name=f"conv{suffix}_{side}")  # (B, side, side, HEAD_FILTERS[side])
    features = _leaky_relu(x)  # (B, 4, 4, 128), or (B, 2, 2, 128) from a map of side 2
    return _dense(layers.Flatten(name=f"flat{suffix}")(features), 1, rng, 0.5, f"score{suffix}"), features


def _pixel_discriminator(
    image_size: int, filters: dict[int, int], channels: int, labels: int, rng: random.Random
) -> keras.Model:
    """Build a residual discriminator of pixels; each stage also takes the image, downsampled to its resolution."""
    resolutions = sorted(filters, reverse=True)
    images = keras.Input((image_size, image_size, channels), name="images")  # (B, S, S, C)
    blocks = space_to_depth(images, name="blocks")  # (B, S/2, S/2, 4C)
    x = _conv(blocks, filters[resolutions[0]], rng, name="read")  # (B, S/2, S/2, f)
    downsampled = layers.AveragePooling2D(2, name="shrunk")(images)  # (B, S/2, S/2, C)
    for r in resolutions:
        y = _conv(_leaky_relu(x), filters[r], rng, name=f"conv{r}a") if r != resolutions[0] else x
        y = _conv(_leaky_relu(y), filters[r], rng, gain=0.4, name=f"conv{r}b")
        x = layers.Add(name=f"stage{r}")([x, y])  # (B, r, r, f)
        if r != MIN_SIDE:
            x = layers.AveragePooling2D(2, name=f"pool{r}")(x)  # (B, r/2, r/2, f)
            x = _conv(x, filters[r // 2], rng, kernel=1, name=f"widen{r}")  # (B, r/2, r/2, f of stage r/2)
            downsampled = layers.AveragePooling2D(2, name=f"shrunk{r}")(downsampled)  # (B, r/2, r/2, C)
            skip = _conv(downsampled, filters[r // 2], rng, kernel=1, gain=0.5, name=f"glance{r}")
            x = layers.Add(name=f"enter{r // 2}")([x, skip])  # (B, r/2, r/2, f of stage r/2)
    features, label_inputs = _leaky_relu(x), _label_inputs(labels)  # (B, 4, 4, 256)
    logit = _dense(layers.Flatten(name="flat")(features), 1, rng, 0.5, "score")  # (B, 1)
    logit = _add_label_projection(logit, features, label_inputs, rng, "")
    inputs = [images, *label_inputs] if label_inputs else images
    return keras.Model(inputs, layers.Rescaling(LOGIT_SCALE, name="logit")(logit), name="discriminator")


def _label_inputs(labels: int) -> list[Any]:
    """Return the input for one-hot labels in a list, which is empty for unconditional networks."""
    return [keras.Input((labels,), name="labels")] if labels else []


def _add_label_projection(logit: Any, features: Any, label_inputs: list[Any], rng: random.Random, suffix: str) -> Any:
    """Add the projection ⟨W y, φ(x)⟩ of the label to a logit (Miyato and Koyama 2018, arXiv 1802.05637).

    The paper sums the features over the map; here they are averaged, so that the size of the map does not matter.
    """
    if not label_inputs:
        return logit
    pooled = layers.GlobalAveragePooling2D(name=f"pooled{suffix}")(features)  # (B, f)
    initializer = _he_normal(rng, 0.5)
    embedding = layers.Dense(pooled.shape[1], use_bias=False, kernel_initializer=initializer, name=f"wanted{suffix}")(
        label_inputs[0]
    )  # (B, f)
    projection = layers.Dot(1, name=f"fitting{suffix}")([pooled, embedding])  # (B, 1)
    return layers.Add(name=f"judged{suffix}")([logit, projection])


def _dense(x: Any, units: int, rng: random.Random, gain: float = 1.0, name: str | None = None) -> Any:
    return layers.Dense(units, kernel_initializer=_he_normal(rng, gain), name=name)(x)


def _conv(x: Any, filters: int, rng: random.Random, kernel: int = 3, gain: float = 1.0, name: str | None = None) -> Any:
    return layers.Conv2D(filters, kernel, padding="same", kernel_initializer=_he_normal(rng, gain), name=name)(x)


def _edge_padded_conv(x: Any, filters: int, rng: random.Random, gain: float = 1.0, name: str | None = None) -> Any:
    """Apply a 3×3 convolution with edge padding; zero padding in the last layers would show as a frame."""
    return layers.Conv2D(filters, 3, kernel_initializer=_he_normal(rng, gain), name=name)(edge_padded(x))


def _he_normal(rng: random.Random, gain: float = 1.0) -> keras.initializers.Initializer:
    """Return N(0, gain² · 2 / ((1 + slope²) fan_in)), which keeps the variance through leaky ReLUs (He et al. 2015)."""
    scale = gain**2 * 2 / (1 + LEAKY_SLOPE**2)
    return keras.initializers.VarianceScaling(
        scale, mode="fan_in", distribution="untruncated_normal", seed=next_seed(rng)
    )


def _leaky_relu(x: Any) -> Any:
    return layers.LeakyReLU(negative_slope=LEAKY_SLOPE)(x)


def _norm_relu(x: Any, name: str) -> Any:
    return _leaky_relu(layers.BatchNormalization(momentum=MOMENTUM, name=name)(x))
