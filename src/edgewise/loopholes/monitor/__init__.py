"""Monitors for a training run: does the proxy part from trusted performance, since when, by what, and what to do."""
