"""Random contents, drawn from a generator of their own, so that the global one stays where it was."""

from __future__ import annotations

from collections.abc import Sequence

import torch

SEED = 0


def generator() -> torch.Generator:
    """A CPU generator in the same state every time."""
    return torch.Generator("cpu").manual_seed(SEED)


def noise(shape: Sequence[int], dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu") -> torch.Tensor:
    """Standard normal values."""
    drawn = torch.randn(tuple(shape), generator=generator(), dtype=torch.float32, device="cpu")
    return drawn.to(device=device, dtype=dtype)


def integers(low: int, high: int, shape: Sequence[int]) -> torch.Tensor:
    """Uniform int64 values in [low, high), on the CPU."""
    return torch.randint(low, max(high, low + 1), tuple(shape), generator=generator(), device="cpu")


def choices(among: Sequence[int], shape: Sequence[int]) -> torch.Tensor:
    """Values drawn uniformly, with replacement, from a list of integers, on the CPU."""
    return torch.tensor(among, dtype=torch.int64, device="cpu")[integers(0, len(among), shape)]


def filled(shape: Sequence[int], value: int) -> torch.Tensor:
    """An int64 tensor of one value, on the CPU."""
    return torch.full(tuple(shape), value, dtype=torch.int64, device="cpu")
