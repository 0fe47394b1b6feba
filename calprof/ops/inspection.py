"""Ops that ask or tell something about a tensor, or about torch itself: 0 FLOPs."""

from __future__ import annotations

from calprof.ops.registry import free

free(
    "reads a tensor's sizes, strides or type",
    """
    size sym_size stride sym_stride storage_offset sym_storage_offset numel sym_numel nelement element_size
    dim ndimension dim_order len get_device is_complex is_conj is_contiguous sym_is_contiguous
    is_distributed is_floating_point is_inference is_neg is_nonzero is_pinned is_same_size is_set_to
    is_shared is_signed is_coalesced is_leaf is_tensor is_storage is_cuda is_vulkan_available _is_view
    _is_zerotensor output_nr retains_grad dense_dim sparse_dim _dimI _dimV _nnz _version
    _has_same_storage_numel _has_compatible_shallow_copy_type _debug_has_internal_overlap _use_count
    _nested_tensor_size _nested_tensor_storage_offsets _nested_tensor_strides _nested_get_offsets
    _nested_get_lengths _nested_get_max_seqlen _nested_get_min_seqlen _nested_get_ragged_idx
    _nested_compute_contiguous_strides_offsets _nested_tensor_from_mask_left_aligned
    """,
)

free(
    "reads a sparse tensor's parts",
    """
    indices _indices values _values crow_indices col_indices ccol_indices row_indices indices_copy
    _indices_copy values_copy _values_copy crow_indices_copy col_indices_copy ccol_indices_copy
    row_indices_copy _coalesced
    """,
)

free(
    "reads a quantised tensor's parts",
    "qscheme q_scale q_zero_point q_per_channel_axis q_per_channel_scales q_per_channel_zero_points int_repr",
)

free(
    "reads or keeps a tensor's storage",
    """
    data data_ptr const_data_ptr storage storage_type untyped_storage _typed_storage record_stream
    _clear_non_serializable_cached_data
    """,
)

free(
    "autograd's bookkeeping; the backward pass is derived from the forward",
    """
    requires_grad retain_grad register_hook register_post_accumulate_grad_hook reinforce _propagate_xla_data
    """,
)

free(
    "runs the kernels of gradients, which are noted where the forward asks for them",
    "backward _backward get_gradients torch.autograd.backward torch.autograd.grad",
    entered=True,
)

free(
    "Python's own protocol",
    """
    repr format dir hash getattribute setattr delattr init init_subclass subclasshook torch_function
    reduce_ex _reduce_ex_internal setstate getstate reduce sizeof str dlpack_device _fix_weakref _print
    torch.serialization.save torch.serialization.load torch._tensor_str.set_printoptions
    """,
)

free(
    "an assertion",
    """
    _assert _assert_async _assert_scalar _assert_tensor_metadata _functional_assert_async
    _functional_assert_scalar _linalg_check_errors _validate_compressed_sparse_indices
    _validate_sparse_coo_tensor_args _validate_sparse_compressed_tensor_args
    _validate_sparse_csr_tensor_args _validate_sparse_csc_tensor_args _validate_sparse_bsr_tensor_args
    _validate_sparse_bsc_tensor_args sym_constrain_range sym_constrain_range_for_size
    _functional_sym_constrain_range _functional_sym_constrain_range_for_size functional.assert_int_or_pair
    """,
)

free(
    "arithmetic on sizes, not on elements",
    "sym_float sym_int sym_ite sym_max sym_min sym_not sym_sum sym_fresh_size _sym_sqrt broadcast_shapes",
    "_sym_acos _sym_asin _sym_atan _sym_cos _sym_cosh _sym_log2 _sym_sin _sym_sinh _sym_tan _sym_tanh",
)

free(
    "asks about dtypes",
    "can_cast promote_types result_type finfo iinfo dtype layout memory_format device typename",
    "functional._none_or_dtype functional._canonical_mask functional._parse_to torch._C._TensorMeta torch._C.Generator",
)

free(
    "a setting of torch",
    """
    are_deterministic_algorithms_enabled is_deterministic_algorithms_warn_only_enabled
    use_deterministic_algorithms get_deterministic_debug_mode set_deterministic_debug_mode
    get_float32_matmul_precision set_float32_matmul_precision get_default_device set_default_device
    get_default_dtype set_default_dtype set_default_tensor_type get_device_module get_num_threads
    set_num_threads init_num_threads get_num_interop_threads set_num_interop_threads set_flush_denormal
    set_warn_always is_warn_always_enabled is_grad_enabled is_inference_mode_enabled is_anomaly_enabled
    is_anomaly_check_nan_enabled set_anomaly_enabled cudnn_is_acceptable _nnpack_available
    _use_cudnn_ctc_loss _use_cudnn_rnn_flatten_weight _use_miopen_ctc_loss _cufft_clear_plan_cache
    _cufft_get_plan_cache_max_size _cufft_get_plan_cache_size _cufft_set_plan_cache_max_size
    torch.autograd.grad_mode.enable_grad torch.autograd.grad_mode.no_grad
    torch.autograd.grad_mode.inference_mode torch.autograd.grad_mode.set_grad_enabled
    torch._C._set_grad_enabled get_rng_state set_rng_state initial_seed manual_seed seed
    torch.random.get_rng_state torch.random.set_rng_state torch.random.initial_seed torch.random.manual_seed
    torch.random.seed torch.random.thread_safe_generator _fused_sdp_choice
    """,
)

free(
    "a setting of autocast",
    """
    autocast_increment_nesting autocast_decrement_nesting clear_autocast_cache is_autocast_enabled
    set_autocast_enabled is_autocast_cpu_enabled set_autocast_cpu_enabled is_autocast_ipu_enabled
    set_autocast_ipu_enabled is_autocast_xla_enabled set_autocast_xla_enabled is_autocast_cache_enabled
    set_autocast_cache_enabled get_autocast_dtype set_autocast_dtype get_autocast_cpu_dtype
    set_autocast_cpu_dtype get_autocast_gpu_dtype set_autocast_gpu_dtype get_autocast_ipu_dtype
    set_autocast_ipu_dtype get_autocast_xla_dtype set_autocast_xla_dtype torch.amp.autocast_mode.autocast
    torch.amp.autocast_mode._enter_autocast torch.amp.autocast_mode._exit_autocast
    """,
)

free(
    "TorchScript's machinery",
    """
    compile fork wait import_ir_module import_ir_module_from_buffer parse_ir parse_schema parse_type_comment
    merge_type_from_type_comment unify_type_list torch._jit_internal.boolean_dispatch
    """,
)

free(
    "the function override's own machinery",
    """
    torch.overrides.handle_torch_function torch._C._has_torch_function torch._C._has_torch_function_unary
    torch._C._has_torch_function_variadic torch._C._disabled_torch_dispatch_impl
    """,
)

free(
    "marks a range for PyTorch's profiler",
    """
    profiler._record_function_enter profiler._record_function_enter_new profiler._record_function_exit
    """,
)

free(
    "exports a program",
    "torch.export.export torch.export.load torch.export.save torch.export.register_dataclass",
)
