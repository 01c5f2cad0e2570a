"""The states of a training on disk: checksums, the checkpoint before the last one, and damaged files."""

import json
import os
import struct

import keras
import numpy as np
import pytest
import safetensors.numpy
import tiny
from keras import layers

from pippin.errors import PippinWarning, RunError
from pippin.runs import state_file
from pippin.runs.checkpoint import BEST, CHECKPOINT, PREVIOUS, StateFiles
from pippin.runs.state_file import UnusableStateError
from pippin.training.health import Health
from pippin.training.step import initial_state


def networks():
    keras.utils.set_random_seed(1)
    generator = keras.Sequential([keras.Input((4,)), layers.Dense(6), layers.BatchNormalization()])
    return generator, keras.Sequential([keras.Input((6,)), layers.Dense(1)])


def state_at(batches):
    """Return a training state whose weights depend on the number of batches."""
    state = initial_state(*networks())
    state["steps"] = np.asarray(batches, "int32")
    state["ema_generator"]["weights"][0][:] = batches
    return state


def save(files, batches, **more):
    files.save_checkpoint(state_at(batches), 1.5 * batches, Health(), **more)


def flip(path, position, bit=0):
    contents = bytearray(path.read_bytes())
    contents[position] ^= 1 << bit
    path.write_bytes(contents)


def header_size(path):
    return 8 + struct.unpack("<Q", path.read_bytes()[:8])[0]


def flip_in(path, name):
    """Flip a bit of an array."""
    header = json.loads(path.read_bytes()[8 : header_size(path)])
    flip(path, header_size(path) + header[name]["data_offsets"][0])


@pytest.fixture
def files(tmp_path):
    """The state files of a run with checkpoints at 10 and 20 batches."""
    files = StateFiles(tmp_path)
    save(files, 10)
    save(files, 20)
    return files


def loaded_batches(files):
    state, seconds, *_ = files.load_checkpoint(state_at(0))
    assert seconds == 1.5 * state["steps"]
    assert (state["ema_generator"]["weights"][0] == state["steps"]).all()
    return int(state["steps"])


# -- checksums ---------------------------------------------------------------------------------------------------------


def test_every_flipped_bit_of_a_state_is_noticed_or_changes_nothing(files):
    path = files.path / CHECKPOINT
    whole, expected = path.read_bytes(), state_file.read_arrays(path)
    rng = np.random.default_rng(0)
    positions = range(len(whole)) if len(whole) < 1000 else rng.integers(0, len(whole), 1000)
    noticed = 0
    for position in positions:  # every one that is used unnoticed must have changed nothing, such as a space
        flip(path, int(position), int(rng.integers(8)))
        try:
            found = state_file.read_arrays(path), state_file.read_metadata(path)
        except UnusableStateError:
            noticed += 1
        else:
            assert tiny.same(found[0], expected)
            assert (found[1]["batches"], found[1]["seconds"], found[1]["finished"]) == (20, 30.0, False)
        path.write_bytes(whole)
    assert noticed > 0.99 * len(positions)


def test_every_flipped_bit_of_the_data_is_noticed(files):
    path = files.path / CHECKPOINT
    start, size = header_size(path), path.stat().st_size
    for position in np.random.default_rng(1).integers(start, size, 200):
        flip(path, int(position))
        with pytest.raises(UnusableStateError, match=r"the checksum of \w+/?[\w/]* differs"):
            state_file.verify_state(path)
        flip(path, int(position))


def test_a_truncated_state_is_noticed(files):
    path = files.path / CHECKPOINT
    for size in (0, 7, 100, header_size(path), path.stat().st_size - 1):
        os.truncate(path, size)
        with pytest.raises(UnusableStateError, match="is damaged"):
            state_file.verify_state(path)


def test_a_state_of_an_older_run_has_no_checksums_and_is_used(files):
    metadata = {"pippin": json.dumps({"batches": 7, "seconds": 10.5})}
    arrays = state_file.flatten(state_at(7))
    safetensors.numpy.save_file(arrays, files.path / CHECKPOINT, metadata=metadata)
    assert loaded_batches(files) == files.batches == 7


def test_checksums_that_were_renamed_are_noticed(files):
    path = files.path / CHECKPOINT
    flip(path, path.read_bytes().index(b'"sha256"') + 1)
    with pytest.raises(UnusableStateError, match="the checksum of its metadata differs"):
        state_file.read_metadata(path)


def test_numbers_that_are_not_finite_are_not_used(files):
    broken = state_at(30)
    broken["ema_generator"]["weights"][0][0, 0] = np.nan
    files.save_checkpoint(broken, 45.0, Health())
    with pytest.warns(PippinWarning, match="ema_generator/weights/0000 holds numbers that are not finite"):
        assert loaded_batches(files) == 20


def test_a_state_that_claims_to_be_huge_is_refused_before_it_is_read(files):
    path = files.path / CHECKPOINT
    header = {"__metadata__": {"pippin": json.dumps({"batches": 1})}}
    header |= {"generator/weights/0000": {"dtype": "F32", "shape": [2**29], "data_offsets": [0, 2**31]}}
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text)
    os.truncate(path, 8 + len(text) + 2**31)  # a sparse file, which takes no space
    with pytest.raises(RunError, match="was made with other networks"):
        state_file.load_state(path, state_at(0))
    with pytest.raises(RunError, match="was made with other networks"):
        state_file.load_weights(path, "generator", networks()[0])


def test_only_the_asked_network_is_read(files):
    path, generator = files.path / CHECKPOINT, networks()[0]
    flip_in(path, "discriminator/weights/0000")
    state_file.load_weights(path, "ema_generator", generator)
    assert (np.asarray(generator.weights[0]) == 20).all()
    with pytest.raises(UnusableStateError, match="the checksum of discriminator/weights/0000 differs"):
        state_file.load_weights(path, "discriminator", networks()[1])


# -- the checkpoint before the last one --------------------------------------------------------------------------------


def test_the_checkpoint_before_the_last_one_is_kept(files):
    assert state_file.read_metadata(files.path / PREVIOUS)["batches"] == 10
    save(files, 30)
    assert state_file.read_metadata(files.path / PREVIOUS)["batches"] == 20
    assert loaded_batches(files) == files.batches == 30
    assert sorted(os.listdir(files.path)) == [PREVIOUS, CHECKPOINT]


def test_a_damaged_checkpoint_is_replaced_by_the_one_before_with_a_warning(files):
    flip(files.path / CHECKPOINT, -1)
    with pytest.warns(
        PippinWarning, match=r"checkpoint.safetensors is damaged.+checkpoint-previous.safetensors is used"
    ):
        assert loaded_batches(files) == 10
    (repair,) = files.repair()
    assert "checkpoint.safetensors is damaged" in repair
    assert repair.endswith("The checkpoint before it is used, that of batch 10")
    assert loaded_batches(files) == files.batches == 10
    assert files.repair() == []


def test_a_process_killed_between_the_two_renamings_loses_nothing_that_was_saved(files):
    (files.path / CHECKPOINT).rename(files.path / PREVIOUS)
    assert files.has_checkpoint
    assert (files.batches, loaded_batches(files)) == (20, 20)
    assert files.repair() == []
    assert (files.path / CHECKPOINT).exists()
    assert loaded_batches(files) == 20


def test_two_damaged_checkpoints_are_refused_and_left_alone(files):
    for name in (CHECKPOINT, PREVIOUS):
        flip(files.path / name, -1)
    before = [(files.path / name).read_bytes() for name in (CHECKPOINT, PREVIOUS)]
    for use in (lambda: loaded_batches(files), files.repair):
        with pytest.raises(RunError, match="is damaged"):
            use()
    assert [(files.path / name).read_bytes() for name in (CHECKPOINT, PREVIOUS)] == before


def test_a_damaged_best_state_is_not_used(files):
    files.save_best(state_at(15), 0.1, "efficientnet-lite1")
    generator = networks()[0]
    files.load_weights("ema_generator", generator)
    assert (np.asarray(generator.weights[0]) == 15).all()
    flip_in(files.path / BEST, "ema_generator/weights/0000")
    with pytest.warns(PippinWarning, match=r"best.safetensors is damaged.+checkpoint.safetensors is used instead"):
        files.load_weights("ema_generator", generator)
    assert (np.asarray(generator.weights[0]) == 20).all()
    assert files.load_best(state_at(0)) is None
    (repair,) = files.repair()
    assert "best.safetensors is damaged" in repair
    assert not (files.path / BEST).exists()
    assert files.best is None


def test_a_write_that_the_disk_did_not_keep_leaves_the_last_checkpoint_alone(files, monkeypatch):
    verify = state_file._verify_on_disk

    def damage_and_verify(path):
        flip(path, -1)
        verify(path)

    monkeypatch.setattr(state_file, "_verify_on_disk", damage_and_verify)
    with pytest.raises(RunError, match="The run cannot be written: what was written is not what is read again"):
        save(files, 30)
    assert loaded_batches(files) == 20
    assert sorted(os.listdir(files.path)) == [PREVIOUS, CHECKPOINT]


def test_files_of_the_user_are_not_removed(files):
    (files.path / ".tmpabcdef").write_text("mine")
    (files.path / ".tmp123456").mkdir()
    save(files, 30)
    assert (files.path / ".tmpabcdef").read_text() == "mine"
    assert (files.path / ".tmp123456").is_dir()


def test_a_finished_run_can_be_reopened(files):
    save(files, 30, finished=True)
    assert files.finished
    files.reopen()
    assert not files.finished
    assert loaded_batches(files) == 30


# -- in a training -----------------------------------------------------------------------------------------------------


def test_training_resumes_from_the_checkpoint_before_a_damaged_one_and_says_so(tmp_path):
    whole = tiny.train(tmp_path / "whole", batches=110)
    stopped = tiny.train_until(105, tmp_path / "run", batches=110)
    assert stopped.batches == 105
    flip(stopped.path / CHECKPOINT, -1)
    reporter = tiny.FindingsReporter()
    run = tiny.train(tmp_path / "run", reporter, batches=110)
    assert [
        finding for finding in reporter.findings if "The checkpoint before it is used, that of batch 100" in finding
    ]
    assert ("ticked", 100) in reporter.calls
    assert tiny.same(tiny.state(run), tiny.state(whole))
    assert [entry["batches"] for entry in run.log()] == [50, 100, 110]
