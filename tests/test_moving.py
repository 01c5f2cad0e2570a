"""Animations and videos: which frames are used, what they are called, and that those of one file stay together."""

import shutil
import subprocess

import imageio_ffmpeg
import numpy as np
import odd_files
import pytest
import tiny
from PIL import Image

from pippin.pictures import Preparation, prepare
from pippin.pictures.split import merge_groups
from pippin.show import save_video

COUNT = 40


def shades(count=COUNT):
    """Return frames whose grey is 5 times their number."""
    return [np.full((64, 96, 3), 5 * n, np.uint8) for n in range(count)]


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return save_video(shades(), tmp_path_factory.mktemp("clip") / "clip.mp4", fps=10)


@pytest.fixture
def folder(tmp_path, clip):
    """Two pictures and a video."""
    folder = tiny.save(tmp_path / "pictures", tiny.pictures(2))
    (folder / "clip.mp4").write_bytes(clip.read_bytes())
    return folder


def prepared(folder, **options):
    return prepare(folder, 16, preparation=Preparation(**{"duplicates": "keep", **options}))


def frames(dataset, name):
    return [entry for entry in dataset.audit.entries if entry.file == name]


def number(entry):
    return int(entry.path.rpartition("#")[2])


@pytest.mark.parametrize(("frames_option", "count"), [("auto", 24), ("first", 1), ("all", 40), (5, 5), ("100", 40)])
def test_frames_of_a_video_are_spread_evenly_and_match_their_names(folder, frames_option, count):
    dataset = prepared(folder, frames=frames_option)
    used = frames(dataset, "clip.mp4")
    assert len(used) == count
    assert len(dataset) == count + 2
    numbers = [number(entry) for entry in used]
    if count == 5:
        assert [entry.path for entry in used] == [f"clip.mp4#{n:05}" for n in (4, 12, 20, 28, 36)]
    assert (numbers[0], numbers == sorted(set(numbers))) == (0 if count in (1, 40, 24) else 4, True)
    for entry in used:
        grey = dataset.images[entry.index].astype(int)
        assert np.abs(grey - 5 * number(entry)).max() <= 7  # the frame itself or a neighbour
    assert (used[0].format, used[0].width, used[0].reasons) == ("MP4", 384, ("frame of a video used",))


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [(".webm", ("-c:v", "libvpx")), (".mkv", ("-c", "copy")), (".avi", ("-c:v", "mpeg4")), (".MOV", ("-c", "copy"))],
)
def test_every_video_format_is_read(folder, clip, suffix, codec):
    other = folder / f"other{suffix}"
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", clip, *codec, other], check=True)
    dataset = prepared(folder, frames=3)
    assert [number(entry) for entry in frames(dataset, other.name)] == [6, 20, 33]
    shown = [dataset.images[entry.index].mean() for entry in frames(dataset, other.name)]
    assert shown == pytest.approx([30, 100, 165], abs=8)


def test_near_copies_among_frames_are_left_out(folder):
    still = [np.asarray(Image.fromarray(tiny.pictures(1, seed=9)[0]).resize((64, 64)))] * 20
    save_video(still, folder / "still.mp4", fps=10)
    dataset = prepared(folder, duplicates="near", frames=6)
    assert sum(entry.index is not None for entry in frames(dataset, "still.mp4")) == 1
    assert len(frames(dataset, "still.mp4")) == 6


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("cut.mp4", lambda clip: clip[: clip.index(b"mdat") + 4], "a video without frames"),
        ("noise.avi", lambda clip: bytes(4000), "a video that cannot be read (Error opening input: Invalid data found"),
        ("letter.mkv", lambda clip: b"Dear all", "a video that cannot be read ("),
        ("empty.mov", lambda clip: b"", "the file is empty"),
        ("list.mp4", lambda clip: b"#EXTM3U\n#EXTINF:1,\n0.png\n#EXT-X-ENDLIST\n", "a video that cannot be read ("),
        ("sound.mp4", None, "a video without frames"),
    ],
)
def test_broken_videos_are_refused_with_a_reason(folder, clip, name, content, reason):
    if content is None:
        words = ("-f", "lavfi", "-i", "sine=duration=1", "-c:a", "aac", folder / name)
        subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *words], check=True)
    else:
        (folder / name).write_bytes(content(clip.read_bytes()))
    entry = next(entry for entry in prepared(folder, frames=2).audit.entries if entry.path == name)
    assert entry.verdict == "refused"
    assert entry.reasons[0].startswith(reason)


def test_the_readable_frames_of_a_truncated_video_are_used(folder, clip, tmp_path):
    whole = tmp_path / "whole.mkv"
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", clip, "-c", "copy", whole], check=True)
    (folder / "cut.mkv").write_bytes(whole.read_bytes()[: whole.stat().st_size * 3 // 4])
    used = frames(prepared(folder, frames=4), "cut.mkv")
    assert len(used) == 4
    assert any(entry.index is not None for entry in used)
    assert {reason for entry in used for reason in entry.reasons} <= {
        "frame of a video used",
        "a video whose end is missing",
    }


@pytest.mark.parametrize("kind", ["gif", "png", "webp"])
def test_frames_of_an_animation(folder, kind):
    save_video(shades(3), folder / "clip.mp4", fps=10)  # each frame is read by a process
    first, *others = (Image.fromarray(frame) for frame in shades(6))
    first.save(
        folder / f"a.{kind}", save_all=True, append_images=others, **({"lossless": True} if kind == "webp" else {})
    )
    assert [entry.path for entry in prepared(folder).audit.entries if entry.path.startswith("a.")] == [f"a.{kind}"]
    dataset = prepared(folder, frames="all")
    used = frames(dataset, f"a.{kind}")
    assert [entry.path for entry in used] == [f"a.{kind}#{n:05}" for n in range(6)]
    assert [dataset.images[entry.index].mean() for entry in used] == pytest.approx([0, 5, 10, 15, 20, 25], abs=1)
    assert [number(entry) for entry in frames(prepared(folder, frames=2), f"a.{kind}")] == [1, 4]
    assert [entry.file for entry in dataset.audit.entries[-2:]] == ["clip.mp4"] * 2  # other pictures are not affected


def test_frames_of_one_file_stay_in_the_same_set(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    draw = np.random.default_rng(0)
    for n in range(50):
        first, *others = (Image.fromarray(draw.integers(0, 256, (16, 16, 3), np.uint8)) for _ in range(5))
        first.save(folder / f"{n:02}.png", save_all=True, append_images=others)
    dataset = prepared(folder, frames="all")
    assert len(dataset) == 250
    training, held_out = dataset.split(0.2)
    files = [{dataset.audit.entries[row].file for row in side.indices} for side in (training, held_out)]
    assert len(held_out) == 50
    assert files[0].isdisjoint(files[1])


def test_a_video_in_an_archive_is_refused_by_name(folder, tmp_path):
    path = shutil.make_archive(str(tmp_path / "set"), "zip", folder)
    refused = prepare(path, 16).audit.refused
    assert [(entry.path, *entry.reasons) for entry in refused] == [
        ("clip.mp4", "a video in an archive: unpack it first")
    ]


def test_a_prepared_video_is_not_read_again(folder, monkeypatch):
    one = prepared(folder, frames=3)
    monkeypatch.setattr("pippin.pictures.sources.moving.subprocess", None)
    assert prepared(folder, frames=3).fingerprint == one.fingerprint


def test_groups_that_share_a_picture_are_merged():
    assert merge_groups([[1, 2], [5, 4], [2, 3], [7]]) == [[1, 2, 3], [4, 5]]
    assert merge_groups([[1, 2], [3, 4], [4, 1], []]) == [[1, 2, 3, 4]]


def test_the_colours_of_a_video_are_right(tmp_path):
    folder = tiny.save(tmp_path / "pictures", tiny.pictures(1))
    save_video([np.asarray(odd_files.split(64, 64))] * 3, folder / "a.mp4", fps=5)
    dataset = prepared(folder, frames=1)
    (entry,) = frames(dataset, "a.mp4")
    image = dataset.images[entry.index].astype(int)
    assert np.abs(image[2, 8] - odd_files.RED).max() <= 24
    assert np.abs(image[13, 8] - odd_files.BLUE).max() <= 24
