"""Weight transfer from another run: which layers are initialised, what the run generates then, and what is refused."""

import shutil

import keras
import numpy as np
import pytest
import tiny
from keras import layers

import pippin
from pippin import networks
from pippin.errors import RunError
from pippin.networks import graph, standard
from pippin.session.transfer import Transfer, transfer_layers
from pippin.settings import Settings
from pippin.training.schedule import schedule_at


@pytest.fixture(scope="module")
def parent(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIPPIN_CACHE", str(tmp_path_factory.mktemp("cache")))
        return tiny.train(tmp_path_factory.mktemp("runs") / "parent", batches=3)


def filled(model, seed=0):
    rng = np.random.default_rng(seed)
    model.set_weights([rng.uniform(0.1, 0.5, w.shape).astype("float32") for w in model.get_weights()])
    return model


# -- layers --------------------------------------------------------------------------------------------------------


def test_all_layers_of_the_same_networks_are_transferred():
    old, new = filled(standard.build(16, 8)[0]), standard.build(16, 8)[0]
    taken = transfer_layers(new, old)
    assert (taken.complete, taken.partial) == (taken.layers, 0)
    for mine, theirs in zip(new.get_weights(), old.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_the_coarse_stages_of_a_larger_generator_compute_the_same_as_the_smaller_ones():
    old, new = filled(standard.build(16, 8)[0]), standard.build(32, 8)[0]
    taken = transfer_layers(new, old)
    assert 0 < taken.partial < taken.complete + taken.partial < taken.layers
    latents = np.random.default_rng(1).standard_normal((3, 8)).astype("float32")

    def stage(model):
        return np.asarray(
            keras.ops.convert_to_numpy(keras.Model(model.input, model.get_layer("stage4").output)(latents))
        )

    mine, theirs = stage(new), stage(old)
    assert mine.shape[-1] > theirs.shape[-1]
    np.testing.assert_allclose(mine[..., : theirs.shape[-1]], theirs, rtol=1e-4)


def test_the_coarse_stages_of_128_are_those_of_64():
    small, large = standard.stage_filters(64), standard.stage_filters(128)
    assert small == {side: large[side] for side in small}


@pytest.mark.parametrize("labels", [0, 2])
def test_a_generator_without_noise_maps_and_with_biases_starts_one_that_has_noise_maps_and_no_biases(labels):
    old = filled(standard.build(16, 128, labels=labels)[0])
    new = networks.build("standard", 16, 208, features="efficientnet-lite0", labels=labels).generator
    taken = transfer_layers(new, old, (labels, labels))
    assert taken.layers - taken.complete - taken.partial == 3  # the mapping's normalisation and two noise maps
    for name in ("seed", "mapping0"):
        kernel, former = new.get_layer(name).get_weights()[0], old.get_layer(name).get_weights()[0]
        np.testing.assert_array_equal(kernel[:128], former[:128])
        np.testing.assert_array_equal(kernel[208:], former[128:])
        assert not kernel[128:208].any()
    np.testing.assert_array_equal(new.get_layer("mapped").get_weights()[0], old.get_layer("mapped").get_weights()[0])


def test_other_labels_start_without_the_weights_of_the_former_ones():
    old, new = filled(standard.build(16, 8, labels=2)[0]), standard.build(16, 8, labels=3)[0]
    transfer_layers(new, old, (3, 2))
    kernel = new.get_layer("seed").get_weights()[0]
    np.testing.assert_array_equal(kernel[:8], old.get_layer("seed").get_weights()[0][:8])
    assert not kernel[8:].any()


def test_layers_that_keras_numbered_are_matched_by_their_order():
    def stack(*widths):
        return keras.Sequential([keras.Input((3,)), *(layers.Dense(width) for width in widths)])

    old, new = filled(stack(4, 5)), stack(4, 5, 2)
    assert transfer_layers(new, old) == Transfer(3, 2, 0)
    np.testing.assert_array_equal(new.get_weights()[2], old.get_weights()[2])


def test_a_dense_layer_on_another_flattened_map_keeps_its_initial_weights():
    old, new = tiny.discriminator(size=16), tiny.discriminator(size=32)
    before = new.get_weights()
    assert transfer_layers(new, old) == Transfer(1, 0, 0)
    for mine, fresh in zip(new.get_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, fresh)


# -- frozen layers -------------------------------------------------------------------------------------------------


def test_the_first_half_of_each_path_through_the_network_is_early():
    image, coarse = keras.Input((8, 8, 3)), keras.Input((4, 4, 5))
    long = layers.Conv2D(2, 3, name="a")(image)
    for name in "bcd":
        long = layers.Conv2D(2, 1, name=name)(layers.ReLU()(long))
    ends = [layers.Dense(1, name=f"score{n}")(layers.Flatten()(x)) for n, x in enumerate((long, coarse))]
    model = keras.Model([image, coarse], layers.Concatenate()(ends))
    early = {
        v.path.split("/")[-2]
        for v, is_early in zip(model.trainable_variables, graph.early_weight_mask(model), strict=True)
        if is_early
    }
    assert early == {"a", "b"}


def test_every_head_of_standard_has_early_layers_but_never_a_score():
    discriminator = networks.build("standard", 32, 8, features="efficientnet-lite0").discriminator
    flags = zip(discriminator.trainable_variables, graph.early_weight_mask(discriminator), strict=True)
    early = {variable.path.split("/")[-2] for variable, is_early in flags if is_early}
    assert {f"read{n}" for n in range(5)} <= early
    assert not any(name.startswith("score") for name in early)


@pytest.mark.slow
def test_frozen_layers_keep_their_weights_for_their_share_of_the_run(parent, tmp_path):
    settings = Settings(frozen=0.5)
    assert [schedule_at(settings, p, 0)["early_rate"] for p in (0, 0.49, 0.5, 1)] == [0, 0, 1, 1]
    stack = [layers.Conv2D(2, 3, name="look"), layers.LeakyReLU()]
    deep = tiny.train(tmp_path / "deep", batches=2, discriminator=tiny.discriminator(*stack))
    again = [layers.Conv2D(2, 3, name="look"), layers.LeakyReLU()]
    held = tiny.train(tmp_path / "held", batches=2, discriminator=tiny.discriminator(*again), from_run=deep, frozen=1.0)
    one, other = tiny.state(deep), tiny.state(held)
    names = [f"discriminator/weights/{n:04d}" for n in range(3)]  # the relativistic loss ignores the last bias
    assert [bool((one[name] == other[name]).all()) for name in names] == [True, True, False]


# -- runs ----------------------------------------------------------------------------------------------------------


def test_a_run_starts_with_the_weights_of_another(parent, tmp_path):
    run = tiny.train(tmp_path / "child", source=tiny.pictures(seed=5), from_run=parent.path, batches=1)
    first, kept = run.snapshots()[0], parent.snapshots()[3]
    assert np.abs(first.astype(int) - kept).max() <= 1
    assert run.settings.from_run == str(parent.path.resolve())
    assert run.about["start"].startswith(f"2 of 2 layers start with the weights of {parent.path} at batch 3")
    assert "start" not in parent.about


@pytest.mark.slow
def test_a_run_resumes_without_its_parent(parent, tmp_path):
    gone = pippin.open_run(shutil.copytree(parent.path, tmp_path / "gone"))
    straight = tiny.train(tmp_path / "straight", from_run=gone, batches=6, frozen=0.5)
    with pytest.MonkeyPatch.context() as patch:
        tiny.signal_at(patch, 4)
        with pytest.raises(KeyboardInterrupt):
            tiny.train(tmp_path / "stopped", from_run=gone, batches=6, frozen=0.5)
    shutil.rmtree(gone.path)
    stopped = tiny.train(tmp_path / "stopped", from_run=gone.path, batches=6, frozen=0.5)
    assert tiny.same(tiny.state(straight), tiny.state(stopped))


class KilledAt(tiny.RecordingReporter):
    """Ends training without saving, before the given batch."""

    def __init__(self, batch):
        super().__init__()
        self.batch = batch

    def on_batch_begin(self, batches):
        if batches == self.batch:
            raise SystemExit


@pytest.mark.slow
@pytest.mark.parametrize("checkpoint", [True, False], ids=["after the first checkpoint", "before it"])
def test_a_run_killed_early_resumes_from_the_weights_of_its_parent(parent, tmp_path, checkpoint):
    settings = {"from_run": parent, "source": tiny.pictures(seed=5), "batches": 6}
    straight = tiny.train(tmp_path / "straight", **settings)
    with pytest.raises(SystemExit):
        tiny.train(tmp_path / "killed", KilledAt(3), **settings)
    if not checkpoint:
        (tmp_path / "killed" / "checkpoint.safetensors").unlink()
    killed = tiny.train(tmp_path / "killed", **settings)
    assert tiny.same(tiny.state(straight), tiny.state(killed))
    assert killed.about["start"] == straight.about["start"]


def test_the_first_checkpoint_is_loaded_even_if_the_parent_is_gone(parent, tmp_path):
    gone = pippin.open_run(shutil.copytree(parent.path, tmp_path / "gone"))
    with pytest.raises(SystemExit):
        tiny.train(tmp_path / "killed", KilledAt(3), from_run=gone, batches=6)
    shutil.rmtree(gone.path)
    killed = tiny.train(tmp_path / "killed", from_run=gone.path, batches=6)
    assert tiny.same(tiny.state(tiny.train(tmp_path / "straight", from_run=parent, batches=6)), tiny.state(killed))


def test_a_run_does_not_resume_without_its_from_run_setting(parent, tmp_path):
    tiny.train(tmp_path / "child", from_run=parent, batches=2)
    with pytest.raises(RunError, match="was made with other settings"):
        tiny.train(tmp_path / "child", batches=2)


@pytest.mark.slow
def test_a_parent_that_does_not_fit_is_refused_in_one_line(parent, tmp_path):
    with pytest.raises(RunError, match=r"There is no run there; .* Received: .*nowhere"):
        tiny.train(tmp_path / "child", from_run=tmp_path / "nowhere")
    large = {"generator": tiny.generator(32), "discriminator": tiny.discriminator(size=32)}
    big = tiny.train(
        tmp_path / "big", source=np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8), batches=1, **large
    )
    with pytest.raises(
        RunError, match=r"has images of 32×32 pixels, and this run has 16×16, which is smaller; choose --image-size 32"
    ):
        tiny.train(tmp_path / "child", from_run=big)
    other = keras.Sequential(
        [keras.Input((4,)), layers.Dense(3, name="own"), layers.Reshape((1, 1, 3)), layers.UpSampling2D(16)]
    )
    stack = keras.Sequential(
        [keras.Input((16, 16, 3)), layers.AveragePooling2D(16), layers.Flatten(), layers.Dense(1, name="its")]
    )
    with pytest.raises(RunError, match="has no layer that fits these networks"):
        tiny.train(tmp_path / "child", from_run=parent, generator=other, discriminator=stack)
    assert not (tmp_path / "child").exists()
