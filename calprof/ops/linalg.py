"""Factorisations and what stands on them, by the leading term of the textbook algorithm.

GVL is Golub and Van Loan, Matrix Computations, 4th edition (2013), LAWN 41 is LAPACK Working Note 41 (1994),
appendix C. Counts are FLOPs of one m x n matrix, rounded up; complex matrices cost four times as many.
"""

from __future__ import annotations

from typing import Any

from calprof.ops.operands import argument, first_shape, tensors
from calprof.ops.products import product
from calprof.ops.registry import define, free, uncountable
from calprof.ops.shape import Shape
from calprof.work import Cost, Work

FAMILY = "linalg"


def flops(matrix: Shape, count: int, matrices: int | None = None) -> Work:
    """Returns `count` FLOPs for each matrix of the batch, four times as many for complex ones."""
    batch = matrix[:-2].numel() if matrices is None else matrices
    return Work(flop=batch * count * (4 if matrix.is_complex else 1))


def _third(count: int) -> int:
    return -(-count // 3)


def _matrix(args: Any, kwargs: Any) -> Shape:
    return tensors(args, kwargs)[0]


def tall(matrix: Shape) -> tuple[int, int]:
    """Returns rows and columns of a matrix or of its transpose, the larger first."""
    return max(matrix[-2:]), min(matrix[-2:])


def lu_flops(m: int, n: int) -> int:
    """Returns mn² - n³/3, for a square matrix 2n³/3 (GVL section 3.2, LAWN 41)."""
    return _third(3 * m * n * n - n**3)


def qr_flops(m: int, n: int) -> int:
    """Returns 2mn² - 2n³/3 of Householder's R, and as many again for its thin Q (GVL section 5.2.1)."""
    return _third(6 * m * n * n - 2 * n**3)


def reflector_flops(m: int, n: int, k: int) -> int:
    """Returns 4mnk - 2(m + n)k² + 4k³/3 of an m x n matrix Q made from k reflectors (LAWN 41)."""
    return _third(12 * m * n * k - 6 * (m + n) * k * k + 4 * k**3)


def singular_values_flops(m: int, n: int) -> int:
    """Returns 4mn² - 4n³/3 of the Golub-Reinsch algorithm without vectors (GVL figure 8.6.1)."""
    return _third(12 * m * n * n - 4 * n**3)


def thin_svd_flops(m: int, n: int) -> int:
    """Returns 14mn² + 8n³ of the Golub-Reinsch algorithm with U1 and V (GVL figure 8.6.1)."""
    return 14 * m * n * n + 8 * n**3


@define(FAMILY, "cholesky", "cholesky_ex", "linalg.ldl_factor", "linalg.ldl_factor_ex")
def cholesky(*args: Any, out: Any, **kwargs: Any) -> Work:
    """A symmetric factorisation is n³/3 FLOPs (GVL sections 4.2 and 4.4)."""
    matrix = _matrix(args, kwargs)
    return flops(matrix, _third(matrix[-1] ** 3))


@define(FAMILY, "cholesky_inverse")
def cholesky_inverse(*args: Any, out: Any, **kwargs: Any) -> Work:
    """The inverse from a Cholesky factor is 2n³/3 FLOPs (LAWN 41)."""
    matrix = _matrix(args, kwargs)
    return flops(matrix, _third(2 * matrix[-1] ** 3))


@define(FAMILY, "torch.lu", "tensor.lu", "_lu_with_info", "linalg.lu", "linalg.lu_factor", "linalg.lu_factor_ex")
def lu(*args: Any, out: Any, **kwargs: Any) -> Work:
    """Gaussian elimination is mn² - n³/3 FLOPs, for a square matrix 2n³/3 (GVL section 3.2)."""
    matrix = _matrix(args, kwargs)
    return flops(matrix, lu_flops(*tall(matrix)))


@define(FAMILY, "det", "logdet", "slogdet", "_linalg_det", "_linalg_slogdet")
def det(*args: Any, out: Any, **kwargs: Any) -> Work:
    """The determinant is the product of an LU factorisation's diagonal: 2n³/3 FLOPs (GVL section 3.2)."""
    matrix = _matrix(args, kwargs)
    return flops(matrix, lu_flops(*tall(matrix)))


@define(FAMILY, "inverse", "linalg.inv", "linalg.inv_ex")
def inv(*args: Any, out: Any, **kwargs: Any) -> Work:
    """An LU factorisation and the inverse from it are 2n³ FLOPs (LAWN 41)."""
    matrix = _matrix(args, kwargs)
    return flops(matrix, 2 * matrix[-1] ** 3)


@define(FAMILY, "linalg.solve", "linalg.solve_ex", "_linalg_solve_ex")
def solve(*args: Any, out: Any, **kwargs: Any) -> Work:
    """An LU factorisation, 2n³/3 FLOPs, and two triangular solves, n² each for a right side (GVL 3.2)."""
    matrix = _matrix(args, kwargs)
    return flops(matrix, lu_flops(*tall(matrix))) + _solved(matrix, out, 2)


@define(FAMILY, "linalg.lu_solve", "linalg.ldl_solve")
def lu_solve(factor: Shape, *_: Any, out: Any, **__: Any) -> Work:
    """Two triangular solves: 2n² FLOPs for each right-hand side (GVL section 3.1)."""
    return _solved(factor, out, 2)


@define(FAMILY, "lu_solve", "cholesky_solve")
def factor_solve(input: Shape, factor: Shape, *_: Any, out: Any, **__: Any) -> Work:
    """Two triangular solves, the factor given second: 2n² FLOPs for each right-hand side (GVL 3.1)."""
    return _solved(factor, out, 2)


@define(FAMILY, "linalg.solve_triangular")
def solve_triangular(factor: Shape, *_: Any, out: Any, **__: Any) -> Work:
    """One triangular solve: n² FLOPs for each right-hand side (GVL section 3.1)."""
    return _solved(factor, out, 1)


@define(FAMILY, "triangular_solve")
def triangular_solve(input: Shape, factor: Shape, *_: Any, out: Any, **__: Any) -> Work:
    """One triangular solve, the matrix given second: n² FLOPs for each right-hand side (GVL 3.1)."""
    return _solved(factor, out, 1)


def _solved(matrix: Shape, out: Any, solves: int) -> Work:
    solution = first_shape(out)
    assert solution is not None
    return flops(matrix, solves * matrix[-1] * solution.numel(), matrices=1)


@define(FAMILY, "linalg.tensorsolve")
def tensorsolve(input: Shape, other: Shape, *_: Any, out: Shape, **__: Any) -> Work:
    """A square system of n unknowns: 2n³/3 FLOPs to factor, 2n² to solve (GVL section 3.2)."""
    n = other.numel()
    return flops(input, lu_flops(n, n) + 2 * n * n, matrices=1)


@define(FAMILY, "linalg.tensorinv")
def tensorinv(input: Shape, *args: Any, out: Shape, **kwargs: Any) -> Work:
    """The inverse of an n x n matrix, n the product of the first dimensions: 2n³ FLOPs (LAWN 41)."""
    n = input[: argument(args, kwargs, 0, "ind", 2)].numel()
    return flops(input, 2 * n**3, matrices=1)


@define(FAMILY, "linalg.qr")
def qr(*args: Any, out: Any, **kwargs: Any) -> Work:
    """Householder's R is 2mn² - 2n³/3 FLOPs, thin Q as many, square Q 4m²n - 4mn² + 4n³/3 (GVL 5.2.1)."""
    matrix = _matrix(args, kwargs)
    return _qr(matrix, argument(args, kwargs, 1, "mode", "reduced"))


@define(FAMILY, "qr")
def torch_qr(*args: Any, out: Any, **kwargs: Any) -> Work:
    """Householder's R is 2mn² - 2n³/3 FLOPs, its thin Q as many; `some=False` makes Q square (GVL 5.2.1)."""
    return _qr(_matrix(args, kwargs), "reduced" if argument(args, kwargs, 1, "some", True) else "complete")


def _qr(matrix: Shape, mode: str) -> Work:
    m, k = matrix[-2], min(matrix[-2:])
    count = qr_flops(*tall(matrix))
    if mode != "r":
        count += reflector_flops(m, m if mode == "complete" else k, k)
    return flops(matrix, count)


@define(FAMILY, "geqrf")
def geqrf(*args: Any, out: Any, **kwargs: Any) -> Work:
    """Householder's R and reflectors are 2mn² - 2n³/3 FLOPs (GVL section 5.2.1)."""
    matrix = _matrix(args, kwargs)
    return flops(matrix, qr_flops(*tall(matrix)))


@define(FAMILY, "householder_product")
def householder_product(input: Shape, tau: Shape, *, out: Shape) -> Work:
    """Q of k reflectors is 4mnk - 2(m + n)k² + 4k³/3 FLOPs (LAWN 41)."""
    return flops(input, reflector_flops(input[-2], input[-1], tau[-1]))


@define(FAMILY, "ormqr")
def ormqr(input: Shape, tau: Shape, other: Shape, left: bool = True, *_: Any, out: Shape, **__: Any) -> Work:
    """Applying k reflectors to an m x n matrix is 4mnk - 2nk² FLOPs, from the right 4mnk - 2mk² (LAWN 41)."""
    m, n = other[-2:]
    k = tau[-1]
    return flops(other, 4 * m * n * k - 2 * (n if left else m) * k * k)


@define(FAMILY, "lstsq", "linalg.lstsq")
def lstsq(A: Shape, B: Shape, *args: Any, out: Any, **kwargs: Any) -> Work:
    """QR, 2mn² - 2n³/3 FLOPs, then 4mn - 2n² for Qᵀb and n² to solve; by SVD 4mn² + 8n³ (GVL 5.5)."""
    m, n = tall(A)
    if argument(args, kwargs, 1, "driver") in ("gelsd", "gelss"):
        return flops(A, 4 * m * n * n + 8 * n**3)
    sides = B[-1] if len(B) == len(A) else 1
    return flops(A, qr_flops(m, n) + sides * (4 * m * n - 2 * n * n + n * n))


@define(FAMILY, "matrix_power")
def matrix_power(input: Shape, *args: Any, out: Shape, **kwargs: Any) -> Cost:
    """One square matrix product for each squaring and each further set bit of the exponent.

    A negative exponent inverts first, 2n³ FLOPs.
    """
    exponent = argument(args, kwargs, 0, "n")
    power = abs(exponent)
    products = power.bit_length() - 1 + power.bit_count() - 1 if power else 0
    cost = product(products * input.numel() * input[-1], input, input)
    return cost + flops(input, 2 * input[-1] ** 3) if exponent < 0 else cost


@define(FAMILY, "matrix_exp", "linalg_matrix_exp")
def matrix_exp(input: Shape, *, out: Shape) -> Work:
    """The Taylor polynomial of degree 18 is five products, 10n³ FLOPs, before any squarings.

    How often the result is squared depends on the matrix's norm and is not charged. Source: Bader, Blanes,
    Casas, Computing the Matrix Exponential with an Optimized Taylor Polynomial Approximation (2019).
    """
    return flops(input, 10 * input[-1] ** 3)


@define(FAMILY, "cross", "linalg.cross")
def cross(*args: Any, out: Shape, **kwargs: Any) -> Work:
    """Each component is the difference of two products."""
    return Work(multiply=2 * out.numel(), add=out.numel())


@define(FAMILY, "_compute_linear_combination")
def linear_combination(input: Shape, coefficients: Shape, *, out: Shape) -> Cost:
    """Each of the results is a sum of the inputs times their coefficients."""
    return product(out.numel() * coefficients[-1], input, coefficients)


free("copies the triangles of a factorisation", "lu_unpack")
uncountable(
    "it iterates until its residual is small enough, which depends on the matrix",
    "lobpcg",
    family=FAMILY,
)
