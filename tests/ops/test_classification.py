"""Every function that can be intercepted is priced, free or uncountable, and its spellings are one op."""

from __future__ import annotations

from collections.abc import Callable
from types import BuiltinFunctionType
from typing import Any

import pytest
import torch
import torch.nn.functional as F

import calprof.ops  # noqa: F401
from calprof.ops.registry import catalogue, classify
from calprof.work import KINDS

aten = torch.ops.aten


def overridable() -> dict[str, Callable[..., Any]]:
    """Every function that PyTorch lists as overridable, by its qualified name.

    Not what another package has put in the place of one, as Lightning does with `torch.compile`.
    """
    functions = {}
    for namespace, members in torch.overrides.get_overridable_functions().items():
        for function in members:
            name = torch.overrides.resolve_name(function) or f"{namespace}.{function}"
            if (getattr(function, "__module__", None) or "torch").partition(".")[0] == "torch":
                functions[name] = function
    return functions


def mode_only() -> dict[str, Callable[..., Any]]:
    """Built-in functions that take no tensor, and so no override, but that a function mode sees: `torch.zeros`."""
    return {
        str(torch.overrides.resolve_name(function) or function): function
        for function in torch.overrides.get_ignored_functions()
        if isinstance(function, BuiltinFunctionType)
    }


def operators() -> dict[str, Callable[..., Any]]:
    """torchvision's ops and the quantised linear layers and convolutions."""
    pytest.importorskip("torchvision", reason="torchvision is an optional extra")
    vision = ("deform_conv2d", "roi_align", "roi_pool", "ps_roi_align", "ps_roi_pool", "nms")
    quantised = ("linear", "linear_relu", "linear_dynamic", "conv1d", "conv2d", "conv2d_relu", "conv3d")
    found = {f"torchvision.{name}": getattr(torch.ops.torchvision, name) for name in vision}
    return {**found, **{f"quantized.{name}": getattr(torch.ops.quantized, name) for name in quantised}}


@pytest.mark.parametrize("functions", [overridable, mode_only, operators])
def test_every_function_is_classified(functions):
    found = functions()
    assert found
    unknown = sorted(name for name, function in found.items() if classify(function).state == "unknown")
    if unknown:
        pytest.fail(f"{len(unknown)} of {len(found)} functions are not classified: {', '.join(unknown)}")


def test_the_walk_covers_the_namespaces_that_models_use():
    names = overridable()
    assert {"torch.add", "torch.nn.functional.gelu", "torch.Tensor.__rsub__", "torch.fft.fft"} <= set(names)
    assert len(names) > 1000


def test_an_unheard_of_function_is_unknown():
    def nobody_knows_this(x):
        return x

    assert classify(nobody_knows_this).state == "unknown"


SPELLINGS = [
    (torch.add, [torch.Tensor.add, torch.Tensor.add_, torch.Tensor.__add__, torch.Tensor.__iadd__,
                 aten.add.Tensor, aten.add_.Scalar, aten.add]),
    (torch.sub, [torch.subtract, torch.Tensor.__sub__, torch.Tensor.__isub__, torch.Tensor.sub_, aten.sub.Tensor]),
    (torch.mul, [torch.multiply, torch.Tensor.__mul__, torch.Tensor.__imul__, aten.mul.out]),
    (torch.div, [torch.divide, torch.true_divide, torch.Tensor.__truediv__, torch.Tensor.__itruediv__]),
    (torch.floor_divide, [torch.Tensor.__floordiv__, torch.Tensor.__ifloordiv__, torch.Tensor.floor_divide_]),
    (torch.remainder, [torch.Tensor.__mod__, torch.Tensor.remainder_, aten.remainder.Scalar]),
    (torch.pow, [torch.Tensor.__pow__, torch.Tensor.__ipow__, torch.Tensor.pow_, aten.pow.Tensor_Scalar]),
    (torch.neg, [torch.negative, torch.Tensor.__neg__, torch.Tensor.neg_, torch.Tensor.negative_]),
    (torch.abs, [torch.absolute, torch.Tensor.__abs__, torch.Tensor.abs_]),
    (torch.clamp, [torch.clip, torch.Tensor.clip_, aten.clamp.Tensor]),
    (torch.bitwise_and, [torch.Tensor.__and__, torch.Tensor.__iand__, torch.Tensor.bitwise_and_]),
    (torch.bitwise_not, [torch.Tensor.__invert__]),
    (torch.eq, [torch.Tensor.__eq__, torch.Tensor.eq_, aten.eq.Scalar]),
    (torch.ne, [torch.not_equal, torch.Tensor.__ne__]),
    (torch.ge, [torch.greater_equal, torch.Tensor.__ge__]),
    (torch.special.expit, [torch.sigmoid, torch.Tensor.sigmoid_, F.sigmoid, aten.sigmoid, aten.special_expit]),
    (torch.special.gammaln, [torch.lgamma, torch.Tensor.lgamma_]),
    (torch.special.logsumexp, [torch.logsumexp, torch.Tensor.logsumexp, aten.logsumexp]),
    (torch.special.erf, [torch.erf, torch.Tensor.erf_, aten.special_erf]),
    (torch.special.multigammaln, [aten.special_multigammaln]),
    (torch.acos, [torch.arccos, torch.Tensor.arccos_]),
    (F.relu, [torch.relu, torch.relu_, torch.Tensor.relu_, F.relu_, aten.relu_]),
    (F.leaky_relu, [F.leaky_relu_, torch._C._nn.leaky_relu_, aten.leaky_relu]),
    (F.gelu, [torch._C._nn.gelu, aten.gelu.default]),
    (F.hardtanh, [F.hardtanh_, aten.hardtanh_]),
    (F.softplus, [torch._C._nn.softplus, aten.softplus]),
    (torch.sum, [torch.Tensor.sum, aten.sum.dim_IntList]),
    (torch.max, [torch.Tensor.max, aten.max.dim]),
    (torch.matmul, [torch.Tensor.__matmul__, torch.linalg.matmul, aten.matmul]),
    (torch.cat, [torch.concat, torch.concatenate, aten.cat]),
    (torch.transpose, [torch.swapaxes, torch.swapdims, torch.Tensor.transpose_, aten.transpose.int]),
    (torch.scatter_add, [torch.Tensor.scatter_add_, aten.scatter_add_]),
]  # fmt: skip


@pytest.mark.parametrize("op, spellings", SPELLINGS, ids=[row[0].__name__ for row in SPELLINGS])
def test_spellings_are_one_op(op, spellings):
    entry = classify(op)
    assert entry.state != "unknown"
    for spelling in spellings:
        found = classify(spelling)
        assert (found.state, found.formula) == (entry.state, entry.formula), spelling


@pytest.mark.parametrize("name", ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and", "lshift"])
def test_reflected_operators_are_the_op_with_swapped_operands(name):
    plain, reflected = (getattr(torch.Tensor, f"__{prefix}{name}__", None) for prefix in ("", "r"))
    found = classify(reflected)
    assert found.reflected
    assert found.formula is classify(plain).formula


def test_reading_an_attribute_is_free():
    for attribute in (torch.Tensor.shape, torch.Tensor.T, torch.Tensor.grad, torch.Tensor.data):
        assert classify(attribute.__get__).state == "free"


def test_every_entry_has_a_family_and_a_reason_and_a_formula_where_it_is_priced():
    for name, op in catalogue().items():
        assert op.family and op.reason, name
        assert (op.formula is not None) == (op.state == "priced"), name
        assert set(op.kinds) <= set(KINDS), name
