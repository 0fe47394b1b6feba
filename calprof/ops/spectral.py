"""Eigenvalues, singular values and what stands on them, by the leading term of the textbook algorithm.

Their iterations converge after about as many steps as GVL assumes (Golub and Van Loan, Matrix Computations,
4th edition, 2013). Counts are FLOPs of one m x n matrix, m the larger side.
"""

from __future__ import annotations

from math import inf
from typing import Any

from calprof.ops.linalg import flops, qr_flops, singular_values_flops, tall, thin_svd_flops
from calprof.ops.operands import argument
from calprof.ops.reduction import norm_steps
from calprof.ops.registry import define
from calprof.ops.shape import Shape
from calprof.work import Work

FAMILY = "linalg"


def _eigh(matrix: Shape) -> Work:
    return flops(matrix, 9 * matrix[-1] ** 3)


def _eigvalsh(matrix: Shape) -> Work:
    return flops(matrix, -(-4 * matrix[-1] ** 3 // 3))


@define(FAMILY, "linalg.eigh")
def eigh(A: Shape, *_: Any, out: Any, **__: Any) -> Work:
    """The symmetric QR algorithm with vectors is 9n³ FLOPs (GVL section 8.3)."""
    return _eigh(A)


@define(FAMILY, "linalg.eigvalsh")
def eigvalsh(A: Shape, *_: Any, out: Any, **__: Any) -> Work:
    """The symmetric QR algorithm without vectors is 4n³/3 FLOPs (GVL section 8.3)."""
    return _eigvalsh(A)


@define(FAMILY, "_linalg_eigh")
def symmetric_eigen(A: Shape, UPLO: str = "L", compute_v: bool = True, *, out: Any) -> Work:
    """The symmetric QR algorithm is 9n³ FLOPs, without vectors 4n³/3 (GVL section 8.3)."""
    return _eigh(A) if compute_v else _eigvalsh(A)


@define(FAMILY, "linalg.eig")
def eig(A: Shape, *, out: Any) -> Work:
    """The unsymmetric QR algorithm with vectors is 25n³ FLOPs (GVL section 7.5.6)."""
    return flops(A, 25 * A[-1] ** 3)


@define(FAMILY, "linalg.eigvals", "_linalg_eigvals")
def eigvals(A: Shape, *, out: Any) -> Work:
    """The unsymmetric QR algorithm without vectors is 10n³ FLOPs (GVL section 7.5.6)."""
    return flops(A, 10 * A[-1] ** 3)


def _svd(matrix: Shape, full: bool, vectors: bool = True) -> Work:
    m, n = tall(matrix)
    if not vectors:
        return flops(matrix, singular_values_flops(m, n))
    return flops(matrix, 4 * m * m * n + 8 * m * n * n + 9 * n**3 if full else thin_svd_flops(m, n))


@define(FAMILY, "linalg.svd")
def svd(A: Shape, full_matrices: bool = True, *_: Any, out: Any, **__: Any) -> Work:
    """The Golub-Reinsch algorithm is 4m²n + 8mn² + 9n³ FLOPs, thin 14mn² + 8n³ (GVL figure 8.6.1)."""
    return _svd(A, full_matrices)


@define(FAMILY, "_linalg_svd")
def linalg_svd(A: Shape, full_matrices: bool = False, compute_uv: bool = True, *_: Any, out: Any, **__: Any) -> Work:
    """The Golub-Reinsch algorithm, with or without vectors (GVL figure 8.6.1)."""
    return _svd(A, full_matrices, compute_uv)


@define(FAMILY, "svd")
def torch_svd(input: Shape, some: bool = True, compute_uv: bool = True, *, out: Any) -> Work:
    """The Golub-Reinsch algorithm is 14mn² + 8n³ FLOPs, `some=False` 4m²n + 8mn² + 9n³ (GVL figure 8.6.1)."""
    return _svd(input, not some, compute_uv)


@define(FAMILY, "linalg.svdvals")
def svdvals(A: Shape, *_: Any, out: Any, **__: Any) -> Work:
    """The Golub-Reinsch algorithm without vectors is 4mn² - 4n³/3 FLOPs (GVL figure 8.6.1)."""
    return _svd(A, False, vectors=False)


@define(FAMILY, "linalg.pinv", "pinverse")
def pinv(input: Shape, *args: Any, out: Shape, **kwargs: Any) -> Work:
    """The thin SVD and the product V·Σ⁻¹·Uᵀ, 2mn² FLOPs more; for a Hermitian matrix 9n³ + 2n³."""
    m, n = tall(input)
    decomposed = _eigh(input) if kwargs.get("hermitian") else _svd(input, False)
    return decomposed + flops(input, 2 * m * n * n)


@define(FAMILY, "linalg.matrix_rank")
def matrix_rank(input: Shape, *args: Any, out: Shape, **kwargs: Any) -> Work:
    """The singular values, for a Hermitian matrix the eigenvalues, each compared with the tolerance."""
    values = input[:-2].numel() * tall(input)[1]
    hermitian = kwargs.get("hermitian", next((each for each in args if isinstance(each, bool)), False))
    found = _eigvalsh(input) if hermitian else _svd(input, False, vectors=False)
    return found + Work(compare=values)


@define(FAMILY, "linalg.matrix_sqrth")
def matrix_sqrth(A: Shape, *, out: Shape) -> Work:
    """The eigenvectors, 9n³ FLOPs, and V·√Λ·Vᵀ, 2n³ more."""
    return _eigh(A) + flops(A, 2 * A[-1] ** 3)


@define(FAMILY, "linalg.polar")
def polar(A: Shape, *, out: Any) -> Work:
    """The thin SVD, then the products W·Vᵀ, 2mn² FLOPs, and V·Σ·Vᵀ, 2n³ more."""
    m, n = tall(A)
    return _svd(A, False) + flops(A, 2 * m * n * n + 2 * n**3)


def matrix_norm_steps(matrix: Shape, order: Any, dims: tuple[int, int]) -> Work:
    """Returns the work of a matrix norm along two dimensions, by its order.

    "fro" is the 2-norm of the elements; 2, -2 and "nuc" need the singular values; ±1 and ±inf the largest or
    smallest absolute column or row sum.
    """
    rows, columns = (matrix[dim] for dim in dims)
    elements = matrix.numel()
    matrices = elements // (rows * columns) if elements else 0
    if order == "fro":
        return norm_steps(2, elements, matrices)
    if order in (2, -2, "nuc"):
        values = Shape((matrices, rows, columns), matrix.dtype)
        summed = Work(add=matrices * min(rows, columns)) if order == "nuc" else Work()
        return _svd(values, False, vectors=False) + summed
    sums = rows if order in (inf, -inf) else columns
    return norm_steps(1, elements, 0) + Work(compare=matrices * sums)


def _two(dims: Any) -> tuple[int, int]:
    return (dims[0], dims[1]) if isinstance(dims, (list, tuple)) else (-2, -1)


@define(FAMILY, "linalg.matrix_norm")
def matrix_norm(A: Shape, *args: Any, out: Shape, **kwargs: Any) -> Work:
    """By order: the root of the sum of squares, the singular values, or the extreme row or column sum."""
    order, dims = argument(args, kwargs, 0, "ord", "fro"), argument(args, kwargs, 1, "dim")
    return matrix_norm_steps(A, order, _two(dims))


@define(FAMILY, "nuclear_norm")
def nuclear_norm(input: Shape, *args: Any, out: Shape, **kwargs: Any) -> Work:
    """The sum of the singular values."""
    return matrix_norm_steps(input, "nuc", _two(argument(args, kwargs, 0, "dim")))


@define(FAMILY, "linalg.norm")
def norm(A: Shape, *args: Any, out: Shape, **kwargs: Any) -> Work:
    """The 2-norm of all elements; with an order a vector's p-norm along a dimension, a matrix's along two."""
    order, dims = argument(args, kwargs, 0, "ord"), argument(args, kwargs, 1, "dim")
    along = 1 if isinstance(dims, int) else len(A) if dims is None else len(dims)
    if order is None or along == 1:
        return norm_steps(order, A.numel(), out.numel())
    return matrix_norm_steps(A, order, _two(dims))


@define(FAMILY, "linalg.cond")
def cond(A: Shape, p: Any = None, *, out: Shape) -> Work:
    """The ratio of the extreme singular values; by other norms ‖A‖·‖A⁻¹‖, the inverse 2n³ FLOPs."""
    matrices = out.numel()
    if p in (None, 2, -2):
        return _svd(A, False, vectors=False) + Work(multiply=matrices)
    return flops(A, 2 * A[-1] ** 3) + matrix_norm_steps(A, p, (-2, -1)) * 2 + Work(multiply=matrices)


@define(FAMILY, "svd_lowrank")
def svd_lowrank(A: Shape, q: int | None = 6, niter: int | None = 2, M: Shape | None = None, *, out: Any) -> Work:
    """The products A·R, niter times Aᵀ·Q and A·Q, then Qᵀ·A, m x n x q MACs each, all but the last with a QR.

    Then the SVD of a q x n matrix and the product of Q with its left vectors. M doubles the products and is
    subtracted. Source: Halko, Martinsson and Tropp, Finding Structure with Randomness (2009), algorithms 4.4
    and 5.1.
    """
    m, n = tall(A)
    width, rounds = 6 if q is None else q, 2 if niter is None else niter
    small = Shape((*A[:-2], width, n), A.dtype)
    batch = A[:-2].numel()
    macs = (2 * rounds + 2) * m * n * width * (1 if M is None else 2) + m * width * min(width, n)
    factored = (rounds + 1) * _thin_qr(m, width) + rounds * _thin_qr(n, width)
    subtracted = 0 if M is None else batch * width * ((rounds + 1) * m + (rounds + 1) * n)
    return Work(mac=batch * macs, add=subtracted) + flops(A, factored) + _svd(small, False)


def _thin_qr(rows: int, columns: int) -> int:
    return 2 * qr_flops(max(rows, columns), min(rows, columns))


@define(FAMILY, "pca_lowrank")
def pca_lowrank(A: Shape, q: int | None = None, center: bool = True, niter: int = 2, *, out: Any) -> Work:
    """Centring, a sum and a subtraction for each element, then the low-rank SVD."""
    m, n = A[-2:]
    means = A[:-2].numel() * n
    centred = Work(add=2 * A.numel(), multiply=means) if center else Work()
    return centred + svd_lowrank(A, min(6, m, n) if q is None else q, niter, out=out)
