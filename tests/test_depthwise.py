import subprocess
import sys

import pytest

CHECK = """
import jax, numpy as np
from keras import layers
from pippin.networks.depthwise import DepthwiseConvolution

draw = np.random.default_rng(0)
for side, size, stride in [(8, 3, 1), (8, 3, 2), (9, 3, 2), (8, 5, 1), (8, 5, 2), (7, 5, 2), (4, 5, 1), (2, 5, 2)]:
    x = draw.standard_normal((3, side, side + 2, 6), "float32")
    ours, theirs = DepthwiseConvolution(size, stride), layers.DepthwiseConv2D(size, stride, padding="same")
    results = []
    weights = [draw.standard_normal((size, size, 6, 1)), draw.standard_normal(6)]
    for layer in (ours, theirs):
        layer.build(x.shape)
        layer.set_weights(weights)
        output, pullback = jax.vjp(layer, x)
        results.append((output, *pullback(np.cos(output))))
    for a, b in zip(*results):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
assert ours._shifted_products is not None
print("equal")
"""


@pytest.mark.slow
def test_shifted_products_on_jax_equal_keras_layer_and_its_gradient(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    done = subprocess.run([sys.executable, "-c", CHECK], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "equal", done.stderr
