"""Kernels of other packages that PyTorch's function protocol does not see, and `flex_attention`.

A formula takes effect once its package is loaded; none is imported for it.
"""

from __future__ import annotations

from calprof.ops.kernels import bitsandbytes, flash, flex, liger, mamba, xformers

__all__ = ["bitsandbytes", "flash", "flex", "liger", "mamba", "xformers"]
