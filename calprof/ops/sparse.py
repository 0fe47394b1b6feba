"""Products and sums of sparse tensors, whose cost is a matter of the elements they store.

The formulas are those of the dense products; the MACs of elements a sparse factor does not store are taken
off where calls are priced.
"""

from __future__ import annotations

from typing import Any

from calprof.ops.matmul import add_product, contraction
from calprof.ops.registry import define, uncountable
from calprof.ops.shape import Shape
from calprof.work import Cost

FAMILY = "sparse"


@define(FAMILY, "_sparse_mm", "smm", "spmm", "dsmm", "hsmm", "hspmm", "_sparse_sparse_matmul")
def sparse_product(*args: Any, out: Shape, **kwargs: Any) -> Cost:
    """Each element the sparse factor stores meets one row or column of the dense one."""
    return contraction(*args, out=out, **kwargs)


@define(FAMILY, "_sparse_addmm", "saddmm")
def sparse_add_product(*args: Any, out: Shape, **kwargs: Any) -> Cost:
    """beta·input + alpha·(a @ b) with a sparse factor, each of whose stored elements meets a row of the other."""
    return add_product(*args, out=out, **kwargs)


@define(FAMILY, "sparse_sampled_addmm", "sampled_addmm")
def sampled_product(*args: Any, out: Shape, **kwargs: Any) -> Cost:
    """beta·input + alpha·(a @ b), a dot product for each element that `input` stores."""
    return add_product(*args, out=out, **kwargs)


uncountable(
    "how many elements a sparse operand stores is not part of its shape",
    """
    _sparse_mm_reduce_impl _spsolve _sparse_softmax _sparse_log_softmax _cslt_sparse_mm _cslt_sparse_mm_search
    """,
    family=FAMILY,
)
uncountable(
    "adds up elements at equal indices, and how many there are depends on the values",
    "coalesce _coalesce",
    family=FAMILY,
)
