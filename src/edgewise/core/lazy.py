"""Names of a package that are loaded when first used (PEP 562)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(
    modules: Mapping[str, tuple[str, ...]],
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """``__getattr__``, ``__dir__`` and ``__all__`` for a package whose public names live in ``modules``.

    Args:
        modules: Full module name → the names it provides.
    """
    home = {name: module for module, names in modules.items() for name in names}

    def load(name: str) -> Any:
        if name not in home:
            raise AttributeError(f"no public name {name!r}")
        return getattr(import_module(home[name]), name)

    def names() -> list[str]:
        return sorted(home)

    return load, names, sorted(home)
