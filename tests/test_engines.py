"""The choice of an engine, and what must not load one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import pippin
from pippin import engines
from pippin.errors import EngineError
from pippin.host.cores import available_cores

# -- the choice ------------------------------------------------------------------------------------------------------


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine to be described: what is installed, what Keras was told, what it runs on."""

    class Machine:
        def __init__(self):
            monkeypatch.delenv("KERAS_BACKEND", raising=False)
            monkeypatch.setenv("KERAS_HOME", str(tmp_path))
            self.has("tensorflow", "jax", "torch")
            self.runs("Linux", "x86_64")

        def has(self, *modules, torch_version="2.9.0+cpu"):
            monkeypatch.setattr(engines.importlib.util, "find_spec", lambda name: name if name in modules else None)
            monkeypatch.setattr(engines.importlib.metadata, "version", lambda name: torch_version)

        def runs(self, system, processor, nvidia=False):
            monkeypatch.setattr(engines.platform, "system", lambda: system)
            monkeypatch.setattr(engines.platform, "machine", lambda: processor)
            monkeypatch.setattr(engines.Path, "exists", lambda path: nvidia)

        def asks_for(self, backend):
            monkeypatch.setenv("KERAS_BACKEND", backend)

        def wrote(self, text):
            (tmp_path / "keras.json").write_text(text, encoding="utf-8")

    return Machine()


@pytest.mark.parametrize("name", list(engines.ENGINES))
def test_keras_backend_is_obeyed(machine, name):
    machine.wrote(json.dumps({"backend": "jax"}))
    machine.asks_for(name)
    assert engines.choose() == name


def test_an_unknown_backend_is_refused(machine):
    machine.asks_for("theano")
    with pytest.raises(EngineError, match=r"tensorflow, jax, torch\. Received: KERAS_BACKEND=theano"):
        engines.choose()


def test_a_backend_that_is_not_installed_is_refused(machine):
    machine.has("tensorflow")
    machine.asks_for("jax")
    with pytest.raises(EngineError, match=r"jax is not installed.*pip install tensorflow-cpu.*jax"):
        engines.choose()


def test_keras_json_is_obeyed(machine):
    machine.wrote(json.dumps({"backend": "torch", "floatx": "float32"}))
    assert engines.choose() == "torch"


@pytest.mark.parametrize("text", [json.dumps({"backend": "torch"}), '{"backend": "numpy"}', "[]", "{", "{}"])
def test_keras_json_is_ignored_where_it_cannot_be_obeyed(machine, text):
    machine.has("jax", "tensorflow")
    machine.wrote(text)
    assert engines.choose() == "tensorflow"


def test_no_engine_at_all_says_what_to_install(machine):
    machine.has()
    with pytest.raises(
        EngineError, match=r"neither TensorFlow nor JAX nor PyTorch is installed\. pip install tensorflow-cpu"
    ):
        engines.choose()


@pytest.mark.parametrize(
    ("installed", "runs", "best"),
    [
        (["tensorflow", "jax", "torch"], ("Linux", "x86_64"), "tensorflow"),
        (["jax", "torch"], ("Linux", "x86_64"), "jax"),
        (["torch"], ("Windows", "AMD64"), "torch"),
        (["tensorflow", "jax", "torch"], ("Darwin", "arm64"), "torch"),
        (["tensorflow", "jax", "torch"], ("Darwin", "x86_64"), "tensorflow"),
        (["tensorflow", "jax", "torch", "libtpu"], ("Linux", "x86_64"), "jax"),
        (["tensorflow", "jax", "torch", "jax_cuda12_plugin"], ("Linux", "x86_64", True), "jax"),
        (["tensorflow", "jax", "torch", "jax_cuda12_plugin"], ("Linux", "x86_64", False), "tensorflow"),
        (["tensorflow", "jax", "torch"], ("Linux", "x86_64", True), "tensorflow"),
    ],
)
def test_the_best_engine_for_the_hardware(machine, installed, runs, best):
    machine.has(*installed)
    machine.runs(*runs)
    assert engines.choose() == best


def test_pytorch_with_cuda_is_best_where_there_is_a_gpu(machine):
    machine.has("tensorflow", "jax", "torch", torch_version="2.9.0")
    machine.runs("Linux", "x86_64", nvidia=True)
    assert engines.choose() == "torch"


def test_the_current_engine_fills_the_interface():
    engine = engines.current()
    assert engine.name == keras.backend.backend()
    tree = {"a": [np.float32([1, 2])], "b": np.int32(3)}
    back = engine.to_host(engine.to_device(tree))
    np.testing.assert_array_equal(back["a"][0], [1, 2])
    assert back["a"][0].dtype == np.float32
    assert (back["b"], back["b"].dtype) == (3, np.int32)
    assert engine.device()


# -- what must not load one ------------------------------------------------------------------------------------------

PROBES = {
    "import pippin": "import pippin",
    "an unknown name": "import pippin; assert not hasattr(pippin, 'nothing')",
    "Preparation": "import pippin; pippin.Preparation",
    "audit": "import pippin; pippin.audit",
    "collect": "import pippin; pippin.collect",
    "pippin --help": """
import contextlib
sys.argv = ["pippin", "--help"]
from pippin.cli import main
with contextlib.suppress(SystemExit):
    main()
""",
}


@pytest.mark.parametrize("probe", list(PROBES))
def test_nothing_heavy_is_loaded_for(probe):
    report = 'print("loaded:", [name for name in ("keras", "tensorflow", "jax", "torch") if name in sys.modules])'
    script = f"import sys\n{PROBES[probe]}\n{report}"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=Path(pippin.__file__).parents[1], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "loaded: []"
    if "help" in probe:
        assert "train" in done.stdout


# -- TensorFlow's threads --------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "chosen", "expected"),
    [
        ("", {}, "{half} 2"),
        ("", {"TF_NUM_INTRAOP_THREADS": "3"}, "0 0"),
        ("import tensorflow; tensorflow.constant(0)", {}, "0 0"),
    ],
    ids=["usual", "chosen", "too late"],
)
def test_tensorflow_runs_two_operations_at_a_time_unless_told_otherwise(before, chosen, expected):
    cores = available_cores()
    if cores == 1:
        pytest.skip("one core has nothing to share")
    script = (
        f"{before}\nfrom pippin import engines; engines.current(); from tensorflow import config\n"
        "if config.list_physical_devices('GPU'): raise SystemExit('a GPU')\n"
        "told = config.threading\n"
        "print(told.get_intra_op_parallelism_threads(), told.get_inter_op_parallelism_threads())"
    )
    told = {name: value for name, value in os.environ.items() if not name.startswith("TF_NUM_")}
    environment = {**told, **chosen, "KERAS_BACKEND": "tensorflow"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    if "a GPU" in done.stderr:
        pytest.skip("GPUs share out work by themselves")
    assert done.stdout.split("\n")[-2] == expected.format(half=cores // 2), done.stderr


def test_tensorflow_takes_the_memory_of_each_gpu_as_it_needs_it(monkeypatch):
    tensorflow = pytest.importorskip("pippin.engines.tensorflow")
    grown = []
    monkeypatch.setattr(tensorflow.tf.config, "list_physical_devices", lambda kind: [f"{kind}:0", f"{kind}:1"])
    monkeypatch.setattr(
        tensorflow.tf.config.experimental, "set_memory_growth", lambda gpu, enable: grown.append((gpu, enable))
    )
    tensorflow._allocate_gpu_memory_as_needed()
    assert grown == [("GPU:0", True), ("GPU:1", True)]
