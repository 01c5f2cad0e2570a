"""Video files, and the film of a run's snapshots."""

import re
import subprocess

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from pippin.errors import PippinError, SettingsError
from pippin.show import GAP, film, grid, save_video
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
