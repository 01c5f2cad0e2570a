"""Grey, RGB and transparent pictures, from the files to the generated images."""

import dataclasses

import drawn
import keras
import numpy as np
import onnxruntime
import pytest
import test_export
import tiny
from keras import layers, ops
from PIL import Image

import pippin
from pippin import engines, measure, networks, show
from pippin.errors import NetworkError, RunError, SettingsError
from pippin.export import export, huggingface
from pippin.networks import projector
from pippin.pictures import Preparation, prepare, to_float, to_rgb, to_uint8
from pippin.training import anchors, augment, draws
from pippin.training.step import to_float_on_device

CLEAR = Preparation(channels=4)


@pytest.fixture(scope="module")
def sprites():
    """Straight RGBA, uint8 (6, 16, 16, 4), with soft edges. The colours of invisible pixels are 0."""
    rng = np.random.default_rng(0)
    images = np.stack([drawn.sprite(kind, rng, 16) for kind in list(drawn.KINDS) * 2])
    return images * (images[..., 3:] > 0)


def save(folder, *pictures):
    folder.mkdir(exist_ok=True)
    for n, picture in enumerate(pictures):
        picture = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
        picture.save(folder / f"{n:02}.png")
    return folder


def grey(count=3, seed=0, size=16):
    return list(np.random.default_rng(seed).integers(0, 256, (count, size, size), np.uint8))


# -- files and networks ------------------------------------------------------------------------------------------------


def test_rgba_survives_the_conversion_to_float_and_back(sprites):
    floats = to_float(sprites)
    assert floats.dtype == np.float32
    assert (floats[..., :3][sprites[..., 3] == 0] == 0).all()
    assert np.abs(to_uint8(floats).astype(int) - sprites).max() <= 1
    assert np.abs(floats[..., :3]).max() <= 1


def test_float_colours_are_composited_over_mid_grey(sprites):
    composited = to_rgb(sprites, np.float32(127.5))
    assert np.abs((to_float(sprites)[..., :3] + 1) * 127.5 - composited).max() <= 0.5001


def test_invisible_pixels_are_0_and_values_out_of_range_are_clipped():
    generated = np.float32([[[[0.9, -0.9, 0.3, -1.2], [0.9, -0.9, 0.3, -1], [2, -2, 0.5, 3], [0.25, -0.25, 0.5, 0]]]])
    assert to_uint8(generated)[0, 0].tolist() == [[0, 0, 0, 0], [0, 0, 0, 0], [255, 0, 191, 255], [191, 64, 255, 128]]


def test_the_training_step_converts_images_to_float_as_the_host_does(sprites):
    engine = engines.current()
    for images in (sprites, sprites[..., :3], sprites[..., :1]):
        np.testing.assert_allclose(
            engine.to_host(to_float_on_device(engine.to_device(images))), to_float(images), atol=1e-6
        )


# -- preparation -------------------------------------------------------------------------------------------------------


def test_grey_pictures_have_one_channel_and_the_summary_says_so(tmp_path):
    images = grey(4)
    as_rgb = Image.fromarray(np.repeat(images[3][..., None], 3, axis=2))  # RGB with equal channels
    dataset = prepare(save(tmp_path / "grey", *images[:3], as_rgb), 16)
    assert dataset.channels == 1
    np.testing.assert_array_equal(dataset.images[..., 0], np.stack(images))
    assert dataset.audit.counts == {"kept": 4, "mended": 0, "refused": 0}
    assert "in grey, one channel, since all pictures are grey (--channels 3: RGB)" in dataset.summary()


def test_one_picture_in_colour_makes_the_dataset_rgb_unless_it_is_refused(tmp_path):
    folder = save(tmp_path / "some", *grey(3), tiny.pictures(1)[0])
    assert prepare(folder, 16).channels == 3
    (folder / "03.png").write_bytes(b"\x89PNG, but not really")
    assert prepare(folder, 16).channels == 1


def test_reused_grey_pictures_count_as_mended_beside_pictures_in_colour(tmp_path):
    folder = save(tmp_path / "some", *grey(3))
    assert prepare(folder, 16).audit.entries[0].verdict == "kept"
    Image.fromarray(tiny.pictures(1)[0]).save(folder / "03.png")
    assert prepare(folder, 16).audit.entries[0].reasons == ("grey turned into RGB",)


def test_channels_can_be_chosen(tmp_path):
    folder = save(tmp_path / "colours", *tiny.pictures(3))
    images = prepare(folder, 16, preparation=Preparation(channels=1)).images
    assert images.shape == (3, 16, 16, 1)
    expected = np.asarray(Image.fromarray(tiny.pictures(3)[1]).convert("L"))
    np.testing.assert_array_equal(images[1, ..., 0], expected)
    greys = save(tmp_path / "greys", *grey(3))
    assert prepare(greys, 16, preparation=Preparation(channels=3)).images.shape == (3, 16, 16, 3)
    opaque = prepare(folder, 16, preparation=CLEAR)
    assert (opaque.images[..., 3] == 255).all()
    assert "0 files with some: leave out --transparent, or give pictures with some" in opaque.summary()


def test_the_colours_of_invisible_pixels_do_not_matter(tmp_path):
    """A shape on invisible red and on invisible noise is prepared to the same image, with and without resizing."""
    rng = np.random.default_rng(3)
    one = drawn.sprite("disc", rng, 64)
    other = one.copy()
    other[one[..., 3] == 0] = (255, 0, 0, 0)
    for size in (64, 16):
        dataset = prepare(save(tmp_path / "same", one, other, drawn.sprite("star", rng, 64)), size, preparation=CLEAR)
        assert [entry.copy for entry in dataset.audit.entries] == [None, "exact", None]
        edge = (dataset.images[0, ..., 3] > 32) & (dataset.images[0, ..., 3] < 255)
        assert edge.any()
        reds = dataset.images[0][edge][:, 0].astype(int) - dataset.images[0][edge][:, 1]
        assert np.abs(reds - reds.mean()).max() < 60  # the orange of the shape, without the red and the noise


def test_transparent_pictures_of_any_kind(tmp_path):
    palette = Image.fromarray(drawn.sprite("disc", np.random.default_rng(0)))
    key = Image.new("RGB", (32, 32), "red")
    key.paste("blue", (8, 8, 24, 24))
    dots = Image.new("LA", (48, 32), (0, 0))
    dots.paste((200, 255), (16, 8, 32, 24))
    folder = save(tmp_path / "kinds", palette.quantize(8), dots)
    key.save(folder / "key.png", transparency=(255, 0, 0))
    key.save(folder / "opaque.jpg")
    dataset = prepare(folder, 32, preparation=dataclasses.replace(CLEAR, fit="pad"))
    assert [entry.transparent for entry in dataset.audit.entries] == [True, True, True, False]
    assert dataset.images[2, 16, 16].tolist() == [0, 0, 255, 255]
    assert (dataset.images[:3, 0, 0] == 0).all()
    assert dataset.images[1, 16, 16].tolist() == [200, 200, 200, 255]
    assert "3 files with some" in dataset.summary()


def test_the_padding_of_transparent_pictures_is_transparent(tmp_path):
    wide = [Image.new("RGBA", (64, 32), (colour, 100, 50, 255)) for colour in (10, 20)]
    images = prepare(save(tmp_path / "wide", *wide), 32, preparation=dataclasses.replace(CLEAR, fit="pad")).images
    assert (images[:, [0, 7, 24, 31]] == 0).all()
    assert images[1, 16, 0].tolist() == [20, 100, 50, 255]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": 2}, r"channels must be 1 \(grey\), 3 \(RGB\) or 4 \(RGBA\)\. Received: channels=2"),
        ({"channels": True}, r"Received: channels=True"),
        (
            {"channels": 4, "background": "black"},
            r"have no background; leave it out\. Received: channels=4, background",
        ),
    ],
)
def test_wrong_channels_are_rejected(options, message):
    with pytest.raises(SettingsError, match=message):
        Preparation(**options)


def test_runs_that_are_older_than_the_option_are_rgb():
    assert Preparation.from_dict(None).channels == 3
    assert Preparation.from_dict({"fit": "pad"}) == Preparation(fit="pad", channels=3, frames="first", focus="centre")
    assert Preparation.from_dict(Preparation().to_dict()) == Preparation()


# -- networks and augmentation -----------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize(
    ("preset", "features"), [("standard", "efficientnet-lite0"), ("standard", "none"), ("classic", "none")]
)
def test_networks_of_1_and_4_channels_fit_together(preset, features, channels):
    built = networks.build(preset, 16, 8, features=features, channels=channels)
    assert built.generator.output_shape == (None, 16, 16, channels)
    assert networks.check(built, 16, channels) == 8
    with pytest.raises(NetworkError, match=r"generator must return images of shape \(B, 16, 16, 3\)"):
        networks.check(built, 16)


def test_the_projector_repeats_grey_as_rgb_and_keeps_one_channel_in_the_pixel_map():
    image = np.random.default_rng(0).uniform(-1, 1, (1, 32, 32, 1)).astype("float32")
    from_grey = [ops.convert_to_numpy(x) for x in projector.build(32, 1)(image)]
    from_rgb = [ops.convert_to_numpy(x) for x in projector.build(32)(np.repeat(image, 3, axis=3))]
    np.testing.assert_allclose(from_grey[0], projector.PIXELS_SCALE * image, rtol=1e-6)
    for one, other in zip(from_grey[1:], from_rgb[1:], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_the_projector_uses_the_colours_from_rgba_and_keeps_all_channels_in_the_pixel_map():
    image = np.random.default_rng(0).uniform(-1, 1, (1, 32, 32, 4)).astype("float32")
    from_rgba = [ops.convert_to_numpy(x) for x in projector.build(32, 4)(image)]
    from_rgb = [ops.convert_to_numpy(x) for x in projector.build(32)(image[..., :3])]
    np.testing.assert_allclose(from_rgba[0], projector.PIXELS_SCALE * image, rtol=1e-6)
    for one, other in zip(from_rgba[1:], from_rgb[1:], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


def augmented(sprites, strength, **changed):
    engine = engines.current()
    sampled = {**draws.augmentation_draws(0, 0, len(sprites), 4), **changed}
    tensors = engine.to_device((to_float(sprites), sampled, np.float32(strength)))
    return engine.to_host(augment.augment(*tensors))


def test_rgba_without_augmentation_is_composited_over_its_background(sprites):
    background = np.float32([0, 0.25, 0.5, 0.75, 0.9, 1])
    images = augmented(sprites, 0, background=background)
    for one, sprite, level in zip(images, sprites, background, strict=True):
        opacity = sprite[..., 3:] / 255
        expected = (sprite[..., :3] / 127.5 - 1) * opacity + (2 * level - 1) * (1 - opacity)
        np.testing.assert_allclose(one[..., :3], expected, atol=1e-6)
        np.testing.assert_allclose(one[..., 3], sprite[..., 3] / 127.5 - 1, atol=1e-6)


def test_shifted_in_and_cut_out_pixels_are_transparent():
    full = np.full((6, 16, 16, 4), 255, np.uint8)
    for kind, hole in (("translation", np.s_[:, :2]), ("cutout", np.s_[:, :4, :4])):
        gates = np.ones((6, 4), np.float32)
        gates[:, augment.KINDS.index(kind)] = 0
        changed = {"translation": np.float32([[0.999, 0.5]] * 6), "cutout": np.zeros((6, 2), np.float32)}
        images = augmented(full, 0.5, gates=gates, background=np.full(6, 0.2, np.float32), **changed)
        np.testing.assert_allclose(images[hole], np.broadcast_to([-0.6, -0.6, -0.6, -1], images[hole].shape), atol=1e-6)
        np.testing.assert_allclose(images[:, 8:, 8:], 1, atol=1e-6)


def test_colour_augmentation_is_weighted_by_opacity(sprites):
    gates = np.ones((6, 4), np.float32)
    gates[:, augment.KINDS.index("colour")] = 0
    colour = np.random.default_rng(1).uniform(size=(6, 3)).astype(np.float32)
    images = augmented(sprites, 0.5, gates=gates, colour=colour, background=np.full(6, 0.5, np.float32))
    np.testing.assert_allclose(images[..., 3], to_float(sprites)[..., 3], atol=1e-6)
    assert (np.abs(images[..., :3][sprites[..., 3] == 0]) < 1e-6).all()
    for one, sprite, (brightness, saturation, contrast) in zip(images, sprites, colour, strict=True):
        bright = sprite[..., :3] / 127.5 - 1 + (brightness - 0.5)
        mean = bright.mean(axis=2, keepdims=True)
        expected = (0.5 + contrast) * (mean + 2 * saturation * (bright - mean)) * sprite[..., 3:] / 255
        np.testing.assert_allclose(one[..., :3], expected, atol=1e-5)


def test_saturation_does_not_change_grey():
    image = np.random.default_rng(0).uniform(-1, 1, (2, 8, 8, 1)).astype("float32")
    engine = engines.current()
    amounts = np.float32([[0, 1, 0], [0, -1, 0]])
    adjusted = engine.to_host(augment.adjust_colour(*engine.to_device((image, amounts, np.ones(2, np.float32)))))
    np.testing.assert_allclose(adjusted, image, atol=1e-6)


def test_backgrounds_are_sampled_only_for_rgba_and_shared_by_a_real_and_a_generated_image():
    sampled = draws.step_draws(3, 5, 64, 8, 4)
    background = sampled["augment"].pop("background")
    assert (background.shape, background.dtype) == ((128,), np.float32)
    np.testing.assert_array_equal(background[:64], background[64:])
    assert background.min() >= 0
    assert background.max() < 1
    assert background.std() == pytest.approx(12**-0.5, abs=0.05)
    assert np.abs(background - draws.step_draws(3, 6, 64, 8, 4)["augment"]["background"]).min() > 0
    plain = draws.step_draws(3, 5, 64, 8)
    np.testing.assert_array_equal(plain["latents"], sampled["latents"])
    assert plain["augment"].keys() == sampled["augment"].keys()
    for name, values in plain["augment"].items():
        np.testing.assert_array_equal(values, sampled["augment"][name])


@pytest.mark.parametrize("channels", [1, 4])
def test_images_of_1_and_4_channels_have_anchors(sprites, channels):
    images = sprites[..., :channels]
    without = networks.Networks(tiny.generator(), tiny.discriminator())
    assert anchors.assign(without, images, 3).latents.shape == (6, 3)


@pytest.mark.slow
def test_features_repeat_grey_as_rgb_and_composite_transparency_over_mid_grey(sprites):
    over = np.rint(sprites[..., :3] * (sprites[..., 3:] / 255) + 128 * (1 - sprites[..., 3:] / 255)).astype(np.uint8)
    np.testing.assert_allclose(measure.extract(sprites), measure.extract(over), atol=1e-3)
    gray = sprites[..., :1]
    np.testing.assert_array_equal(measure.extract(gray), measure.extract(np.repeat(gray, 3, axis=3)))


# -- saved pictures ----------------------------------------------------------------------------------------------------


def test_a_grid_shows_transparent_images_on_a_checkerboard(sprites):
    sheet = show.grid(sprites, columns=3)
    assert sheet.shape == (34, 52, 3)
    assert sheet[0, 0].tolist() == [255] * 3
    assert sheet[0, 4].tolist() == [204] * 3
    assert sheet[4, 4].tolist() == [255] * 3 or sprites[0, 4, 4, 3] > 0
    np.testing.assert_array_equal(sheet[8, 8], sprites[0, 8, 8, :3])
    assert show.grid(sprites[..., :1], labels=list("abcdef")).shape[2] == 3


@pytest.mark.parametrize(("name", "mode"), [("a.png", "RGBA"), ("a.webp", "RGBA"), ("a.jpg", "RGB"), ("a.bmp", "RGB")])
def test_transparency_is_saved_in_formats_that_support_it(tmp_path, sprites, name, mode):
    with Image.open(show.save_picture(sprites[0], tmp_path / name)) as saved:
        assert saved.mode == mode
        pixel = saved.convert("RGBA").getpixel((0, 0))
    assert pixel == (0, 0, 0, 0) if mode == "RGBA" else min(pixel) >= 250


def test_a_grey_image_is_saved_in_grey(tmp_path):
    picture = grey(1)[0]
    with Image.open(show.save_picture(picture[..., None], tmp_path / "a.png")) as saved:
        assert saved.mode == "L"
        np.testing.assert_array_equal(np.asarray(saved), picture)


def test_videos_of_transparent_frames(tmp_path, sprites):
    for name, mode in (("a.webp", "RGBA"), ("a.gif", "RGB")):
        with Image.open(show.save_video(sprites, tmp_path / name)) as video:
            assert video.n_frames == 6
            assert (video.convert("RGBA").getpixel((0, 0))[3] == 0) == (mode == "RGBA")
    assert show.save_video(sprites[..., :1], tmp_path / "grey.mp4").stat().st_size > 0
    assert show.save_video(sprites, tmp_path / "a.mp4").stat().st_size > 0


# -- whole runs --------------------------------------------------------------------------------------------------------


def pair(channels):
    keras.utils.set_random_seed(1)
    count = 16 * 16 * channels
    stack = [layers.Dense(count, activation="tanh"), layers.Reshape((16, 16, channels))]
    generator = keras.Sequential([keras.Input((4,)), *stack], name="generator")
    discriminator = keras.Sequential(
        [keras.Input((16, 16, channels)), layers.Flatten(), layers.Dense(1)], name="discriminator"
    )
    return {"generator": generator, "discriminator": discriminator}


@pytest.mark.slow
def test_a_transparent_run_generates_transparent_images(tmp_path, sprites):
    folder = save(tmp_path / "sprites", *sprites, *sprites[:, ::-1])
    run = tiny.train(tmp_path / "run", source=folder, batches=3, preparation=CLEAR, **pair(4))
    assert run.channels == 4
    images = run.sample(5)
    assert (images.shape, images.dtype) == ((5, 16, 16, 4), np.uint8)
    assert pippin.evaluate(run, n=8).pairs.shape[2] == 3
    with Image.open(run.path / "latest.png") as sheet:
        assert sheet.mode == "RGB"
    assert run.snapshots()[0].shape == (64, 16, 16, 3)
    from pippin.runs.provenance import Provenance

    alone = Provenance.of(run, [3]).save(tmp_path / "one.png", run)
    with Image.open(alone) as picture:
        np.testing.assert_array_equal(np.asarray(picture), run.sample(1, 3)[0])
    assert pippin.again(alone, run=run.path).same


def test_a_grey_run_generates_grey_images_and_is_resumed_only_in_grey(tmp_path):
    folder = save(tmp_path / "grey", *grey(8))
    run = tiny.train(tmp_path / "run", source=folder, batches=3, **pair(1))
    assert run.sample(2).shape == (2, 16, 16, 1)
    assert run.about["channels"] == 1
    with pytest.raises(RunError, match=r"images of 1 channels; resume it with --channels 1, or choose .*channels=3"):
        tiny.train(run.path, source=folder, batches=3, preparation=Preparation(channels=3))


def test_grey_pictures_are_rgb_for_networks_that_take_only_rgb(tmp_path):
    run = tiny.train(tmp_path / "run", source=save(tmp_path / "grey", *grey(8)), batches=2)
    assert run.channels == 3
    assert run.folder.preparation.channels == 3


@pytest.mark.parametrize(("channels", "kind"), [(1, "grey "), (4, "transparent ")])
def test_an_exported_generator_has_the_same_channels(tmp_path, channels, kind):
    given = test_export.trained_generator(networks.build("standard", 16, 8, channels=channels).generator)
    latents, images = given.check_batch
    session = onnxruntime.InferenceSession(export(given, "onnx", tmp_path / "generator.onnx"))
    (generated,) = session.run(["images"], {"latents": latents})
    assert generated.shape == (4, 16, 16, channels)
    np.testing.assert_allclose(generated, images, atol=1e-4)
    card = huggingface.model_card(given)
    assert f"A generator of new {kind}16×16 pictures" in card
    assert f"(16, 16, 16, {channels})" in card
    assert ("alpha = " in card) == (channels == 4)


def test_the_model_cards_code_for_transparent_images_does_what_pippin_does():
    card = huggingface.model_card(
        test_export.trained_generator(networks.build("standard", 16, 8, channels=4).generator)
    )
    lines = [
        line for line in card.split("```")[1].splitlines() if line.startswith(("alpha", "images = np", "pictures"))
    ]
    generated = np.random.default_rng(0).uniform(-1.2, 1.2, (2, 16, 16, 4)).astype("float32")
    names = {"np": np, "images": generated}
    exec("\n".join(lines), names)
    visible = names["pictures"][..., 3] > 0
    np.testing.assert_array_equal(names["pictures"][visible], to_uint8(generated)[visible])


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 4])
def test_standard_trains_on_images_of_1_and_4_channels(tmp_path, channels):
    folder = (drawn.save_digits if channels == 1 else drawn.save_sprites)(tmp_path / "pictures", 40)
    preparation = CLEAR if channels == 4 else Preparation()
    run = pippin.train(folder, tmp_path / "run", image_size=16, batches=20, preparation=preparation)
    assert run.generator.output_shape == (None, 16, 16, channels)
    assert np.isfinite([entry["d_loss"] for entry in run.log()]).all()
    assert run.sample(2).shape == (2, 16, 16, channels)
