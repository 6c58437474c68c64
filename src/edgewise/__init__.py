"""A check-up for language models and agents, and the treatment."""

__version__ = "0.1.0"
