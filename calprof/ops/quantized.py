"""Quantised layers count the product they stand for; quantising itself is elementwise arithmetic.

A packed weight hides its shape, so the recorder asks the object for it. Rescaling the integers of a result is
not charged: it is how the product is represented.
"""

from __future__ import annotations

from typing import Any

from calprof.ops import activations, pointwise, softmax  # noqa: F401 (registers the float namesakes)
from calprof.ops.packed import Packed
from calprof.ops.recurrent import gru_cell, lstm_cell, rnn_relu_cell, rnn_tanh_cell
from calprof.ops.registry import Formula, Uncountable, catalogue, define, free, uncountable
from calprof.ops.shape import Shape
from calprof.ops.tables import table
from calprof.work import Cost, Work

FAMILY = "quantized"

_QUANTIZE = {"multiply": 1, "round": 1, "add": 1, "compare": 2}
_DEQUANTIZE = {"add": 1, "multiply": 1}
_FAKE = {"multiply": 2, "round": 1, "add": 2, "compare": 2}
_EXTREMES = {"compare": 2}

table(
    FAMILY,
    "input",
    {
        **dict.fromkeys(
            ("quantize_per_tensor", "quantize_per_channel", "fbgemm_linear_quantize_weight"),
            (_QUANTIZE, "clamp(round(x / scale) + zero): divide, round, add and two bounds."),
        ),
        "quantize_per_tensor_dynamic": (
            {**_QUANTIZE, "compare": 4},
            "The extremes, then divide, round, add and two bounds for each element.",
        ),
        "_choose_qparams_per_tensor": (_EXTREMES, "The smallest and the largest: two comparisons."),
        **dict.fromkeys(
            (
                "fake_quantize_per_tensor_affine",
                "fake_quantize_per_channel_affine",
                "fake_quantize_per_tensor_affine_cachemask",
                "fake_quantize_per_channel_affine_cachemask",
                "_fake_quantize_per_tensor_affine_cachemask_tensor_qparams",
                "_fake_quantize_learnable_per_tensor_affine",
                "_fake_quantize_learnable_per_channel_affine",
            ),
            (_FAKE, "Quantise (divide, round, add, two bounds) and back (subtract, multiply)."),
        ),
        **dict.fromkeys(
            ("fused_moving_avg_obs_fake_quant", "_fused_moving_avg_obs_fq_helper"),
            ({**_FAKE, "compare": 4}, "The extremes, then quantise (five steps) and back (two steps)."),
        ),
    },
)


@define(FAMILY, "dequantize")
def dequantize(*args: Any, out: Any, **kwargs: Any) -> Work:
    """(q - zero)·scale: a subtraction and a product for each element."""
    results = list(out) if isinstance(out, tuple) and not isinstance(out, Shape) else [out]
    elements = sum(result.numel() for result in results)
    return Work(add=elements, multiply=elements)


def _weight(args: Any, kwargs: Any) -> Packed:
    for value in (*args, *kwargs.values()):
        if isinstance(value, Packed):
            return value
    raise Uncountable("its packed weight does not tell its shape")


def _linear(after: str = "") -> Formula:
    def linear(input: Shape, *args: Any, out: Shape, **kwargs: Any) -> Work:
        """Each output element is a dot product over in_features, plus the bias and the fused activation."""
        packed = _weight(args, kwargs)
        elements = out.numel()
        return _fused(elements * packed.weight[-1], elements, "linear_bias", packed, after)

    return linear


def _convolution(after: str = "", added: bool = False) -> Formula:
    def convolution(input: Shape, *args: Any, out: Shape, **kwargs: Any) -> Work:
        """Each output element (transposed: input element) meets its channels x kernel, plus the bias."""
        packed = _weight(args, kwargs)
        elements, taps = out.numel(), Shape(packed.weight)[1:].numel()
        macs = (input.numel() if packed.transposed else elements) * taps
        work = _fused(macs, elements, "conv_bias", packed, after)
        return work + Work(add=elements) if added else work

    return convolution


def _fused(macs: int, elements: int, bias: str, packed: Packed, after: str) -> Work:
    work = Work(mac=macs, **{bias: elements if packed.bias else 0})
    return work + Work(**{after: elements}) if after else work


define(FAMILY, "quantized.linear")(_linear())
define(FAMILY, "quantized.linear_relu")(_linear("relu"))
define(FAMILY, "quantized.linear_leaky_relu")(_linear("leaky_relu"))
define(FAMILY, "quantized.linear_tanh")(_linear("transcendental"))
for _name in ("linear_dynamic", "linear_dynamic_fp16", "linear_with_input_q_dq_qweight_dq_output_fp32"):
    define(FAMILY, f"quantized.{_name}")(_linear())
for _name in (
    "linear_relu_dynamic",
    "linear_relu_dynamic_fp16",
    "linear_with_input_q_dq_qweight_dq_relu_output_fp32",
):
    define(FAMILY, f"quantized.{_name}")(_linear("relu"))
for _dims in (1, 2, 3):
    for _name in (f"conv{_dims}d", f"conv_transpose{_dims}d"):
        define(FAMILY, f"quantized.{_name}", f"quantized.{_name}_dynamic")(_convolution())
    define(FAMILY, f"quantized.conv{_dims}d_relu")(_convolution("relu"))
define(FAMILY, "quantized.conv2d_add")(_convolution(added=True))
define(FAMILY, "quantized.conv2d_add_relu")(_convolution("relu", added=True))


@define(
    FAMILY,
    "quantized.matmul",
    "quantized.int4mm_packed_weight_cpu",
    "_wrapped_quantized_linear_prepacked",
    "_weight_int4pack_mm_with_scales_and_zeros",
    "bitsandbytes.int8_linear_matmul",
    "bitsandbytes.gemv_4bit",
)
def product_of_rows(input: Shape, *_: Any, out: Shape, **__: Any) -> Work:
    """Each output element is a dot product over the first operand's last dimension."""
    return Work(mac=out.numel() * input[-1])


@define(FAMILY, "bitsandbytes.int8_scaled_mm")
def int8_scaled_mm(A: Shape, B: Shape, *args: Any, out: Shape, **kwargs: Any) -> Work:
    """Each output element is a dot product over in_features, plus the bias, the fifth operand."""
    bias = kwargs.get("bias", args[2] if len(args) > 2 else None)
    return Work(mac=out.numel() * A[-1], linear_bias=out.numel() if isinstance(bias, Shape) else 0)


@define(FAMILY, "_mixed_dtypes_linear")
def mixed_dtypes_linear(input: Shape, weight: Shape, scale: Shape, *args: Any, out: Shape, **kwargs: Any) -> Work:
    """Each output element is a dot product over in_features, plus the bias and the fused activation."""
    elements = out.numel()
    bias = kwargs.get("bias", args[0] if args else None)
    activation = kwargs.get("activation", args[1] if len(args) > 1 else None)
    work = Work(mac=elements * input[-1], linear_bias=elements if isinstance(bias, Shape) else 0)
    return work + Work(**{activation: elements}) if activation in ("relu", "silu") else work


@define(FAMILY, "quantized.linear_dynamic_fp16_unpacked_weight", "onednn.linear_dynamic_fp16")
def unpacked_linear(input: Shape, weight: Shape, bias: Shape | None = None, *, out: Shape) -> Work:
    """Each output element is a dot product over in_features, plus the bias."""
    return Work(mac=out.numel() * input[-1], linear_bias=0 if bias is None else out.numel())


table(
    FAMILY,
    "out",
    {
        **dict.fromkeys(("quantized.add", "quantized.add_scalar"), ({"add": 1}, "One addition for each element.")),
        **dict.fromkeys(("quantized.mul", "quantized.mul_scalar"), ({"multiply": 1}, "One product for each element.")),
        **dict.fromkeys(
            ("quantized.add_relu", "quantized.add_scalar_relu"),
            ({"add": 1, "relu": 1}, "One addition and ReLU for each element."),
        ),
        **dict.fromkeys(
            ("quantized.mul_relu", "quantized.mul_scalar_relu"),
            ({"multiply": 1, "relu": 1}, "One product and ReLU for each element."),
        ),
        "quantized.cat_relu": ({"relu": 1}, "ReLU of each element."),
        **dict.fromkeys(
            ("quantized.embedding_byte", "quantized.embedding_4bit"),
            (_DEQUANTIZE, "Each element looked up is scaled and shifted."),
        ),
        **dict.fromkeys(
            ("bitsandbytes.dequantize_4bit", "bitsandbytes.dequantize_blockwise"),
            ({"multiply": 1}, "Each element looked up in the code book is multiplied by its block's scale."),
        ),
    },
)

# These do to integers what their float namesakes do.
_NAMESAKES = "relu6 leaky_relu elu celu hardswish sigmoid prelu threshold clamp softmax"
for _name in _NAMESAKES.split():
    _namesake = catalogue()[_name]
    assert _namesake.formula is not None
    define(FAMILY, f"quantized.{_name}")(_namesake.formula)


@define(
    FAMILY,
    "quantized.embedding_bag_byte",
    "quantized.embedding_bag_4bit",
    "quantized.embedding_bag_byte_rowwise_offsets",
    "quantized.embedding_bag_4bit_rowwise_offsets",
    "quantized.embedding_bag_2bit_rowwise_offsets",
)
def embedding_bag(weight: Any, indices: Shape, *_: Any, out: Shape, **__: Any) -> Work:
    """Each element looked up is scaled and shifted, and added to its bag."""
    elements = indices.numel() * out[-1]
    return Work(multiply=elements, add=2 * elements)


_CELLS = {"lstm": lstm_cell, "gru": gru_cell, "rnn_relu": rnn_relu_cell, "rnn_tanh": rnn_tanh_cell}


def _cell(kind: str) -> Formula:
    def cell(input: Shape, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, *_: Any, out: Any) -> Cost:
        """One step of the float cell: gates x hidden x (input + hidden) MACs a row, the gates' arithmetic."""
        matrices = [Shape(each.weight) if isinstance(each, Packed) else each for each in (w_ih, w_hh)]
        return _CELLS[kind](input, hx, *matrices, b_ih, b_hh, out=out)

    return cell


for _kind in _CELLS:
    define(FAMILY, f"quantized_{_kind}_cell", f"quantized.quantized_{_kind}_cell_dynamic")(_cell(_kind))

uncountable(
    "it searches for the best scale until the error stops falling",
    "choose_qparams_optimized",
    family=FAMILY,
)
uncountable("its weights are packed in objects that do not tell their shapes", "quantized_lstm", "quantized_gru")

_PACKS = "prepack unpack unpack_sizes stride padding output_padding dilation groups transpose"
_LAYERS = "linear conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d"
free(
    "packs, unpacks or inspects a weight",
    *(f"quantized.{layer}_{does}" for layer in _LAYERS.split() for does in _PACKS.split()),
    "quantized.linear_prepack_fp16",
    "quantized.linear_unpack_fp16",
    "quantized.embedding_bag_prepack",
    "quantized.embedding_bag_unpack",
    "quantized.make_quantized_cell_params",
    "quantized.make_quantized_cell_params_dynamic",
    "quantized.make_quantized_cell_params_fp16",
    "quantized.cat",
    "onednn.qlinear_prepack",
    "onednn.qconv_prepack",
    "onednn.linear_prepack_fp16",
    "fbgemm_pack_gemm_matrix_fp16",
    "fbgemm_pack_quantized_matrix",
    "_wrapped_linear_prepack",
    "_convert_weight_to_int4pack",
    "_convert_weight_to_int4pack_for_cpu",
    "_dyn_quant_pack_4bit_weight",
)
