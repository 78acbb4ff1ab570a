"""Network architectures, one file each: `create(name, **options)` builds any of them.

Importing the package imports every module in it, so that each registers itself.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from cleanplate.training.networks.registry import NetworkCard, card, create, names, register

__all__ = ["NetworkCard", "card", "create", "names", "register"]

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
