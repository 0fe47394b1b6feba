"""Functions that run functions: control flow ops, checkpoints, custom autograd functions, flex_attention."""

from __future__ import annotations

import warnings
from functools import partial

import pytest
import support
import torch
from torch._higher_order_ops.associative_scan import associative_scan
from torch._higher_order_ops.scan import scan
from torch._higher_order_ops.while_loop import while_loop
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention
from torch.utils.checkpoint import checkpoint

from calprof.recording.recorder import Recorder
from calprof.work import Work

pytestmark = pytest.mark.filterwarnings("ignore:.*flex_attention called without torch.compile.*")


@pytest.mark.parametrize(("sign", "expected"), [(1.0, Work(mac=3 * 5 * 7)), (-1.0, Work(transcendental=3 * 5))])
@pytest.mark.parametrize("grad", [False, True])
def test_cond_counts_the_branch_that_runs(sign, expected, grad):
    x, weight = torch.randn(3, 5, requires_grad=grad), torch.randn(5, 7)
    branch = torch.tensor(sign) > 0

    def product(x):
        return (x @ weight)[:, :5]

    assert support.work(lambda: torch.cond(branch, product, lambda x: x.sin(), (x,))) == expected


def test_cond_inside_a_module_belongs_to_the_module():
    class Choice(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.left, self.right = torch.nn.Linear(5, 5), torch.nn.Linear(5, 5)

        def forward(self, x):
            return torch.cond(x.isnan().any(), lambda x: self.left(x), lambda x: self.right(x), (x,))

    model = Choice()
    recording = support.record(lambda: model(torch.randn(3, 5)), model)
    assert {call.module: call.cost.forward["mac"] for call in recording.calls if call.cost.forward["mac"]} == {
        "right": 3 * 5 * 5
    }


def test_while_loop_counts_every_round():
    weight = torch.randn(5, 5)
    counter, x = torch.zeros((), dtype=torch.int64), torch.randn(3, 5)

    def body(counter, x):
        return counter + 1, x @ weight

    work = support.work(lambda: while_loop(lambda counter, x: counter < 4, body, (counter, x)))
    assert work["mac"] == 4 * 3 * 5 * 5
    assert work["integer"] == 5 + 4  # one comparison more than rounds


@pytest.mark.parametrize("grad", [False, True])
def test_scan_counts_every_step(grad):
    init, xs = torch.randn(5, requires_grad=grad), torch.randn(11, 5)

    def step(carry, x):
        carry = carry * 2.0 + x
        return carry, carry.sin()

    work = support.work(lambda: scan(step, init, xs))
    assert (work["multiply"], work["add"], work["transcendental"]) == (55, 55, 55)


def test_associative_scan_counts_its_combinations():
    x = torch.randn(8, 3)
    work = support.work(lambda: associative_scan(lambda a, b: a * b, x, 0, combine_mode="generic"))
    # A tree over 8 elements: 4, 2 and 1 combinations up, 1 and 3 down.
    assert work == Work(multiply=(4 + 2 + 1 + 1 + 3) * 3)


def test_gradients_flow_through_recorded_control_flow():
    weight, xs = torch.randn(5, requires_grad=True), torch.randn(4, 5)

    def loss():
        carry, steps = scan(lambda carry, x: (carry * x, carry.sin() + x), weight, xs)
        return (carry.sum() + steps.sum() + torch.cond(weight.sum() > 99, torch.sin, torch.cos, (weight,)).sum(),)

    def by_hand():
        carry, total = weight, torch.zeros(())
        for x in xs:
            carry, total = carry * x, total + (carry.sin() + x).sum()
        return (carry.sum() + total + weight.cos().sum(),)

    with Recorder():
        (found,) = torch.autograd.grad(loss(), weight)
    (expected,) = torch.autograd.grad(by_hand(), weight)
    torch.testing.assert_close(found, expected)


def test_an_unknown_higher_order_op_is_reported():
    class Doubled(torch._ops.HigherOrderOperator):
        def __init__(self):
            super().__init__("doubled_for_test")

        def __call__(self, x):
            return super().__call__(x)

    doubled = Doubled()
    for key in (torch._C.DispatchKey.CompositeExplicitAutograd, torch._C.DispatchKey.Autograd):
        doubled.py_impl(key)(lambda x: x * 2)
    (call,) = support.record(lambda: doubled(torch.randn(3))).uncounted
    assert call.op == "higher_order.doubled_for_test"


def test_branches_on_fake_tensors_are_reported():
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode():
        x = torch.randn(3, 5)
        recording = support.record(lambda: torch.cond(x.sum() > 0, torch.sin, torch.cos, (x,)))
    (call,) = recording.uncounted
    assert "fake tensors" in call.reason


@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize("grad", [False, True])
def test_a_checkpointed_forward_is_counted_once(reentrant, grad):
    layers = torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.ReLU(), torch.nn.Linear(7, 3))
    x = torch.randn(2, 5, requires_grad=grad)
    with torch.set_grad_enabled(grad), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = support.work(lambda: checkpoint(layers, x, use_reentrant=reentrant))
    assert found == support.work(lambda: layers(x))


class Scaled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(x, weight)
        return (x @ weight).relu()

    @staticmethod
    def backward(ctx, grad):
        x, weight = ctx.saved_tensors
        return grad @ weight.t(), x.t() @ grad


@pytest.mark.parametrize("grad", [False, True])
def test_the_forward_of_an_autograd_function_is_seen(grad):
    x, weight = torch.randn(3, 5, requires_grad=grad), torch.randn(5, 7)
    assert support.work(lambda: Scaled.apply(x, weight)) == Work(mac=3 * 5 * 7, relu=3 * 7)


def flops(function):
    """The work without the arithmetic on positions, which is done in integers."""
    return Work(**{kind: count for kind, count in support.work(function).items() if kind != "integer"})


def causal(batch, head, row, column):
    return row >= column


def heads(batch=2, heads=3, rows=16, columns=16, width=8):
    return torch.randn(batch, heads, rows, width), *(torch.randn(batch, heads, columns, width) for _ in range(2))


def test_flex_attention_without_a_mask_is_attention():
    q, k, v = heads()
    expected = support.work(lambda: torch.nn.functional.scaled_dot_product_attention(q, k, v))
    assert flops(lambda: flex_attention(q, k, v)) == expected
    assert support.macs(expected) == 2 * 2 * 3 * 16 * 16 * 8


def test_flex_attention_counts_the_blocks_its_mask_keeps():
    q, k, v = heads(rows=12, columns=20)
    mask = create_block_mask(causal, None, None, 12, 20, device="cpu", BLOCK_SIZE=8)
    # Rows of blocks 8 and 4 high; the first keeps the first block of columns, the second the first two.
    kept = 8 * 8 + 4 * 16
    assert support.macs(support.work(lambda: flex_attention(q, k, v, block_mask=mask))) == 2 * 2 * 3 * kept * 8


def test_flex_attention_with_a_mask_a_head():
    q, k, v = heads()

    def banded(batch, head, row, column):
        return (row - column).abs() <= 8 * head

    mask = create_block_mask(banded, None, 3, 16, 16, device="cpu", BLOCK_SIZE=4)
    kept = 0
    for head in range(3):
        for row in range(0, 16, 4):
            for column in range(0, 16, 4):
                kept += 16 * any(abs(i - j) <= 8 * head for i in range(row, row + 4) for j in range(column, column + 4))
    assert support.macs(support.work(lambda: flex_attention(q, k, v, block_mask=mask))) == 2 * 2 * kept * 8


def test_a_ragged_last_block_of_columns_is_cut_off():
    q, k, v = heads(rows=5, columns=11)
    everything = create_block_mask(lambda b, h, r, c: r >= 0, None, None, 5, 11, device="cpu", BLOCK_SIZE=4)
    assert isinstance(everything, BlockMask)
    assert support.macs(support.work(lambda: flex_attention(q, k, v, block_mask=everything))) == 2 * 2 * 3 * 55 * 8


def test_score_mod_runs_once_a_kept_score():
    q, k, v = heads()
    slope = torch.randn(3)

    def biased(score, batch, head, row, column):
        return torch.tanh(score) + slope[head]

    mask = create_block_mask(causal, None, None, 16, 16, device="cpu", BLOCK_SIZE=8)
    plain = flops(lambda: flex_attention(q, k, v, block_mask=mask))
    modified = flops(lambda: flex_attention(q, k, v, score_mod=biased, block_mask=mask))
    scores = 2 * 3 * (8 * 8 + 8 * 16)
    assert modified == plain + Work(transcendental=scores, add=scores)


def test_grouped_flex_attention_counts_every_query_head():
    q, k, v = heads(heads=4)
    k, v = k[:, :2], v[:, :2]
    work = support.work(partial(flex_attention, q, k, v, enable_gqa=True))
    assert support.macs(work) == 2 * 2 * 4 * 16 * 16 * 8


def test_compiled_flex_attention_is_seen():
    q, k, v = heads()
    compiled = torch.compile(flex_attention, backend="eager")
    assert support.macs(support.work(lambda: compiled(q, k, v))) == 2 * 2 * 3 * 16 * 16 * 8
