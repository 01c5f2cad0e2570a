"""The built-in image set `apples`: rendered apples, with every factor of variation known."""

from pippin.pictures.built_in.apples import apple_factors, render_apple, render_apples
from pippin.pictures.built_in.renderer import AppleFactors

__all__ = ["AppleFactors", "apple_factors", "render_apple", "render_apples"]
