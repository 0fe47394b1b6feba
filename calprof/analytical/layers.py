"""Closed forms of single layers: products, convolutions, recurrences, attention and MLPs.

Two countings live side by side. The *exact* one counts the multiplications and the additions of a dot
product of length D: ``2D - 1``. The *product* one counts ``2D``, two FLOPs for each multiply-accumulate
(MAC); it is what a bias makes of the exact one, and what every formula for transformers uses.
"""

from __future__ import annotations

from math import prod

from calprof.analytical.terms import Terms, pairs

__all__ = [
    "attention",
    "convolution",
    "convolution_macs",
    "convolution_output",
    "dense",
    "depthwise_macs",
    "glu",
    "matrix_product",
    "mlp",
    "recurrent_macs",
    "transposed_convolution_macs",
]


def matrix_product(rows: int, inner: int, columns: int, bias: bool = False) -> int:
    """FLOPs of an (rows, inner) by (inner, columns) product: each output takes D products and D-1 sums.

    ``H·W·(2D - 1)``; a bias adds one sum to each output, hence ``2·H·D·W``.

    Example:
        >>> matrix_product(3, 5, 7), matrix_product(3, 5, 7, bias=True)
        (189, 210)
    """
    _positive(rows=rows, inner=inner, columns=columns)
    return rows * columns * (2 * inner - (0 if bias else 1))


def dense(inputs: int, outputs: int) -> int:
    """FLOPs of a fully connected layer for one input: ``(2I - 1)·O``.

    Source: Molchanov et al., "Pruning convolutional neural networks for resource efficient inference",
    arXiv:1611.06440, appendix A.1.

    Example:
        >>> dense(4096, 1000)
        8191000
    """
    return matrix_product(1, inputs, outputs)


def convolution(height: int, width: int, in_channels: int, kernel: int, out_channels: int) -> int:
    """FLOPs of a square convolution that keeps its feature map: ``2·H·W·(C_in·K² + 1)·C_out``.

    `height` and `width` are those of the feature map; the 1 is the bias. Source: arXiv:1611.06440, appendix
    A.1, which assumes a sliding window and a free nonlinearity. For strides, groups and other shapes use
    `convolution_macs` on the size of the output.

    Example:
        >>> convolution(224, 224, 3, 3, 64)
        179830784
    """
    _positive(height=height, width=width, in_channels=in_channels, kernel=kernel, out_channels=out_channels)
    return 2 * height * width * (in_channels * kernel**2 + 1) * out_channels


def convolution_output(
    size: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
) -> tuple[int, ...]:
    """Spatial size of a convolution's output: ``floor((n + 2p - d(k - 1) - 1) / s) + 1`` in each dimension.

    Source: PyTorch's documentation of ``torch.nn.Conv2d``.

    Example:
        >>> convolution_output((224, 224), (7, 7), stride=2, padding=3)
        (112, 112)
    """
    if len(size) != len(kernel):
        raise ValueError(f"size and kernel must have as many dimensions, got {size} and {kernel}")
    return tuple((n + 2 * padding - dilation * (k - 1) - 1) // stride + 1 for n, k in zip(size, kernel, strict=True))


def convolution_macs(
    output: tuple[int, ...],
    kernel: tuple[int, ...],
    in_channels: int,
    out_channels: int,
    groups: int = 1,
) -> int:
    """MACs of a convolution: each output element is a dot product over (C_in / groups) x kernel.

    Stride, padding and dilation act through the size of the `output` alone.

    Raises:
        ValueError: when the channels are not multiples of `groups`.

    Example:
        >>> convolution_macs((112, 112), (7, 7), 3, 64)
        118013952
    """
    if in_channels % groups or out_channels % groups:
        raise ValueError(f"channels {in_channels} and {out_channels} must be multiples of groups {groups}")
    return prod(output) * out_channels * (in_channels // groups) * prod(kernel)


def depthwise_macs(output: tuple[int, ...], kernel: tuple[int, ...], channels: int) -> int:
    """MACs of a depthwise convolution, where each channel is its own group: output x channels x kernel."""
    return convolution_macs(output, kernel, channels, channels, groups=channels)


def transposed_convolution_macs(
    size: tuple[int, ...],
    kernel: tuple[int, ...],
    in_channels: int,
    out_channels: int,
    groups: int = 1,
) -> int:
    """MACs of a transposed convolution: each *input* element spreads over (C_out / groups) x kernel.

    `size` is the spatial size of the input.

    Example:
        >>> transposed_convolution_macs((8, 8), (4, 4), 16, 32, groups=4)
        131072
    """
    if in_channels % groups or out_channels % groups:
        raise ValueError(f"channels {in_channels} and {out_channels} must be multiples of groups {groups}")
    return prod(size) * in_channels * (out_channels // groups) * prod(kernel)


def recurrent_macs(inputs: int, hidden: int, steps: int, gates: int = 4, layers: int = 1, directions: int = 1) -> int:
    """MACs of a recurrent network on one sequence: each gate is a product of input and of state, every step.

    `gates` is 4 for an LSTM, 3 for a GRU, 1 for a plain RNN. Layers after the first read all directions of
    the one below. Biases and the gates' pointwise arithmetic are not MACs.

    Example:
        >>> 2 * recurrent_macs(128, 256, steps=32, layers=2, directions=2)
        150994944
    """
    _positive(inputs=inputs, hidden=hidden, steps=steps, gates=gates, layers=layers, directions=directions)
    widths = [inputs] + [hidden * directions] * (layers - 1)
    return steps * directions * gates * hidden * sum(width + hidden for width in widths)


def attention(
    queries: int,
    hidden: int,
    heads: int,
    head_size: int,
    kv_heads: int = 0,
    keys: int = 0,
) -> Terms:
    """FLOPs of multi-head attention on one sequence, by term, every query against every key.

    ``2 t h (heads·d)`` for the query and the output, as much for key and value with `kv_heads` (default:
    `heads`), ``2 t n (heads·d)`` for the scores and again for the weighted values. `keys` is by default
    `queries`.

    Example:
        >>> sum(attention(queries=1024, hidden=768, heads=12, head_size=64).values())
        8053063680
    """
    _positive(queries=queries, hidden=hidden, heads=heads, head_size=head_size)
    keys, width, shared = keys or queries, heads * head_size, (kv_heads or heads) * head_size
    core = width * pairs(queries, keys)
    return {
        "query": 2 * queries * hidden * width,
        "key": 2 * keys * hidden * shared,
        "value": 2 * keys * hidden * shared,
        "scores": core,
        "weighted": core,
        "output": 2 * queries * width * hidden,
    }


def mlp(tokens: int, hidden: int, ffn: int = 0) -> Terms:
    """FLOPs of a two-layer MLP, by term: up and down ``2 t h f`` each; `ffn` is by default ``4 * hidden``."""
    one = 2 * tokens * hidden * (ffn or 4 * hidden)
    return {"up": one, "down": one}


def glu(tokens: int, hidden: int, ffn: int = 0) -> Terms:
    """FLOPs of a gated MLP (SwiGLU, GeGLU), by term: a third product of the same size makes the gate.

    Example:
        >>> sum(glu(1, 1).values()) - sum(mlp(1, 1).values())
        8
    """
    terms = mlp(tokens, hidden, ffn)
    return {"gate": terms["up"], **terms}


def _positive(**sizes: int) -> None:
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} must be at least 1, got {size}")
