"""The options of a preparation: what they do, that runs keep them, and the messages for wrong values."""

import numpy as np
import odd_files
import pytest
import tiny
from PIL import Image

import pippin
from pippin.errors import SettingsError
from pippin.pictures import Preparation, prepare
from pippin.pictures.framing.squares import Box, crop_boxes, find_content, make_squares


def squares(picture, size=32, trim=False, **options):
    preparation = Preparation(**options)
    box, _ = find_content(picture, preparation, trim)
    return make_squares(picture, box, size, preparation)[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fit": "stretch"}, "fit must be one of crop, pad, squash. Received: fit=stretch"),
        ({"duplicates": "all"}, "duplicates must be one of keep, exact, near. Received: duplicates=all"),
        (
            {"background": "pomme"},
            "background must be a colour such as white or #ffeedd, or blur. Received: background=",
        ),
        ({"background": None}, "background must be a colour"),
        ({"frames": "0"}, "frames must be auto, first, all, or a number from 1. Received: frames=0"),
        ({"frames": "some"}, "frames must be"),
        ({"focus": "left"}, "focus must be one of auto, centre. Received: focus=left"),
        ({"crops": 0}, "crops must be a whole number from 1 to 16. Received: crops=0"),
        ({"crops": 2, "fit": "pad"}, "Several crops need fit=crop. Received: crops=2, fit=pad"),
    ],
)
def test_wrong_options_are_rejected(options, message):
    with pytest.raises(SettingsError) as error:
        Preparation(**options)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("box", "most", "starts"),
    [
        (Box(0, 0, 100, 100), 4, [0]),
        (Box(0, 0, 149, 100), 4, [24]),
        (Box(0, 0, 150, 100), 4, [0, 50]),
        (Box(0, 0, 400, 100), 3, [0, 150, 300]),
        (Box(0, 0, 200, 100), 16, [0, 50, 100]),
        (Box(7, 0, 107, 400), 2, [0, 300]),
    ],
)
def test_crops_are_spread_and_overlap_by_half_at_most(box, most, starts):
    made = crop_boxes(box, most)
    assert [square.left + square.top - box.left for square in made] == starts
    assert {(square.right - square.left, square.bottom - square.top) for square in made} == {(100, 100)}


def test_the_three_fits():
    wide = Image.new("RGB", (80, 40), odd_files.RED)
    wide.paste(odd_files.BLUE, (0, 0, 20, 40))
    (cropped,), (squashed,) = squares(wide), squares(wide, fit="squash")
    (padded,) = squares(wide, fit="pad", background="#00ff00")
    assert cropped[16, 16].tolist() == list(odd_files.RED)
    assert not (np.abs(cropped.astype(int) - odd_files.BLUE).max(axis=-1) < 24).any()
    assert squashed[16, 2].tolist() == list(odd_files.BLUE)
    assert squashed[16, 20].tolist() == list(odd_files.RED)
    assert (padded[[*range(8), *range(24, 32)]] == (0, 255, 0)).all()
    assert padded[16, 2].tolist() == list(odd_files.BLUE)
    assert padded[16, 20].tolist() == list(odd_files.RED)


def test_a_blurred_background_has_the_colours_of_the_picture():
    (padded,) = squares(odd_files.split(80, 40), fit="pad", background="blur")
    assert np.abs(padded[0, 16].astype(int) - odd_files.RED).max() <= 8
    assert np.abs(padded[31, 16].astype(int) - odd_files.BLUE).max() <= 8


@pytest.mark.parametrize(
    ("background", "colour"), [("black", (0, 0, 0)), ("#102030", (16, 32, 48)), ("white", (255,) * 3)]
)
def test_transparent_pictures_are_composited_over_the_background(tmp_path, background, colour):
    for n in range(2):
        clear = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
        clear.paste((*odd_files.RED, 255), (10, 10, 30 + n, 30))
        clear.save(tmp_path / f"{n}.png")
    dataset = prepare(tmp_path, 16, preparation=Preparation(background))
    assert np.abs(dataset.images[0, 1, 1].astype(int) - colour).max() <= 2
    assert dataset.images[0, 8, 8].tolist() == list(odd_files.RED)
    assert dataset.audit.entries[0].reasons == (f"transparency composited over {background}",)


def test_a_transparent_picture_over_its_own_blurred_colours(tmp_path):
    for n in range(2):
        clear = odd_files.split(64, 64).convert("RGBA")
        clear.putalpha(Image.new("L", (64, 64), 0))
        clear.paste(odd_files.split(60 + n, 60).convert("RGBA"), (2, 2))
        clear.save(tmp_path / f"{n}.png")
    corner = prepare(tmp_path, 64, preparation=Preparation("blur")).images[0, 0, 0]
    assert np.abs(corner.astype(int) - odd_files.RED).max() <= 8


def test_borders_are_kept_on_request():
    framed = Image.new("RGB", (60, 60), "white")
    framed.paste(Image.fromarray(tiny.pictures(1)[0]).resize((60, 30)), (0, 15))
    assert squares(framed, trim=True)[0].max(axis=-1)[0].min() < 255
    assert squares(framed, trim=True, keep_borders=True)[0][:6].min() >= 250


def test_crops_of_one_picture_stay_in_the_same_set(tmp_path):
    noise = np.random.default_rng(0)
    for n in range(120):
        Image.fromarray(noise.integers(0, 256, (16, 48, 3), np.uint8)).save(tmp_path / f"{n:03}.png")
    dataset = prepare(tmp_path, 16, preparation=Preparation(crops=2))
    assert len(dataset) == 240
    assert dataset.audit.entries[7].rows == range(14, 16)
    training, held_out = dataset.split(0.1)
    assert len(held_out) == 40
    assert {row // 2 for row in training.indices}.isdisjoint({row // 2 for row in held_out.indices})


def test_runs_that_are_older_than_an_option_keep_their_preparation():
    assert Preparation.from_dict({"fit": "crop"}) == Preparation(frames="first", focus="centre", channels=3)
    assert Preparation.from_dict(Preparation(frames=7).to_dict()) == Preparation(frames="7")


def test_another_preparation_is_another_dataset_and_a_run_keeps_its_own(tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for n, image in enumerate(tiny.pictures()):
        Image.fromarray(image).resize((32, 16)).save(pictures / f"{n}.png")
    squash = Preparation(fit="squash")
    one, other = prepare(pictures, 16), prepare(pictures, 16, preparation=squash)
    assert one.fingerprint != other.fingerprint
    assert (one.preparation, other.preparation) == (Preparation(), squash)
    run = tiny.train(tmp_path / "run", source=pictures, batches=2, preparation=squash)
    assert Preparation.from_dict(run.about["preparation"]) == squash
    assert run.about["fingerprint"] == other.fingerprint
    assert pippin.evaluate(run, n=8).references == "training set"  # the pictures are recognised
