"""Editing directions, edits along them, style mixing, and their provenance in picture files."""

import dataclasses
import json
import shutil

import keras
import numpy as np
import pytest
import tiny
from PIL import Image

import pippin
from pippin import networks
from pippin.errors import NetworkError, RunError, SettingsError
from pippin.runs.provenance import Provenance
from pippin.sampling.directions import Directions, _early_features, find_directions
from pippin.sampling.edits import format_edits, parse_edits, parse_naming
from pippin.sampling.generation import generate
from pippin.sampling.latents import latents_of
from pippin.sampling.mixing import mix, upsampled_sides
from pippin.show import save_picture, titled_rows

# -- edits in text -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "edits"),
    [
        (["redder=+1.5"], {"redder": 1.5}),
        (["3=-2", " deep red = 1 "], {"3": -2.0, "deep red": 1.0}),
        (["3=2", "3=-.5"], {"3": 1.5}),
        ([], {}),
    ],
)
def test_edits_are_parsed_from_text(texts, edits):
    assert parse_edits(texts) == edits
    assert not edits or parse_edits(format_edits(edits).split(",")) == edits


def test_an_edit_is_formatted_with_its_sign():
    assert format_edits({"redder": 1.5, "3": -2.0}) == "redder=+1.5,3=-2"


@pytest.mark.parametrize("text", ["redder", "redder=", "=2", "3=much", "re,d=1", "-3=1", "", "²=1"])
def test_text_that_is_not_an_edit_is_refused(text):
    with pytest.raises(SettingsError, match=r"Give an edit as NAME=STRENGTH, such as .* Received: "):
        parse_edits([text])


@pytest.mark.parametrize("strength", ["21", "-20.5", "nan", "inf"])
def test_an_edit_that_is_too_strong_is_refused(strength):
    with pytest.raises(SettingsError, match=f"from -20 to 20. Received: redder={strength}"):
        parse_edits([f"redder={strength}"])


@pytest.mark.parametrize("strength", [True, "1", None, float("nan")])
def test_a_strength_of_another_type_is_refused(found, strength):
    with pytest.raises(SettingsError, match=rf"must be a number from -20 to 20. Received: 2={strength!r}"):
        found.apply(latents_of([1], 4), {2: strength})
    with pytest.raises(SettingsError, match="edits must map names or numbers of directions to strengths"):
        found.apply(latents_of([1], 4), ["2=1"])


def test_namings_are_parsed_from_text():
    assert parse_naming("3 = deep red") == (3, "deep red")
    for text in ("redder=3", "3", "3=", "3=4", "3=a=b", "3=a,b"):
        with pytest.raises(SettingsError, match=f"NUMBER=NAME, .* begins with a letter. Received: {text}"):
            parse_naming(text)


# -- directions ----------------------------------------------------------------------------------------------------

STRETCH = np.array([1, 8, 0.1, 3], np.float32)


def stretched():
    """Return a generator whose first layer scales each component of a latent, then rotates it."""
    keras.utils.set_random_seed(0)
    generator = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(12, use_bias=False), keras.layers.Reshape((2, 2, 3))]
    )
    rotation = np.linalg.qr(np.random.default_rng(1).standard_normal((12, 12)))[0][:4]
    generator.layers[0].set_weights([(STRETCH[:, None] * rotation).astype("float32")])
    return generator


@pytest.fixture(scope="module")
def found():
    return find_directions(stretched())


def test_directions_are_sorted_by_how_much_they_change_images(found):
    assert found.vectors.shape == (4, 4)
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(np.abs(found.vectors), np.eye(4)[[1, 3, 0, 2]], atol=0.1)


def test_noise_maps_are_no_early_features():
    generator = networks.build("standard", 16, 160, features="efficientnet-lite0").generator
    assert _early_features(generator) is generator.get_layer("norm4a").input


def test_an_edit_moves_latents_along_its_direction(found):
    latents = latents_of([1, 2], 4)
    moved = found.named(2, "redder").apply(latents, {"redder": 1.5, 1: -2})
    np.testing.assert_allclose(moved - latents, [1.5 * found.vectors[1] - 2 * found.vectors[0]] * 2, atol=1e-6)
    np.testing.assert_array_equal(found.apply(latents, {}), latents)


def test_edits_by_name_and_number_are_added(found):
    assert found.named(2, "redder").numbered({"redder": 1, "2": 2, 3: -1}) == {2: 3.0, 3: -1.0}
    with pytest.raises(SettingsError, match=r"-20 to 20. Received: 2=30"):
        found.named(2, "redder").numbered({"redder": 15, "2": 15})


def test_a_direction_has_one_name_and_a_name_one_direction(found):
    named = found.named(2, "redder").named(3, "rounder")
    assert named.titles() == ["1", "2 redder", "3 rounder", "4"]
    assert named.named(4, "redder").titles() == ["1", "2", "3 rounder", "4 redder"]
    assert named.named(2, "greener").names == {"rounder": 3, "greener": 2}


def test_an_unknown_direction_is_refused(found):
    for name in ("0", "5", "bluer"):
        with pytest.raises(SettingsError, match=rf"no such direction; use 1 to 4 or redder; .* Received: {name}"):
            found.named(1, "redder").apply(latents_of([1], 4), {name: 1})


def test_directions_survive_json(found):
    named = found.named(2, "redder")
    again = Directions.from_dict(json.loads(json.dumps(named.to_dict())))
    np.testing.assert_array_equal(again.vectors, named.vectors)
    assert (again.names, again.weights) == (named.names, named.weights)


def test_a_generator_without_weights_has_no_directions():
    empty = keras.Sequential([keras.Input((12,)), keras.layers.Reshape((2, 2, 3))], name="empty")
    with pytest.raises(NetworkError, match=r"no layer with weights, .* Received: empty"):
        find_directions(empty)


# -- mixing --------------------------------------------------------------------------------------------------------


def growing():
    """Return a generator with two upsampling layers in one branch and one in the other."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    latents = keras.Input((6,))
    x = layers.Reshape((4, 4, 5))(layers.Dense(80)(latents))
    skip = layers.UpSampling2D(4, interpolation="bilinear")(layers.Conv2D(3, 1)(x))
    x = layers.LeakyReLU()(layers.BatchNormalization()(layers.Conv2D(5, 3, padding="same")(layers.UpSampling2D()(x))))
    x = layers.Conv2D(3, 3, padding="same")(layers.UpSampling2D()(x))
    return keras.Model(latents, layers.Add()([x, skip]), name="generator")


def test_the_sides_are_those_of_upsampled_maps():
    assert upsampled_sides(growing()) == [4, 8]
    assert upsampled_sides(networks.build("standard", 32, 8, features="efficientnet-lite0").generator) == [4, 8, 16]
    assert upsampled_sides(tiny.generator()) == []


def test_an_image_mixed_with_itself_stays_the_same():
    generator, latents = growing(), latents_of(range(3), 6)
    mixed, plain = mix(generator, latents, latents), generate(generator, latents)
    assert (mixed.shape, mixed.dtype) == ((3, 3, 16, 16, 3), np.uint8)
    for n in range(3):
        assert np.abs(mixed[n, n].astype(int) - plain[n]).max() <= 1
        assert np.abs(mixed[n, n - 1].astype(int) - plain[n]).max() > 10


def test_channels_get_the_means_and_deviations_of_the_other_latent_and_keep_their_layout(monkeypatch):
    """The generator ends with the upsampling, so the statistics can be read from its images."""
    monkeypatch.setattr("pippin.sampling.mixing.to_uint8", lambda images: images)
    dense = keras.layers.Dense(48)
    generator = keras.Sequential(
        [keras.Input((6,)), dense, keras.layers.Reshape((4, 4, 3)), keras.layers.UpSampling2D(4)]
    )
    one, other = latents_of([1], 6), latents_of([2], 6)
    mixed = mix(generator, one, other)[0, 0].astype("float64")
    layout, style = (np.asarray(generator(latents))[0].astype("float64") for latents in (one, other))
    np.testing.assert_allclose(mixed.mean((0, 1)), style.mean((0, 1)), atol=1e-3)
    np.testing.assert_allclose(mixed.std((0, 1)), style.std((0, 1)), atol=1e-3)
    for channel in range(3):
        assert np.corrcoef(mixed[..., channel].ravel(), layout[..., channel].ravel())[0, 1] > 0.9999


def test_a_mixed_image_does_not_depend_on_the_others():
    generator = growing()
    many = mix(generator, latents_of(range(5), 6), latents_of(range(5, 10), 6), 4)
    alone = mix(generator, latents_of([3], 6), latents_of([7], 6), 4)
    np.testing.assert_array_equal(many[3, 2], alone[0, 0])


def test_images_that_cannot_be_mixed_are_refused():
    latents = latents_of([1, 2], tiny.LATENT_DIM)
    with pytest.raises(NetworkError, match="has no upsampling layer, so layout and style cannot be separated"):
        mix(tiny.generator(), latents, latents)
    for side, message in ((5, "one of 4, 8"), (True, "an integer"), ("4", "an integer"), (4.0, "an integer")):
        with pytest.raises(SettingsError, match=f"side must be {message}. Received: side={side!r}"):
            mix(growing(), latents_of([1], 6), latents_of([1], 6), side)
    with pytest.raises(SettingsError, match=r"at most 1,024 images. Received: 33 × 32"):
        mix(growing(), latents_of(range(33), 6), latents_of(range(32), 6))


def test_titled_rows_show_each_image_unchanged_with_titles_and_headings():
    rows = np.stack([tiny.pictures(3, seed) for seed in (0, 1)])
    sheet = titled_rows(rows, ["1 redder", "2"], ["-2", "0", "+2"])
    bottom = sheet[-16:, -16:]
    np.testing.assert_array_equal(bottom, rows[1, 2])
    assert (sheet[:15] < 255).any()
    assert (sheet[15:, : sheet.shape[1] - 3 * 18] < 255).any()


# -- through a run and its picture files ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIPPIN_CACHE", str(tmp_path_factory.mktemp("cache")))
        networks = {"generator": growing(), "discriminator": tiny.discriminator()}
        return tiny.train_until(20, tmp_path_factory.mktemp("runs") / "run", batches=40, **networks)


@pytest.fixture
def run(trained, tmp_path, monkeypatch):
    """A copy of the run, whose directions are found from 128 latents instead of 1,024."""
    monkeypatch.setattr("pippin.sampling.directions.SAMPLES", 128)
    return pippin.open_run(shutil.copytree(trained.path, tmp_path / "run"))


def test_a_run_stores_its_directions_and_their_names(run):
    first = run.directions()
    run.name_direction(2, "redder")
    again = pippin.open_run(run.path).directions()
    np.testing.assert_array_equal(again.vectors, first.vectors)
    assert again.names == {"redder": 2}
    assert run.directions(recompute=True).names == {}
    with pytest.raises(SettingsError, match=r"a name begins with a letter\. Received: 2=7"):
        run.name_direction(2, "7")


def test_edited_images_are_generated_from_moved_latents(run):
    run.name_direction(2, "redder")
    edited = run.sample(seeds=[1, 2], edits={"redder": 2})
    latents = run.latents([1, 2]) + 2 * run.directions().vectors[1]
    np.testing.assert_array_equal(edited, run.generate(latents))
    assert (edited != run.sample(seeds=[1, 2])).any()


def test_names_of_directions_are_not_used_after_more_training(run):
    run.name_direction(2, "redder")
    tiny.train(run.path, batches=40, generator=growing())
    later = pippin.open_run(run.path)
    with pytest.raises(
        RunError, match=r"trained further after its directions were named \(redder\).* directions --recompute"
    ):
        later.sample(seeds=[1], edits={"redder": 1})
    assert later.directions(recompute=True).weights != run.directions().weights


def test_damaged_directions_are_reported(run):
    (run.path / "directions.json").write_text('{"weights": "0"}')
    with pytest.raises(RunError, match=r"directions.json is damaged"):
        run.directions()


def test_an_edited_picture_stores_its_edits_and_is_generated_again(run, tmp_path):
    run.name_direction(2, "redder")
    path = Provenance.of(run, [1, 2], edits={"redder": 1.5, "3": -2}).save(tmp_path / "a.png", run)
    assert Provenance.read(path).edits == {2: 1.5, 3: -2.0}
    run.name_direction(4, "redder")  # the picture refers to the direction by number
    assert pippin.again(path, run=run.path).same
    assert path.read_bytes() != Provenance.of(run, [1, 2]).save(tmp_path / "b.png", run).read_bytes()


def test_a_found_latent_is_stored_in_its_picture_and_can_be_edited(run, tmp_path):
    latent = np.random.default_rng(0).standard_normal((1, 6)).astype("float32")
    path = Provenance.of(run, latents=latent).save(tmp_path / "found.png", run, run.generate(latent))
    provenance = Provenance.read(path)
    np.testing.assert_array_equal(provenance.generator_inputs(run), latent)
    assert pippin.again(path, run=run.path).same
    twice = provenance.edited(run, {1: 2}).edited(run, {"1": -0.5, 3: 1})
    assert twice.edits == {1: 1.5, 3: 1.0}
    np.testing.assert_array_equal(twice.generator_inputs(run), run.edited(latent, {1: 1.5, 3: 1}))
    with pytest.raises(
        SettingsError,
        match=r"latents in the picture do not fit the run, .* Received: 5 numbers",
    ):
        dataclasses.replace(provenance, latents=provenance.latents[:5]).generator_inputs(run)


def test_a_walk_passes_found_latents_before_seeds(run):
    latent = latents_of([50], 6)
    frames = run.walk([3], 4, latents=latent)
    assert np.abs(frames[::4].astype(int) - run.sample(seeds=[50, 3])).max() <= 1
    assert run.walk(frames=2, latents=latents_of([1, 2], 6)).shape == (4, 16, 16, 3)


def test_a_mixed_picture_is_generated_again(run, tmp_path):
    images = run.mix([1, 2], [3, 4, 5], side=4)
    path = Provenance.of(run, [1, 2], fine=[3, 4, 5], side=4).save(tmp_path / "mix.png", run, images)
    assert pippin.again(path, run=run.path).same
    with pytest.raises(SettingsError, match="has two latents, not one"):
        Provenance.read(path).generator_inputs(run)
    sheet = np.asarray(Image.open(path))
    np.testing.assert_array_equal(sheet[-16:, -16:], images[1, 2])


# -- the command line ----------------------------------------------------------------------------------------------


@pytest.fixture
def invoke(monkeypatch, capsys):
    """Run `pippin` in this process: arguments → what it printed."""

    def invoke(*arguments):
        from pippin.cli import app

        app([str(argument) for argument in arguments], standalone_mode=False)
        return capsys.readouterr().out

    return invoke


def test_directions_are_shown_named_and_gone_along(run, tmp_path, invoke):
    said = invoke("directions", run.path, "-o", tmp_path / "d.png", "--name", "2=redder")
    assert f"6 directions in {tmp_path / 'd.png'}" in said
    assert "Named: 2 redder" in said
    assert np.asarray(Image.open(tmp_path / "d.png")).shape[0] == 15 + 6 * 18 - 2
    invoke("sample", run.path, "--seeds", "1,2", "--edit", "redder=+1.5", "-o", tmp_path / "a.png")
    assert Provenance.read(tmp_path / "a.png").edits == {2: 1.5}
    invoke("sample", run.path, "--from", tmp_path / "a.png", "--edit", "1=2", "-o", tmp_path / "b.png")
    assert Provenance.read(tmp_path / "b.png").edits == {2: 1.5, 1: 2.0}
    assert "identical to the byte" in invoke("again", tmp_path / "b.png", "--run", run.path)


@pytest.mark.slow
def test_a_walk_from_picture_files(run, tmp_path, invoke):
    for seed in (1, 2):
        Provenance.of(run, [seed]).save(tmp_path / f"{seed}.png", run)
    one, two = (("--from", tmp_path / f"{seed}.png") for seed in (1, 2))
    for given, frames in (((*one, *two), 4), ((*one, "--seeds", "7"), 4), (one, 12), ((), 10)):
        said = invoke("walk", run.path, *given, "--frames", "2", "-o", tmp_path / "walk.gif")
        assert said.startswith(f"{frames} frames")


def test_mixing_on_the_command_line(run, tmp_path, invoke):
    said = invoke("mix", run.path, "--coarse", "1,2", "--fine", "3-5", "-o", tmp_path / "mix.png")
    assert said == f"2 × 3 pictures in {tmp_path / 'mix.png'}; style exchanged in maps of 4×4 and larger\n"


def test_options_that_contradict_each_other_are_refused(run, tmp_path, invoke):
    with pytest.raises(SettingsError, match="--from can only be combined with --edit and -o"):
        invoke("sample", run.path, "--from", tmp_path / "a.png", "--seeds", "1")
    with pytest.raises(SettingsError, match="Use --curate first, then edit its choice"):
        invoke("sample", run.path, "--curate", "--edit", "1=2")


def test_a_picture_of_other_weights_is_refused(run, tmp_path, invoke):
    provenance = dataclasses.replace(Provenance.of(run, [1]), weights="0" * 16)
    path = save_picture(provenance.render(run), tmp_path / "a.png", provenance.to_note())
    for verb in (("sample", run.path, "--edit", "1=2"), ("walk", run.path)):
        with pytest.raises(RunError, match="not the run that generated the picture"):
            invoke(*verb, "--from", path)


@pytest.mark.slow
def test_a_photo_is_found_and_then_edited(run, tmp_path, invoke):
    Image.fromarray(run.sample(1, seed=900)[0]).save(tmp_path / "photo.png")
    said = invoke("find", run.path, tmp_path / "photo.png", "-o", tmp_path / "found.png")
    assert "perceptual distance" in said
    assert np.asarray(Image.open(tmp_path / "found-beside.png")).shape[1] == 5 * 130 - 2
    found = np.asarray(Image.open(tmp_path / "found.png")).astype(int)
    photo = np.asarray(Image.open(tmp_path / "photo.png")).astype(int)
    assert np.sqrt(((found - photo) ** 2).mean()) < 3
    assert "identical to the byte" in invoke("again", tmp_path / "found.png", "--run", run.path)
    invoke("sample", run.path, "--from", tmp_path / "found.png", "--edit", "1=2", "-o", tmp_path / "edited.png")
    edited, found = (Provenance.read(tmp_path / f"{name}.png") for name in ("edited", "found"))
    np.testing.assert_array_equal(edited.latents, found.latents)
