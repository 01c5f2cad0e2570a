"""Differentiable augmentation of the images that the discriminator takes.

The kinds and ranges are those of DiffAugment (Zhao et al. 2020, arXiv 2006.10738) and a flip. Each kind is applied to
an image with probability `augment_p`, as in ADA (Karras et al. 2020, arXiv 2006.06676), so that augmentations do not
leak into generated images. A Gaussian blur is faded out at the beginning (Karras et al. 2021, arXiv 2106.12423) and
then kept on half of the pairs: a discriminator that takes only sharp images relies on edges, and the generator learns
outlines of nothing. The blur is for discriminators of pixels. For those of pretrained features the important kind is
translation, which keeps the strides of the feature network from falling on the same pixels of every image.

RGBA images arrive with colours premultiplied about mid-grey, which is 0 (`pippin.pictures.channels`). What translation
moves in and what cutout removes is transparent, and the colours change in proportion to alpha. At the end the image is
composited over a random grey, the same for both images of a pair, so that features of RGB depend on alpha too.

Every kind is affine in the image, which keeps the second derivatives of the penalties cheap.
"""

from typing import Any

from keras import ops

from pippin.pictures import RGB, RGBA

KINDS = ("flip", "translation", "colour", "cutout")
"""The kinds of augmentation, in the order of the columns of `gates`."""


def augment(
    images: Any, draws: dict[str, Any], strength: Any, blur: Any = 0.0, blur_floor: Any = 0.0, shift: Any = None
) -> Any:
    """Augment images with given random draws.

    Args:
        images: float32 (B, H, W, C) in [−1, 1].
        draws: Arrays as from `pippin.training.draws.augmentation_draws`: `gates` (B, 4), `flip` (B,), `translation`
            (B, 2), `colour` (B, 3), `cutout` (B, 2), `blur` (B,), and for RGBA `background` (B,), in [0, 1).
        strength: Scalar in [0, 1], the probability of each kind; 0 returns the images unchanged.
        blur: Scalar, the largest standard deviation of the blur in pixels; it is multiplied by each image's draw.
        blur_floor: Scalar, the smallest standard deviation of the blur in pixels.
        shift: Scalar in [0, 1], the probability of translation; None: `strength`.

    Returns:
        float32 (B, H, W, C). Brightness and contrast may leave [−1, 1].
    """
    transparent = images.shape[3] == RGBA
    if transparent:  # alpha in [0, 2]: a transparent pixel is then 0 in every channel
        images = images + ops.convert_to_tensor([0.0, 0.0, 0.0, 1.0], "float32")
    strengths = (strength, strength if shift is None else shift, strength, strength)
    flip, translation, colour, cutout = (
        ops.cast(draws["gates"][:, kind] < p, "float32") for kind, p in enumerate(strengths)
    )
    sigma = ops.maximum(blur * draws["blur"], blur_floor)
    images = adjust_colour(images, 2.0 * draws["colour"] - 1.0, colour)
    images = transform(
        images, flip * ops.cast(draws["flip"] < 0.5, "float32"), draws["translation"], translation, sigma
    )
    images = cut_out(images, draws["cutout"], cutout)
    return composite(images, 2.0 * draws["background"] - 1.0) if transparent else images


def adjust_colour(images: Any, amounts: Any, gate: Any) -> Any:
    """Change brightness by U(−0.5, 0.5), saturation by a factor U(0, 2) and contrast by a factor U(0.5, 1.5).

    Saturation is scaled about the mean of each pixel, contrast about the mean of the image. For RGBA, contrast is
    scaled about mid-grey, because the mean over opaque pixels would not be affine.

    Args:
        images: float32 (B, H, W, C), RGBA with alpha in [0, 2].
        amounts: float32 (B, 3) in [−1, 1]: brightness, saturation, contrast.
        gate: float32 (B,), 1 where the change is applied.

    Returns:
        float32 (B, H, W, C).
    """
    brightness, saturation, contrast = (_per_image(amounts[:, i] * gate) for i in range(3))
    if images.shape[3] == RGBA:
        images, alpha = images[..., :RGB], images[..., RGB:]
        images = images + 0.25 * brightness * alpha
        images = images + saturation * (images - ops.mean(images, axis=3, keepdims=True))
        return ops.concatenate([(1.0 + 0.5 * contrast) * images, alpha], axis=3)
    images = images + 0.5 * brightness
    grey = ops.mean(images, axis=3, keepdims=True)
    images = images + saturation * (images - grey)
    mean = ops.mean(images, axis=(1, 2, 3), keepdims=True)
    return images + 0.5 * contrast * (images - mean)


def transform(images: Any, flip: Any, shift: Any, gate: Any, sigma: Any) -> Any:
    """Blur, flip left to right, and translate by up to an eighth of the side; zeros (grey) move in.

    Rows and columns are selected by two 0/1 matrices per image, Y = R X Kᵀ, because a matrix product has simple
    derivatives on every engine, and a gather does not. The blur is one more matrix on either side.

    Args:
        images: float32 (B, H, W, C).
        flip: float32 (B,), 1 where the image is flipped.
        shift: float32 (B, 2) in [0, 1): the translation down and right, from −1/8 to 1/8 of the side.
        gate: float32 (B,), 1 where the image is translated.
        sigma: float32 (B,), standard deviation of the blur in pixels.

    Returns:
        float32 (B, H, W, C).
    """
    _, h, w, c = images.shape
    down, right = (ops.floor(shift[:, i] * (size // 4 + 1)) - size // 8 for i, size in enumerate((h, w)))
    rows = ops.matmul(_selection(h, ops.zeros_like(flip), down * gate), blur_matrices(h, sigma))
    columns = ops.matmul(_selection(w, flip, right * gate), blur_matrices(w, sigma))
    images = ops.reshape(ops.matmul(rows, ops.reshape(images, (-1, h, w * c))), (-1, h, w, c))
    images = ops.reshape(ops.transpose(images, (0, 2, 1, 3)), (-1, w, h * c))
    return ops.transpose(ops.reshape(ops.matmul(columns, images), (-1, w, h, c)), (0, 2, 1, 3))


def blur_matrices(size: int, sigma: Any) -> Any:
    """Return matrices that blur along one axis with a Gaussian; for `sigma` 0 the identity.

    Args:
        size: Pixels along the axis.
        sigma: float32 (B,), standard deviations in pixels.

    Returns:
        float32 (B, size, size). Rows sum to 1, so edges are not darkened.
    """
    at = ops.arange(size, dtype="float32")
    distance = ops.square(at[:, None] - at[None, :])
    weights = ops.exp(-distance / (2.0 * ops.square(ops.maximum(sigma, 1e-3)))[:, None, None])
    return weights / ops.sum(weights, axis=2, keepdims=True)


def _selection(size: int, flip: Any, shift: Any) -> Any:
    """Return matrices (B, size, size) whose row i has a 1 in the column of the pixel that moves to i."""
    at = ops.arange(size, dtype="float32")[None, :] - shift[:, None]
    source = at + flip[:, None] * (size - 1.0 - 2.0 * at)
    return ops.cast(ops.equal(source[:, :, None], ops.arange(size, dtype="float32")), "float32")


def cut_out(images: Any, centre: Any, gate: Any) -> Any:
    """Set a square with half the side of the image to zero (grey).

    Args:
        images: float32 (B, H, W, C).
        centre: float32 (B, 2) in [0, 1), row and column of the square's centre as fractions of the side.
        gate: float32 (B,), 1 where the square is set.

    Returns:
        float32 (B, H, W, C).
    """
    _, h, w, _ = images.shape
    rows, columns = (
        ops.cast(ops.abs(ops.arange(size, dtype="float32") + 0.5 - size * centre[:, i, None]) < size / 4, "float32")
        for i, size in enumerate((h, w))
    )
    hole = rows[:, :, None] * columns[:, None, :] * gate[:, None, None]
    return images * (1.0 - hole)[..., None]


def composite(images: Any, background: Any) -> Any:
    """Composite RGBA images over a grey and keep alpha as the fourth channel.

    Args:
        images: float32 (B, H, W, 4), colours premultiplied about 0, alpha in [0, 2].
        background: float32 (B,) in [−1, 1], the grey of each image.

    Returns:
        float32 (B, H, W, 4), alpha in [−1, 1].
    """
    colours, alpha = images[..., :RGB], images[..., RGB:]
    return ops.concatenate([colours + _per_image(background) * (1.0 - alpha / 2.0), alpha - 1.0], axis=3)


def _per_image(values: Any) -> Any:
    return values[:, None, None, None]
