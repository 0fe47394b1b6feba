"""Every profiler that is compared: one function each, from a model and its inputs to the MACs it reports.

A peer is called as its documentation says, with printing off. Its figure is the total it reports: where a tool
adds elementwise work to the same total, so does its figure here. Peers that report each op apart have a second
function, which adds up the products only.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

Count = Callable[[nn.Module, Sequence[Any], Mapping[str, Any]], "int | float"]

os.environ.setdefault("DS_ACCELERATOR", "cpu")  # DeepSpeed otherwise looks for an accelerator on import

_PRODUCTS = frozenset({"conv", "linear", "addmm", "mm", "matmul", "bmm", "einsum"})


@dataclass(frozen=True)
class Peer:
    """A profiler.

    Attributes:
        name: What tables call it.
        distribution: The package it comes from.
        figure: What its figure is, and how MACs are made of it.
        count: Runs it.
        products: Runs it and leaves out what is no product, where it tells products apart.
    """

    name: str
    distribution: str
    figure: str
    count: Count
    products: Count | None = None


def calprof_profile(model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
    """`calprof.profile`, with the FLOPs and the MACs read."""
    import calprof

    prof = calprof.profile(model, args=args, kwargs=kwargs)
    assert prof.flops >= 0
    return prof.macs


def calflops(model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
    """`calculate_flops`; its MACs."""
    from calflops import calculate_flops

    _, macs, _ = calculate_flops(
        model, args=list(args), kwargs=dict(kwargs), print_results=False, output_as_string=False
    )
    return int(macs)


def deepspeed(model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
    """`get_model_profile` without its warm-up forward; its MACs."""
    from deepspeed.profiling.flops_profiler import get_model_profile

    _, macs, _ = get_model_profile(
        model, args=list(args), kwargs=dict(kwargs), print_profile=False, detailed=False, warm_up=0, as_string=False
    )
    return int(macs)


def flop_counter(model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
    """`FlopCounterMode`; half its FLOPs."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        model(*args, **kwargs)
    return int(counter.get_total_flops()) // 2


def fvcore(model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
    """`FlopCountAnalysis.total`, whose flop is one multiply-add."""
    return int(_fvcore(model, args, kwargs).total())


def fvcore_products(model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
    """`FlopCountAnalysis.by_operator`, its products."""
    return int(sum(n for op, n in _fvcore(model, args, kwargs).by_operator().items() if op in _PRODUCTS))


def _fvcore(model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    from fvcore.nn import FlopCountAnalysis

    analysis = FlopCountAnalysis(model, positional(model, args, kwargs))
    return analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")


def ptflops(model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
    """`get_model_complexity_info`, its default backend of module hooks; its MACs."""
    return _ptflops(model, args, kwargs, "pytorch")


def ptflops_aten(model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
    """`get_model_complexity_info`, its backend of a dispatch mode; its MACs."""
    return _ptflops(model, args, kwargs, "aten")


def _ptflops(model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any], backend: str) -> int:
    from ptflops import get_model_complexity_info

    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
        macs, _ = get_model_complexity_info(
            _Whole(model), (1,), input_constructor=lambda _: {"args": args, "kwargs": kwargs},
            print_per_layer_stat=False, as_strings=False, backend=backend,
        )  # fmt: skip
    if macs is None:  # it prints the exception it swallows, after a line of its own
        raise RuntimeError(" ".join(printed.getvalue().splitlines()[1:]))
    return int(macs)


def thop(model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
    """`thop.profile`; its MACs."""
    from thop import profile

    macs, _ = profile(model, inputs=positional(model, args, kwargs), verbose=False)
    return int(macs)


def torchinfo(model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
    """`summary(...).total_mult_adds`."""
    from torchinfo import summary

    return int(summary(model, input_data=list(args), verbose=0, **kwargs).total_mult_adds)


def torch_profiler(model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
    """`torch.profiler.profile(with_flops=True)`; half the sum of its FLOPs."""
    return sum(event.flops for event in _torch_profiler(model, args, kwargs)) // 2


def torch_profiler_products(model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
    """Of `torch_profiler` the FLOPs that are not of `aten::add` and `aten::mul`, halved."""
    events = _torch_profiler(model, args, kwargs)
    return sum(event.flops for event in events if event.key not in ("aten::add", "aten::mul")) // 2


def _torch_profiler(model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], with_flops=True) as profiler:
        model(*args, **kwargs)
    return profiler.key_averages()


CALPROF = Peer("calprof", "calprof", "MACs, with FLOPs read too", calprof_profile)
PEERS = (
    Peer("calflops", "calflops", "MACs", calflops),
    Peer("DeepSpeed", "deepspeed", "MACs", deepspeed),
    Peer("FlopCounterMode", "torch", "FLOPs of products, halved", flop_counter),
    Peer(
        "fvcore", "fvcore", "flops of one multiply-add each, with those of norms and pooling", fvcore, fvcore_products
    ),
    Peer("ptflops", "ptflops", "MACs, with elementwise operations", ptflops),
    Peer("ptflops aten", "ptflops", "MACs, with biases", ptflops_aten),
    Peer("thop", "thop", "MACs, with elementwise operations", thop),
    Peer("torchinfo", "torchinfo", "multiply-adds", torchinfo),
    Peer(
        "torch.profiler", "torch", "FLOPs, with those of add and mul, halved", torch_profiler, torch_profiler_products
    ),
)


def positional(model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Any, ...]:
    """Returns all arguments as positional ones, for peers that know no others."""
    bound = inspect.signature(model.forward).bind(*args, **kwargs)
    bound.apply_defaults()
    if bound.kwargs:
        raise TypeError(f"takes positional arguments only, and {', '.join(bound.kwargs)} has none")
    given = len(bound.args)
    while given > len(args) and not isinstance(bound.args[given - 1], torch.Tensor):
        given -= 1
    return tuple(bound.args[:given])


class _Whole(nn.Module):
    """A model given its inputs by name: ptflops divides by the batch size of what is given by position."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Runs it."""
        return self.model(*args, **kwargs)


@contextlib.contextmanager
def unpatched() -> Iterator[None]:
    """Puts back every function of PyTorch's that is patched in the block and left so."""
    owners = (torch, torch.Tensor, torch.nn.functional)
    before = [dict(vars(owner)) for owner in owners]
    try:
        yield
    finally:
        for owner, names in zip(owners, before, strict=True):
            for name in [name for name, value in vars(owner).items() if names.get(name) is not value]:
                if name in names:
                    setattr(owner, name, names[name])
                else:
                    delattr(owner, name)
