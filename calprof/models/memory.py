"""Whether a model with weights fits into this machine's memory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_MEMINFO = Path("/proc/meminfo")
_USABLE = 0.8
"""Of the memory that is free; the rest is for activations."""


def require_memory(name: str, model: torch.nn.Module) -> None:
    """Refuses a model whose weights would not fit, before they are made.

    Args:
        name: What the model is called.
        model: The model, without storage.

    Raises:
        ValueError: Its weights need more than is free.
    """
    need = sum(each.numel() * each.element_size() for each in model.parameters())
    free = available()
    if free is not None and need > _USABLE * free:
        raise ValueError(
            f"{name} needs {need / 2**30:.0f} GiB for its weights and {free / 2**30:.0f} GiB are free: run it at "
            "reduced depth, as --set num_hidden_layers=2"
        )


def available() -> int | None:
    """Returns the bytes that can be had without swapping, files kept in memory included; None where nobody tells.

    Example:
        >>> available() > 0
        True
    """
    if _MEMINFO.exists():
        for line in _MEMINFO.read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    if "SC_AVPHYS_PAGES" in getattr(os, "sysconf_names", {}):
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None
