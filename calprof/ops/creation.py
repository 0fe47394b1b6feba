"""Ops that make tensors of constants or of random numbers: 0 FLOPs.

Filling a tensor, counting through a range and drawing random numbers are not part of a model's textbook
arithmetic; a window function of `n` points is the table a transform is given.
"""

from __future__ import annotations

from calprof.ops.registry import free

free(
    "makes a tensor of constants",
    """
    zeros zeros_like ones ones_like full full_like empty empty_like empty_permuted empty_strided
    empty_quantized _empty_affine_quantized _empty_per_channel_affine_quantized _efficientzerotensor
    _new_zeros_with_same_feature_meta eye arange range linspace logspace _dim_arange tril_indices
    triu_indices scalar_tensor bartlett_window blackman_window hamming_window hann_window kaiser_window
    fftfreq rfftfreq fft_fftfreq fft_rfftfreq new new_tensor new_empty new_empty_strided new_full new_ones
    new_zeros tensor as_tensor asarray from_file from_numpy frombuffer from_dlpack _make_subclass
    _make_wrapper_subclass _dtensor__new__ _shape_as_tensor sparse_coo_tensor sparse_csr_tensor
    sparse_csc_tensor sparse_bsr_tensor sparse_bsc_tensor sparse_compressed_tensor _sparse_coo_tensor_unsafe
    _sparse_csr_tensor_unsafe _sparse_csc_tensor_unsafe _sparse_bsr_tensor_unsafe _sparse_bsc_tensor_unsafe
    _sparse_compressed_tensor_unsafe _sparse_coo_tensor_with_dims _sparse_coo_tensor_with_dims_and_tensors
    _sparse_compressed_tensor_with_dims _make_per_tensor_quantized_tensor _make_per_channel_quantized_tensor
    _cudnn_init_dropout_state _make_dep_token _nested_get_jagged_dummy
    """,
)

free(
    "draws random numbers",
    """
    rand rand_like randn randn_like randint randint_like randperm normal normal_functional uniform random
    bernoulli exponential cauchy geometric log_normal poisson binomial _standard_gamma _sample_dirichlet
    _fill_mem_eff_dropout_mask _philox_normal _philox_uniform _philox_key_split _philox_key_fold_in
    _sobol_engine_draw _sobol_engine_ff _sobol_engine_initialize_state _sobol_engine_scramble
    """,
)

free(
    "initialises a parameter",
    """
    torch.nn.init.uniform_ torch.nn.init.normal_ torch.nn.init.trunc_normal_ torch.nn.init.constant_
    torch.nn.init.ones_ torch.nn.init.zeros_ torch.nn.init.eye_ torch.nn.init.dirac_
    torch.nn.init.xavier_uniform_ torch.nn.init.xavier_normal_ torch.nn.init.kaiming_uniform_
    torch.nn.init.kaiming_normal_ torch.nn.init.orthogonal_ torch.nn.init.sparse_
    torch.nn.init._make_deprecate.<locals>.deprecated_init torch.nn.init.calculate_gain
    """,
)
