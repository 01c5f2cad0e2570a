import os
import shutil
import tempfile
from pathlib import Path

import pytest
from studio_browser import launch_browser, open_tab, open_visit, start_server  # noqa: F401 (fixtures)

JAX_CACHE = "JAX_COMPILATION_CACHE_DIR"


def pytest_configure(config):
    """Let all processes of a test session share what JAX compiles, and compile with few optimisations, since most of
    the time of small networks is compilation."""
    if JAX_CACHE not in os.environ:  # the workers of pytest-xdist and the processes that tests start inherit it
        os.environ[JAX_CACHE] = tempfile.mkdtemp(prefix="pippin-jax-")
        os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
        os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
        config.add_cleanup(lambda: shutil.rmtree(os.environ.pop(JAX_CACHE), ignore_errors=True))


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """Prepared pictures go to a fresh folder, so that no test ever touches the user's home."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("PIPPIN_CACHE", str(folder))
    return folder


def shared_folder(name, variable, absent):
    """Return a folder of `../shared`, or the one that an environment variable names; skip the test without it."""
    named = os.environ.get(variable)
    folder = Path(named) if named else Path(__file__).resolve().parents[1].parent / "shared" / name
    if not folder.is_dir():
        pytest.skip(f"{absent} here: name their folder in {variable}")
    return folder


@pytest.fixture(scope="session")
def photos():
    """The folder of real photographs, which are not part of the project."""
    return shared_folder("photos", "PIPPIN_PHOTOS", "no real photographs")


@pytest.fixture(scope="session")
def cases():
    """The folder of small inputs that other tools get wrong, which are not part of the project."""
    return shared_folder("cases", "PIPPIN_CASES", "no such inputs")


@pytest.fixture(scope="module")
def tiny_networks():
    """Replace the standard preset's networks by the tiny ones, so that training is fast."""
    import tiny

    from pippin import networks

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(networks, "build", tiny.build)
        yield


@pytest.fixture(scope="session")
def found(tmp_path_factory):
    """What the workers of `across_engines` measured: engine → name → array."""
    import across_engines

    return across_engines.ask(tmp_path_factory.mktemp("across_engines"))
