"""Training: the random draws, augmentation, losses, the step, and the loop around it."""
