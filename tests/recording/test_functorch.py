"""`torch.func`: vmap hides its batch from the shapes; grad and jvp run kernels below the function level."""

from __future__ import annotations

import pytest
import support
import torch
import torch.nn.functional as F
from torch._functorch import vmap as functorch_vmap
from torch.func import functional_call, grad, hessian, jacfwd, jacrev, jvp, stack_module_state, vjp, vmap

from calprof.recording.recorder import Recorder
from calprof.work import Work

BATCH, IN, OUT = 11, 5, 7


def layer():
    return torch.nn.Sequential(torch.nn.Linear(IN, OUT), torch.nn.GELU(), torch.nn.Linear(OUT, 3))


def test_vmap_costs_its_batch():
    model, x = layer(), torch.randn(BATCH, IN)
    assert support.work(lambda: vmap(model)(x)) == support.work(lambda: model(x))


@pytest.mark.parametrize("in_dims", [0, 1])
def test_the_batch_dimension_may_be_any(in_dims):
    x = torch.randn(BATCH, IN).movedim(0, in_dims)
    weight = torch.randn(OUT, IN)
    work = support.work(lambda: vmap(lambda row: F.linear(row, weight), in_dims=in_dims)(x))
    assert work == Work(mac=BATCH * IN * OUT)


def test_what_does_not_depend_on_the_batch_runs_once():
    x, weight = torch.randn(BATCH, IN), torch.randn(IN)
    assert support.work(lambda: vmap(lambda row: row * torch.sin(weight))(x)) == Work(
        transcendental=IN, multiply=BATCH * IN
    )


def test_nested_vmaps_multiply_the_levels_a_call_is_part_of():
    x, y = torch.randn(3, IN), torch.randn(BATCH, IN)

    def outer(row):
        def inner(other):
            return torch.dot(row.sin(), other.cos())

        return vmap(inner)(y)

    work = support.work(lambda: vmap(outer)(x))
    # The sine is of the outer level alone but inside the inner vmap: 3 rows, not 3 x 11. The cosine likewise.
    assert work == Work(mac=3 * BATCH * IN, transcendental=(3 + BATCH) * IN)


def test_a_batch_larger_than_memory_is_chunked():
    x = torch.randn(BATCH, IN)
    assert support.work(lambda: vmap(torch.sin, chunk_size=4)(x)) == Work(transcendental=BATCH * IN)


def test_an_ensemble_of_models():
    models = [layer() for _ in range(4)]
    params, buffers = stack_module_state(models)
    x = torch.randn(BATCH, IN)

    def run(params, buffers, x):
        return functional_call(models[0], (params, buffers), (x,))

    found = support.work(lambda: vmap(run, in_dims=(0, 0, None))(params, buffers, x))
    assert found == support.work(lambda: [model(x) for model in models])


def test_random_numbers_of_each_batch_element():
    x = torch.randn(BATCH, IN)
    work = support.work(lambda: vmap(lambda row: F.dropout(row), randomness="different")(x))
    assert work == support.work(lambda: F.dropout(x))


def test_vmap_inside_a_module_belongs_to_it():
    class Rows(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = torch.nn.Linear(IN, OUT)

        def forward(self, x):
            return vmap(self.inner)(x) * 2

    model = Rows()
    recording = support.record(lambda: model(torch.randn(BATCH, IN)), model)
    macs = {call.module: call.cost.forward["mac"] for call in recording.calls if call.cost.forward["mac"]}
    assert macs == {"inner": BATCH * IN * OUT}


def test_gradients_count_the_forward_and_what_autograd_runs():
    model, x = layer(), torch.randn(BATCH, IN)
    forward = support.work(lambda: model(x))
    assert support.work(lambda: vjp(model, x)) == forward
    # The gradient of the input alone: each product of the forward once.
    assert support.work(lambda: grad(lambda x: model(x).sum())(x))["mac"] == 2 * forward["mac"]


def test_per_sample_gradients():
    model, x, y = layer(), torch.randn(BATCH, IN), torch.randint(3, (BATCH,))
    params = dict(model.named_parameters())

    def loss(params, x, y):
        return F.cross_entropy(functional_call(model, params, (x[None],)), y[None])

    found = support.work(lambda: vmap(grad(loss), in_dims=(None, 0, 0))(params, x, y))
    # Forward, the gradients of both weights, and that of the hidden layer.
    assert found["mac"] == BATCH * (2 * (IN * OUT + OUT * 3) + OUT * 3)


def test_jvp_counts_the_tangents():
    model, x = layer(), torch.randn(BATCH, IN)
    found = support.work(lambda: jvp(model, (x,), (torch.ones_like(x),)))
    # A product has two tangents; of the weights, which have none, the product with zeros is left out.
    assert found["mac"] == support.dispatcher_macs(lambda: jvp(model, (x,), (torch.ones_like(x),)))
    assert found["mac"] > support.work(lambda: model(x))["mac"]


@pytest.mark.parametrize("transform", [jacrev, jacfwd, hessian])
@pytest.mark.parametrize("rows", [False, True])
def test_jacobians_equal_the_dispatcher(transform, rows):
    weight, x = torch.randn(OUT, IN), torch.randn(BATCH, IN) if rows else torch.randn(IN)

    def function(x):
        value = torch.tanh(F.linear(x, weight))
        return value.pow(3).sum() if transform is hessian else value

    run = vmap(transform(function)) if rows else transform(function)
    assert support.work(lambda: run(x))["mac"] == support.dispatcher_macs(lambda: run(x))


def test_a_jacobian_by_hand():
    x, weight = torch.randn(BATCH, IN), torch.randn(OUT, IN)
    # The forward, and for each of the outputs of a row one product of a unit vector with the weight.
    found = support.work(lambda: vmap(jacrev(lambda row: F.linear(row, weight)))(x))
    assert found["mac"] == BATCH * IN * OUT * (1 + OUT)


class Squared(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return x * x

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return 2 * x * gradient


def test_a_custom_function_inside_a_transform():
    x = torch.randn(BATCH, IN)
    work = support.work(lambda: vmap(Squared.apply)(x))
    assert work == Work(multiply=BATCH * IN)


def test_a_function_that_raises_inside_vmap_leaves_nothing_behind():
    before = functorch_vmap.vmap_increment_nesting

    def fail(x):
        raise ArithmeticError("inside")

    with Recorder() as recorder:
        with pytest.raises(ArithmeticError):
            vmap(fail)(torch.randn(BATCH, IN))
        torch.sin(torch.ones(3))
    assert [call.cost.forward for call in recorder.recording().calls] == [Work(transcendental=3)]
    assert functorch_vmap.vmap_increment_nesting is before
