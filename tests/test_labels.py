"""Labels: from folders to the generated images of each."""

import re

import drawn
import keras
import numpy as np
import onnxruntime
import pytest
import test_export
import tiny
from PIL import Image

import pippin
from pippin import networks
from pippin.engines import current
from pippin.errors import ExportError, NetworkError, SettingsError, SourceError
from pippin.export import export, huggingface
from pippin.networks.groups import group_statistics
from pippin.pictures import Labels, Preparation, cycle_labels, one_hot, prepare
from pippin.pictures.labels import from_folders
from pippin.runs.backend import trained_generator
from pippin.sampling import latents as latent_space
from pippin.settings import choose
from pippin.training import anchors, draws
from pippin.training.trainer import Trainer

FOLDERS = Preparation(labels="folders")
COUNTS = {"disc": 9, "square": 4, "star": 1}


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    return drawn.save_kinds(tmp_path_factory.mktemp("kinds") / "kinds", COUNTS)


# -- from folders ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("paths", "names", "of"),
    [
        (["b/1", "a/2", "b/3"], ("a", "b"), [1, 0, 1]),
        (["set/b/1", "set/a/2", "set/a/deep/3"], ("a", "b"), [1, 0, 0]),
        (["set/1", "set/a/2"], ("a", "set"), [1, 0]),
    ],
    ids=["flat", "within one", "beside its folders"],
)
def test_a_label_is_the_first_folder_that_is_not_common_to_all(paths, names, of):
    labels = from_folders(paths)
    assert labels.names == names
    assert labels.indices.tolist() == of


def test_pictures_have_labels_and_the_summary_lists_them(kinds):
    dataset = prepare(kinds, 16, preparation=FOLDERS)
    assert dataset.labels.names == ("disc", "square", "star")
    assert [dataset.labels.names[label] for label in dataset.labels.indices] == [e.label for e in dataset.audit.entries]
    assert dataset.labels.counts.tolist() == [9, 4, 1]
    np.testing.assert_allclose(dataset.labels.shares, [3 / 6, 2 / 6, 1 / 6])
    line = (
        "3 labels, drawn in proportion to the square root of their counts: disc 9 (50%), square 4 (33%), star 1 (17%)"
    )
    assert line in dataset.summary()
    assert line in pippin.audit(kinds, image_size=16, preparation=FOLDERS, outliers=False).lines()
    plain = prepare(kinds, 16)
    assert plain.labels is None
    assert plain.fingerprint != dataset.fingerprint


def test_a_picture_that_moves_to_another_folder_is_another_dataset(tmp_path):
    folder = drawn.save_kinds(tmp_path / "kinds", {"disc": 3, "star": 3})
    before = prepare(folder, 16, preparation=FOLDERS)
    (folder / "disc" / "0002.png").rename(folder / "star" / "0000a.png")
    after = prepare(folder, 16, preparation=FOLDERS)
    assert after.labels.counts.tolist() == [2, 4]
    assert after.fingerprint != before.fingerprint


def test_pictures_in_no_folder_are_refused_and_one_folder_is_not_enough(tmp_path):
    folder = drawn.save_kinds(tmp_path / "kinds", {"disc": 3, "star": 3})
    Image.fromarray(tiny.pictures(1)[0]).save(folder / "alone.png")
    (refused,) = prepare(folder, 16, preparation=FOLDERS).audit.refused
    assert (refused.path, refused.reasons) == ("alone.png", ("in no folder, so it has no label",))
    with pytest.raises(
        SourceError, match=r"at least two folders, one for each label; leave out --labels\. Received: disc"
    ):
        prepare(drawn.save_kinds(tmp_path / "one", {"disc": 3}), 16, preparation=FOLDERS)
    with pytest.raises(SourceError, match=r"There is no column of this name; leave out --labels, .* labels=files"):
        prepare(folder, 16, preparation=Preparation(labels="files"))


def test_every_label_is_in_the_training_set(tmp_path):
    noise = np.random.default_rng(0)
    for n in range(220):
        kind = tmp_path / ("many" if n < 200 else f"rare{n}")
        kind.mkdir(exist_ok=True)
        Image.fromarray(noise.integers(0, 256, (16, 16, 3), np.uint8)).save(kind / f"{n}.png")
    training, held_out = prepare(tmp_path, 16, preparation=FOLDERS).split(0.5)
    assert len(training) + len(held_out) == 220
    assert (training.labels.counts > 0).all()
    assert len(held_out) > 60


# -- draws and anchors -------------------------------------------------------------------------------------------------


def test_labels_are_drawn_by_the_square_roots_of_their_counts():
    labels = Labels(("a", "b"), np.repeat([1, 0], [90, 10]))
    chosen = np.concatenate([draws.labelled_batch_indices(0, n, 16, labels) for n in range(500)])
    assert (labels.indices[chosen] == 1).mean() == pytest.approx(0.75, abs=0.02)
    rare = np.bincount(chosen[labels.indices[chosen] == 0] - 90, minlength=10)
    assert rare.min() > 0.7 * rare.mean()
    once, again = (draws.labelled_batch_indices(0, 7, 16, labels) for _ in range(2))
    np.testing.assert_array_equal(once, again)
    assert (draws.labelled_batch_indices(0, 7, 16, labels) != draws.labelled_batch_indices(0, 8, 16, labels)).any()


def test_anchors_are_spread_within_each_label():
    images = np.concatenate([tiny.pictures(40), tiny.pictures(20, 1) // 4])
    labels = Labels(("bright", "dark"), np.repeat([0, 1], [40, 20]))
    nothing = networks.Networks(tiny.generator(), tiny.discriminator())
    found = anchors.assign(nothing, images, 4, labels)
    for members in labels.members:
        np.testing.assert_allclose(found.latents[members].mean(axis=0), 0, atol=1e-6)
        assert found.latents[members].std(axis=0) == pytest.approx(1, abs=0.1)


def test_a_batch_pairs_real_and_generated_images_of_the_same_label(kinds, monkeypatch):
    training, _ = prepare(kinds, 16, preparation=FOLDERS).split(0)
    settings = choose("standard", 16, features="none", latent_dim=8, batch_size=8, anchored=0.5).settings
    trainer = Trainer(current(), settings, networks.build("standard", 16, 8, labels=3), training)
    batches = []
    monkeypatch.setattr(trainer._runner, "_step", lambda state, batch: (batches.append(batch), (state, {}))[1])
    trainer.step()
    batch = current().to_host(batches[0])
    np.testing.assert_array_equal(batch["latents"][:, 8:], batch["labels"])
    assert batch["anchored"].sum() == 4
    for picture, label in zip(batch["real_images"], batch["labels"], strict=True):
        (row,) = np.flatnonzero((training[:] == picture).all(axis=(1, 2, 3)))
        assert training.labels.indices[row] == label.argmax()
    for position in range(4):
        anchored = batch["latents"][position, : trainer.anchors.latents.shape[1]]
        assert (trainer.anchors.latents == anchored).all(axis=1).any()


# -- networks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("features", ["none", "efficientnet-lite0"])
def test_both_networks_of_standard_take_labels(features):
    built = networks.build("standard", 16, 8, features=features, labels=3)
    assert networks.check(built, 16, 3, 3) == 8
    assert networks.treats_images_independently(built.discriminator)
    latents = np.repeat(np.random.default_rng(0).standard_normal((1, 8)).astype("float32"), 3, axis=0)
    given = keras.ops.convert_to_tensor(latent_space.with_labels(latents, one_hot([0, 1, 2], 3)))
    images = built.generator(given, training=False)
    assert np.abs(np.diff(keras.ops.convert_to_numpy(images), axis=0)).max(axis=(1, 2, 3)).min() > 1e-3
    one = keras.ops.repeat(images[:1], 3, axis=0)
    maps = built.projector(one, training=False) if built.projector else [one]
    statistics = group_statistics(maps[: built.group_heads])
    labels = keras.ops.convert_to_tensor(one_hot([0, 1, 2], 3))
    logits = keras.tree.flatten(built.discriminator([*maps, *statistics, labels], training=False))[0]
    assert np.abs(np.diff(keras.ops.convert_to_numpy(logits), axis=0)).min() > 0


def test_a_logit_is_linear_in_the_label_as_a_projection_is():
    built = networks.build("standard", 16, 8, labels=3)
    image = np.random.default_rng(0).uniform(-1, 1, (1, 16, 16, 3)).astype("float32")

    def logit(*label):
        tensors = [keras.ops.convert_to_tensor(array) for array in (image, np.float32([label]))]
        return float(keras.ops.convert_to_numpy(built.discriminator(tensors, training=False))[0, 0])

    assert logit(0.25, 0.75, 0) == pytest.approx(0.25 * logit(1, 0, 0) + 0.75 * logit(0, 1, 0), abs=1e-5)


def test_classic_and_user_networks_do_not_support_labels(kinds, tmp_path):
    with pytest.raises(NetworkError, match=r"Only the standard preset supports labels\. Received: preset=classic"):
        networks.build("classic", 16, 8, labels=3)
    with pytest.raises(NetworkError, match="Labels need the networks of the standard preset; leave out your own"):
        tiny.train(tmp_path / "run", source=kinds, batches=2, preparation=FOLDERS)


# -- sampling ----------------------------------------------------------------------------------------------------------


def test_default_labels_and_interpolated_labels():
    assert cycle_labels([7, 8, 2**62], 3).tolist() == [1, 2, 2**62 % 3]
    path = latent_space.labels_between(one_hot([0, 2], 3), 4)
    np.testing.assert_allclose(path[:5, 2], [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(path.sum(axis=1), 1)


@pytest.fixture(scope="module")
def run(tmp_path_factory, kinds):
    path = tmp_path_factory.mktemp("runs") / "run"
    return pippin.train(kinds, path, image_size=16, batches=2, features="none", preparation=FOLDERS, latent_dim=8)


def test_a_run_generates_the_requested_labels(run):
    assert run.labels == ["disc", "square", "star"]
    assert run.latent_dim == 8
    stars = run.sample(4, label="star")
    by_default = run.sample(4)
    np.testing.assert_array_equal(by_default[2], stars[2])
    assert (by_default[[0, 1, 3]] != stars[[0, 1, 3]]).any(axis=(1, 2, 3)).all()
    each = run.sample(3, label=["star", "disc", "star"])
    np.testing.assert_array_equal(each[2], stars[2])
    np.testing.assert_array_equal(each[1], run.sample(1, 1, label="disc")[0])
    walked = run.walk([0, 1], 2, label="star")
    np.testing.assert_array_equal(walked[::2], stars[:2])
    np.testing.assert_array_equal(run.walk([0, 1], 2)[2], by_default[1])
    for label, message in (("moon", "label must be one of disc, square, star. Received: label=moon"),):
        with pytest.raises(SettingsError, match=re.escape(message)):
            run.sample(2, label=label)
    with pytest.raises(SettingsError, match="Received: 1 for 2 pictures"):
        run.sample(2, label=["star"])


def test_a_picture_stores_its_label_and_is_generated_again(run, tmp_path):
    from pippin.runs.provenance import Provenance

    picture = Provenance.of(run, [3, 5], label="star").save(tmp_path / "stars.png", run)
    assert Provenance.read(picture).label == "star"
    assert pippin.again(picture, run=run.path).same


def test_a_run_with_labels_is_resumed_evaluated_and_drawn(run, kinds):
    assert pippin.train(
        kinds, run.path, image_size=16, batches=2, features="none", preparation=FOLDERS, latent_dim=8
    ).finished
    assert pippin.evaluate(run, n=8).scores.generated == 8
    assert "<svg" in run.diagram()


def test_a_run_without_labels_rejects_one(tmp_path):
    with pytest.raises(SettingsError, match=r"This run has no labels; .* Received: label=star"):
        tiny.train(tmp_path / "run", batches=2).sample(2, label="star")


# -- export ------------------------------------------------------------------------------------------------------------


def test_an_exported_generator_takes_labels(run, tmp_path):
    given = trained_generator(run)
    latents, expected = given.check_batch
    session = onnxruntime.InferenceSession(export(given, "onnx", tmp_path / "generator.onnx"))
    assert [(one.name, one.shape) for one in session.get_inputs()] == [
        ("latents", ["batch", 8]),
        ("labels", ["batch", 3]),
    ]
    (generated,) = session.run(["images"], {"latents": latents[:, :8], "labels": latents[:, 8:]})
    np.testing.assert_allclose(generated, expected, atol=1e-4)
    saved = keras.models.load_model(export(given, "keras", tmp_path / "generator.keras"))
    np.testing.assert_allclose(saved.predict([latents[:, :8], latents[:, 8:]], verbose=0), expected, atol=1e-4)
    assert "names = [" in huggingface.model_card(given)
    page = (export(given, "web", tmp_path / "web") / "index.html").read_text(encoding="utf-8")
    assert re.findall("<option>(.*?)</option>", page) == ["disc", "square", "star"]
    with pytest.raises(ExportError, match="LiteRT export does not support labels yet"):
        export(given, "tflite", tmp_path / "generator.tflite")
    assert "<select" not in (
        export(test_export.trained_generator(tiny.generator()), "web", tmp_path / "plain") / "index.html"
    ).read_text(encoding="utf-8")
