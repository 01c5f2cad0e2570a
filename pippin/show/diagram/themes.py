"""Colours by what they are for."""

LIGHT = {
    "ground": "#ffffff",
    "ink": "#1c2330",
    "quiet": "#667085",
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
    "ground": "#14181f",
    "ink": "#e6e9ef",
    "quiet": "#98a2b3",
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
"""How much of a row's colour its ground has."""


def palette(theme: str) -> dict[str, str]:
    """Return name → colour "#rrggbb", with a soft one for each that a row can have.

    Args:
        theme: "light" or "dark".
    """
    colours = DARK if theme == "dark" else LIGHT
    soft = {f"{name}-soft": _mix(colours["ground"], colour, SOFT) for name, colour in colours.items()}
    return {**colours, **soft}


def _mix(one: str, other: str, share: float) -> str:
    """Return a colour between two."""
    pairs = zip(bytes.fromhex(one[1:]), bytes.fromhex(other[1:]), strict=True)
    return "#" + bytes(round(a + share * (b - a)) for a, b in pairs).hex()
