"""The command line: small modules, one per group of commands, and no logic of their own."""

from edgewise.cli.app import main

__all__ = ["main"]
