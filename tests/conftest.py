import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """Prepared pictures go to a fresh folder, so that no test ever touches the user's home."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("PIPPIN_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def photos():
    """The folder of real photographs, which are not part of the project."""
    named = os.environ.get("PIPPIN_PHOTOS")
    folder = Path(named) if named else Path(__file__).resolve().parents[1].parent / "shared" / "photos"
    if not folder.is_dir():
        pytest.skip("no real photographs here: name their folder in PIPPIN_PHOTOS")
    return folder


@pytest.fixture(scope="session")
def cases():
    """The folder of small inputs that other tools get wrong, which are not part of the project."""
    named = os.environ.get("PIPPIN_CASES")
    folder = Path(named) if named else Path(__file__).resolve().parents[1].parent / "shared" / "cases"
    if not folder.is_dir():
        pytest.skip("no such inputs here: name their folder in PIPPIN_CASES")
    return folder


@pytest.fixture(scope="session")
def found(tmp_path_factory):
    """What the workers of `across_engines` measured: engine → name → array."""
    import across_engines

    return across_engines.ask(tmp_path_factory.mktemp("across_engines"))
