"""Linear algebra by the textbook's leading terms, and distances by hand."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from support import cost, dispatcher_macs, dispatcher_training_macs, macs, record, work

from calprof.ops.linalg import lu_flops, qr_flops, reflector_flops
from calprof.ops.registry import catalogue
from calprof.ops.shape import Shape
from calprof.work import Work

R = torch.randn
A = R(7, 7) + 7 * torch.eye(7)
SYMMETRIC = A @ A.T
BATCH = R(2, 7, 7) + 7 * torch.eye(7)
COMPLEX = torch.randn(7, 7, dtype=torch.complex64) + 7 * torch.eye(7)
TALL, WIDE = R(11, 5), R(5, 11)
B, V = R(7, 3), R(7)
L = torch.linalg.cholesky(SYMMETRIC)
LU, PIVOTS = torch.linalg.lu_factor(A)
LD, LDL_PIVOTS = torch.linalg.ldl_factor(SYMMETRIC)
REFLECTORS, TAU = torch.geqrf(TALL)

# n = 7: n² = 49, n³ = 343. 11 x 5: mn² = 275, m²n = 605, n³ = 125.
FLOPS = [
    ("cholesky", lambda: torch.linalg.cholesky(SYMMETRIC), 115),  # 343 / 3 = 114.3
    ("cholesky_ex", lambda: torch.linalg.cholesky_ex(SYMMETRIC), 115),
    ("cholesky_inverse", lambda: torch.cholesky_inverse(L), 229),  # 2·343 / 3 = 228.7
    ("cholesky_solve", lambda: torch.cholesky_solve(B, L), 2 * 49 * 3),
    ("ldl_factor", lambda: torch.linalg.ldl_factor(SYMMETRIC), 115),
    ("ldl_solve", lambda: torch.linalg.ldl_solve(LD, LDL_PIVOTS, B), 2 * 49 * 3),
    ("lu", lambda: torch.linalg.lu(A), 229),
    ("torch.lu", lambda: torch.lu(A), 229),
    ("lu_factor batch", lambda: torch.linalg.lu_factor(BATCH), 2 * 229),
    ("lu tall", lambda: torch.linalg.lu(TALL), 234),  # 275 - 125 / 3 = 233.3
    ("lu wide", lambda: torch.linalg.lu(WIDE), 234),
    ("lu complex", lambda: torch.linalg.lu(COMPLEX), 4 * 229),
    ("aten.linalg_lu_factor", lambda: torch.ops.aten.linalg_lu_factor(A), 229),
    ("lu_solve", lambda: torch.lu_solve(B, LU, PIVOTS), 2 * 49 * 3),
    ("linalg.lu_solve", lambda: torch.linalg.lu_solve(LU, PIVOTS, B), 2 * 49 * 3),
    ("linalg.lu_solve right", lambda: torch.linalg.lu_solve(LU, PIVOTS, R(3, 7), left=False), 2 * 49 * 3),
    ("solve", lambda: torch.linalg.solve(A, B), 229 + 2 * 49 * 3),
    ("solve vector", lambda: torch.linalg.solve(A, V), 229 + 2 * 49),
    ("solve batch", lambda: torch.linalg.solve(BATCH, R(2, 7, 3)), 2 * (229 + 2 * 49 * 3)),
    ("solve_ex", lambda: torch.linalg.solve_ex(A, B), 229 + 2 * 49 * 3),
    ("solve_triangular", lambda: torch.linalg.solve_triangular(L, B, upper=False), 49 * 3),
    (
        "solve_triangular right",
        lambda: torch.linalg.solve_triangular(L, R(3, 7), upper=False, left=False),
        49 * 3,
    ),
    ("triangular_solve", lambda: torch.triangular_solve(B, L, upper=False), 49 * 3),
    ("inv", lambda: torch.linalg.inv(A), 686),
    ("inverse", lambda: A.inverse(), 686),
    ("det", lambda: torch.det(A), 229),
    ("linalg.det", lambda: torch.linalg.det(A), 229),
    ("slogdet", lambda: torch.linalg.slogdet(A), 229),
    ("logdet", lambda: SYMMETRIC.logdet(), 229),
    ("det empty", lambda: torch.det(R(0, 0)), 0),
    # 6 unknowns: 2·216 / 3 = 144 and 2·36.
    ("tensorsolve", lambda: torch.linalg.tensorsolve(torch.eye(6).reshape(2, 3, 6), R(2, 3)), 144 + 72),
    ("tensorinv", lambda: torch.linalg.tensorinv(torch.eye(6).reshape(2, 3, 6)), 432),
    # R: 2·275 - 2·125 / 3 = 466.7; the thin Q as many; the square one 4·605 - 4·275 + 4·125 / 3 = 1486.7.
    ("qr", lambda: torch.linalg.qr(TALL), 467 + 467),
    ("qr r", lambda: torch.linalg.qr(TALL, "r"), 467),
    ("qr complete", lambda: torch.linalg.qr(TALL, mode="complete"), 467 + 1487),
    # A 5 x 11 matrix has a square Q of 5 reflectors: 4·125 / 3.
    ("qr wide", lambda: torch.linalg.qr(WIDE), 467 + 167),
    ("geqrf", lambda: torch.geqrf(TALL), 467),
    ("householder_product", lambda: torch.linalg.householder_product(REFLECTORS, TAU), 467),
    ("orgqr", lambda: torch.orgqr(REFLECTORS, TAU), 467),
    # 5 reflectors on 11 x 3: 4·11·3·5 - 2·3·25; from the right on 3 x 11 the same.
    ("ormqr", lambda: torch.ormqr(REFLECTORS, TAU, R(11, 3)), 660 - 150),
    ("ormqr right", lambda: torch.ormqr(REFLECTORS, TAU, R(3, 11), left=False), 660 - 150),
    # 467 to factor; 3 right sides of 4·55 - 2·25 + 25.
    ("lstsq", lambda: torch.linalg.lstsq(TALL, R(11, 3)), 467 + 3 * 195),
    ("lstsq gelsd", lambda: torch.linalg.lstsq(TALL, R(11, 3), driver="gelsd"), 4 * 275 + 8 * 125),
    ("matrix_exp", lambda: torch.matrix_exp(A), 3430),
    ("eigh", lambda: torch.linalg.eigh(SYMMETRIC), 9 * 343),
    ("eigvalsh", lambda: torch.linalg.eigvalsh(SYMMETRIC), 458),  # 4·343 / 3 = 457.3
    ("eig", lambda: torch.ops.aten.linalg_eig(A), 25 * 343),
    ("eigvals", lambda: torch.linalg.eigvals(A), 10 * 343),
    # Values: 4·275 - 4·125 / 3 = 933.3; thin: 14·275 + 8·125; full: 4·605 + 8·275 + 9·125.
    ("svdvals", lambda: torch.linalg.svdvals(TALL), 934),
    ("svd", lambda: torch.linalg.svd(TALL), 5745),
    ("svd thin", lambda: torch.linalg.svd(WIDE, full_matrices=False), 4850),
    ("torch.svd", lambda: torch.svd(TALL), 4850),
    ("torch.svd values", lambda: torch.svd(TALL, compute_uv=False), 934),
    ("aten._linalg_svd", lambda: torch.ops.aten._linalg_svd(TALL, True), 5745),
    ("aten._linalg_svd values", lambda: torch.ops.aten._linalg_svd(TALL, False, False), 934),
    ("aten._linalg_eigh", lambda: torch.ops.aten._linalg_eigh(SYMMETRIC), 9 * 343),
    ("aten._linalg_eigh values", lambda: torch.ops.aten._linalg_eigh(SYMMETRIC, "U", False), 458),
    ("pinv", lambda: torch.linalg.pinv(TALL), 4850 + 550),
    ("pinverse", lambda: WIDE.pinverse(), 4850 + 550),
    ("pinv hermitian", lambda: torch.linalg.pinv(SYMMETRIC, hermitian=True), 11 * 343),
]

WORKS = [
    ("matrix_rank", lambda: torch.linalg.matrix_rank(TALL), Work(flop=934, compare=5)),
    (
        "matrix_rank hermitian",
        lambda: torch.linalg.matrix_rank(SYMMETRIC, hermitian=True),
        Work(flop=458, compare=7),
    ),
    ("cond", lambda: torch.linalg.cond(TALL), Work(flop=934, multiply=1)),
    # The inverse; twice |x| and a column sum of 49 elements and the largest of 7; the product.
    ("cond 1", lambda: torch.linalg.cond(A, 1), Work(flop=686, add=4 * 49, compare=14, multiply=1)),
    ("matrix_norm", lambda: torch.linalg.matrix_norm(TALL), Work(multiply=55, add=55, transcendental=1)),
    ("matrix_norm 2", lambda: torch.linalg.matrix_norm(TALL, 2), Work(flop=934)),
    ("matrix_norm nuc", lambda: torch.linalg.matrix_norm(TALL, "nuc"), Work(flop=934, add=5)),
    # 5 column sums of 11; 11 row sums of 5.
    ("matrix_norm 1", lambda: torch.linalg.matrix_norm(TALL, 1), Work(add=110, compare=5)),
    ("matrix_norm inf", lambda: torch.linalg.matrix_norm(TALL, ord=math.inf), Work(add=110, compare=11)),
    (
        "matrix_norm dims",
        lambda: torch.linalg.matrix_norm(R(5, 2, 11), 1, dim=(2, 0)),
        Work(add=220, compare=10),
    ),
    ("norm", lambda: torch.linalg.norm(TALL), Work(multiply=55, add=55, transcendental=1)),
    ("norm vector", lambda: torch.linalg.norm(V, 1), Work(add=14)),
    ("norm dim", lambda: torch.linalg.norm(TALL, 3, dim=1), Work(add=110, transcendental=55 + 11)),
    ("norm matrix", lambda: torch.linalg.norm(TALL, 2), Work(flop=934)),
    (
        "norm matrix dims",
        lambda: torch.linalg.norm(R(5, 2, 11), "fro", dim=(0, 2)),
        Work(multiply=110, add=110, transcendental=2),
    ),
    ("nuclear_norm", lambda: torch.nuclear_norm(TALL), Work(flop=934, add=5)),
    # 10 cross products of 3 components: 2 products and a subtraction each.
    ("cross", lambda: torch.linalg.cross(R(1, 2, 3), R(5, 1, 3)), Work(multiply=60, add=30)),
    ("torch.cross", lambda: torch.cross(R(3, 2), R(3, 2), dim=0), Work(multiply=12, add=6)),
    # 11·13 pairs of 7: subtract; square and add; a root.
    ("cdist", lambda: torch.cdist(R(11, 7), R(13, 7)), Work(add=2 * 1001, multiply=1001, transcendental=143)),
    (
        "cdist many",
        lambda: torch.cdist(R(2, 29, 7), R(2, 31, 7)),
        Work(add=2 * 12586, multiply=12586, transcendental=1798),
    ),
    ("cdist 1", lambda: torch.cdist(R(11, 7), R(13, 7), 1.0), Work(add=3 * 1001)),
    ("cdist empty", lambda: torch.cdist(R(0, 7), R(13, 7)), Work()),
    ("pdist", lambda: F.pdist(R(5, 7)), Work(add=140, multiply=70, transcendental=10)),
    # x - y + ε, squared and summed: 35 elements, 5 roots.
    (
        "pairwise_distance",
        lambda: F.pairwise_distance(R(5, 7), R(5, 7)),
        Work(add=105, multiply=35, transcendental=5),
    ),
    ("pairwise_distance 1-d", lambda: F.pairwise_distance(V, V, p=1, keepdim=True), Work(add=28)),
    # Three dot products of 35; 5 times 2 roots, product, bound, division.
    (
        "cosine_similarity",
        lambda: F.cosine_similarity(R(5, 7), R(5, 7)),
        Work(multiply=105 + 10, add=105, transcendental=10, compare=5),
    ),
    (
        "cosine_similarity broadcast",
        lambda: F.cosine_similarity(R(2, 1, 7), R(5, 7), dim=-1),
        Work(multiply=210 + 20, add=210, transcendental=20, compare=10),
    ),
    # 2 sums of 3 vectors of 5.
    ("linear combination", lambda: torch._compute_linear_combination(R(3, 5), R(2, 3)), Work(mac=30)),
    ("lu_unpack", lambda: torch.lu_unpack(LU, PIVOTS), Work()),
]

ROWS = [(name, call, Work(flop=flops)) for name, call, flops in FLOPS] + WORKS


@pytest.mark.parametrize(("call", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_by_hand(call, expected):
    assert work(call) == expected


@pytest.mark.parametrize("name, flops", [("matrix_sqrth", 9 * 343 + 2 * 343), ("polar", 22 * 343 + 4 * 343)])
def test_factorisations_of_newer_versions(name, flops):
    if not hasattr(torch.linalg, name):
        pytest.skip(f"this PyTorch has no linalg.{name}")
    # n = 7: eigenvectors 9n³ and a product 2n³; a thin SVD 14n³ + 8n³ and two products.
    assert work(lambda: getattr(torch.linalg, name)(SYMMETRIC)) == Work(flop=flops)


@pytest.mark.parametrize("power", [0, 1, 2, 3, 5, 7, 8, 15, -1, -3])
def test_matrix_power_is_the_dispatchers_products(power):
    matrix = (R(2, 7, 7) + 7 * torch.eye(7)).requires_grad_()
    call = lambda: torch.linalg.matrix_power(matrix, power)  # noqa: E731
    found = cost(call, grads=True)
    assert macs(found.forward) == dispatcher_macs(call)
    assert found.forward["flop"] == (2 * 2 * 343 if power < 0 else 0)
    if power >= 0:
        assert (macs(found.forward), macs(found.backward)) == dispatcher_training_macs(call)


LOW_RANK = {
    "svd": lambda x: torch.svd_lowrank(x, q=3, niter=1),
    "svd, two rounds": lambda x: torch.svd_lowrank(x, 5),
    "svd of a difference": lambda x: torch.svd_lowrank(x, 3, M=torch.ones(x.shape)),
    "pca": lambda x: torch.pca_lowrank(x, q=3),
    "pca uncentred": lambda x: torch.pca_lowrank(x, center=False),
}


@pytest.mark.parametrize("call", LOW_RANK.values(), ids=LOW_RANK)
@pytest.mark.parametrize("shape", [(11, 7), (7, 11), (2, 11, 7)])
def test_low_rank_decompositions_cost_what_runs_inside(shape, call):
    # A plain tensor's call is seen from the inside, a parameter's as one call.
    plain = R(*shape)
    parameter = torch.nn.Parameter(plain, requires_grad=False)
    inside, whole = work(lambda: call(plain)), work(lambda: call(parameter))
    assert (whole["mac"], whole["flop"], whole["add"]) == (inside["mac"], inside["flop"], inside["add"])
    assert whole["mac"] == dispatcher_macs(lambda: call(plain))


def test_spellings_that_newer_versions_removed():
    # R and the thin Q 2·467, the square one 467 + 1487, as above; Cholesky 343 / 3.
    factors = (Shape((11, 5)), Shape((5, 5)))
    assert catalogue()["qr"].formula(Shape((11, 5)), out=factors) == Work(flop=934)
    assert catalogue()["qr"].formula(Shape((11, 5)), some=False, out=factors) == Work(flop=1954)
    assert catalogue()["cholesky"].formula(Shape((7, 7)), out=Shape((7, 7))) == Work(flop=115)


def test_lobpcg_of_a_parameter_is_reported():
    matrix = torch.nn.Parameter(SYMMETRIC)
    (uncounted,) = record(lambda: torch.lobpcg(matrix, 1)).uncounted
    assert uncounted.reason.startswith("it iterates")


def test_factorisation_counts_agree_with_each_other():
    # A square Q of a square matrix is its thin one; more rows than LU's square case are mn² - n³/3.
    assert reflector_flops(7, 7, 7) == -(-4 * 343 // 3) == qr_flops(7, 7)
    assert lu_flops(7, 7) == 229 and lu_flops(11, 5) == 234
