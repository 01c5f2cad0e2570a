"""Pippin connects to nothing, except in the verbs and sources that say so."""

import socket

import numpy as np
import pytest
import tiny
from PIL import Image

import pippin
from pippin.runs.report import write_page


@pytest.fixture
def attempts(monkeypatch):
    """Refuse every connection and every look-up of a name, and return the list of those that were tried.

    An attempt is listed even if a library catches the error and continues without the network.
    """
    tried = []

    def refuse(what):
        def refused(*args, **options):
            tried.append((what, *args[-1:]))
            raise OSError(f"the network is forbidden: {what}")

        return refused

    class ForbiddenSocket(socket.socket):
        def __init__(self, family=-1, *args, **options):
            super().__init__(family, *args, **options)

        connect = connect_ex = sendto = refuse("connect")

    monkeypatch.setattr(socket, "socket", ForbiddenSocket)
    for name in ("create_connection", "getaddrinfo", "gethostbyname", "gethostbyname_ex", "gethostbyaddr", "getfqdn"):
        monkeypatch.setattr(socket, name, refuse(name))
    return tried


@pytest.fixture
def photos(tmp_path):
    """A folder of pictures, one of each kind that needs a decoder of its own."""
    folder = tiny.save(tmp_path / "photos", tiny.pictures(12))
    Image.fromarray(tiny.pictures(1, seed=1)[0]).save(folder / "a.jpg")
    Image.fromarray(tiny.pictures(1, seed=2)[0]).save(folder / "b.tif")
    return folder


def test_the_guard_notices_a_connection(attempts):
    with pytest.raises(OSError, match="forbidden"):
        socket.create_connection(("127.0.0.1", 9))
    with socket.socket() as opened, pytest.raises(OSError, match="forbidden"):
        opened.connect(("127.0.0.1", 9))
    assert len(attempts) == 2


def test_planning_training_and_using_a_run_need_no_network(photos, tmp_path, attempts):
    pair = {"generator": tiny.generator(), "discriminator": tiny.discriminator()}
    settings = {"image_size": 16, "batches": 2, "batch_size": 4, "checkup": 4}
    pippin.plan(photos, **pair, **settings)
    run = pippin.train(photos, tmp_path / "run", **pair, **settings)
    assert pippin.open_run(run.path).sample(2).shape == (2, 16, 16, 3)
    pippin.evaluate(run, n=8)
    write_page(run)
    for to in ("keras", "onnx", "web", "huggingface"):
        run.export(to)
    run.find(np.zeros((16, 16, 3), np.uint8), steps=1)
    list(run.film())
    run.diagram()
    pippin.audit(photos, image_size=16)
    assert attempts == []


def test_the_standard_networks_and_their_pretrained_features_need_no_network(attempts):
    from pippin import networks

    networks.build("standard", 16, 8, features="efficientnet-lite0")
    assert attempts == []
