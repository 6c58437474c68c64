"""Loopholes: what a model learns to exploit, and how to know before training (the vulnerability games)."""
