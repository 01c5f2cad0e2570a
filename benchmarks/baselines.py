"""What people run instead: two well-known GANs, each written from its description."""

import time
from typing import Any

import keras
import numpy as np
from keras import layers

DCGAN_SETTINGS: dict[str, Any] = {"preset": "classic", "batch_size": 128, "ema_fraction": 0.0, "checkup": 0}
"""What DCGAN was trained with (Radford et al. 2015, arXiv 1511.06434, section 4) beside the Adam and the rule that the
classic preset has from it; latents are normal here, not uniform."""


def dcgan(image_size: int) -> tuple[keras.Model, keras.Model]:
    """DCGAN at 64×64 (arXiv 1511.06434, figure 1): transposed convolutions of 1024 to 128 channels, mirrored."""
    normal = keras.initializers.RandomNormal(0.0, 0.02)
    widths = [128 * 2**n for n in range((image_size // 4).bit_length() - 1)]

    def convolution(kind: Any, filters: int, **more: Any) -> Any:
        return kind(filters, 5, strides=2, padding="same", kernel_initializer=normal, **more)

    paint: list[Any] = [keras.Input((100,)), layers.Dense(16 * widths[-1], kernel_initializer=normal)]
    paint += [layers.Reshape((4, 4, widths[-1])), layers.BatchNormalization(), layers.ReLU()]
    for width in widths[-2::-1]:
        paint += [convolution(layers.Conv2DTranspose, width), layers.BatchNormalization(), layers.ReLU()]
    paint.append(convolution(layers.Conv2DTranspose, 3, activation="tanh"))
    judge: list[Any] = [keras.Input((image_size, image_size, 3))]
    for n, width in enumerate(widths):
        judge.append(convolution(layers.Conv2D, width))
        judge += [layers.BatchNormalization()] if n else []
        judge.append(layers.LeakyReLU(negative_slope=0.2))
    judge += [layers.Flatten(), layers.Dense(1, kernel_initializer=normal)]
    return keras.Sequential(paint, name="generator"), keras.Sequential(judge, name="discriminator")


def train_low_data(images: np.ndarray, minutes: float, seed: int) -> keras.Model:
    """Train the GAN of Keras' example for little data: DCGAN with adaptive augmentation, on TensorFlow.

    Width 128, batches of 128, Adam 2e-4 with β₁ 0.5, an average of the generator with decay 0.99, and augmentation
    (flip, shift and turn by an eighth, zoom by a quarter) whose probability rises while the discriminator names more
    than 80% of the real pictures.

    Args:
        images: uint8 (N, S, S, 3).
        minutes: of wall-clock time, compilation included.
        seed: of everything random.

    Returns:
        The averaged generator, latents (B, 64) → images (B, S, S, 3) in [0, 1].
    """
    import tensorflow as tf

    begun = time.perf_counter()
    keras.utils.set_random_seed(seed)
    size, width, batch_size, latent_dim = images.shape[1], 128, 128, 64
    generator, averaged = (_low_data_generator(size, width, latent_dim) for _ in range(2))
    discriminator = _low_data_discriminator(size, width)
    averaged.set_weights(generator.get_weights())
    augmenter = keras.Sequential(
        [
            layers.RandomFlip("horizontal"),
            layers.RandomTranslation(0.125, 0.125, interpolation="nearest"),
            layers.RandomRotation(0.125, interpolation="nearest"),
            layers.RandomZoom((-0.25, 0.0), (-0.25, 0.0), interpolation="nearest"),
        ]
    )
    probability = tf.Variable(0.0)
    players = [keras.optimizers.Adam(2e-4, beta_1=0.5) for _ in range(2)]
    entropy = keras.losses.BinaryCrossentropy(from_logits=True)
    learnt = images.astype("float32") / 255

    def augment(pictures: Any) -> Any:
        chosen = tf.random.uniform((batch_size, 1, 1, 1)) < probability
        return tf.where(chosen, augmenter(pictures, training=True), pictures)

    @tf.function
    def step(real: Any) -> None:
        with tf.GradientTape(persistent=True) as tape:
            painted = generator(tf.random.normal((batch_size, latent_dim)), training=True)
            real_logits = discriminator(augment(real), training=True)
            fake_logits = discriminator(augment(painted), training=True)
            ones = tf.ones_like(real_logits)
            g_loss = entropy(ones, fake_logits)
            d_loss = (entropy(ones, real_logits) + entropy(0 * ones, fake_logits)) / 2
        for player, model, loss in zip(players, (generator, discriminator), (g_loss, d_loss), strict=True):
            gradients = tape.gradient(loss, model.trainable_variables)
            player.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        accuracy = tf.reduce_mean(tf.cast(real_logits > 0, "float32"))
        probability.assign(tf.clip_by_value(probability + (accuracy - 0.8) / 1000, 0.0, 1.0))
        for mean, weight in zip(averaged.weights, generator.weights, strict=True):
            mean.assign(0.99 * mean + 0.01 * weight)

    draw = np.random.default_rng(seed)
    while time.perf_counter() - begun < 60 * minutes:
        order = draw.permutation(max(len(learnt), batch_size)) % len(learnt)
        for start in range(0, len(order) - batch_size + 1, batch_size):
            step(learnt[order[start : start + batch_size]])
            if time.perf_counter() - begun >= 60 * minutes:
                break
    return averaged


def _low_data_generator(size: int, width: int, latent_dim: int) -> keras.Model:
    stages = (size // 4).bit_length() - 1
    stack: list[Any] = [keras.Input((latent_dim,)), layers.Dense(16 * width, use_bias=False)]
    stack += [layers.BatchNormalization(scale=False), layers.ReLU(), layers.Reshape((4, 4, width))]
    for _ in range(stages - 1):
        stack.append(layers.Conv2DTranspose(width, 4, strides=2, padding="same", use_bias=False))
        stack += [layers.BatchNormalization(scale=False), layers.ReLU()]
    stack.append(layers.Conv2DTranspose(3, 4, strides=2, padding="same", activation="sigmoid"))
    return keras.Sequential(stack)


def _low_data_discriminator(size: int, width: int) -> keras.Model:
    stack: list[Any] = [keras.Input((size, size, 3))]
    for _ in range((size // 4).bit_length() - 1):
        stack.append(layers.Conv2D(width, 4, strides=2, padding="same", use_bias=False))
        stack += [layers.BatchNormalization(scale=False), layers.LeakyReLU(negative_slope=0.2)]
    stack += [layers.Flatten(), layers.Dropout(0.4), layers.Dense(1)]
    return keras.Sequential(stack)
