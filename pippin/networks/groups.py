"""Statistics of groups of images, by which a discriminator recognises that images repeat each other.

A discriminator of single images can only say that a detail is unlikely, never that all images have it at the same
place. So it has group heads. For a group of n images with feature maps x₁, …, xₙ, a group head takes, at each place and
for each channel,

    the mean  m = Σᵢ xᵢ / n  and the deviation  s = √(Σᵢ (xᵢ − m)² / n + ε).

Where all images of a group show the same, s is small and m is as sharp as a single image. Both stay the same if the
images of a group are exchanged for each other. The images of a group must have the same geometry
(`pippin.training.draws.share_geometry`): a flip or a translation of its own for each image would blur m and raise s, so
that the repetition could not be seen.

The statistics are inputs of the discriminator, like the maps. The relativistic loss compares a group of real images
with the group of generated ones at the same indices, and the penalties are those of the gradient (∂D/∂m, ∂D/∂s). The
generator gets its gradient through the statistics,

    ∂D/∂xᵢ = ( ∂D/∂m + (xᵢ − m) / s · ∂D/∂s ) / n,

so the gradient of an image depends on the others of its group. This is the vector-Jacobian product of
`group_statistics`, which is computed together with that of the projector. The discriminator itself treats each group
independently of the others, so the one-pass rule holds for group heads too.

The idea is that of minibatch discrimination (Salimans et al. 2016, arXiv 1606.03498) and of packing (PacGAN, Lin et al.
2018, arXiv 1712.04086).
"""

from typing import Any

from keras import ops

GROUP_SIZE = 4
"""Images in a group, if the batch has as many. In a group of two, a detail that two images share by chance would count
as a repetition. With groups of eight, the usual batch would be a single example."""

STATISTICS = 2
"""Number of statistics of each channel: mean and deviation."""

_VARIANCE_FLOOR = 1e-3
"""ε, added to the variance, because the square root has an infinite derivative at 0. The variance of the projector's
maps is about 1."""


def group_count(batch_size: int) -> int:
    """Return G, the number of groups in a batch: groups of `GROUP_SIZE` or a few more images, or one of fewer."""
    return max(1, batch_size // GROUP_SIZE)


def group_statistics(maps: list[Any]) -> list[Any]:
    """Compute the mean and the deviation over the images of each group.

    With G groups, image i belongs to group i mod G. So each group has anchored images, which come first in a batch, and
    others. The images that are left over if G does not divide the batch belong to no group.

    Args:
        maps: Tensors (B, H, W, C).

    Returns:
        Tensors (G, H, W, 2C): the means, then the deviations.
    """
    return [_statistics(x) for x in maps]


def _statistics(x: Any) -> Any:
    """Return the group statistics (G, H, W, 2C) of one tensor (B, H, W, C)."""
    count = group_count(x.shape[0])
    size = x.shape[0] // count
    members = ops.reshape(x[: size * count], (size, count, *x.shape[1:]))
    mean = ops.mean(members, axis=0)
    deviation = ops.sqrt(ops.mean(ops.square(members - mean), axis=0) + _VARIANCE_FLOOR)
    return ops.concatenate([mean, deviation], axis=-1)
