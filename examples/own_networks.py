"""Train networks of your own: a discriminator whose last layers have other weights at each place.

The built-in apples are centred, so a place has a meaning: the stem is above, the shadow below, the background around.
`LocallyConnected2D` learns a detector for each place. The example shows how own layers and networks train with Pippin;
whether the layer improves the pictures was not measured.
"""

from pathlib import Path

import keras
from keras import layers

import pippin
from pippin.networks.layers import LocallyConnected2D

generator = keras.Sequential(
    [
        keras.Input((64,)),
        layers.Dense(4 * 4 * 128),
        layers.Reshape((4, 4, 128)),
        layers.UpSampling2D(),
        layers.Conv2D(96, 3, padding="same", activation="leaky_relu"),
        layers.UpSampling2D(),
        layers.Conv2D(64, 3, padding="same", activation="leaky_relu"),
        layers.UpSampling2D(),
        layers.Conv2D(3, 3, padding="same", activation="tanh"),  # (B, 32, 32, 3) in [−1, 1]
    ],
    name="generator",
)
discriminator = keras.Sequential(
    [
        keras.Input((32, 32, 3)),
        layers.Conv2D(32, 3, padding="same", activation="leaky_relu"),
        layers.AveragePooling2D(2),
        layers.Conv2D(64, 3, padding="same", activation="leaky_relu"),
        layers.AveragePooling2D(2),  # (B, 8, 8, 64)
        LocallyConnected2D(32, 3, activation="leaky_relu"),  # (B, 6, 6, 32), other weights at each of 36 places
        layers.Flatten(),
        layers.Dense(1),  # a logit for each image
    ],
    name="discriminator",
)

run = pippin.train("apples", "runs/own-networks", generator=generator, discriminator=discriminator, minutes=5)
run.picture(16, seed=1).save("own-networks.png")
Path("own-networks.svg").write_text(run.diagram(), encoding="utf-8")
print(run)
