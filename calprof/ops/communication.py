"""Collectives of `torch.distributed`: they move data between processes.

The additions of an all-reduce are made on the way, by the network or by a kernel of the communication
library, and are no part of the model's arithmetic.
"""

from __future__ import annotations

from calprof.ops.registry import free

_FUNCTIONAL = """
    all_gather_into_tensor all_gather_into_tensor_coalesced all_gather_into_tensor_out all_reduce all_reduce_
    all_reduce_coalesced all_reduce_coalesced_ all_to_all_single batch_p2p_ops broadcast broadcast_ irecv isend
    reduce_scatter_tensor reduce_scatter_tensor_coalesced reduce_scatter_tensor_out wait_tensor
    _wrap_tensor_autograd
"""
_GROUP = """
    _allgather_base_ _reduce_scatter_base_ allgather_ allgather_coalesced_ allgather_into_tensor_coalesced_
    allreduce_ allreduce_coalesced_ alltoall_ alltoall_base_ barrier broadcast_ check_for_nan gather_
    gather_into_tensor_ monitored_barrier_ recv_ recv_any_source_ reduce_ reduce_scatter_
    reduce_scatter_tensor_coalesced_ scatter_ send
"""
_PYTHON = """
    all_gather all_gather_coalesced all_gather_single all_reduce all_reduce_coalesced all_to_all
    all_to_all_single broadcast gather gather_single irecv isend recv reduce reduce_scatter
    reduce_scatter_single scatter send
"""

for _namespace, _names in (
    ("_c10d_functional", _FUNCTIONAL),
    ("c10d_functional", _FUNCTIONAL),
    ("_c10d_functional_autograd", _FUNCTIONAL),
    ("c10d", _GROUP),
    ("torch.distributed.distributed_c10d", _PYTHON),
):
    free("communicates between processes", *(f"{_namespace}.{name}" for name in _names.split()))
