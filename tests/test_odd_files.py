"""A file of any content is read as a picture or refused with a reason; it never causes a crash, a hang or a leak."""

import os

import numpy as np
import odd_files
import psutil
import pytest
import tifffile
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pippin.pictures import prepare
from pippin.pictures.decoding.picture import read_picture
from pippin.pictures.preparing.workers import TIME_LIMIT, map_in_order
from pippin.pictures.refused import Refused

pytestmark = pytest.mark.filterwarnings("ignore")  # Pillow warns of oddities; `prepare` ignores the warnings too
GOOD, BAD = odd_files.good_files(), odd_files.bad_files()
RED_AND_BLUE = {
    *(f"plain.{kind.lower()}" for kind in odd_files.PLAIN),
    *("phone.heic", "palette.png", "interlaced.gif", "animated.gif", "animated.png", "animated.webp", "pages.tiff"),
    *("cmyk.jpg", "cmyk.tiff", "lab.tiff", "ycbcr.tiff", "progressive.jpg", "restarts.jpg", "broken-exif.jpg"),
    *(
        "deep.png",
        "deep.tiff",
        "float.tiff",
        "double.tiff",
        "lzw.tiff",
        "jpeg.tiff",
        "nonsense-profile.jpg",
        "wrong-name.jpg",
        "trailing.jpg",
    ),
}
BLUE_AND_RED = {"upside-down.jpg", "profile.png"}


def read(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    return read_picture(tmp_path / name, 999)


def test_there_are_sixty_kinds():
    assert len(odd_files.starts()) >= 60


@pytest.mark.parametrize("name", GOOD)
def test_readable_files_are_read(tmp_path, name):
    image = read(tmp_path, name, GOOD[name]).image
    assert image.mode == "RGB"
    if name in RED_AND_BLUE | BLUE_AND_RED:
        colours = (odd_files.RED, odd_files.BLUE) if name in RED_AND_BLUE else (odd_files.BLUE, odd_files.RED)
        for place, colour in zip((0.2, 0.8), colours, strict=True):
            pixel = image.getpixel((image.width // 2, int(place * image.height)))
            assert np.abs(np.subtract(pixel, colour)).max() <= 24, place


@pytest.mark.parametrize("name", BAD)
def test_unreadable_files_are_refused_with_a_reason(tmp_path, name):
    content, reason = BAD[name]
    with pytest.raises(Refused) as refusal:
        read(tmp_path, name, content)
    assert str(refusal.value).startswith(reason)


@pytest.mark.parametrize("dtype", ["float32", "float16", "float64"])
@pytest.mark.parametrize("planes", ["contig", "separate"])
@pytest.mark.parametrize(("white", "black"), [(1.0, 0.0), (255.0, 0.0), (3.0, -1.0)])
def test_deep_colour_of_any_range(tmp_path, dtype, planes, white, black):
    pixels = np.full((40, 30, 3), black)
    pixels[:20, :, 0] = white
    stored = pixels if planes == "contig" else np.moveaxis(pixels, -1, 0)
    tags = [(274, 3, 1, 3, True)]  # upside down
    options = {"photometric": "rgb", "planarconfig": planes, "metadata": None, "compression": "zlib"}
    tifffile.imwrite(tmp_path / "a.tif", stored.astype(dtype), extratags=tags, **options)
    decoded = read_picture(tmp_path / "a.tif", 999)
    assert (decoded.width, decoded.height, decoded.format) == (30, 40, "TIFF")
    assert decoded.reasons == ["deep colour turned into RGB", "turned upright"]
    assert decoded.image.getpixel((5, 35)) == (255, 0, 0)
    assert decoded.image.getpixel((5, 5)) == (0, 0, 0)
    smaller = read_picture(tmp_path / "a.tif", 9)
    assert (smaller.image.size, smaller.width, smaller.height) == ((10, 13), 30, 40)


def test_deep_colour_with_opacity_is_composited_over_the_background(tmp_path):
    pixels = np.zeros((20, 20, 4), np.float32)
    pixels[:, :10] = (0.5, 0.25, 1, 1)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", extrasamples=["unassalpha"])
    decoded = read_picture(tmp_path / "a.tif", 999)
    assert (decoded.image.getpixel((5, 5)), decoded.image.getpixel((15, 5))) == ((128, 64, 255), (255, 255, 255))
    assert decoded.reasons[-1] == "transparency composited over white"


def test_a_deep_colour_bomb_is_refused_before_it_is_decoded(tmp_path):
    content = bytearray(odd_files.tiff(32, 3, bytes(4 * 3 * 40 * 40)))
    at = 8 + 4 * 3 * 40 * 40
    for name in (b"\x00\x01\x03\x00", b"\x01\x01\x03\x00"):  # width and height, 16 bits each
        place = content.index(name, at)
        content[place + 8 : place + 10] = b"\xff\xff"
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(Refused, match="too large: 65535×65535 is more than"):
        read_picture(tmp_path / "a.tif", 999)


def test_a_folder_of_all_kinds_of_files(tmp_path):
    for name, content in {**GOOD, **{name: content for name, (content, _) in BAD.items()}}.items():
        (tmp_path / name).write_bytes(content)
    entries = {entry.path: entry for entry in prepare(tmp_path, 16).audit.entries}
    assert entries.keys() == GOOD.keys() | BAD.keys()
    for name, entry in entries.items():
        assert (entry.format is None) == (name in BAD), entry
        assert (entry.verdict == "refused") == (name in BAD or entry.copy == "exact"), entry


PLACES = st.one_of(st.floats(0, 0.05), st.floats(0, 1))  # more often in the header, where changes have most effect


def open_files():
    process = psutil.Process()
    return process.num_fds() if hasattr(process, "num_fds") else process.num_handles()


def test_mutated_files_are_read_or_refused_without_leaks(tmp_path):
    @settings(max_examples=300, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @example(odd_files.starts()[0], [], [])
    @given(
        st.sampled_from(odd_files.starts()),
        st.lists(st.tuples(PLACES, st.integers(1, 64), st.booleans()), max_size=2),
        st.lists(st.tuples(PLACES, st.integers(0, 255)), max_size=8),
    )
    def reads(content, cuts, writes):
        odd_files.check_read(tmp_path / "picture.png", odd_files.mutated(content, cuts, writes))

    before = open_files()
    reads()
    assert open_files() <= before


MANY = int(os.environ.get("PIPPIN_MUTATED_FILES", "10000"))
"""Number of mutated files. 40,000 is the long version."""


@pytest.mark.slow
def test_many_mutated_files_cause_no_crash_hang_or_leak(monkeypatch):
    """Read them in processes, as `prepare` does. A file that crashes or blocks a process is named by its number.

    Most take a millisecond. Some are pictures of 84 million pixels and take seconds.
    """
    monkeypatch.setattr("pippin.pictures.preparing.workers.available_cores", lambda: 2)
    wrong, processes = {}, {}
    work = map_in_order(
        odd_files.read_mutated,
        range(MANY),
        True,
        crashed=lambda number: ("the process crashed", 0, 0, 0),
        timed_out=lambda number: (f"it took longer than {TIME_LIMIT:.0f} s", 0, 0, 0),
    )
    for number, (problem, process, files, memory) in enumerate(work):
        if problem is not None:
            wrong[number] = problem
        processes.setdefault(process, []).append((files, memory))
    assert not wrong, "odd_files.mutated_at_random(number) makes these"
    for held in processes.values():
        warm = len(held) // 4
        assert held[-1][0] <= held[warm][0]
        early, late = (max(memory for _, memory in part) for part in (held[: 2 * warm], held[2 * warm :]))
        assert late < early + 2**26
