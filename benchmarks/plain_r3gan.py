"""A plain PyTorch training loop of R3GAN's recipe (Huang et al. 2024, arXiv 2501.05441), for comparison in `gpu.py`.

Residual blocks of a 1×1, a grouped 3×3 and a 1×1 convolution without normalisation, resampling by interpolation, the
relativistic loss with both gradient penalties, Adam and a moving average. Images, latents and the loop are as simple as
a user would write them: random images on the device, float32 with TF32 products. The losses and both derivatives are
compiled where this PyTorch can trace `autograd.grad`, and run eagerly where it cannot; `Loop.compiled` says which.
"""

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

LATENT_DIM = 64
WIDTHS = {4: 192, 8: 192, 16: 96, 32: 48, 64: 24, 128: 16, 256: 8}
"""Resolution → channels, so that a step has about as much arithmetic as one of `standard`: 3.5, 6.9 and 13 GFLOP for
each pair at 64, 128 and 256, against 4.1, 5.1 and 21."""
GAMMA, RATE, DECAY = 1.0, 2e-4, 0.999


class Block(nn.Module):
    """A residual block."""

    def __init__(self, channels: int):
        super().__init__()
        inner = 2 * channels
        self.reduce = nn.Conv2d(channels, inner, 1)
        self.mix = nn.Conv2d(inner, inner, 3, padding=1, groups=inner // 16)
        self.expand = nn.Conv2d(inner, channels, 1, bias=False)
        nn.init.zeros_(self.expand.weight)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.leaky_relu(self.reduce(x), 0.2)
        return x + self.expand(functional.leaky_relu(self.mix(y), 0.2))


class Generator(nn.Module):
    """Latents (B, 64) → images (B, 3, S, S)."""

    def __init__(self, size: int):
        super().__init__()
        resolutions = [side for side in WIDTHS if side <= size]
        self.start = nn.Linear(LATENT_DIM, WIDTHS[4] * 16)
        self.blocks = nn.ModuleList(Block(WIDTHS[side]) for side in resolutions)
        self.change = nn.ModuleList(
            nn.Conv2d(WIDTHS[side // 2], WIDTHS[side], 1, bias=False) for side in resolutions[1:]
        )
        self.images = nn.Conv2d(WIDTHS[size], 3, 1)

    def forward(self, latents: Tensor) -> Tensor:
        x = self.blocks[0](self.start(latents).view(-1, WIDTHS[4], 4, 4))
        for change, block in zip(self.change, self.blocks[1:], strict=True):
            x = block(functional.interpolate(change(x), scale_factor=2.0))
        return self.images(x)


class Discriminator(nn.Module):
    """Images (B, 3, S, S) → logits (B,)."""

    def __init__(self, size: int):
        super().__init__()
        resolutions = [side for side in reversed(WIDTHS) if side <= size]
        self.images = nn.Conv2d(3, WIDTHS[size], 1)
        self.blocks = nn.ModuleList(Block(WIDTHS[side]) for side in resolutions)
        self.change = nn.ModuleList(
            nn.Conv2d(WIDTHS[side], WIDTHS[side // 2], 1, bias=False) for side in resolutions[:-1]
        )
        self.end = nn.Linear(WIDTHS[4] * 16, 1)

    def forward(self, images: Tensor) -> Tensor:
        x = self.images(images)
        for change, block in zip(self.change, self.blocks, strict=False):
            x = change(functional.avg_pool2d(block(x), 2))
        return self.end(self.blocks[-1](x).flatten(1))[:, 0]


class Loop:
    """The networks, their optimisers and the training loop.

    Args:
        size: Side of the images in pixels.
        batch: Images in a batch.
    """

    def __init__(self, size: int, batch: int):
        torch.manual_seed(0)
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.size, self.batch = size, batch
        self.generator = Generator(size).to(self.device, memory_format=torch.channels_last)
        self.discriminator = Discriminator(size).to(self.device, memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        self.optimizers = [
            torch.optim.Adam(model.parameters(), RATE, (0.0, 0.99), foreach=True)
            for model in (self.generator, self.discriminator)
        ]
        self.dataset = torch.randint(0, 256, (512, 3, size, size), dtype=torch.uint8, device=self.device)
        self.compiled = self.device == "cuda" and hasattr(torch._dynamo.config, "trace_autograd_ops")
        self.gradients: Any = self._gradients
        if self.compiled:
            torch._dynamo.config.trace_autograd_ops = True
            self.gradients = torch.compile(self._gradients)

    def step(self) -> Tensor:
        """Train one batch; return both losses."""
        chosen = torch.randint(0, len(self.dataset), (self.batch,), device=self.device)
        real = self.dataset[chosen].float().div(127.5).sub(1).to(memory_format=torch.channels_last)
        latents = torch.randn(self.batch, LATENT_DIM, device=self.device)
        losses, by_generator, by_discriminator = self.gradients(real, latents)
        for model, optimizer, gradients in zip(
            (self.generator, self.discriminator), self.optimizers, (by_generator, by_discriminator), strict=True
        ):
            for weight, gradient in zip(model.parameters(), gradients, strict=True):
                weight.grad = gradient
            optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.generator.parameters()), 1 - DECAY)
        return losses

    def _gradients(self, real: Tensor, latents: Tensor) -> tuple[Tensor, tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Return both losses, and their gradients with respect to the weights of either network."""
        images = self.generator(latents)
        g_loss = functional.softplus(self.discriminator(real) - self.discriminator(images)).mean()
        by_generator = torch.autograd.grad(g_loss, list(self.generator.parameters()))
        pair = torch.cat([real, images.detach()]).requires_grad_(True)
        logits = self.discriminator(pair)
        (slopes,) = torch.autograd.grad(logits.sum(), pair, create_graph=True)
        penalty = slopes.square().sum(dim=(1, 2, 3)).mean() * 2
        real_logits, fake_logits = logits.chunk(2)
        d_loss = functional.softplus(fake_logits - real_logits).mean() + GAMMA / 2 * penalty
        by_discriminator = torch.autograd.grad(d_loss, list(self.discriminator.parameters()))
        return torch.stack([d_loss, g_loss]).detach(), by_generator, by_discriminator

    def parameters(self) -> list[int]:
        """Return the number of parameters of both networks."""
        return [sum(weight.numel() for weight in model.parameters()) for model in (self.generator, self.discriminator)]

    def step_flops(self) -> float:
        """Return the floating-point operations of a step for each pair of a real and a generated image.

        The generator is differentiated once (three passes' worth). The discriminator's update needs twelve passes for
        a pair, as in `step_time.py`, and the generator's update two forward and one backward to its input.
        """
        latents = torch.zeros(1, LATENT_DIM, device=self.device)
        generator = forward_flops(self.generator, latents)
        discriminator = forward_flops(self.discriminator, torch.zeros(1, 3, self.size, self.size, device=self.device))
        return 3 * generator + (12 + 3) * discriminator


def forward_flops(model: nn.Module, inputs: Tensor) -> float:
    """Return the floating-point operations of convolutions and linear layers in one forward pass."""
    counts: list[float] = []

    def count(layer: Any, _: Any, output: Tensor) -> None:
        pixels = output.shape[2] * output.shape[3] if output.ndim == 4 else 1
        counts.append(2.0 * layer.weight.numel() * pixels)

    hooks = [
        layer.register_forward_hook(count) for layer in model.modules() if isinstance(layer, nn.Conv2d | nn.Linear)
    ]
    with torch.no_grad():
        model(inputs)
    for hook in hooks:
        hook.remove()
    return sum(counts)
