"""Differentiable augmentation of everything that the discriminator sees.

With the kinds and ranges of DiffAugment (Zhao et al. 2020, arXiv 2006.10738) and a flip, each applied to a picture
with probability `augment_p` as in ADA (Karras et al. 2020, arXiv 2006.06676), so that what is done to the pictures
does not leak into what the generator paints. And a blur: at the beginning on all pictures (as Karras et al. 2021,
arXiv 2106.12423, fade it out), and then always on some. A discriminator that sees only sharp pictures judges edges, and
the generator learns to draw outlines of nothing; where it sees the same pair blurred, it has to judge shapes. (That is
for discriminators of pixels. One that judges a projector's features has its own remedy against their strides: shifts,
so that no pixel of the picture always falls on the same place of their grid.)

Of RGBA the colours come laid over mid-grey, which is 0 (`pippin.pictures.channels`). What moves in and what is cut out
is transparent, and colours change only as far as they cover. In the end the picture is laid over another grey, the same
for the two that the discriminator compares: what looks only at colours then sees transparency too, whatever they are.

Every kind is affine in the picture, so the penalties' second derivatives are cheap.
"""

from typing import Any

from keras import ops

from pippin.pictures import RGB, RGBA

KINDS = ("flip", "translation", "colour", "cutout")


def augment(
    images: Any, draws: dict[str, Any], strength: Any, blur: Any = 0.0, blur_floor: Any = 0.0, shift: Any = None
) -> Any:
    """Augment pictures with draws that the host made.

    Args:
        images: float32 (B, H, W, C) in [−1, 1].
        draws: uniform numbers in [0, 1), see `pippin.training.draws.augment_draws`: `gates` (B, 4), `flip` (B,),
            `translation` (B, 2), `colour` (B, 3), `cutout` (B, 2); and `blur` (B,), the shares; for RGBA `ground`
            (B,), what the pictures are laid over.
        strength: scalar in [0, 1], the probability of each kind; 0 returns the pictures as they are.
        blur: scalar, the largest standard deviation in pixels of a Gaussian blur; each picture gets its share of it.
        blur_floor: scalar, the standard deviation in pixels that every picture is blurred with at least.
        shift: scalar in [0, 1], the probability of translation where it is not `strength`.

    Returns:
        float32 (B, H, W, C). Brightness and contrast may leave [−1, 1].
    """
    transparent = images.shape[3] == RGBA
    if transparent:  # 0 is nothing in every channel, the cover goes from 0 to 2
        images = images + ops.convert_to_tensor([0.0, 0.0, 0.0, 1.0], "float32")
    strengths = (strength, strength if shift is None else shift, strength, strength)
    flip, translation, colour, cutout = (
        ops.cast(draws["gates"][:, kind] < p, "float32") for kind, p in enumerate(strengths)
    )
    sigma = ops.maximum(blur * draws["blur"], blur_floor)
    images = adjust_colour(images, 2.0 * draws["colour"] - 1.0, colour)
    images = move(images, flip * ops.cast(draws["flip"] < 0.5, "float32"), draws["translation"], translation, sigma)
    images = cut_out(images, draws["cutout"], cutout)
    return lay_over(images, 2.0 * draws["ground"] - 1.0) if transparent else images


def adjust_colour(images: Any, amounts: Any, gate: Any) -> Any:
    """Brightness + U(−0.5, 0.5), saturation × U(0, 2) about the pixel's mean, contrast × U(0.5, 1.5) about the mean.

    Args:
        images: float32 (B, H, W, C); of RGBA with a cover from 0 to 2. There contrast is about mid-grey, since a mean
            over what is seen would not be affine.
        amounts: float32 (B, 3) in [−1, 1]: brightness, saturation, contrast.
        gate: float32 (B,), 1 where it is applied.
    """
    brightness, saturation, contrast = (_per_picture(amounts[:, i] * gate) for i in range(3))
    if images.shape[3] == RGBA:
        images, cover = images[..., :RGB], images[..., RGB:]
        images = images + 0.25 * brightness * cover
        images = images + saturation * (images - ops.mean(images, axis=3, keepdims=True))
        return ops.concatenate([(1.0 + 0.5 * contrast) * images, cover], axis=3)
    images = images + 0.5 * brightness
    grey = ops.mean(images, axis=3, keepdims=True)
    images = images + saturation * (images - grey)
    mean = ops.mean(images, axis=(1, 2, 3), keepdims=True)
    return images + 0.5 * contrast * (images - mean)


def move(images: Any, flip: Any, shift: Any, gate: Any, sigma: Any) -> Any:
    """Blur, mirror left and right, and shift by up to an eighth of the side, with zeros (grey) moving in.

    Rows and columns are chosen by two 0/1 matrices for each picture, Y = R X Kᵀ: a matrix product has the same simple
    derivatives on every engine, which a gather has not. A blur is one matrix more on either side.

    Args:
        images: float32 (B, H, W, C).
        flip: float32 (B,), 1 where the picture is mirrored.
        shift: float32 (B, 2) in [0, 1): the shift down and right.
        gate: float32 (B,), 1 where it is shifted.
        sigma: float32 (B,), standard deviation of the blur in pixels.
    """
    _, h, w, c = images.shape
    down, right = (ops.floor(shift[:, i] * (size // 4 + 1)) - size // 8 for i, size in enumerate((h, w)))
    rows = ops.matmul(_selection(h, ops.zeros_like(flip), down * gate), blur_matrices(h, sigma))
    columns = ops.matmul(_selection(w, flip, right * gate), blur_matrices(w, sigma))
    images = ops.reshape(ops.matmul(rows, ops.reshape(images, (-1, h, w * c))), (-1, h, w, c))
    images = ops.reshape(ops.transpose(images, (0, 2, 1, 3)), (-1, w, h * c))
    return ops.transpose(ops.reshape(ops.matmul(columns, images), (-1, w, h, c)), (0, 2, 1, 3))


def blur_matrices(size: int, sigma: Any) -> Any:
    """Return the matrices that blur along one axis with a Gaussian; for `sigma` 0 the identity.

    Args:
        size: pixels along the axis.
        sigma: float32 (B,), standard deviations in pixels.

    Returns:
        float32 (B, size, size), whose rows sum to 1, so that nothing darkens at the edges.
    """
    at = ops.arange(size, dtype="float32")
    distance = ops.square(at[:, None] - at[None, :])
    weights = ops.exp(-distance / (2.0 * ops.square(ops.maximum(sigma, 1e-3)))[:, None, None])
    return weights / ops.sum(weights, axis=2, keepdims=True)


def _selection(size: int, flip: Any, shift: Any) -> Any:
    """(B, size, size): row i holds a one in the column of the pixel that lands at i."""
    at = ops.arange(size, dtype="float32")[None, :] - shift[:, None]
    source = at + flip[:, None] * (size - 1.0 - 2.0 * at)
    return ops.cast(ops.equal(source[:, :, None], ops.arange(size, dtype="float32")), "float32")


def cut_out(images: Any, centre: Any, gate: Any) -> Any:
    """Set a square of half the side to zero (grey).

    Args:
        images: float32 (B, H, W, C).
        centre: float32 (B, 2) in [0, 1), from one edge of the picture to the other.
        gate: float32 (B,), 1 where it is applied.
    """
    _, h, w, _ = images.shape
    rows, columns = (
        ops.cast(ops.abs(ops.arange(size, dtype="float32") + 0.5 - size * centre[:, i, None]) < size / 4, "float32")
        for i, size in enumerate((h, w))
    )
    hole = rows[:, :, None] * columns[:, None, :] * gate[:, None, None]
    return images * (1.0 - hole)[..., None]


def lay_over(images: Any, ground: Any) -> Any:
    """Lay RGBA over a grey.

    Args:
        images: float32 (B, H, W, 4), the colours laid over 0, the cover from 0 to 2.
        ground: float32 (B,) in [−1, 1].

    Returns:
        float32 (B, H, W, 4), the cover from −1 to 1.
    """
    colours, cover = images[..., :RGB], images[..., RGB:]
    return ops.concatenate([colours + _per_picture(ground) * (1.0 - cover / 2.0), cover - 1.0], axis=3)


def _per_picture(values: Any) -> Any:
    return values[:, None, None, None]
