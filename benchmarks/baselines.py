"""Baselines for comparison: two well-known GANs, each implemented from its description."""

import time
from typing import Any

import keras
import numpy as np
from keras import layers

DCGAN_SETTINGS: dict[str, Any] = {"preset": "classic", "batch_size": 128, "ema_fraction": 0.0, "checkup": 0}
"""Settings of DCGAN (Radford et al. 2015, arXiv 1511.06434, section 4).

The classic preset already has its Adam parameters and its training rule. Latents are normal here, not uniform.
"""


def dcgan(image_size: int) -> tuple[keras.Model, keras.Model]:
    """Return the networks of DCGAN (arXiv 1511.06434, figure 1). At 64×64 they have 128 to 1024 channels."""
    normal = keras.initializers.RandomNormal(0.0, 0.02)
    widths = [128 * 2**n for n in range((image_size // 4).bit_length() - 1)]

    def convolution(kind: Any, filters: int, **more: Any) -> Any:
        return kind(filters, 5, strides=2, padding="same", kernel_initializer=normal, **more)

    generator: list[Any] = [keras.Input((100,)), layers.Dense(16 * widths[-1], kernel_initializer=normal)]
    generator += [layers.Reshape((4, 4, widths[-1])), layers.BatchNormalization(), layers.ReLU()]
    for width in widths[-2::-1]:
        generator += [convolution(layers.Conv2DTranspose, width), layers.BatchNormalization(), layers.ReLU()]
    generator.append(convolution(layers.Conv2DTranspose, 3, activation="tanh"))
    discriminator: list[Any] = [keras.Input((image_size, image_size, 3))]
    for n, width in enumerate(widths):
        discriminator.append(convolution(layers.Conv2D, width))
        discriminator += [layers.BatchNormalization()] if n else []
        discriminator.append(layers.LeakyReLU(negative_slope=0.2))
    discriminator += [layers.Flatten(), layers.Dense(1, kernel_initializer=normal)]
    return keras.Sequential(generator, name="generator"), keras.Sequential(discriminator, name="discriminator")


def train_low_data(images: np.ndarray, minutes: float, seed: int) -> keras.Model:
    """Train the GAN of Keras' example for small data sets: DCGAN with adaptive augmentation, on TensorFlow.

    Width 128, batches of 128, Adam 2e-4 with β₁ 0.5, an average of the generator with decay 0.99, and augmentation:
    flip, shift and rotation by an eighth, zoom by a quarter. The probability of augmentation rises while the
    discriminator classifies more than 80% of the real images correctly.

    Args:
        images: uint8 (N, S, S, 3).
        minutes: wall-clock time of the training, including compilation.
        seed: random seed of everything.

    Returns:
        The averaged generator, latents (B, 64) → images (B, S, S, 3) in [0, 1].
    """
    import tensorflow as tf

    started = time.perf_counter()
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
    optimizers = [keras.optimizers.Adam(2e-4, beta_1=0.5) for _ in range(2)]
    entropy = keras.losses.BinaryCrossentropy(from_logits=True)
    training_images = images.astype("float32") / 255

    def augment(images: Any) -> Any:
        chosen = tf.random.uniform((batch_size, 1, 1, 1)) < probability
        return tf.where(chosen, augmenter(images, training=True), images)

    @tf.function
    def step(real: Any) -> None:
        with tf.GradientTape(persistent=True) as tape:
            generated = generator(tf.random.normal((batch_size, latent_dim)), training=True)
            real_logits = discriminator(augment(real), training=True)
            fake_logits = discriminator(augment(generated), training=True)
            ones = tf.ones_like(real_logits)
            g_loss = entropy(ones, fake_logits)
            d_loss = (entropy(ones, real_logits) + entropy(0 * ones, fake_logits)) / 2
        for optimizer, model, loss in zip(optimizers, (generator, discriminator), (g_loss, d_loss), strict=True):
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        accuracy = tf.reduce_mean(tf.cast(real_logits > 0, "float32"))
        probability.assign(tf.clip_by_value(probability + (accuracy - 0.8) / 1000, 0.0, 1.0))
        for mean, weight in zip(averaged.weights, generator.weights, strict=True):
            mean.assign(0.99 * mean + 0.01 * weight)

    rng = np.random.default_rng(seed)
    while time.perf_counter() - started < 60 * minutes:
        order = rng.permutation(max(len(training_images), batch_size)) % len(training_images)
        for start in range(0, len(order) - batch_size + 1, batch_size):
            step(training_images[order[start : start + batch_size]])
            if time.perf_counter() - started >= 60 * minutes:
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
