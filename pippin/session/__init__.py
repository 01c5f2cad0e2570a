"""Training sessions: plan, train, resume, validate and report."""
