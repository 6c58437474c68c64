"""Character: persona dimensions measured apart from their judges, and trained without one eating the others."""
