"""The game of two networks in two dimensions, in NumPy alone, and the figure of its frames.

python docs/figures/game.py

`docs/site/game.js` plays the same game in the browser. The generator maps latents (B, 2) to points (B, 2), the
discriminator maps points to logits (B, 1). The loss is that of Pippin: relativistic, with a penalty on the gradient of
the discriminator, which is measured here as its change along a random direction.
"""

import itertools
import sys
from pathlib import Path

import numpy as np
from PIL import Image

WIDTH, BATCH, REACH = 32, 64, 0.1
"""Units of each hidden layer, points in a batch, and the length of the step along which the slope is measured."""

SPOTS, SPREAD = 8, 0.04
"""Real points lie around this many spots on a circle of radius 0.7, with this standard deviation."""


class Network:
    """A network with two hidden layers of leaky ReLUs, and Adam without momentum, as in R3GAN."""

    def __init__(self, outputs: int, rng: np.random.Generator) -> None:
        sizes = [2, WIDTH, WIDTH, outputs]
        self.weights = [rng.normal(0, np.sqrt(2 / a), (a, b)) for a, b in itertools.pairwise(sizes)]
        self.biases = [np.zeros(b) for b in sizes[1:]]
        self.squares = [np.zeros_like(each) for each in self.weights + self.biases]
        self.steps = 0

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Compute the outputs (B, outputs) of inputs (B, 2), and keep what `backward` needs."""
        self.inputs = []
        for n, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            self.inputs.append(x)
            x = x @ weight + bias
            x = np.where(x > 0, x, 0.2 * x) if n < 2 else x
        return x

    def backward(self, gradient: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
        """Return the gradients of the inputs and of the weights and biases for gradients of the last outputs."""
        by_weights, by_biases = [], []
        for n in (2, 1, 0):
            if n < 2:
                gradient = np.where(self.inputs[n + 1] > 0, gradient, 0.2 * gradient)
            by_weights.insert(0, self.inputs[n].T @ gradient)
            by_biases.insert(0, gradient.sum(0))
            gradient = gradient @ self.weights[n].T
        return gradient, by_weights + by_biases

    def update(self, gradients: list[np.ndarray], rate: float) -> None:
        """Move the weights against their gradients by about the learning rate."""
        self.steps += 1
        for value, square, gradient in zip(self.weights + self.biases, self.squares, gradients, strict=True):
            square += 0.01 * (gradient**2 - square)
            value -= rate * gradient / (np.sqrt(square / (1 - 0.99**self.steps)) + 1e-8)


class Game:
    """Both networks and the batches that they see.

    Args:
        gamma: Weight of the gradient penalty.
        rate: Learning rate of the generator.
        ratio: Learning rate of the discriminator, as a multiple of the generator's.
        seed: Seed of the weights and of the batches.
    """

    def __init__(self, gamma: float = 0.1, rate: float = 2e-3, ratio: float = 1, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.generator, self.discriminator = Network(2, self.rng), Network(1, self.rng)
        self.gamma, self.rate, self.ratio = gamma, rate, ratio

    def real(self, count: int) -> np.ndarray:
        """Draw real points (count, 2)."""
        angles = 2 * np.pi * self.rng.integers(0, SPOTS, count) / SPOTS
        spots = 0.7 * np.stack([np.cos(angles), np.sin(angles)], 1)
        return spots + SPREAD * self.rng.normal(size=(count, 2))

    def generated(self, count: int) -> np.ndarray:
        """Generate points (count, 2)."""
        return self.generator.forward(self.rng.normal(size=(count, 2)))

    def step(self) -> None:
        """Train both networks on one batch."""
        real, fake = self.real(BATCH), self.generated(BATCH)
        direction = self.rng.normal(size=(2 * BATCH, 2))
        direction *= REACH / np.linalg.norm(direction, axis=1, keepdims=True)
        points = np.concatenate([real, fake])
        logits = self.discriminator.forward(np.concatenate([points, points + direction]))[:, 0]
        here, there = np.split(logits, 2)
        pull = 1 / (1 + np.exp(here[:BATCH] - here[BATCH:])) / BATCH  # of softplus(D(fake) − D(real))
        slope = self.gamma * (there - here) / REACH**2 / BATCH
        gradient = np.concatenate([-pull, pull, np.zeros(2 * BATCH)]) + np.concatenate([-slope, slope])
        _, by_discriminator = self.discriminator.backward(gradient[:, None])
        # The generator wants the opposite: softplus(D(real) − D(fake)).
        logits = self.discriminator.forward(points)[:, 0]
        push = -1 / (1 + np.exp(logits[BATCH:] - logits[:BATCH])) / BATCH
        by_points, _ = self.discriminator.backward(np.concatenate([np.zeros(BATCH), push])[:, None])
        _, by_generator = self.generator.backward(by_points[BATCH:])
        self.discriminator.update(by_discriminator, self.rate * self.ratio)
        self.generator.update(by_generator, self.rate)

    def hit_spots(self, count: int = 2000) -> int:
        """Return how many spots get at least a quarter of their share of generated points, within 3 deviations."""
        points = self.generated(count)
        angles = 2 * np.pi * np.arange(SPOTS) / SPOTS
        spots = 0.7 * np.stack([np.cos(angles), np.sin(angles)], 1)
        near = np.linalg.norm(points[:, None] - spots, axis=2) < 3 * SPREAD
        return int((near.sum(0) >= count / SPOTS / 4).sum())


def draw(path: Path, games: dict[str, Game], moments: tuple[int, ...]) -> None:
    """Play games, and draw a row for each: the points and the discriminator's opinion at some moments."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    shape, axis = (len(games), len(moments)), np.linspace(-1.2, 1.2, 100)
    grid = np.stack(np.meshgrid(axis, axis), 2).reshape(-1, 2)
    size = (2 * shape[1], 0.2 + 2 * shape[0])
    figure, panels = pyplot.subplots(*shape, figsize=size, layout="constrained", squeeze=False)
    for n, (name, game) in enumerate(games.items()):
        for panel, moment in zip(panels[n], moments, strict=True):
            while game.generator.steps < moment:
                game.step()
            opinion = game.discriminator.forward(grid).reshape(100, 100)
            opinion -= opinion.mean()
            limit = np.abs(opinion).max()
            panel.imshow(opinion, extent=(-1.2, 1.2, -1.2, 1.2), origin="lower", cmap="PRGn", vmin=-limit, vmax=limit)
            for points, colour in ((game.real(300), "#222222"), (game.generated(300), "#d8432b")):
                panel.scatter(*points.T, s=2, c=colour)
            panel.set(xticks=[], yticks=[], xlim=(-1.2, 1.2), ylim=(-1.2, 1.2))
            panel.set_title(f"step {moment:,}" if n == 0 else "", fontsize=9)
        panels[n, 0].set_ylabel(name)
    figure.savefig(path, dpi=80)
    pyplot.close(figure)
    Image.open(path).convert("RGB").quantize(96).save(path, optimize=True)  # a third of the size


def count_spots(moments: tuple[int, ...] = (500, 1000, 2000, 3000)) -> None:
    """Print the number of spots with points at some moments, for the games of the lesson."""
    for gamma, ratio in ((0.1, 1), (2, 1), (0, 1), (0.1, 0.1), (0.1, 5)):
        game, counts = Game(gamma, ratio=ratio), []
        for moment in moments:
            while game.generator.steps < moment:
                game.step()
            counts.append(game.hit_spots())
        print(f"γ = {gamma}, discriminator {ratio}×:", *counts, flush=True)


def draw_game(path: Path) -> None:
    """Draw five moments of the game."""
    draw(path, {"": Game()}, (0, 100, 300, 1000, 3000))


def draw_penalties(path: Path) -> None:
    """Draw the game without a penalty, with a moderate one and with a strong one."""
    draw(path, {"γ = 0": Game(0), "γ = 0.1": Game(0.1), "γ = 2": Game(2)}, (100, 300, 1000, 2000))


FIGURES = {"game": draw_game, "game-gamma": draw_penalties}

if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    for name, draw_figure in FIGURES.items():
        draw_figure(folder / f"{name}.png")
    count_spots()
