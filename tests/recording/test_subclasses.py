"""Tensors that are more than their sizes: sparse, nested, and quantised weights that wrap others."""

from __future__ import annotations

from typing import Any

import pytest
import support
import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from calprof.recording.recorder import Recorder
from calprof.work import Work

pytestmark = pytest.mark.filterwarnings("ignore:.*(Sparse CS|nested tensors).*")


def sparse(rows: int, columns: int, stored: int) -> torch.Tensor:
    """A matrix with exactly `stored` elements that are not zero."""
    dense = torch.zeros(rows * columns)
    dense[torch.arange(stored) * 2 % (rows * columns)] = 1.5
    return dense.reshape(rows, columns)


LAYOUTS = {"coo": torch.Tensor.to_sparse, "csr": torch.Tensor.to_sparse_csr, "csc": torch.Tensor.to_sparse_csc}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_sparse_factor_costs_its_stored_elements(layout):
    left, right = LAYOUTS[layout](sparse(7, 11, 5)), torch.randn(11, 3)
    for product in (lambda: left @ right, lambda: torch.mm(left, right), lambda: torch.sparse.mm(left, right)):
        assert support.work(product) == Work(mac=5 * 3)


@pytest.mark.parametrize("layout", ["coo", "csr"])
def test_addmm_with_a_sparse_factor(layout):
    left, right, added = LAYOUTS[layout](sparse(7, 11, 5)), torch.randn(11, 3), torch.randn(7, 3)
    assert support.work(lambda: torch.addmm(added, left, right)) == Work(mac=5 * 3, bias=7 * 3)


def test_sparse_addmm_of_the_sparse_namespace():
    left, right, added = sparse(7, 11, 5).to_sparse(), torch.randn(11, 3), torch.randn(7, 3)
    assert support.work(lambda: torch.sparse.addmm(added, left, right)) == Work(mac=5 * 3, bias=7 * 3)


def test_a_sparse_vector_product_and_a_sparse_weight():
    matrix, vector = sparse(7, 11, 5).to_sparse(), torch.randn(11)
    assert support.work(lambda: torch.mv(matrix, vector)) == Work(mac=5)
    weight, x = sparse(7, 11, 5).to_sparse_csr(), torch.randn(3, 11)
    assert support.work(lambda: F.linear(x, weight)) == Work(mac=5 * 3)


def test_a_block_sparse_factor_costs_its_blocks():
    dense = torch.zeros(4, 6)
    dense[:2, 2:4] = 1
    left = dense.to_sparse_bsr((2, 2))
    assert support.work(lambda: left @ torch.ones(6, 3)) == Work(mac=4 * 3)


def test_sampled_addmm_costs_a_dot_product_per_stored_element():
    pattern = sparse(7, 3, 5).to_sparse_csr()
    a, b = torch.randn(7, 11), torch.randn(11, 3)
    assert support.work(lambda: torch.sparse.sampled_addmm(pattern, a, b)) == Work(mac=5 * 11, bias=5)


def test_the_gradient_of_a_sparse_product_is_as_sparse():
    left, right = sparse(7, 11, 5).to_sparse(), torch.randn(11, 3, requires_grad=True)
    cost = support.cost(lambda: torch.sparse.mm(left, right), grads=True)
    assert (cost.forward["mac"], cost.backward["mac"]) == (15, 15)


def test_two_sparse_factors_are_reported():
    left = sparse(7, 11, 5).to_sparse()
    (call,) = support.record(lambda: torch.sparse.mm(left, left.t())).uncounted
    assert "two sparse tensors" in call.reason


def test_elementwise_work_is_done_on_stored_elements():
    x = sparse(7, 11, 5).to_sparse()
    assert support.work(lambda: torch.sin(x)) == Work(transcendental=5)
    assert support.work(lambda: x * 2.0) == Work(multiply=5)


def test_dense_and_sparse_operands_of_one_shape_are_two_calls():
    dense, right = sparse(7, 11, 5), torch.randn(11, 3)
    for order in (1, -1):
        pair = [dense, dense.to_sparse()][::order]
        recording = support.record(lambda pair=pair: [each @ right for each in pair])
        assert sorted(call.cost.forward["mac"] for call in recording.calls) == [15, 7 * 11 * 3]


def test_as_many_stored_elements_as_a_dense_tensor_cost_as_much():
    dense, right = torch.ones(7, 11), torch.randn(11, 3)
    assert support.work(lambda: dense.to_sparse() @ right) == support.work(lambda: dense @ right)


ROWS = (2, 5, 3)


def nested(width: int, layout: torch.layout) -> torch.Tensor:
    return torch.nested.nested_tensor([torch.randn(row, width) for row in ROWS], layout=layout)


@pytest.mark.parametrize("layout", [torch.jagged, torch.strided])
def test_nested_tensors_count_real_rows(layout):
    x, layer = nested(11, layout), torch.nn.Linear(11, 7)
    assert support.work(lambda: layer(x)) == Work(mac=sum(ROWS) * 11 * 7, linear_bias=sum(ROWS) * 7)
    assert support.work(lambda: F.relu(x)) == Work(relu=sum(ROWS) * 11)
    assert support.work(lambda: x + x) == Work(add=sum(ROWS) * 11)


@pytest.mark.parametrize("layout", [torch.jagged, torch.strided])
def test_nested_layers_equal_the_sum_of_their_rows(layout):
    x = nested(11, layout)
    layers = torch.nn.Sequential(torch.nn.Linear(11, 7), torch.nn.GELU(), torch.nn.LayerNorm(7))
    whole = support.work(lambda: layers(x))
    assert whole == sum(support.work(lambda row=row: layers(torch.randn(row, 11))) for row in ROWS)


def test_nested_attention_is_one_attention_a_sequence():
    def heads(row: int) -> torch.Tensor:
        return torch.randn(row, 3 * 4)

    x = torch.nested.nested_tensor([heads(row) for row in ROWS], layout=torch.jagged)
    q, k, v = (x.unflatten(-1, [3, 4]).transpose(1, 2) for _ in range(3))
    with sdpa_kernel(SDPBackend.MATH):  # choosing a backend asks the driver, which a machine may not have
        found = support.work(lambda: F.scaled_dot_product_attention(q, k, v))
    expected = sum(
        support.work(lambda row=row: F.scaled_dot_product_attention(*(torch.randn(3, row, 4),) * 3)) for row in ROWS
    )
    assert found == expected
    assert support.macs(found) == sum(2 * row * row * 3 * 4 for row in ROWS)


def test_raggedness_tells_calls_apart():
    layer = torch.nn.Linear(11, 7, bias=False)
    one = torch.nested.nested_tensor([torch.randn(2, 11), torch.randn(3, 11)], layout=torch.jagged)
    two = torch.nested.nested_tensor([torch.randn(2, 11), torch.randn(5, 11)], layout=torch.jagged)
    assert support.work(lambda: (layer(one), layer(two), layer(two))) == Work(mac=(5 + 7 + 7) * 11 * 7)


class Quantised(torch.Tensor):
    """An int8 weight with one scale a row that says it is a float weight, as torchao's tensors do."""

    @staticmethod
    def __new__(cls, values: torch.Tensor, scale: torch.Tensor) -> Quantised:
        return torch.Tensor._make_wrapper_subclass(cls, values.shape, dtype=scale.dtype, requires_grad=False)

    def __init__(self, values: torch.Tensor, scale: torch.Tensor) -> None:
        self.values, self.scale = values, scale

    def dequantise(self) -> torch.Tensor:
        return self.values.to(self.scale.dtype) * self.scale[:, None]

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is F.linear:
            x, weight, *bias = args
            return F.linear(x, weight.dequantise(), *bias)
        with torch._C.DisableTorchFunctionSubclass():
            return func(*args, **(kwargs or {}))

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten.detach.default:
            return Quantised(args[0].values, args[0].scale)
        plain = [each.dequantise() if isinstance(each, Quantised) else each for each in args]
        return func(*plain, **(kwargs or {}))


def test_a_quantised_weight_counts_its_logical_product():
    layer = torch.nn.Linear(11, 7)
    layer.weight = torch.nn.Parameter(
        Quantised(torch.randint(-8, 8, (7, 11), dtype=torch.int8), torch.rand(7)), requires_grad=False
    )
    x = torch.randn(3, 11)
    # The dequantisation inside is the kernel's affair: the layer is the product it stands for.
    assert support.work(lambda: layer(x)) == Work(mac=3 * 11 * 7, linear_bias=3 * 7)
    assert support.work(lambda: torch.matmul(x, layer.weight.t())) == Work(mac=3 * 11 * 7)


class Unsized(torch.Tensor):
    """A tensor that refuses to say what it is once it is made."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__name__", "") == "__get__":
            raise RuntimeError("no attributes here")
        return super().__torch_function__(func, types, args, kwargs)


def test_a_tensor_that_will_not_say_its_sizes_does_not_break_the_run():
    x = torch.ones(2, 3).as_subclass(Unsized)
    with Recorder() as recorder:
        torch.sin(x)
    recording = recorder.recording()
    assert len(recording.calls) + len(recording.uncounted) == 1
