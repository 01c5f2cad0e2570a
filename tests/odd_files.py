"""Unusual and damaged files, shared by the tests of reading."""

import base64
import io
import os
import random
import re
import signal
import struct
import tempfile
import zlib
from functools import cache
from pathlib import Path

import numpy as np
import psutil
from PIL import Image, ImageCms

from pippin.pictures.decoding.picture import MIN_SIDE, read_picture
from pippin.pictures.refused import Refused
from pippin.pictures.sources.files import FileSource, open_folder

PLAIN = (
    "PNG",
    "JPEG",
    "BMP",
    "GIF",
    "TIFF",
    "WEBP",
    "AVIF",
    "JPEG2000",
    "PPM",
    "TGA",
    "PCX",
    "SGI",
    "DDS",
    "ICO",
    "QOI",
)

RED, BLUE = (200, 30, 30), (30, 30, 200)

# 32×24, red above and blue below, written with pillow-heif; Pippin installs only what reads it
HEIC = base64.b64decode(
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAXxtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAA"
    "ACJpbG9jAAAAAERAAAEAAQAAAAABoAABAAAAAAAAAEoAAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABodmMxAAAAAA5waXRt"
    "AAAAAAABAAAA/GlwcnAAAADcaXBjbwAAAHVodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMA"
    "AAMAHroCQGEAAQApQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbqrprm4CGgwIAAAAyAAAADAIRiAAEABkQBwXPBiQAAABNjb2xybmNs"
    "eAABAA0ABoAAAAAUaXNwZQAAAAAAAABAAAAAQAAAAChjbGFwAAAAIAAAAAEAAAAYAAAAAf///+AAAAAC////2AAAAAIAAAAQcGl4"
    "aQAAAAADCAgIAAAAGGlwbWEAAAAAAAAAAQABBYECAwWEAAAAUm1kYXQAAABGKAGvCchqRhojm1H/Obf6haGzfvvoVr81Z4NrFO7k"
    "v/TKCKvXdpq4jvAv//sDrLz1b6D1Vxy2KiWy0S/DaY7DQMNem+3QqA=="
)


def split(width=40, height=40):
    """Return a picture that is red above and blue below."""
    picture = Image.new("RGB", (width, height), RED)
    picture.paste(BLUE, (0, height // 2, width, height))
    return picture


def encoded(picture, kind, **options):
    """Return the content of a file with a picture."""
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def exchanging_profile():
    """Return a colour profile that exchanges red and blue: a reader that applies it exchanges them back."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, blue = profile.index(b"rXYZ"), profile.index(b"bXYZ")
    profile[red : red + 4], profile[blue : blue + 4] = b"bXYZ", b"rXYZ"
    return bytes(profile).replace("sRGB".encode("utf-16-be"), "RGB!".encode("utf-16-be"))


def png(width, height, rows=b"", depth=8, colour=2):
    """Return a PNG whose header may be wrong."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def deep_png():
    """Return the picture of `split` with 16 bits for each channel."""
    pixels = np.asarray(split()).astype(">u2") * 257
    return png(40, 40, b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels), depth=16)


def tiff(bits, sample_format, data):
    """Return an uncompressed RGB TIFF of 40×40 pixels."""
    ifd = 8 + len(data)
    behind = ifd + 2 + 12 * 11 + 4
    tags = [(256, 3, 1, 40), (257, 3, 1, 40), (258, 3, 3, behind), (259, 3, 1, 1), (262, 3, 1, 2), (273, 4, 1, 8)]
    tags += [(277, 3, 1, 3), (278, 3, 1, 40), (279, 4, 1, len(data)), (284, 3, 1, 1), (339, 3, 3, behind + 6)]
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    ends = struct.pack("<I3H3H", 0, *[bits] * 3, *[sample_format] * 3)
    return struct.pack("<2sHI", b"II", 42, ifd) + data + struct.pack("<H", len(tags)) + entries + ends


def good_files():
    """Return name → content of files that show `split`, or something of its shape."""
    picture, grey = split(), split().convert("L")
    clear = picture.convert("RGBA")
    clear.putalpha(128)
    pixels = np.asarray(picture)
    exif = Image.Exif()
    exif[0x0112] = 3
    lab = ImageCms.profileToProfile(
        picture, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    frames = {"save_all": True, "append_images": [picture.rotate(90), picture.rotate(180)]}
    return {
        **{f"plain.{kind.lower()}": encoded(picture, kind) for kind in PLAIN},
        "phone.heic": HEIC,
        "grey.png": encoded(grey, "PNG"),
        "grey-alpha.png": encoded(clear.convert("LA"), "PNG"),
        "alpha.png": encoded(clear, "PNG"),
        "alpha.webp": encoded(clear, "WEBP"),
        "alpha.tiff": encoded(clear, "TIFF"),
        "bits.png": encoded(picture.convert("1"), "PNG"),
        "bits.tiff": encoded(picture.convert("1"), "TIFF", compression="group4"),
        "palette.png": encoded(picture.quantize(8), "PNG"),
        "palette-alpha.png": encoded(clear.quantize(8), "PNG"),
        "key.png": encoded(picture, "PNG", transparency=RED),
        "key.gif": encoded(picture.quantize(8), "GIF", transparency=0),
        "interlaced.gif": encoded(picture, "GIF", interlace=1),
        "animated.gif": encoded(picture, "GIF", **frames),
        "animated.png": encoded(picture, "PNG", **frames),
        "animated.webp": encoded(picture, "WEBP", **frames),
        "pages.tiff": encoded(picture, "TIFF", **frames),
        "cmyk.jpg": encoded(picture.convert("CMYK"), "JPEG"),
        "cmyk.tiff": encoded(picture.convert("CMYK"), "TIFF"),
        "lab.tiff": encoded(lab, "TIFF"),
        "ycbcr.tiff": encoded(picture.convert("YCbCr"), "TIFF"),
        "progressive.jpg": encoded(picture, "JPEG", progressive=True),
        "restarts.jpg": encoded(picture, "JPEG", restart_marker_rows=1),
        "upside-down.jpg": encoded(picture, "JPEG", exif=exif),
        "broken-exif.jpg": encoded(picture, "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff"),
        "deep-grey.png": encoded(Image.fromarray(np.asarray(grey).astype(np.uint16) * 257), "PNG"),
        "deep.png": deep_png(),
        "deep.tiff": tiff(16, 1, (pixels.astype("<u2") * 257).tobytes()),
        "float-grey.tiff": encoded(Image.fromarray(np.asarray(grey, np.float32) / 255), "TIFF"),
        "signed-grey.tiff": encoded(Image.fromarray(np.asarray(grey).astype(np.int32) * -500), "TIFF"),
        "float.tiff": tiff(32, 3, (pixels / 255).astype("<f4").tobytes()),
        "double.tiff": tiff(64, 3, (pixels / 1.0).astype("<f8").tobytes()),
        "lzw.tiff": encoded(picture, "TIFF", compression="tiff_lzw"),
        "jpeg.tiff": encoded(picture, "TIFF", compression="jpeg"),
        "profile.png": encoded(picture, "PNG", icc_profile=exchanging_profile()),
        "nonsense-profile.jpg": encoded(picture, "JPEG", icc_profile=b"nonsense" * 40),
        "foreign-profile.png": encoded(grey, "PNG", icc_profile=exchanging_profile()),
        "wrong-name.jpg": encoded(picture, "PNG"),
        "trailing.jpg": encoded(picture, "JPEG") + b"<?php ?>" * 100,
        "thin.png": encoded(split(400, 9), "PNG"),
    }


def bad_files():
    """Return name → content of a file that must be refused, and the beginning of the reason."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8))
    jpeg, whole, plain = encoded(noise, "JPEG"), encoded(noise, "PNG"), encoded(split(200, 200), "PNG")
    pixels = np.asarray(split())
    return {
        "empty.jpg": (b"", "the file is empty"),
        "one-byte.jpg": (b"\xff", "not a picture"),
        "letter.txt": (b"Buy apples.", "not a picture"),
        "page.html": (b"<!doctype html><title>404</title>", "not a picture"),
        "program.exe": (b"MZ" + bytes(300), "not a picture"),
        "paper.pdf": (b"%PDF-1.7\n1 0 obj", "not a picture"),
        "zeros.png": (bytes(5000), "not a picture"),
        "cut.jpg": (jpeg[: len(jpeg) // 2], "truncated: the end"),
        "cut.png": (whole[: len(whole) // 2], "truncated: the end"),
        "head-only.jpg": (jpeg[:3], "damaged: its beginning"),
        "head-only.png": (whole[:12], "damaged: its beginning"),
        "head-only.gif": (b"GIF89a", "damaged: its beginning"),
        "head-only.tiff": (b"II*\0", "damaged, or a kind of TIFF"),
        "head-only.heic": (HEIC[:40], "damaged"),
        "cut.heic": (HEIC[:-20], "damaged"),
        "no-pixels.png": (png(40, 40), "truncated"),
        "overwritten.png": (plain[:60] + b"\xff" * 40 + plain[100:], "damaged"),
        "float-cut.tiff": (tiff(32, 3, (pixels / 255).astype("<f4").tobytes())[:9000], "damaged, or a kind of TIFF"),
        "float-nan.tiff": (tiff(32, 3, (pixels * np.float32(np.nan)).tobytes()), "holds values"),
        "not-finite.tiff": (encoded(Image.fromarray(np.full((9, 9), np.nan, np.float32)), "TIFF"), "holds values"),
        "tiny.png": (encoded(split(7, 7), "PNG"), "too small: 7×7"),
        "line.png": (encoded(split(3000, 2), "PNG"), "too small: 3000×2"),
        "bomb.png": (png(30_000, 30_000), "too large"),
        "smaller-bomb.png": (png(30_000, 3_100), "too large: 30000×3100"),
        "bomb.gif": (b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\x08\0;", "too large"),
        "bomb.bmp": (
            b"BM" + struct.pack("<IHHIIiiHHIIiiII", 99, 0, 0, 54, 40, 60_000, 60_000, 1, 24, *[0] * 6),
            "too large",
        ),
        "drawing.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 90 90\n%%EndComments\n", "a drawing (EPS)"),
        "measurements.h5": (b"\x89HDF\r\n\x1a\n" + bytes(100), "measurements or a drawing"),
        "vector.svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture"),
        "film.mp4": (b"\0\0\0\x18ftypmp42" + bytes(200), "not a picture"),
    }


@cache
def starts():
    """Return the contents of all good and bad files, from which mutated files are made."""
    return [*good_files().values(), *(content for content, _ in bad_files().values())]


def mutated(content, cuts, writes):
    """Return a content with pieces cut out or doubled, and some bytes overwritten."""
    content = bytearray(content)
    for place, length, double in cuts:
        start = int(place * len(content))
        piece = content[start : start + length]
        content[start : start + length] = piece * 2 if double else b""
    for place, value in writes:
        if content:
            content[min(int(place * len(content)), len(content) - 1)] = value
    return bytes(content)


def mutated_at_random(number):
    """Return the mutated file of a number, always the same one. Every third is also cut short."""
    draw = random.Random(number)

    def place():
        return draw.uniform(0, draw.choice((0.05, 1)))  # more often in the header, where changes have most effect

    cuts = [(place(), draw.randint(1, 64), draw.random() < 0.5) for _ in range(draw.randint(0, 2))]
    writes = [(place(), draw.randint(0, 255)) for _ in range(draw.randint(0, 8))]
    content = mutated(draw.choice(starts()), cuts, writes)
    return content[: int(draw.random() * len(content))] if number % 3 == 0 else content


def check_read(path, content):
    """Check that a file of any content is read as a picture, or refused in one line."""
    path.write_bytes(content)
    try:
        decoded = read_picture(path, 64)
    except Refused as refusal:
        outcome = str(refusal)
    else:
        outcome = decoded.format
        assert decoded.image.mode == "RGB"
        assert min(decoded.image.size) >= MIN_SIDE
    assert outcome
    assert "\n" not in outcome


def read_mutated(number):
    """Read a mutated file in a worker. Return the error, the process, its number of open files and its memory."""
    wrong, process = None, psutil.Process()
    path = Path(tempfile.gettempdir()) / f"mutated-{process.pid}.png"
    try:
        check_read(path, mutated_at_random(number))
    except Exception as problem:
        wrong = repr(problem)
    finally:
        path.unlink()
    files = process.num_fds() if hasattr(process, "num_fds") else process.num_handles()
    return wrong, process.pid, files, process.memory_info().rss


class Crashing(FileSource):
    """A folder with a file on which the decoder crashes."""

    def read(self, item, *options):
        if item.path == "007.png":
            os.kill(os.getpid(), signal.SIGSEGV)
        return super().read(item, *options)


def open_crashing(folder):
    """Open a folder as `Crashing`."""
    source = open_folder(folder)
    return Crashing(source.folder, source.items, source.name, source.location)


def double_or_die(number):
    """Double a number in a worker, in a module that loads quickly. The process dies on 77."""
    if number == 77:
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * number, os.getpid()


def double_or_hang(number):
    """Double a number in a worker. On 7, compiled code runs for ever without returning to Python."""
    if number == 7:
        re.match(r"(a+)+b", "a" * 60)
    return 2 * number
