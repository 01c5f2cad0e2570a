"""From seeds to pictures: latents, edits, inversion and mixing."""
