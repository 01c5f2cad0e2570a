"""A decoded picture of any colour mode → sRGB, or RGBA."""

import io

import numpy as np
from PIL import Image, ImageCms, ImageFilter

from pippin.pictures.channels import RGBA
from pippin.pictures.decoding.depth import DEEP_MODES, to_levels
from pippin.pictures.preparation import BLUR, DEFAULT_PREPARATION, Preparation
from pippin.pictures.refused import Refused

MODE_NAMES = {
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
"""Pillow's colour modes that are converted to RGB → their names in messages."""

PROFILE_MODES = {"RGB ": "RGB", "CMYK": "CMYK", "GRAY": "L", "Lab ": "LAB"}
"""Colour space of a colour profile → the mode of its pictures."""

BACKGROUND_BLUR = 1 / 12
"""Standard deviation of the blur of a background, as a share of the picture's shorter side. It leaves the colours and
hides the shapes."""


def to_rgb(
    image: Image.Image, needed_side: int, preparation: Preparation = DEFAULT_PREPARATION
) -> tuple[Image.Image, list[str]]:
    """Convert a decoded picture of any colour mode to RGB or RGBA.

    Args:
        image: A loaded picture.
        needed_side: The least shorter side of the result in pixels. Larger pictures are reduced by a whole factor
            before they are converted, which saves memory.
        preparation: Whether transparency is kept, and the background if it is not.

    Returns:
        The picture in mode RGB, or RGBA if transparency is kept, and a list of the repairs, in plain words.

    Raises:
        Refused: If the colour mode has no conversion, or the values are not finite.
    """
    reasons = []
    profile = image.info.get("icc_profile")
    if image.mode.startswith(DEEP_MODES):
        reasons.append(f"{MODE_NAMES.get(image.mode, '16-bit grey')} turned into RGB")
        image = Image.fromarray(to_levels(np.asarray(image), preparation.bits))
    elif image.mode in MODE_NAMES:
        reasons.append(f"{MODE_NAMES[image.mode]} turned into RGB")

    alpha = None
    if image.has_transparency_data:
        image = _reduce(image.convert("RGBA"), needed_side)
        alpha = image.getchannel("A")
    image, converted = _to_srgb(_reduce(image, needed_side), profile)
    if converted:
        reasons.append("colours converted from their profile to sRGB")
    try:
        image = image if image.mode == "RGB" else image.convert("RGB")
    except ValueError:
        raise Refused(f"its colours cannot be converted to RGB ({image.mode})") from None
    if alpha is not None and preparation.channels == RGBA:
        image.putalpha(alpha)
    elif alpha is not None and np.asarray(alpha).min() < 255:
        reasons.append(f"transparency composited over {preparation.background}")
        image = _composite(image, alpha, preparation)
    return image, reasons


def _to_srgb(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, bool]:
    """Return the picture in sRGB, and whether a profile was used.

    LAB needs no profile. A profile that is broken, or is sRGB itself, changes nothing.
    """
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
        mode = PROFILE_MODES[described.profile.xcolor_space]
        source = image if image.mode == mode else image.convert(mode)
        srgb = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(source, described, srgb, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, KeyError, TypeError):
        return image, False  # slightly wrong colours are better than a lost picture
    return (image, False) if converted is None else (converted, True)


def _composite(image: Image.Image, alpha: Image.Image, preparation: Preparation) -> Image.Image:
    """Return a transparent picture over its background."""
    background = Image.new("RGB", image.size, preparation.colour())
    if preparation.background == BLUR:
        radius = BACKGROUND_BLUR * min(image.size)
        opacity = np.asarray(alpha, np.float32)[..., None] / 255
        visible = Image.fromarray(np.rint(np.asarray(image) * opacity).astype(np.uint8))
        blurred = np.asarray(visible.filter(ImageFilter.GaussianBlur(radius)), np.float32)
        weight = np.asarray(alpha.filter(ImageFilter.GaussianBlur(radius)), np.float32)[..., None] / 255
        colours = np.where(weight > 1 / 64, blurred / np.maximum(weight, 1 / 64), 255)  # white far from any content
        background = Image.fromarray(np.clip(np.rint(colours), 0, 255).astype(np.uint8))
    background.paste(image, mask=alpha)
    return background


def _reduce(image: Image.Image, needed_side: int) -> Image.Image:
    """Average whole blocks of pixels, as large as `needed_side` allows. Pixels beyond the last block are cut off."""
    factor = min(image.size) // needed_side
    if factor <= 1:
        return image
    whole = (0, 0, image.width // factor * factor, image.height // factor * factor)
    return (image.convert("RGB") if image.mode in ("P", "PA", "1") else image).reduce(factor, whole)
