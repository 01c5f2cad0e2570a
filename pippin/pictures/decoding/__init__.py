"""One file of any kind → an upright RGB picture, or the reason why there is none."""
