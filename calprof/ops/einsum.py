"""Contractions of several tensors: einsum, tensordot, chains of matrices.

Each is a sequence of pairwise products, in the order PyTorch itself chooses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import prod
from typing import Any

from calprof.ops.operands import tensors
from calprof.ops.products import product
from calprof.ops.registry import define
from calprof.ops.shape import Shape
from calprof.work import Cost, Work

FAMILY = "matmul"
_Labelled = tuple[str, dict[str, int], bool]
"""Labels of an operand, their sizes, and whether it requires a gradient."""


def _path_setting() -> object:
    from torch.backends import opt_einsum

    return opt_einsum.enabled, opt_einsum.strategy


@define(FAMILY, "einsum", setting=_path_setting)
def einsum(equation: str, *operands: Any, out: Shape, **_: Any) -> Cost:
    """A chain of pairwise contractions: each is one MAC for every combination of the labels of both operands.

    A label only one operand has, and nobody needs afterwards, is summed out of it first. A pair without a
    label to sum over is an elementwise product. Three or more operands follow `opt_einsum`'s path where
    PyTorch uses it, and go left to right otherwise.
    """
    shapes = list(operands[0]) if len(operands) == 1 and isinstance(operands[0], list) else list(operands)
    inputs, output = _labels(equation.replace(" ", ""), shapes)
    terms = [_operand(labels, shape) for labels, shape in zip(inputs, shapes, strict=True)]
    cost = Cost(Work())
    for first, second in _path(inputs, output, shapes):
        left, right = terms[first], terms[second]
        rest = [term for index, term in enumerate(terms) if index not in (first, second)]
        step, result = _contract(left, right, set(output).union(*(_wide(term) for term in rest)))
        cost += step
        terms = [*rest, result]
    labels, sizes, _grad = terms[0]
    summed = [label for label in labels if label not in output]
    return cost + Work(add=prod(sizes.values()) if summed else 0)


def _labels(equation: str, shapes: Sequence[Shape]) -> tuple[list[str], str]:
    """Returns the labels of each operand and of the output, ellipses replaced by letters of their own."""
    left, arrow, output = equation.partition("->")
    terms = left.split(",")
    widths = [len(shape) - len(term.replace("...", "")) for term, shape in zip(terms, shapes, strict=True)]
    covered = max((width for term, width in zip(terms, widths, strict=True) if "..." in term), default=0)
    # Characters that no equation contains stand for the dimensions an ellipsis covers, aligned right.
    letters = [chr(0x100 + index) for index in range(covered)]
    inputs = [
        term.replace("...", "".join(letters[covered - width :])) for term, width in zip(terms, widths, strict=True)
    ]
    if arrow:
        return inputs, output.replace("...", "".join(letters))
    once = sorted(label for label, count in Counter("".join(terms).replace(".", "")).items() if count == 1)
    return inputs, "".join(letters) + "".join(once)


def _operand(labels: str, shape: Shape) -> _Labelled:
    sizes: dict[str, int] = {}
    for label, size in zip(labels, shape, strict=True):
        sizes[label] = max(size, sizes.get(label, 1)) if size else 0
    return "".join(sizes), sizes, shape.requires_grad


def _path(inputs: list[str], output: str, shapes: Sequence[Shape]) -> list[tuple[int, int]]:
    """Returns the pairs to contract; the result of each goes to the end of the list."""
    from torch.backends import opt_einsum

    count = len(inputs)
    if count < 2:
        return []
    if count > 2 and opt_einsum.is_available() and opt_einsum.enabled:
        library = opt_einsum.get_opt_einsum()
        equation = f"{','.join(inputs)}->{output}"
        path = library.contract_path(
            equation, *(tuple(shape) for shape in shapes), optimize=opt_einsum.strategy, shapes=True
        )[0]
        return [(min(pair), max(pair)) for pair in path if len(pair) == 2]
    # Left to right: the running result, put last, meets the next operand, now first.
    return [(0, 1), *((0, count - 1 - step) for step in range(1, count - 1))]


def _wide(term: _Labelled) -> set[str]:
    """Returns the labels an operand still needs: a size of 1 only broadcasts."""
    return {label for label, size in term[1].items() if size != 1}


def _contract(left: _Labelled, right: _Labelled, needed: set[str]) -> tuple[Cost, _Labelled]:
    sizes = {**left[1]}
    for label, size in right[1].items():
        sizes[label] = size if sizes.get(label, 1) == 1 else sizes[label]
    summed = [label for label in sizes if label not in needed]
    shared = [label for label in summed if left[1].get(label, 1) != 1 and right[1].get(label, 1) != 1]
    cost = Cost(Work())
    for term in (left, right):
        alone = [label for label in summed if label in term[1] and label not in shared and term[1][label] != 1]
        if alone:
            cost += Work(add=prod(term[1].values()))
    elements = prod(size for label, size in sizes.items() if label in needed or label in shared)
    if shared:
        cost += product(elements, *(Shape((), requires_grad=term[2]) for term in (left, right)))
    else:
        cost += Work(multiply=elements)
    kept = {label: size for label, size in sizes.items() if label in needed}
    return cost, ("".join(kept), kept, left[2] or right[2])


@define(FAMILY, "tensordot")
def tensordot(a: Shape, b: Shape, dims: Any = 2, *, out: Shape, **_: Any) -> Cost:
    """Each output element is a dot product over the contracted dimensions; one of size 1 is summed first."""
    if isinstance(dims, int):
        first, second = list(range(len(a) - dims, len(a))), list(range(dims))
    elif isinstance(dims, Shape):
        raise TypeError("dims is a tensor, whose values are not recorded")
    else:
        first, second = ([each] if isinstance(each, int) else list(each) for each in dims)
    shared = prod(a[i] for i, j in zip(first, second, strict=True) if a[i] != 1 and b[j] != 1)
    return product(out.numel() * shared, a, b)


@define(FAMILY, "linalg.multi_dot", "chain_matmul")
def multi_dot(*matrices: Any, out: Shape) -> Cost:
    """The cheapest order of pairwise products, by dynamic programming as PyTorch does."""
    chain = list(matrices[0]) if len(matrices) == 1 and isinstance(matrices[0], list) else tensors(matrices)
    sizes = [_rows(chain[0]), *(_columns(matrix, last=matrix is chain[-1]) for matrix in chain)]
    grads = [matrix.requires_grad for matrix in chain]
    return _chain(sizes, grads)


def _rows(first: Shape) -> int:
    return first[0] if len(first) == 2 else 1


def _columns(matrix: Shape, last: bool) -> int:
    if len(matrix) == 2:
        return matrix[1]
    return 1 if last else matrix[0]


def _chain(sizes: Sequence[int], grads: Sequence[bool]) -> Cost:
    """Costs the chain whose i-th matrix is sizes[i] x sizes[i + 1] (Cormen et al., section 14.2)."""
    count = len(sizes) - 1
    best: dict[tuple[int, int], tuple[int, Cost]] = {(i, i): (0, Cost(Work())) for i in range(count)}
    for length in range(1, count):
        for i in range(count - length):
            j = i + length
            options = []
            for k in range(i, j):
                macs = sizes[i] * sizes[k + 1] * sizes[j + 1]
                operands = (any(grads[i : k + 1]), any(grads[k + 1 : j + 1]))
                step = product(macs, *(Shape((), requires_grad=grad) for grad in operands))
                (left, left_cost), (right, right_cost) = best[i, k], best[k + 1, j]
                options.append((left + right + macs, left_cost + right_cost + step))
            best[i, j] = min(options, key=lambda option: option[0])
    return best[0, count - 1][1]
