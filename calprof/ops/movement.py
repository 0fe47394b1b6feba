"""Ops that move, select or reinterpret data: 0 FLOPs, by an explicit list.

Selecting by a mask (`where`, `masked_fill`, `tril`) moves one of two values per element and computes
neither, so it is free: the comparison that made the mask is where the arithmetic was. Scatters that
accumulate do arithmetic and are priced elsewhere.
"""

from __future__ import annotations

from calprof.ops.registry import free

free(
    "a view: the same elements under another shape or strides",
    """
    view view_as view_copy _unsafe_view reshape reshape_as _reshape_alias _reshape_alias_copy _reshape_copy
    _reshape_from_tensor flatten ravel unflatten squeeze squeeze_copy unsqueeze unsqueeze_copy expand
    expand_as expand_copy broadcast_to broadcast_tensors _sparse_broadcast_to _sparse_broadcast_to_copy
    permute permute_copy transpose transpose_copy t t_copy adjoint mT mH numpy_T matrix_H movedim atleast_1d
    atleast_2d atleast_3d as_strided as_strided_copy as_subclass alias alias_copy detach detach_copy
    meshgrid unfold unfold_copy view_as_real view_as_real_copy view_as_complex view_as_complex_copy real
    imag conj _conj _conj_copy resolve_conj resolve_neg _neg_view _neg_view_copy positive diagonal
    diagonal_copy _fw_primal _fw_primal_copy _make_dual _make_dual_copy _unpack_dual _view_func
    _view_func_unsafe _rev_view_func_unsafe _add_batch_dim _remove_batch_dim _mkldnn_reshape
    _mkldnn_transpose
    """,
)

free(
    "cuts a tensor into parts",
    """
    split split_copy split_with_sizes split_with_sizes_copy unsafe_split unsafe_split_with_sizes chunk
    unsafe_chunk tensor_split hsplit vsplit dsplit unbind unbind_copy narrow narrow_copy select select_copy
    slice slice_copy slice_inverse iter unflatten_dense_tensors
    """,
)

free(
    "joins, repeats, pads or reorders elements",
    """
    cat stack _stack _chunk_cat hstack vstack dstack column_stack block_diag flatten_dense_tensors tile
    repeat repeat_interleave roll rot90 flip fliplr flipud reversed pad constant_pad_nd _pad_circular
    _pad_enum reflection_pad1d reflection_pad2d reflection_pad3d replication_pad1d replication_pad2d
    replication_pad3d pixel_shuffle pixel_unshuffle channel_shuffle native_channel_shuffle cartesian_prod
    combinations diag diag_embed diagflat tril triu one_hot pad_sequence _pack_padded_sequence
    _pad_packed_sequence im2col _rowwise_prune _spdiags
    """,
)

free(
    "moves elements to or from given places",
    """
    getitem setitem delitem index index_copy index_fill index_select _unsafe_index gather take
    take_along_dim masked_select masked_scatter _unsafe_masked_index select_scatter slice_scatter
    diagonal_scatter as_strided_scatter unravel_index sparse_mask _sparse_mask_projection
    """,
)

free("selects by a mask: moves one of two values per element", "where", "masked_fill")

free(
    "writes given values in place",
    "fill fill_diagonal zero set set_data shallow_copy_data resize resize_as _resize_output",
    "resize_as_sparse sparse_resize sparse_resize_and_clear",
)

free(
    "copies elements, to another dtype, layout or device too",
    """
    clone copy copy_sparse_to_sparse _copy_from _copy_from_and_resize contiguous _lazy_clone deepcopy lift
    lift_fresh lift_fresh_copy to _to_copy _to_cpu type type_as float double half bfloat16 bool byte char
    short int long chalf cfloat cdouble _cast_Byte _cast_Char _cast_Double _cast_Float _cast_Half _cast_Int
    _cast_Long _cast_Short _autocast_to_full_precision _autocast_to_reduced_precision cpu cuda ipu xpu mtia
    hpu pin_memory _pin_memory share_memory numpy tolist item _local_scalar_dense array array_wrap dlpack
    complex to_dense _to_dense to_sparse _to_sparse to_sparse_coo to_sparse_csr to_sparse_csc to_sparse_bsr
    to_sparse_bsc _to_sparse_csr _to_sparse_csc _to_sparse_bsr _to_sparse_bsc _to_sparse_semi_structured
    to_mkldnn to_padded_tensor nested_to_padded_tensor module_load _saturate_weight_to_fp16
    _convert_indices_from_coo_to_csr _convert_indices_from_csr_to_coo mkldnn_reorder_conv2d_weight
    mkldnn_reorder_conv3d_weight _cudnn_rnn_flatten_weight
    """,
)

free(
    "a primitive that moves, copies or creates elements",
    """
    prims.broadcast_in_dim prims.collapse prims.collapse_view prims.split_dim prims.view_of prims.view_of_dtype
    prims.convert_element_type prims.copy_strided prims.copy_to prims.device_put prims.rev prims.iota
    prims.maximum_value prims.minimum_value prims._make_token prims._sink_tokens
    """,
)

free(
    "converts between nested (jagged) and padded tensors",
    """
    _nested_from_padded _nested_from_padded_and_nested_example _nested_from_padded_tensor
    _nested_tensor_from_mask _nested_tensor_from_tensor_list _nested_view_from_buffer
    _nested_view_from_buffer_copy _nested_view_from_jagged _nested_view_from_jagged_copy
    _jagged_to_padded_dense_forward _padded_dense_to_jagged_forward _nested_get_values
    _nested_get_values_copy nested_tensor
    """,
)
