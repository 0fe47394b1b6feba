"""Models without storage: what is large is a shape only, what is small and known keeps its value.

A model built inside `ShapesOnly` has its parameters and activations as fake tensors: a shape, a dtype, a
device and no memory. Constructors and forwards also ask small tensors for their values (`linspace` for drop
rates, the sizes of an image grid, a mask of ones), so tensors that come from nothing fake stay real while
they are small, and such questions get their true answer.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import Any, TypeVar

import torch
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils import _pytree as pytree

from calprof.models import routing
from calprof.models.construction import converted, real_copies, uninitialised
from calprof.recording.state import same_random_state

LARGE = 1 << 22
"""Elements beyond which a tensor is a shape only: a mask of 2048 x 2048 still has its values."""

STATE = 4096
"""Elements beyond which a floating-point tensor filled with a constant or noise is a shape only.

Such a tensor is about to become a weight or an activation; its values mean nothing.
"""

_TRIVIAL = 2048
_FILLED = frozenset(
    {"zeros", "ones", "full", "rand", "randn", "normal", "new_zeros", "new_ones", "new_full", "zeros_like",
     "ones_like", "rand_like", "randn_like", "full_like"}
)  # fmt: skip
_UNFILLED = frozenset({"empty", "empty_strided", "new_empty", "new_empty_strided", "empty_like"})
_SELECTIONS = frozenset(
    {torch.ops.aten.index.Tensor, torch.ops.aten.index_put.default, torch.ops.aten.index_put_.default}
)
_Built = TypeVar("_Built")


class ShapesOnly(FakeTensorMode):
    """The fake mode in which small tensors made of known values stay real.

    Real and fake tensors mix: an operation with a fake operand has a fake result. A real tensor that is
    written to with unknown values is treated as fake from then on.

    Example:
        >>> with ShapesOnly():
        ...     torch.linspace(0, 1, 3).tolist(), torch.empty(1 << 40).shape
        ([0.0, 0.5, 1.0], torch.Size([1099511627776]))
    """

    def __init__(self) -> None:
        super().__init__(allow_non_fake_inputs=True)
        self._overwritten: dict[int, torch.UntypedStorage] = {}
        self._inferring = False
        self.assumed: dict[str, None] = {}
        """What was taken for granted about unknown values, in words, in the order it was asked."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        """Runs an operation on known values, and infers the shapes of any other."""
        kwargs = kwargs or {}
        if self._inferring:
            return super().__torch_dispatch__(func, types, args, kwargs)
        tensors = _tensors(args, kwargs)
        if not any(self._is_unknown(each) for each in tensors):
            if self._stays_real(func, args, kwargs, tensors):
                return func(*args, **kwargs)
        elif func in _SHAPES:
            return self._inferred(func, args)
        elif func in _SELECTIONS:
            args = self._selected(func, args)
        elif (known := routing.answer(func, args)) is not None:
            self.assumed[routing.ASSUMPTION] = None
            return known
        elif func is torch.ops.aten._is_all_true.default:
            self.assumed["the model's own checks of values are taken to hold"] = None
            return torch.ones((), dtype=torch.bool)
        if func._schema.is_mutable:
            self._note_writes(func, args, kwargs)
        # What PyTorch computes on the way to a shape knows no values either.
        self._inferring = True
        try:
            out: Any = super().__torch_dispatch__(func, types, args, kwargs)
        finally:
            self._inferring = False
        routing.follow(func, args, out)
        if not tensors and func._schema.name == "aten::zeros":
            out._routed = routing.Zeros()
        return out

    def __deepcopy__(self, memo: dict[int, Any]) -> ShapesOnly:
        # A copy of a fake tensor lives in the same mode as the tensor.
        return self

    def _is_unknown(self, tensor: torch.Tensor) -> bool:
        if type(tensor) is not torch.Tensor and type(tensor) is not torch.nn.Parameter:
            return True
        return bool(self._overwritten) and _storage_key(tensor) in self._overwritten

    def _stays_real(self, func: Any, args: Any, kwargs: Any, tensors: list[torch.Tensor]) -> bool:
        device = kwargs.get("device")
        if device is not None and torch.device(device).type != "cpu":
            return False
        if any(each.device.type != "cpu" for each in tensors):
            return False
        name = func._schema.name.rpartition("::")[2]
        if name in _UNFILLED:
            return _filled_elements(name, args, tensors) == 0
        if name in _FILLED:
            return _filled_elements(name, args, tensors) <= (STATE if _is_floating(args, kwargs, tensors) else LARGE)
        if not tensors:
            return _elements_of_range(name, args, kwargs) <= LARGE
        if sum(each.numel() for each in tensors) <= _TRIVIAL and name not in ("expand", "repeat", "tile"):
            return True
        return _result_elements(func, args, kwargs, tensors) <= LARGE

    def _selected(self, func: Any, args: Any) -> Any:
        """The arguments of an indexing with known masks as positions, whose number is known too."""
        indices: list[torch.Tensor | None] = []
        for each in args[1]:
            mask = each is not None and each.dtype in (torch.bool, torch.uint8)
            if mask and not self._is_unknown(each):
                indices += each.nonzero().unbind(-1)
            elif mask and (found := routing.positions(each)) is not None:
                self.assumed[routing.ASSUMPTION] = None
                indices += found
            else:
                indices.append(each)
        return (args[0], indices, *args[2:])

    def _note_writes(self, func: Any, args: Any, kwargs: Any) -> None:
        """Remembers the real tensors an operation writes unknown values to."""
        for position, argument in enumerate(func._schema.arguments):
            if argument.alias_info is None or not argument.alias_info.is_write:
                continue
            given = kwargs.get(argument.name, args[position] if position < len(args) else None)
            for tensor in _tensors((given,), {}):
                if not isinstance(tensor, FakeTensor):
                    self._overwritten[_storage_key(tensor)] = tensor.untyped_storage()

    def _inferred(self, func: Any, args: Any) -> Any:
        """The result of an operation whose own shape inference PyTorch limits to one dtype."""
        first = next(each for each in _tensors(args, {}) if isinstance(each, FakeTensor))
        return first.new_empty(_SHAPES[func](*args))


def build(construct: Callable[[], _Built], mode: ShapesOnly) -> _Built:
    """Returns what `construct` builds under `mode`: a module whose parameters have no storage.

    Parameters and floating-point buffers are fake; integer and boolean buffers are fake where they are large.
    Random states are as before.
    """
    with same_random_state(), mode, uninitialised(), converted(), real_copies(), warnings.catch_warnings():
        # The deep copies of layers that some constructors make ask a fake tensor where its data is.
        warnings.filterwarnings("ignore", message="Accessing the data pointer of FakeTensor")
        model = construct()
    if isinstance(model, torch.nn.Module):
        settle(model, mode)
    return model


def settle(model: torch.nn.Module, mode: ShapesOnly) -> None:
    """Replaces what is still real among the parameters and the buffers of `model`; shared ones stay shared."""
    done: dict[int, Any] = {}
    for module in model.modules():
        for table in (module._parameters, module._buffers):
            for name, tensor in table.items():
                if tensor is None or isinstance(tensor, FakeTensor) or not _is_state(tensor):
                    continue
                if id(tensor) not in done:
                    done[id(tensor)] = (tensor, to_fake(tensor, mode))
                table[name] = done[id(tensor)][1]


def to_fake(tensor: torch.Tensor, mode: ShapesOnly) -> torch.Tensor:
    """Returns a fake tensor like `tensor`, a parameter for a parameter; the same one for the same tensor."""
    if isinstance(tensor, FakeTensor):
        return tensor
    return mode.from_tensor(tensor, static_shapes=True)


def fake_inputs(value: Any, mode: ShapesOnly) -> Any:
    """Returns arguments with their floating-point tensors fake and their ids, masks and sizes as they are."""
    return pytree.tree_map_only(
        torch.Tensor, lambda each: to_fake(each, mode) if each.is_floating_point() else each, value
    )


def mode_of(model: Any) -> ShapesOnly | None:
    """Returns the mode that `model` was built in, None for a model with storage."""
    for tensor in chain(model.parameters(), model.buffers()):
        if isinstance(tensor, FakeTensor) and isinstance(tensor.fake_mode, ShapesOnly):
            return tensor.fake_mode
        # Such a mode makes every parameter fake: one with storage tells that no other is.
        if isinstance(tensor, torch.nn.Parameter) and not torch.nn.parameter.is_lazy(tensor):
            return None
    return None


def _is_state(tensor: torch.Tensor) -> bool:
    if torch.nn.parameter.is_lazy(tensor):
        return False
    return isinstance(tensor, torch.nn.Parameter) or (tensor.is_floating_point() and tensor.numel() > 1)


def _tensors(args: Iterable[Any], kwargs: Mapping[str, Any]) -> list[torch.Tensor]:
    """The tensors among an operation's arguments, those in lists included."""
    found: list[torch.Tensor] = []
    for value in (*args, *kwargs.values()):
        if isinstance(value, torch.Tensor):
            found.append(value)
        elif isinstance(value, (list, tuple)):
            found += [each for each in value if isinstance(each, torch.Tensor)]
    return found


def _storage_key(tensor: torch.Tensor) -> int:
    return int(tensor.untyped_storage()._cdata) if tensor.layout is torch.strided else id(tensor)


def _filled_elements(name: str, args: Any, tensors: list[torch.Tensor]) -> int:
    if name.endswith("_like") or not any(isinstance(each, (list, tuple)) for each in args):
        return max((each.numel() for each in tensors), default=0)
    return math.prod(next(each for each in args if isinstance(each, (list, tuple))))


def _is_floating(args: Any, kwargs: Any, tensors: list[torch.Tensor]) -> bool:
    dtype = kwargs.get("dtype")
    if dtype is not None:
        return bool(dtype.is_floating_point)
    if tensors:
        return tensors[0].is_floating_point()
    # `full` takes the dtype of its value, everything else PyTorch's default.
    return not (len(args) > 1 and isinstance(args[1], (bool, int)))


def _elements_of_range(name: str, args: Any, kwargs: Any) -> float:
    """How many elements `arange`, `linspace` and their kin have; others make small tensors."""
    numbers = [each for each in args if isinstance(each, (int, float)) and not isinstance(each, bool)]
    if name == "arange" and numbers:
        start, end = (0, numbers[0]) if len(numbers) == 1 else numbers[:2]
        step = kwargs.get("step", numbers[2] if len(numbers) > 2 else 1)
        return abs((end - start) / (step or 1))
    if name in ("linspace", "logspace"):
        return float(kwargs.get("steps", numbers[2] if len(numbers) > 2 else 0))
    sizes = [each for each in args if isinstance(each, (list, tuple))]
    return float(math.prod(sizes[0])) if sizes else float(math.prod(numbers or [0]))


def _result_elements(func: Any, args: Any, kwargs: Any, tensors: list[torch.Tensor]) -> int:
    """The size of a result, found on the meta device; where it depends on values, that of the operands."""
    held = max(each.numel() for each in tensors)
    if held > LARGE:
        return held
    try:
        shaped = pytree.tree_map_only(torch.Tensor, lambda each: each.to("meta"), (args, dict(kwargs)))
        found = func(*shaped[0], **shaped[1])
    except (RuntimeError, NotImplementedError, TypeError, ValueError, IndexError):
        return held
    return max((each.numel() for each in pytree.tree_leaves(found) if isinstance(each, torch.Tensor)), default=0)


def _grouped_rows(left: torch.Tensor, right: torch.Tensor, offs: torch.Tensor | None = None, *_: Any) -> list[int]:
    """Sizes of a product of groups of rows, of columns, or of what is contracted, each with a matrix of its own.

    (rows, K) x (groups, K, N) is (rows, N); (groups, M, K) x (K, columns) is (M, columns); (M, K) x (K, N) with K
    in groups is (groups, M, N); (groups, M, K) x (groups, K, N) is (groups, M, N).
    """
    if left.dim() == 2 and right.dim() == 2:
        assert offs is not None
        return [offs.shape[0], left.shape[0], right.shape[1]]
    if left.dim() == 3 and right.dim() == 3:
        return [left.shape[0], left.shape[1], right.shape[2]]
    return [left.shape[-2], right.shape[-1]]


def _shape_rules() -> dict[Any, Callable[..., list[int]]]:
    # PyTorch infers the shape of a grouped product for bfloat16 only; the kernel takes other dtypes too.
    grouped = getattr(torch.ops.aten, "_grouped_mm", None)
    return {grouped.default: _grouped_rows} if grouped is not None else {}


_SHAPES = _shape_rules()
