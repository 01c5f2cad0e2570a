"""A decoded picture of any colour mode → RGB, as sRGB means it, or RGBA."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageCms, ImageFilter

from pippin.pictures.channels import RGBA
from pippin.pictures.preparation import BLUR, DEFAULT_PREPARATION, Preparation

COLOURS = {
    "1": "black and white",
    "L": "grey",
    "LA": "grey",
    "La": "grey",
    "P": "palette",
    "PA": "palette",
    "CMYK": "CMYK",
    "YCbCr": "YCbCr",
    "LAB": "LAB",
    "HSV": "HSV",
    "I": "deep grey",
    "F": "floating-point grey",
}

PROFILED = {"RGB ": "RGB", "CMYK": "CMYK", "GRAY": "L", "Lab ": "LAB"}
"""What a colour profile describes → the mode that its pictures have."""

BLURRED = 1 / 12
"""Of the shorter side: how far the colours of a blurred background run."""


class Refused(Exception):  # noqa: N818 - a verdict, not an error: it ends with the file, never with the run
    """One picture cannot be used. The message is the reason, in plain words."""


def to_rgb(
    image: Image.Image, enough: int, preparation: Preparation = DEFAULT_PREPARATION
) -> tuple[Image.Image, list[str]]:
    """Turns a decoded picture of any colour mode into RGB, or RGBA.

    Args:
        image: A loaded picture.
        enough: A side in pixels that suffices; larger pictures are halved, thirded ... first, which saves memory.
        preparation: What transparent pictures are laid over, or that they are not.

    Returns:
        The picture in mode RGB, or RGBA where transparency is kept, and a list of what had to be mended, in plain
        words.

    Raises:
        Refused: If the colour mode has no conversion, or the values are not finite.
    """
    reasons = []
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I;16"):
        reasons.append("16-bit grey turned into RGB")
        image = _deep_to_grey(image, 65535.0)
    elif image.mode in ("I", "F"):
        reasons.append(f"{COLOURS[image.mode]} turned into RGB")
        image = _deep_to_grey(image, None)
    elif image.mode in COLOURS:
        reasons.append(f"{COLOURS[image.mode]} turned into RGB")

    alpha = None
    if image.has_transparency_data:
        image = _shrink(image.convert("RGBA"), enough)
        alpha = image.getchannel("A")
    image, converted = _to_srgb(_shrink(image, enough), profile)
    if converted:
        reasons.append("colours converted from their profile to sRGB")
    try:
        image = image if image.mode == "RGB" else image.convert("RGB")
    except ValueError:
        raise Refused(f"its colours cannot be turned into RGB ({image.mode})") from None
    if alpha is not None and preparation.channels == RGBA:
        image.putalpha(alpha)
    elif alpha is not None and np.asarray(alpha).min() < 255:
        reasons.append(f"laid over {preparation.background}, being transparent")
        image = _lay_over(image, alpha, preparation)
    return image, reasons


def _to_srgb(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, bool]:
    """Converts what a profile describes, and LAB, to sRGB; a profile that is broken or sRGB itself changes nothing."""
    if image.mode == "LAB":
        lab = ImageCms.createProfile("LAB")
        converted = ImageCms.profileToProfile(image, lab, ImageCms.createProfile("sRGB"), outputMode="RGB")
        return converted or image, False
    if not profile:
        return image, False
    try:
        described = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "srgb" in (described.profile.profile_description or "").lower():
            return image, False
        mode = PROFILED[described.profile.xcolor_space]
        source = image if image.mode == mode else image.convert(mode)
        srgb = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(source, described, srgb, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, KeyError, TypeError):
        return image, False  # colours a little off are better than a picture lost
    return (image, False) if converted is None else (converted, True)


def _lay_over(image: Image.Image, alpha: Image.Image, preparation: Preparation) -> Image.Image:
    """Puts a transparent picture on its background."""
    ground = Image.new("RGB", image.size, preparation.colour())
    if preparation.background == BLUR:
        radius = BLURRED * min(image.size)
        cover = np.asarray(alpha, np.float32)[..., None] / 255
        seen = Image.fromarray(np.rint(np.asarray(image) * cover).astype(np.uint8))
        blurred = np.asarray(seen.filter(ImageFilter.GaussianBlur(radius)), np.float32)
        weight = np.asarray(alpha.filter(ImageFilter.GaussianBlur(radius)), np.float32)[..., None] / 255
        colours = np.where(weight > 1 / 64, blurred / np.maximum(weight, 1 / 64), 255)  # far from anything: white
        ground = Image.fromarray(np.clip(np.rint(colours), 0, 255).astype(np.uint8))
    ground.paste(image, mask=alpha)
    return ground


def _shrink(image: Image.Image, enough: int) -> Image.Image:
    """Averages whole blocks of pixels, as long as both sides stay above what is enough; cuts off what is no block."""
    factor = min(image.size) // enough
    if factor <= 1:
        return image
    whole = (0, 0, image.width // factor * factor, image.height // factor * factor)
    return (image.convert("RGB") if image.mode in ("P", "PA", "1") else image).reduce(factor, whole)


def _deep_to_grey(image: Image.Image, white: float | None) -> Image.Image:
    """Turns one channel of deep values into 8-bit grey; Pillow's own conversion would clip nearly all to white.

    Without a known `white` the values tell; see `to_levels`.
    """
    ranges = (1.0, 255.0, 65535.0) if image.mode == "F" else (255.0, 65535.0)
    return Image.fromarray(to_levels(np.asarray(image, np.float64), (white,) if white else ranges))


def to_levels(values: np.ndarray, ranges: Sequence[float]) -> np.ndarray:
    """Turns deep values into 8-bit ones.

    Args:
        values: float64 of any shape.
        ranges: What may stand for white, lowest first: the first that no value exceeds is taken. Values beyond all of
            them or below 0 are measurements (an X-ray, a height map), stretched from their lowest to their highest.

    Returns:
        uint8 of the same shape.

    Raises:
        Refused: If a value is not finite.
    """
    low, high = values.min(), values.max()
    if not np.isfinite(low + high):
        raise Refused("holds values that are not finite")
    white = next((limit for limit in ranges if low >= 0 and high <= limit), None)
    if white is None:
        values, white = values - low, high - low or 1.0
    return np.rint(values * (255.0 / white)).astype(np.uint8)
