"""The colours of a diagram."""

LIGHT = {
    "background": "#ffffff",
    "text": "#1c2330",
    "muted": "#667085",
    "line": "#98a2b3",
    "convolution": "#3b6fd4",
    "dense": "#8250c4",
    "resample": "#1a8f6f",
    "merge": "#b7791f",
    "model": "#5b6575",
    "frozen": "#8a94a6",
    "input": "#5b6575",
    "small": "#5b6575",
    "memory": "#e08a3c",
    "flop": "#4a90c2",
}
DARK = {
    "background": "#14181f",
    "text": "#e6e9ef",
    "muted": "#98a2b3",
    "line": "#667085",
    "convolution": "#6f9cf0",
    "dense": "#b08ae6",
    "resample": "#4cc39d",
    "merge": "#dfa94f",
    "model": "#98a2b3",
    "frozen": "#667085",
    "input": "#98a2b3",
    "small": "#98a2b3",
    "memory": "#d98a45",
    "flop": "#5aa6d9",
}
SOFT = 0.12
"""Share of a row's colour in its background, small enough that text stays legible on it."""


def palette(theme: str) -> dict[str, str]:
    """Return name → colour "#rrggbb". Each colour also has a soft variant, "name-soft", for the background of a row.

    Args:
        theme: "light" or "dark".
    """
    colours = DARK if theme == "dark" else LIGHT
    soft = {f"{name}-soft": _mix(colours["background"], colour, SOFT) for name, colour in colours.items()}
    return {**colours, **soft}


def _mix(one: str, other: str, share: float) -> str:
    """Return the colour at `share` of the way from one colour to the other."""
    pairs = zip(bytes.fromhex(one[1:]), bytes.fromhex(other[1:]), strict=True)
    return "#" + bytes(round(a + share * (b - a)) for a, b in pairs).hex()
