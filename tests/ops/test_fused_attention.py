"""PyTorch's attention kernels by name: the cost of the public function, whatever the order of their flags."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from support import work
from torch._subclasses.fake_tensor import FakeTensorMode

import calprof.ops  # noqa: F401
from calprof.ops.registry import Uncountable, catalogue
from calprof.ops.shape import Shape
from calprof.work import Cost

R = torch.randn
aten = torch.ops.aten
HEADS_FIRST = (Shape((2, 3, 5, 8)), Shape((2, 3, 7, 8)), Shape((2, 3, 7, 8)))
LENGTH_FIRST = (Shape((2, 5, 3, 8)), Shape((2, 7, 3, 8)), Shape((2, 7, 3, 8)))
SCORES = 2 * 3 * 5 * 7
BELOW = 2 * 3 * 15  # of 5 x 7 scores the first 1 + 2 + 3 + 4 + 5 of each row


def cost(name, tensors, *args, **kwargs) -> Cost:
    return catalogue()[name].formula(*tensors, *args, out=tensors[0], **kwargs)


@pytest.mark.parametrize("causal", [False, True])
def test_kernels_of_the_cpu_cost_what_the_function_costs(causal):
    q, k, v = R(2, 3, 5, 8), R(2, 3, 7, 8), R(2, 3, 7, 8)
    expected = work(lambda: F.scaled_dot_product_attention(q, k, v, is_causal=causal))
    with torch.no_grad():
        assert work(lambda: aten._scaled_dot_product_flash_attention_for_cpu(q, k, v, 0.0, causal)) == expected
        assert work(lambda: aten._scaled_dot_product_attention_math(q, k, v, None, 0.0, causal)) == expected


KERNELS = [
    ("_scaled_dot_product_flash_attention", HEADS_FIRST, (0.0, False, True), (0.0, True)),
    ("_scaled_dot_product_efficient_attention", HEADS_FIRST, (None, True), (None, False, 0.0, True)),
    ("_scaled_dot_product_cudnn_attention", HEADS_FIRST, (None, True, 0.0, False, True), (None, True, 0.0, True)),
    ("_scaled_dot_product_fused_attention_overrideable", HEADS_FIRST, (None, 0.0, False, True), (None, 0.0, True)),
    (
        "_cudnn_attention_forward",
        HEADS_FIRST,
        (None, None, None, 5, 7, True),
        (None, None, None, 5, 7, True, 0.0, True),
    ),
    (
        "_flash_attention_forward",
        LENGTH_FIRST,
        (None, None, 5, 7, 0.0, False, True),
        (None, None, 5, 7, 0.0, True, False),
    ),
    (
        "_efficient_attention_forward",
        LENGTH_FIRST,
        (None, None, None, 5, 7, 0.0, 0, True),
        (None, None, None, 5, 7, 0.0, 1),
    ),
]


@pytest.mark.parametrize(("name", "tensors", "full", "causal"), KERNELS, ids=[kernel[0] for kernel in KERNELS])
def test_flags_that_are_no_mask_are_not_taken_for_one(name, tensors, full, causal):
    whole, half = cost(name, tensors, *full).forward, cost(name, tensors, *causal).forward
    assert (whole["mac"], whole["masked_mac"]) == (SCORES * 16, 0)
    assert (half["mac"], half["masked_mac"]) == (BELOW * 16, (SCORES - BELOW) * 16)


def test_a_window_leaves_scores_out():
    # Row i of 5 sees keys i + 2 - 1 to i + 2, the diagonal ending in the corner: two each.
    found = cost("_flash_attention_forward", LENGTH_FIRST, None, None, 5, 7, 0.0, False, False, window_size_left=1,
                 window_size_right=0)  # fmt: skip
    assert found.forward["mac"] == 2 * 3 * 5 * 2 * 16


def test_a_diagonal_from_the_bottom_corner():
    # Row i of 5 keeps i + 3 of 7 keys.
    found = cost("_efficient_attention_forward", LENGTH_FIRST, None, None, None, 5, 7, 0.0, 2).forward
    assert found["mac"] == 2 * 3 * (3 + 4 + 5 + 6 + 7) * 16


def test_packed_sequences_are_uncountable_by_shapes():
    bounds = Shape((3,))
    with pytest.raises(Uncountable, match="lengths of the sequences"):
        cost("_flash_attention_forward", LENGTH_FIRST, bounds, bounds, 5, 7, 0.0, True, False)


def test_kernels_of_other_devices_are_seen_without_storage():
    with FakeTensorMode(), torch.no_grad():
        q, k, v = (torch.empty(2, 3, n, 8, device="cuda", dtype=torch.float16) for n in (5, 7, 7))
        found = work(lambda: aten._scaled_dot_product_efficient_attention(q, k, v, None, True))
    assert (found["mac"], found["masked_mac"]) == (SCORES * 16, 0)
