"""What one training batch costs, told from its shapes: profiled once, on a copy of the model without storage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.utils import _pytree as pytree

from calprof.api import profile
from calprof.cost.scaling import Scaling, fit_scaling
from calprof.models.copying import fake_copy
from calprof.models.fake import ShapesOnly
from calprof.result import step_counts

Signature = tuple[Any, ...]


class BatchCost:
    """Model FLOPs of training batches, forward and exact backward, 2 per MAC and nothing else.

    The first batch is profiled. Batches of the same shapes cost the same. At the first other batch or length, the
    cost is fitted as a polynomial in both and verified on that batch; a model whose cost is no polynomial is
    profiled once for each shape.

    Args:
        model: The model in training; it is copied without its storage, and not run.
        method: The method to profile.

    Attributes:
        profiles: How many times the copy was profiled so far.
    """

    def __init__(self, model: torch.nn.Module, method: str = "forward") -> None:
        self._mode = ShapesOnly()
        self._model = fake_copy(model, self._mode)
        self._method = method
        self._known: dict[Signature, int] = {}
        self._first: tuple[Any, int, int] | None = None
        self._scaling: Scaling | None = None
        self._scales = True
        self.profiles = 0

    def flops(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
        """Returns the model FLOPs of one batch, forward and backward.

        Args:
            args: Positional arguments of the method.
            kwargs: Keyword arguments of the method.

        Raises:
            ValueError: The model asks its input for values.
        """
        batch = (tuple(args), dict(kwargs))
        known = signature(batch)
        if known not in self._known:
            self._known[known] = self._count(batch)
        return self._known[known]

    def _count(self, batch: Any) -> int:
        sizes = batch_and_length(batch)
        if self._first is None or sizes is None:
            if sizes is not None and self._first is None:
                self._first = (batch, *sizes)
            return _step_flops(self._profile(batch))
        if self._scales and self._scaling is None and self._is_resized(batch, sizes):
            self._scaling = self._fit(batch, sizes)
        if self._scaling is not None and self._is_resized(batch, sizes):
            return self._scaling.training_flops(*sizes)
        return _step_flops(self._profile(batch))

    def _is_resized(self, batch: Any, sizes: tuple[int, int]) -> bool:
        """Whether a batch is the first one but for its batch and length."""
        assert self._first is not None
        template, *before = self._first
        return signature(resized(template, tuple(before), sizes)) == signature(batch)

    def _fit(self, batch: Any, held_out: tuple[int, int]) -> Scaling | None:
        assert self._first is not None
        template, *before = self._first

        def run(size: int, length: int) -> dict[str, int]:
            given = batch if (size, length) == held_out else resized(template, tuple(before), (size, length))
            return self._profile(given)

        # The grid avoids the batch that verifies it.
        lengths = [length for length in (8, 16, 24, 32) if length != held_out[1]][:3]
        try:
            return fit_scaling(run, "matmul", (1, 2), lengths, held_out)
        except (ValueError, RuntimeError, IndexError):  # no polynomial, or a length the model does not take
            self._scales = False
            return None

    def _profile(self, batch: Any) -> dict[str, int]:
        self.profiles += 1
        args, kwargs = batch
        prof = profile(
            self._model, args=args, kwargs=kwargs, forward_mode=self._method, training="exact", convention="matmul"
        )
        return step_counts(prof)


def signature(batch: Any) -> Signature:
    """Returns what tells batches apart: structure, shapes, dtypes, and the values of what is no tensor."""
    leaves, structure = pytree.tree_flatten(batch)
    known = (
        (tuple(leaf.shape), leaf.dtype, leaf.requires_grad) if isinstance(leaf, torch.Tensor) else type(leaf)
        for leaf in leaves
    )
    return (str(structure), *known)


def batch_and_length(batch: Any) -> tuple[int, int] | None:
    """Returns the sizes of the first tensor of two dimensions and integers, the token ids; `None` without one."""
    for leaf in pytree.tree_leaves(batch):
        if isinstance(leaf, torch.Tensor) and leaf.ndim == 2 and not leaf.is_floating_point() and leaf.numel():
            return int(leaf.shape[0]), int(leaf.shape[1])
    return None


def resized(batch: Any, before: tuple[int, ...], after: tuple[int, int]) -> Any:
    """Returns a batch of another batch size and length, by repeating and cutting every tensor that has them."""

    def resize(leaf: torch.Tensor) -> torch.Tensor:
        for dim, (old, new) in enumerate(zip(before, after, strict=True)):
            if leaf.ndim > dim and leaf.shape[dim] == old and old != new:
                repeats = [1] * leaf.ndim
                repeats[dim] = -(-new // old)
                leaf = leaf.repeat(repeats).narrow(dim, 0, new)
        return leaf

    return pytree.tree_map_only(torch.Tensor, resize, batch)


def _step_flops(counts: Mapping[str, int]) -> int:
    return counts["flops"] + counts["backward_flops"]
