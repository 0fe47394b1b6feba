"""Gradient kernels: what autograd runs in a backward pass, and how much of it is gradient.

A profile of a forward derives its backward from the forward and never looks here. `profile_step`, which watches
the backward run, does.

- A product's kernel states its products: one for each gradient it returns.
- A fused attention kernel returns the gradients of its two products, four products, and computes the scores once
  more, because it never stored them: that fifth product is recomputation, not gradient.
- An elementwise kernel costs what its forward costs, by the same rule as an exact backward.
- Any other op the backward runs, such as `mm` or `sum`, has its own entry in the catalogue.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, TypeVar

from calprof.ops.attention import attention_core, kept_below_diagonal
from calprof.ops.einsum import einsum
from calprof.ops.registry import Formula, Op, catalogue, classify
from calprof.ops.shape import Shape
from calprof.work import NOTHING, Cost, Work

FAMILY = "gradient"
GRADIENTS: dict[str, Op] = {}
"""Name of an aten kernel to the formula of the gradients it computes, as the forward work of an op."""
RECOMPUTED: dict[str, Op] = {}
"""Name of an aten kernel to the formula of what it computes a second time."""

F = TypeVar("F", bound=Formula)


def _kernel(*names: str, table: dict[str, Op] = GRADIENTS) -> Callable[[F], F]:
    def register(formula: F) -> F:
        sentence = " ".join((formula.__doc__ or "").split("\n\n")[0].split())
        table.update((name, Op(name, "priced", FAMILY, formula, sentence)) for name in names)
        return formula

    return register


@_kernel("convolution_backward", "convolution_backward_overrideable")
def convolution_backward(grad: Shape, input: Shape, weight: Shape, *args: Any, out: Any, **kwargs: Any) -> Work:
    """The convolution's MACs for the input's and for the weight's gradient, and a sum for the bias's."""
    mask = kwargs.get("output_mask", args[-1] if args else [True, True, True])
    transposed = kwargs.get("transposed", args[4] if len(args) > 4 else False)
    macs = (input if transposed else grad).numel() * weight[1:].numel()
    return Work(mac=macs * sum(mask[:2]), conv_bias=grad.numel() if mask[2] else 0)


@_kernel("linear_backward", "mkldnn_linear_backward")
def linear_backward(input: Shape, grad: Shape, weight: Shape, mask: Sequence[bool], *, out: Any) -> Work:
    """The product's MACs for the input's and for the weight's gradient, and a sum for the bias's."""
    macs = grad.numel() * weight[-1]
    return Work(mac=macs * sum(mask[:2]), linear_bias=grad.numel() if mask[2] else 0)


_ATTENTION = (
    "_scaled_dot_product_flash_attention_backward", "_scaled_dot_product_flash_attention_for_cpu_backward",
    "_scaled_dot_product_efficient_attention_backward", "_scaled_dot_product_cudnn_attention_backward",
    "_scaled_dot_product_fused_attention_overrideable_backward",
)  # fmt: skip


def _scores(query: Shape, key: Shape, flags: Sequence[Any]) -> tuple[int, int]:
    """Returns how many scores there are, and how many of them a causal kernel computes."""
    rows, columns, batch = query[-2], key[-2], query[:-2].numel()
    causal = any(flag is True for flag in flags)  # its only flag; the mask of needed gradients is a list
    return batch * rows * columns, batch * (kept_below_diagonal(rows, columns) if causal else rows * columns)


@_kernel(*_ATTENTION)
def attention_backward(grad: Shape, query: Shape, key: Shape, value: Shape, *args: Any, out: Any, **kw: Any) -> Work:
    """Two products for each of attention's two, whichever gradients are wanted, and its elementwise work once."""
    needed = [Shape(each, requires_grad=True) for each in (query, key, value)]
    scores, kept = _scores(query, key, [*args, *kw.values()])
    cost = attention_core(needed[0], needed[1], needed[2], scores, kept)
    products = {"mac", "masked_mac"}
    return cost.backward + Work(**{kind: n for kind, n in cost.forward.items() if kind not in products})


@_kernel(*_ATTENTION, table=RECOMPUTED)
def attention_scores(grad: Shape, query: Shape, key: Shape, *args: Any, out: Any, **kw: Any) -> Work:
    """The scores again, a product, a difference from the row's saved normaliser and an exp each."""
    scores, kept = _scores(query, key, [*args, *kw.values()])
    width = query[-1]
    return Work(mac=kept * width, masked_mac=(scores - kept) * width, add=kept, transcendental=kept)


@_kernel("mkldnn_rnn_layer_backward")
def rnn_layer_backward(input: Shape, *args: Any, out: Any, **kwargs: Any) -> Work:
    """Both weight matrices meet every token twice more: the kernel returns every gradient, wanted or not."""
    tokens = input[:-1].numel()
    return Work(mac=2 * tokens * sum(each.numel() for each in args[:2]))


@_kernel("_cudnn_rnn_backward", "miopen_rnn_backward")
def rnn_backward(input: Shape, weights: Sequence[Shape], stride: int, *args: Any, out: Any, **kwargs: Any) -> Work:
    """Every weight matrix meets every token once for its own gradient and once for its input's.

    The first layer's input matrices have no second product where the input needs no gradient.
    """
    mask = kwargs.get("output_mask", args[-1] if args else [True] * 4)
    tokens = input[:-1].numel()
    matrices = [each for each in weights if len(each) == 2]
    bidirectional = [flag for flag in args if isinstance(flag, bool)][-1:] == [True]
    # A projection is a third matrix of each cell, with fewer rows than the gates.
    per_cell = 3 if len(matrices) > 2 and matrices[2][0] != matrices[0][0] else 2
    entry = sum(matrices[side * per_cell].numel() for side in range(2 if bidirectional else 1))
    every = sum(each.numel() for each in matrices)
    return Work(mac=tokens * (every * (1 + bool(mask[3])) - (0 if mask[0] else entry)))


@_kernel("conv_tbc_backward")
def conv_tbc_backward(grad: Shape, input: Shape, weight: Shape, *_: Any, out: Any, **__: Any) -> Work:
    """The convolution's MACs for the input's and for the weight's gradient, and a sum for the bias's."""
    return Work(mac=2 * grad.numel() * weight[:2].numel(), conv_bias=grad.numel())


@_kernel("_trilinear")
def trilinear(
    first: Shape, second: Shape, third: Shape, expand1: Any, expand2: Any, expand3: Any, summed: Any,
    *_: Any, out: Shape, **__: Any,
) -> Work:  # fmt: skip
    """A product of three operands, contracted in pairs, the cheapest pair first."""
    operands = [(first, expand1), (second, expand2), (third, expand3)]
    letters = "abcdefghijklmnop"[: len(first) + len(expand1)]
    terms = ["".join(c for i, c in enumerate(letters) if i not in expand) for _, expand in operands]
    result = "".join(c for i, c in enumerate(letters) if i not in summed)
    orders = [(0, 1, 2), (0, 2, 1), (1, 2, 0)]
    works = [
        einsum(f"{','.join(terms[i] for i in order)}->{result}", *(operands[i][0] for i in order), out=out).forward
        for order in orders
    ]
    return min(works, key=lambda work: work["mac"] + work["multiply"])


@_kernel("native_layer_norm_backward", "native_group_norm_backward")
def norm_backward(grad: Shape, input: Shape, *_: Any, out: Any, **__: Any) -> Work:
    """As the norm itself: statistics, then scale and shift."""
    return Work(norm_statistics=input.numel(), normalize=input.numel(), affine=input.numel())


@_kernel("native_batch_norm_backward", "cudnn_batch_norm_backward", "miopen_batch_norm_backward", "batch_norm_backward")
def batch_norm_backward(grad: Shape, input: Shape, *args: Any, out: Any, **kwargs: Any) -> Work:
    """As batch norm itself: scale and shift, and the statistics in train mode, which cuDNN's kernel implies."""
    flags = [flag for flag in args if isinstance(flag, bool)]
    trains = flags[0] if flags else True
    return Work(norm_statistics=input.numel() * trains, normalize=input.numel(), affine=input.numel())


@_kernel("_fused_rms_norm_backward")
def rms_norm_backward(grad: Shape, input: Shape, *_: Any, out: Any, **__: Any) -> Work:
    """As RMS norm itself: root mean square, then the scale."""
    return Work(rms_norm=input.numel(), rms_scale=input.numel())


@_kernel(
    "embedding_dense_backward", "embedding_backward", "_embedding_bag_backward", "_embedding_bag_dense_backward",
    "unfold_backward", "max_pool2d_with_indices_backward", "max_pool3d_with_indices_backward",
    "adaptive_max_pool2d_backward", "adaptive_max_pool3d_backward",
)  # fmt: skip
def scattered(grad: Shape, *_: Any, out: Any, **__: Any) -> Work:
    """Each element of the gradient is added to the place its value was read from."""
    return Work(add=grad.numel())


@_kernel("avg_pool2d_backward", "avg_pool3d_backward")
def avg_pool_backward(grad: Shape, input: Shape, kernel: Any, *_: Any, out: Any, **__: Any) -> Work:
    """Each window's gradient is divided and added to every element the window read."""
    sizes = kernel if isinstance(kernel, (list, tuple)) else [kernel]
    window = prod(sizes) if len(sizes) > 1 else sizes[0] ** (2 if len(input) < 5 else 3)
    return Work(pool_tap=grad.numel() * window, multiply=grad.numel())


@_kernel("_adaptive_avg_pool2d_backward", "_adaptive_avg_pool3d_backward")
def adaptive_avg_pool_backward(grad: Shape, input: Shape, *_: Any, out: Any, **__: Any) -> Work:
    """Each window's gradient is divided and added to every element the window read, here each once."""
    return Work(pool_tap=input.numel(), multiply=grad.numel())


@_kernel(*(
    f"upsample_{kind}_backward" for kind in (
        "nearest1d", "nearest2d", "nearest3d", "linear1d", "bilinear2d", "bicubic2d", "trilinear3d"
    )
))  # fmt: skip
def upsample_backward(grad: Shape, *_: Any, out: Any, **__: Any) -> Work:
    """Each output element's gradient goes back to the taps it was interpolated from."""
    return Work(upsampled=grad.numel())


@_kernel("select_backward", "slice_backward", "diagonal_backward", "value_selecting_reduction_backward",
         "index_select_backward", "masked_select_backward", "constant_pad_nd_backward", "trace_backward",
         "to_dense_backward", "reflection_pad2d_backward", "replication_pad2d_backward")  # fmt: skip
def placed(*_: Any, out: Any, **__: Any) -> Work:
    """The gradient is copied into zeros."""
    return NOTHING


def ops_of(kernel: Any) -> list[Op]:
    """Returns what a kernel of a backward pass is: a gradient or an op like any other, and what it computes again.

    Ops that are free are left out.
    """
    again, op = again_of(kernel), gradient_of(name_of(kernel)) or classify(kernel)
    return [each for each in (again, op) if each is not None and each.state != "free"]


def name_of(kernel: Any) -> str:
    """Returns the name of a kernel of the dispatcher, without its namespace."""
    name: str = kernel._schema.name
    return name.partition("::")[2]


def again_of(kernel: Any) -> Op | None:
    """Returns the entry of what a gradient kernel computes a second time, or `None` if it is nothing."""
    return RECOMPUTED.get(name_of(kernel))


def gradient_of(name: str) -> Op | None:
    """Returns the entry of a gradient kernel, or `None` if `name` is none.

    A kernel without an entry of its own, such as `gelu_backward`, costs by rule what its forward costs on the
    same arguments.
    """
    found = GRADIENTS.get(name)
    if found is not None or not name.endswith("_backward"):
        return found
    base = name.removesuffix("_backward")
    base = {"threshold": "relu"}.get(base, base)
    entries = catalogue()
    forward = next((entries[key] for key in (f"functional.{base}", base, f"torch.{base}") if key in entries), None)
    if forward is None or forward.formula is None:
        return None
    formula = forward.formula

    def by_rule(grad: Shape, *args: Any, out: Any, **kwargs: Any) -> Work:
        work = formula(*args, out=grad, **kwargs)
        return work.forward if isinstance(work, Cost) else work

    op = GRADIENTS[name] = Op(name, "priced", FAMILY, by_rule, f"By rule as {forward.name}: {forward.reason}")
    return op
