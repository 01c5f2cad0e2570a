"""Video files, and the film of a run's snapshots."""

import os
import re
import subprocess

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from pippin.errors import PippinError, SettingsError
from pippin.show import GAP, film, grid, save_picture, save_video
from pippin.show.timeline import TEXT


def frames(count=6, height=20, width=31):
    """Return frames of one grey level each, which rises from frame to frame."""
    return np.full((count, height, width, 3), 0, np.uint8) + np.arange(count, dtype=np.uint8)[:, None, None, None] * 40


def test_an_mp4_has_all_frames_the_frame_rate_and_even_sides(tmp_path):
    path = save_video(frames(), tmp_path / "new" / "a.mp4", fps=12)
    ffmpeg = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    done = subprocess.run(ffmpeg, capture_output=True, check=True)
    log = done.stderr.decode()
    assert re.search(r"Video: h264 .*404x260.* 12 fps", log), log  # 13 times 31 is odd
    assert "yuv420p" in log, "every player supports this format"
    decoded = np.frombuffer(done.stdout, np.uint8).reshape(-1, 260, 404, 3)
    assert len(decoded) == 6
    for n, frame in enumerate(decoded):
        assert frame.mean() == pytest.approx(40 * n, abs=4)
    assert [file.name for file in path.parent.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize("name", ["a.gif", "a.webp"])
def test_a_gif_and_a_webp_are_animated_and_loop(tmp_path, name):
    path = save_video(frames(), tmp_path / name, fps=10)
    with Image.open(path) as picture:
        assert (picture.n_frames, picture.size) == (6, (403, 260))
        assert picture.info["loop"] == 0
        for n in range(6):
            picture.seek(n)
            assert np.asarray(picture.convert("RGB")).mean() == pytest.approx(40 * n, abs=4)
            assert picture.info["duration"] == 100


def test_large_frames_are_not_enlarged(tmp_path):
    with Image.open(save_video(frames(2, 256, 300), tmp_path / "a.webp")) as picture:
        assert picture.size == (300, 256)


@pytest.mark.parametrize(
    ("name", "fps", "message"),
    [
        ("a.avi", 24, r"A video's name must end in one of \.mp4, \.webp, \.gif. Received: .*a.avi"),
        ("a", 24, "A video's name must end in one of"),
        ("a.mp4", 0, "fps must be from 1 to 60. Received: fps=0"),
        ("a.mp4", 61, "fps must be from 1 to 60. Received: fps=61"),
    ],
)
def test_invalid_arguments_are_refused_before_the_first_frame_is_generated(tmp_path, name, fps, message):
    def frames_not_to_be_read():
        pytest.fail("a frame was generated")
        yield

    with pytest.raises(SettingsError, match=message):
        save_video(frames_not_to_be_read(), tmp_path / name, fps)


@pytest.mark.parametrize("name", ["a.mp4", "a.gif"])
def test_a_failed_write_leaves_no_temporary_file(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(PippinError, match=r"The video cannot be written: .*Received: "):
        save_video(frames(2), tmp_path / name)
    assert [item.name for item in tmp_path.iterdir()] == [name]


# -- the film of a run's snapshots ---------------------------------------------------------------------------------

SNAPSHOTS = {50: np.full((64, 16, 16, 3), 200, np.uint8), 0: np.full((64, 16, 16, 3), 20, np.uint8)}


def sheet(frame):
    """Return the images of a frame, without the caption."""
    return frame[: -(TEXT + 8)]


def test_a_film_shows_and_fades_snapshots_in_order():
    shown = list(film(SNAPSHOTS, fps=10, seconds=2))
    assert len(shown) == 20 + 2 * 20
    assert len({frame.shape for frame in shown}) == 1
    first, last = (grid(SNAPSHOTS[batch], 8) for batch in (0, 50))
    for frame in shown[:10]:
        np.testing.assert_array_equal(sheet(frame), first)
    for frame in shown[20:]:
        np.testing.assert_array_equal(sheet(frame), last)
    centre = [int(frame[8, 8, 0]) for frame in shown]
    assert centre == sorted(centre)
    steps = np.diff(centre[9:21])
    assert steps[0] < steps[5] > steps[-1], "slow at both ends"
    np.testing.assert_allclose(np.array(centre[10:20]) + centre[10:20][::-1], 220, atol=1)


def test_the_caption_changes_in_the_middle_of_the_fade():
    shown = list(film(SNAPSHOTS, fps=10, seconds=2))
    captions = [frame[-(TEXT + 8) :].tobytes() for frame in shown]
    assert len(set(captions)) == 2
    assert captions.index(captions[-1]) in (14, 15)


def test_a_film_shows_fewer_of_large_images():
    large = {0: np.zeros((64, 256, 256, 3), np.uint8)}
    assert sheet(next(film(large))).shape == (4 * 258 - GAP, 4 * 258 - GAP, 3)


def test_a_film_without_snapshots_or_time_is_refused():
    with pytest.raises(SettingsError, match=r"The run has no snapshots yet.*Received: 0 snapshots"):
        next(film({}))
    with pytest.raises(SettingsError, match="seconds must be from"):
        next(film(SNAPSHOTS, seconds=0))


# -- files that are not written whole ------------------------------------------------------------------------------


def fake_ffmpeg(folder, monkeypatch, script):
    """Replace FFmpeg by a shell script, in which `real` calls FFmpeg and `$last` is the output."""
    program = folder / "ffmpeg"
    real = imageio_ffmpeg.get_ffmpeg_exe()
    program.write_text(
        f'#!/bin/bash\nreal() {{ "{real}" "$@"; }}\nlast="${{@: -1}}"; last="${{last#file:}}"\n{script}\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(program))


FAILURES = {
    "it fails at once": ("echo boom >&2; exit 1", r"FFmpeg failed \(boom\)"),
    "it fails silently": ("cat >/dev/null; exit 3", r"FFmpeg failed \(exit status 3\)"),
    "it is killed": ("kill -9 $$", r"FFmpeg failed \(exit status -9\)"),
    "it writes nothing and reports success": ('[ "$last" = - ] || exit 0; real "$@"', "FFmpeg failed"),
    "it leaves out the index": (
        'if [ "$last" = - ]; then real "$@"; else real "$@"; truncate -s 2000 "$last"; fi',
        r"FFmpeg failed|incomplete",
    ),
    "it leaves out frames": (
        'if [ "$last" = - ]; then real "$@"; else real "${@:1:$#-1}" -frames:v 4 "${@: -1}"; exit 0; fi',
        r"incomplete: it has 4 of 6 frames",
    ),
}


@pytest.mark.skipif(os.name != "posix", reason="the stand-in for FFmpeg is a shell script")
@pytest.mark.parametrize("failure", FAILURES)
def test_an_incomplete_mp4_is_an_error_and_the_older_file_stays(tmp_path, monkeypatch, failure):
    script, message = FAILURES[failure]
    (tmp_path / "bin").mkdir()
    fake_ffmpeg(tmp_path / "bin", monkeypatch, script)
    path = tmp_path / "out" / "a.mp4"
    path.parent.mkdir()
    path.write_bytes(b"older")
    with pytest.raises(PippinError, match=rf"The video cannot be written: .*({message}).*Received: .*a\.mp4"):
        save_video(frames(), path)
    assert path.read_bytes() == b"older"
    assert [file.name for file in path.parent.iterdir()] == ["a.mp4"]


@pytest.mark.skipif(os.name != "posix", reason="limits of file sizes are POSIX's")
@pytest.mark.parametrize("name", ["a.mp4", "a.gif", "a.webp", "a.png"])
def test_a_file_that_does_not_fit_is_an_error_and_the_older_file_stays(tmp_path, name):
    import resource

    (tmp_path / name).write_bytes(b"older")
    noise = np.random.default_rng(0).integers(0, 256, (6, 256, 256, 3), np.uint8)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(PippinError, match=rf"The (video|picture) cannot be written: .*Received: .*{name}"):
            save_picture(noise[0], tmp_path / name) if name == "a.png" else save_video(noise, tmp_path / name)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (tmp_path / name).read_bytes() == b"older"
    assert [file.name for file in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["a.gif", "a.webp"])
def test_an_incomplete_animation_is_an_error_and_the_older_file_stays(tmp_path, monkeypatch, name):
    (tmp_path / name).write_bytes(b"older")
    save = Image.Image.save

    def cut(self, path, *args, **kwargs):
        save(self, path, *args, **{**kwargs, "append_images": list(kwargs["append_images"])[:-1]})

    monkeypatch.setattr(Image.Image, "save", cut)
    with pytest.raises(PippinError, match=r"incomplete: it lasts [\d,]+ instead of [\d,]+ ms"):
        save_video(frames(), tmp_path / name)
    assert (tmp_path / name).read_bytes() == b"older"


@pytest.mark.parametrize("name", ["a.mp4", "a.gif", "a.webp"])
@pytest.mark.parametrize("fps", [1, 7.5, 24, 29.97, 33, 60])
def test_equal_frames_and_any_frame_rate_count_as_complete(tmp_path, name, fps):
    same = np.zeros((5, 16, 16, 3), np.uint8)
    assert save_video(same, tmp_path / name, fps).stat().st_size > 100
    assert save_video(np.concatenate([same, frames(3, 16, 16)]), tmp_path / name, fps).stat().st_size > 100


@pytest.mark.parametrize("folder", ["a:b", "-a", "http:", "写真", "%03d"])
def test_any_folder_name_is_a_file_for_ffmpeg(tmp_path, monkeypatch, folder):
    monkeypatch.chdir(tmp_path)
    save_video(frames(2), f"{folder}/a.mp4")
    assert (tmp_path / folder / "a.mp4").stat().st_size > 1000


@pytest.mark.parametrize("name", ["a.mp4", "a.gif"])
def test_a_video_without_frames_is_refused(tmp_path, name):
    with pytest.raises(SettingsError, match="A video needs at least one frame"):
        save_video([], tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_an_error_while_generating_ends_ffmpeg(tmp_path):
    def interrupted():
        yield from frames(2)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        save_video(interrupted(), tmp_path / "a.mp4")
    assert list(tmp_path.iterdir()) == []
