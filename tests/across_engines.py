"""What is measured under every engine, for tests that compare the numbers.

Keras computes with one engine a process, so each has a worker of its own: `KERAS_BACKEND=jax python
tests/across_engines.py FOLDER`. It runs every function in `MEASUREMENTS`, says "ready", resumes from each checkpoint
of another engine whose name it reads, and writes all results to `FOLDER/jax.npz`. `ask` starts all workers at once.
"""

import copy
import importlib.util
import os
import subprocess
import sys
import traceback
from pathlib import Path

import keras
import numpy as np
from keras import layers, ops

import pippin.runs.run
from pippin import engines, networks
from pippin.networks import Networks, standard
from pippin.networks.layers import LocallyConnected2D
from pippin.sampling.directions import find_directions
from pippin.sampling.generation import generate
from pippin.sampling.inversion import invert
from pippin.sampling.latents import latents_of
from pippin.sampling.mixing import mix
from pippin.settings import choose
from pippin.training import anchors, draws
from pippin.training.augment import augment
from pippin.training.health import Health
from pippin.training.schedule import schedule_at
from pippin.training.step import initial_state
from pippin.training.trainer import Trainer

ROOT = Path(__file__).resolve().parents[1]
INSTALLED = [name for name, module in engines.ENGINES.items() if importlib.util.find_spec(module)]
STEPS = 20
EXACT_STEPS = 6

BATCH = 4
LATENT_DIM = 8
NOISY_LATENT_DIM = 2 * sum(r * r for r in standard.NOISE_MAPS)  # half of it is noise maps
RECIPE = {
    "batches": STEPS,
    "batch_size": BATCH,
    "seed": 3,
    "latent_dim": LATENT_DIM,
    "learning_rate": 1e-3,
    "learning_rate_end": 1e-4,
    "warmup": 2,
    "beta_1": 0.0,
    "beta_2": 0.99,
    "features": "none",
    "gamma": 1.0,
    "gamma_end": 0.5,
    "discriminator_rate": 0.75,
    "anchored": 0.5,
    "reconstruction": 2.0,
    "augment_p": 0.5,
    "shift_p": 0.75,
    "ema_fraction": 0.5,
}
ABOUT = {
    "source": "noise",
    "pictures": 12,
    "held_out": 0,
    "fingerprint": "none",
    "engine": "any",
    "versions": {"pippin": pippin.__version__, "keras": keras.__version__},
    "machine": "any",
}


# -- the parent ------------------------------------------------------------------------------------------------------


def ask(folder: Path) -> dict[str, dict[str, np.ndarray]]:
    """Run the worker of every installed engine, and return engine → name → array."""
    workers, noises = {}, {}
    for name in INSTALLED:
        environ = {**os.environ, "KERAS_BACKEND": name, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "default"}
        environ["TF_NUM_INTEROP_THREADS"] = "1"  # side by side, sums are taken in another order: 1.5e-4 in six steps
        noises[name] = folder / f"{name}.txt"
        with noises[name].open("w") as noise:
            workers[name] = subprocess.Popen(
                [sys.executable, __file__, str(folder)],
                env=environ,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=noise,
                text=True,
            )
    try:
        for name, worker in workers.items():
            if "ready\n" not in worker.stdout:
                raise RuntimeError(f"{name}'s worker failed:\n{noises[name].read_text()}")
        for name, worker in workers.items():
            worker.communicate("\n".join(other for other in INSTALLED if other != name))
            if worker.returncode:
                raise RuntimeError(f"{name}'s worker failed:\n{noises[name].read_text()}")
    finally:
        for worker in workers.values():
            worker.kill()
            worker.wait()
            worker.stdin.close()
            worker.stdout.close()
    found = {}
    for name in INSTALLED:
        with np.load(folder / f"{name}.npz") as archive:
            found[name] = dict(archive)
    return found


# -- networks and data that parent and workers share -----------------------------------------------------------------


def pictures(count: int = 12, image_size: int = 16) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (count, image_size, image_size, 3), dtype=np.uint8)


def small_discriminator(*middle: keras.Layer) -> keras.Model:
    """A user's own `Sequential` discriminator for 16×16 pictures.

    Without a bias at its end: that moves no relativistic loss, so its gradient is rounding, which Adam makes large.
    """
    first = layers.Conv2D(6, 3, padding="same")
    return keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            first,
            *middle,
            layers.LeakyReLU(),
            layers.Flatten(),
            layers.Dense(1, use_bias=False),
        ]
    )


def small_generator(*middle: keras.Layer, activation: str = "leaky_relu") -> keras.Model:
    first = [keras.Input((LATENT_DIM,)), layers.Dense(8 * 8 * 4), *middle, layers.Activation(activation)]
    last = layers.Conv2D(3, 3, padding="same", activation="tanh")
    return keras.Sequential([*first, layers.Reshape((8, 8, 4)), layers.UpSampling2D(), last])


def numpy_state(generator: keras.Model, discriminator: keras.Model, seed: int = 1) -> dict:
    """An initial state whose weights NumPy drew, so that they are the same under every engine."""
    rng, state = np.random.default_rng(seed), initial_state(generator, discriminator)
    for player in ("generator", "discriminator"):
        state[player]["weights"] = [
            (rng.standard_normal(w.shape) / np.sqrt(max(1, np.prod(w.shape[:-1])))).astype("float32")
            for w in state[player]["weights"]
        ]
    state["ema_generator"]["weights"] = [w.copy() for w in state["generator"]["weights"]]
    return state


def step_batch(n: int = 0, batch_size: int = BATCH, latent_dim: int = LATENT_DIM, image_size: int = 16, **schedule):
    """A batch for `build_step`'s step, NumPy arrays; `schedule` replaces single values."""
    usual = {"learning_rate": 1e-3, "beta_1": 0.0, "beta_2": 0.99, "gamma": 1.0, "augment_p": 0.5, "shift_p": 0.75}
    usual |= {"blur": 1.0, "blur_floor": 0.0, "ema_decay": 0.5, "discriminator_rate": 1.0, "reconstruction": 0.0}
    usual["early_rate"] = 1.0
    return {
        "real_images": pictures(batch_size, image_size),
        "anchored": (np.arange(batch_size) % 2).astype("float32"),
        **draws.step_draws(3, n, batch_size, latent_dim),
        "schedule": {name: np.float32(value) for name, value in {**usual, **schedule}.items()},
    }


def article_convolution() -> dict[str, np.ndarray]:
    """The article's letters: a picture x, a filter ω, its bias b, the errors δ and the learning rate ε."""
    rng = np.random.default_rng(2)
    arrays = {
        "x": rng.normal(size=(7, 6)),
        "ω": rng.normal(size=(3, 2)),
        "b": rng.normal(),
        "δ": rng.normal(size=(5, 5)),
    }
    return {**{name: np.float32(array) for name, array in arrays.items()}, "ε": np.float32(0.1)}


# -- the worker ------------------------------------------------------------------------------------------------------


class Bench:
    """Where the measurements happen: an engine, a recipe, and a folder for runs."""

    def __init__(self, engine, folder: Path):
        self.engine, self.folder = engine, folder
        self.choice = choose("standard", 16, **RECIPE)
        self.standard = networks.build("standard", 16, LATENT_DIM)
        self.projected = networks.build("standard", 16, NOISY_LATENT_DIM, features="efficientnet-lite0")

    def trainer(self, *players: keras.Model) -> Trainer:
        """A trainer that begins with NumPy's weights."""
        trainer = Trainer(self.engine, self.choice.settings, Networks(*players), pictures())
        trainer.load(numpy_state(*players[:2]), 0.0, Health())
        return trainer


def first_step(bench: Bench, players: Networks | None = None) -> dict:
    """The standard pair's losses and gradients: with beta_1 = 0, Adam's first moment is the gradient."""
    trainer = bench.trainer(*(players or bench.standard))
    measures = bench.engine.to_host(trainer.step())
    state = trainer.state_on_host()
    gradients = {
        f"{player}_gradients": flat(state[player]["first_moment"]) for player in ("generator", "discriminator")
    }
    return {**measures, **gradients}


def many_steps(bench: Bench) -> dict:
    """`STEPS` steps of a tiny pair, with a checkpoint half-way to `EXACT_STEPS`; and how often Python ran the step."""
    engine, pair = bench.engine, (small_generator(), small_discriminator())
    trainer = bench.trainer(*pair)
    folder = pippin.runs.folder.Folder.create(bench.folder / engine.name, bench.choice, ABOUT, pair)
    calls, call = [], trainer.generator.stateless_call
    trainer.generator.stateless_call = lambda *args, **kwargs: calls.append(1) or call(*args, **kwargs)
    d_loss, g_loss, kept = [], [], {}
    for n in range(1, STEPS + 1):
        measures = engine.to_host(trainer.step())
        d_loss.append(measures["d_loss"])
        g_loss.append(measures["g_loss"])
        if n == EXACT_STEPS // 2:
            half = trainer.state_on_host()
            was = copy.deepcopy(half)
            folder.save_checkpoint(half, seconds=1.5, health=Health())
        if n == EXACT_STEPS:
            kept = dict(by_part(trainer.state_on_host()))
    untouched = all(
        np.array_equal(a, b) for a, b in zip(keras.tree.flatten(half), keras.tree.flatten(was), strict=True)
    )
    ends = {f"after_{STEPS}/{name}": array for name, array in by_part(trainer.state_on_host()).items()}
    exact = {f"after_{EXACT_STEPS}/{name}": array for name, array in kept.items()}
    return {"d_loss": d_loss, "g_loss": g_loss, **ends, **exact, "calls": len(calls), "untouched": untouched}


def resumed(bench: Bench) -> dict:
    """The other half of `EXACT_STEPS` by a new trainer, whose networks have other weights until it loads."""
    bench.resuming = bench.trainer(small_generator(), small_discriminator())
    return resume(bench, bench.engine.name)


def resume(bench: Bench, name: str) -> dict:
    run, trainer = pippin.runs.run.open_run(bench.folder / name), bench.resuming
    trainer.load(*run.folder.load_checkpoint(trainer.state_on_host()))
    begun, seconds = trainer.batches, trainer.seconds
    for _ in range(EXACT_STEPS // 2):
        trainer.step()
    return {**by_part(trainer.state_on_host()), "begun": begun, "seconds": seconds}


def two_passes(bench: Bench, players: Networks | None = None) -> dict:
    """Both players' gradients by the engine's own differentiation, each from a pass of its own."""
    engine, recipe = bench.engine, bench.choice.settings
    players = players or bench.standard
    generator, discriminator, projector = players
    state = engine.to_device(numpy_state(generator, discriminator))
    latent_dim = generator.input_shape[1]
    drawn, count = draws.step_draws(recipe.seed, 0, BATCH, latent_dim), round(recipe.anchored * BATCH)
    found = anchors.assign(players, pictures(), latent_dim - players.noise_dimensions)
    tied = anchors.insert(found, count, recipe.seed, 0, drawn)
    chosen = np.concatenate([tied, draws.batch_indices(recipe.seed, 0, BATCH - count, 12)])
    if players.group_heads:
        draws.share_geometry(drawn["augment"], 1)
    batch = engine.to_device({**drawn, "images": pictures()[chosen]})
    real_images = ops.cast(batch["images"], "float32") / 127.5 - 1.0
    parts = slice(BATCH), slice(BATCH, None)
    halves = [{key: value[part] for key, value in batch["augment"].items()} for part in parts]

    def inputs_of(images, half):
        """Return the maps, followed by the statistics of the one group."""
        by = schedule_at(recipe, 0.0, 0)
        seen = augment(images, halves[half], by["augment_p"], by["blur"], by["blur_floor"], by["shift_p"])
        maps = [seen] if projector is None else list(projector(seen))
        grouped = maps[: players.group_heads]
        deviations = [ops.sqrt(ops.var(x, axis=0, keepdims=True) + 1e-3) for x in grouped]
        means = [ops.mean(x, axis=0, keepdims=True) for x in grouped]
        return [*maps, *(ops.concatenate(pair, axis=3) for pair in zip(means, deviations, strict=True))]

    def discriminate(weights, inputs):
        """Return the logits of images and, if there are group heads, those of the group, in a list."""
        seen = inputs if len(inputs) > 1 else inputs[0]
        outputs = discriminator.stateless_call(weights, state["discriminator"]["stats"], seen, training=True)[0]
        return keras.tree.flatten(outputs)

    def relativistic(better, worse):
        return sum(ops.mean(ops.softplus(two - one)) for one, two in zip(better, worse, strict=True))

    def generate(weights):
        return generator.stateless_call(weights, state["generator"]["stats"], batch["latents"], training=True)[0]

    def g_loss(weights):
        own, inputs = state["discriminator"]["weights"], inputs_of(generate(weights), 1)
        maps = list(zip(real_inputs, inputs, strict=True))[: len(inputs) - players.group_heads]
        off = sum(ops.mean((fake[:count] - real[:count]) ** 2) for real, fake in maps) / len(maps) * count / BATCH
        return relativistic(discriminate(own, inputs), discriminate(own, real_inputs)) + recipe.reconstruction * off

    real_inputs = inputs_of(real_images, 0)
    fake_inputs = engine.to_device(engine.to_host(inputs_of(generate(state["generator"]["weights"]), 1)))

    def d_loss(weights):
        loss = relativistic(discriminate(weights, real_inputs), discriminate(weights, fake_inputs))
        for inputs in (real_inputs, fake_inputs):
            gradients = derivative(lambda inputs: sum(map(ops.sum, discriminate(weights, inputs))), list(inputs))
            groups = len(gradients) - players.group_heads
            for part in filter(None, (gradients[:groups], gradients[groups:])):
                norm = sum(ops.sum(gradient**2) / gradient.shape[0] for gradient in part) / len(part)
                loss = loss + recipe.gamma / 2 * norm
        return loss

    return {
        "generator_gradients": flat(engine.to_host(derivative(g_loss, state["generator"]["weights"]))),
        "discriminator_gradients": flat(engine.to_host(derivative(d_loss, state["discriminator"]["weights"]))),
    }


def projected_first_step(bench: Bench) -> dict:
    """The same where the discriminator takes a projector's maps."""
    return first_step(bench, bench.projected)


def projected_two_passes(bench: Bench) -> dict:
    """The same where the discriminator takes a projector's maps."""
    return two_passes(bench, bench.projected)


def derivative(function, tensors: list) -> list:
    """Differentiate as the engine's own users would."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(tensors)
            value = function(tensors)
        return tape.gradient(value, tensors)
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(jax.grad(function))(tensors)
    import torch

    tensors = [tensor.detach().requires_grad_(True) for tensor in tensors]
    return list(torch.autograd.grad(function(tensors), tensors, create_graph=True))


def finite_difference(bench: Bench) -> dict:
    """The directional derivative of L_D with both penalties along its own gradient, for a smooth pair.

    (Where a ReLU bends, ‖∇D‖² jumps, and differences say nothing.)
    """
    from pippin.training.step import build_step

    smooth = [keras.Input((16, 16, 3)), layers.Conv2D(4, 3, strides=2, activation="tanh"), layers.Flatten()]
    pair = small_generator(activation="tanh"), keras.Sequential([*smooth, layers.Dense(1)])
    engine, start, gamma = bench.engine, numpy_state(*pair), 3.0
    step = build_step(engine, Networks(*pair), "relativistic")
    batch = engine.to_device(step_batch(gamma=gamma))
    own = start["discriminator"]["weights"]

    def evaluate(weights):
        state = {**start, "discriminator": {**start["discriminator"], "weights": weights}}
        state, measures = engine.to_host(step(engine.to_device(copy.deepcopy(state)), batch))
        penalty = np.float64(measures["r1_penalty"]) + measures["r2_penalty"]
        return np.float64(measures["d_loss"]) + gamma / 2 * penalty, state["discriminator"]["first_moment"]

    _, gradients = evaluate(own)
    length = np.linalg.norm(flat(gradients))
    losses = [
        evaluate([w + sign * 1e-2 / length * g for w, g in zip(own, gradients, strict=True)])[0] for sign in (1, -1)
    ]
    return {"expected": length, "measured": (losses[0] - losses[1]) / 2e-2}


def convolution(bench: Bench) -> dict:
    given = article_convolution()
    layer = layers.Conv2D(1, (3, 2), padding="valid")
    layer.build((None, 7, 6, 1))
    x, delta = bench.engine.to_device((given["x"][None, :, :, None], given["δ"][None, :, :, None]))
    weights = bench.engine.to_device([given["ω"][:, :, None, None], given["b"][None]])
    a, pullback, _ = bench.engine.vjp(lambda weights: (layer.stateless_call(weights, [], x)[0], None), weights)
    (gradients,) = pullback(delta)
    a, (by_filter, by_bias) = bench.engine.to_host(a), bench.engine.to_host(gradients)
    return {"a": a[0, :, :, 0], "Δω": -given["ε"] * by_filter[:, :, 0, 0], "Δb": -given["ε"] * by_bias[0]}


def locally_connected(bench: Bench) -> dict:
    """Outputs of the layer, its gradients, and the gradient of the squared length of its gradient, as in a penalty."""
    layer, rng = LocallyConnected2D(3, (2, 3), strides=(2, 1), padding="same", use_bias=False), np.random.default_rng(4)
    layer.build((None, 5, 4, 2))
    given = {"x": rng.normal(size=(2, 5, 4, 2)), "kernel": rng.normal(size=layer.kernel.shape)}
    given = {name: array.astype("float32") for name, array in given.items()}
    x, kernel = bench.engine.to_device(tuple(given.values()))

    def cubed(x, kernel):
        y = layer.stateless_call([kernel], [], x)[0]
        return ops.sum(y**3), y

    def penalty(kernel):
        total, pullback, _ = bench.engine.vjp(cubed, x, kernel)
        return ops.sum(pullback(ops.ones_like(total))[0] ** 2), None

    total, pullback, y = bench.engine.vjp(cubed, x, kernel)
    by_x, by_kernel = pullback(ops.ones_like(total))
    squared, pullback, _ = bench.engine.vjp(penalty, kernel)
    (twice,) = pullback(ops.ones_like(squared))
    found = {"y": y, "by_x": by_x, "by_kernel": by_kernel, "twice": twice}
    return given | {name: bench.engine.to_host(array) for name, array in found.items()}


def derivatives(bench: Bench) -> dict:
    """Of Σ a³: once, twice (by a `vjp` in a `vjp`), and for a primal that nothing depends on."""
    engine = bench.engine
    a, b = engine.to_device((np.float32([1, 2, 3]), {"b": np.float32([4, 5])}))

    def cube(a, b):
        return ops.sum(a**3), {"seen": a}

    def gradient(a):
        total, pullback, _ = engine.vjp(cube, a, b)
        return ops.sum(pullback(ops.ones_like(total))[0]), None

    total, pullback, aux = engine.vjp(cube, a, b)
    once = engine.to_host(pullback(ops.ones_like(total)))
    total_gradient, pullback, _ = engine.vjp(gradient, a)
    (twice,) = engine.to_host(pullback(ops.ones_like(total_gradient)))
    value, seen = engine.to_host(total), engine.to_host(aux["seen"])
    return {"value": value, "a": once[0], "b": once[1]["b"], "seen": seen, "twice": twice}


def own_networks(bench: Bench) -> dict:
    """Three steps of a user's own discriminators: one normalises the batch, one pools with a maximum."""
    own = {
        "normalising": small_discriminator(layers.BatchNormalization()),
        "pooling": small_discriminator(layers.MaxPooling2D()),
    }
    generators = {"normalising": small_generator(layers.BatchNormalization()), "pooling": small_generator()}
    found = {}
    for name, discriminator in own.items():
        trainer = Trainer(bench.engine, bench.choice.settings, Networks(generators[name], discriminator), pictures())
        states, measures = [trainer.state_on_host()], []
        for _ in range(3):
            measures.append(list(bench.engine.to_host(trainer.step()).values()))
            states.append(trainer.state_on_host())
        for player in ("generator", "discriminator", "ema_generator"):
            found[f"{name}/{player}_stats"] = [flat(state[player]["stats"]) for state in states]
        found |= {f"{name}/rule": trainer.rule, f"{name}/measures": measures}
        found[f"{name}/alone"] = networks.treats_images_independently(discriminator)
    for preset in networks.BUILDERS:
        found[f"{preset}/alone"] = networks.treats_images_independently(networks.build(preset, 16, LATENT_DIM)[1])
    found["projected/alone"] = networks.treats_images_independently(bench.projected.discriminator)
    found["forgetting/alone"] = networks.treats_images_independently(small_discriminator(layers.Dropout(0.5)))
    return found


def editing(bench: Bench) -> dict:
    """Directions, mixtures, and a picture of the generator's own that is looked for: how far off, before and after."""
    generator = networks.build("standard", 16, LATENT_DIM).generator
    rng = np.random.default_rng(0)  # each engine draws its own first weights
    for weight in generator.trainable_variables:
        if len(weight.shape) > 1:
            weight.assign(rng.normal(0, (2 / np.prod(weight.shape[:-1])) ** 0.5, weight.shape))
    latents = latents_of([1, 2, 1000], LATENT_DIM)
    photo = generate(generator, latents)[2]
    found = invert(generator, photo, steps=30)
    return {
        "directions": find_directions(generator).vectors,
        "mixed": mix(generator, latents[:2], latents[1:]),
        "begun": np.sqrt(((found.trajectory[0].astype(float) - photo) ** 2).mean()),
        "found": np.asarray(found.pixel_error),
    }


MEASUREMENTS = (
    first_step,
    many_steps,
    resumed,
    two_passes,
    projected_first_step,
    projected_two_passes,
    finite_difference,
    convolution,
    derivatives,
    own_networks,
    editing,
    locally_connected,
)


def flat(arrays: list) -> np.ndarray:
    return np.concatenate([np.ravel(array) for array in arrays]) if len(arrays) else np.zeros(0)


def by_part(state: dict) -> dict[str, np.ndarray]:
    """A state as a few long vectors, such as `generator/weights`."""
    found = {}
    for name, part in state.items():
        if isinstance(part, dict):
            found |= {f"{name}/{kind}": flat(arrays) for kind, arrays in part.items() if len(arrays)}
        else:
            found[name] = np.array(part)
    return found


def work(folder: Path) -> None:
    engine = engines.current()
    bench, found = Bench(engine, folder), {}

    def note(name, measure, *args):
        try:
            found.update({f"{name}/{key}": np.asarray(value) for key, value in measure(*args).items()})
        except Exception:
            found[f"{name}/error"] = np.asarray(traceback.format_exc())

    for measure in MEASUREMENTS:
        note(measure.__name__, measure, bench)
    print("ready", flush=True)
    for line in sys.stdin:
        note(f"from_{line.strip()}", resume, bench, line.strip())
    np.savez(folder / f"{engine.name}.npz", **found)


if __name__ == "__main__":
    work(Path(sys.argv[1]))
