"""Products and sums of sparse tensors, whose cost is a matter of the elements they store."""

from __future__ import annotations

from calprof.ops.registry import uncountable

uncountable(
    "how many elements a sparse operand stores is not part of its shape",
    """
    smm spmm dsmm hsmm hspmm saddmm _sparse_mm _sparse_addmm _sparse_sparse_matmul _sparse_mm_reduce_impl
    sparse_sampled_addmm _spsolve _sparse_softmax _sparse_log_softmax _cslt_sparse_mm _cslt_sparse_mm_search
    """,
    family="sparse",
)
uncountable(
    "adds up elements at equal indices, and how many there are depends on the values",
    "coalesce _coalesce",
    family="sparse",
)
