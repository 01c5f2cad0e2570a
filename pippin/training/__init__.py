"""Learning: draws → augmentation → losses → step → trainer."""
