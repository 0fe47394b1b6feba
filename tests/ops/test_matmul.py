"""Every spelling of a matrix product, in distinct primes, against hand counts and the dispatcher."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from support import cost, dispatcher_macs, dispatcher_training_macs, macs, work

from calprof.work import Work

R = torch.randn

# One MAC for each of rows x inner x columns; 2·3·5 = 30 and so on.
ROWS = [
    ("linear", lambda: F.linear(R(2, 3), R(5, 3)), Work(mac=2 * 3 * 5)),
    ("linear bias", lambda: F.linear(R(7, 2, 3), R(5, 3), R(5)), Work(mac=7 * 2 * 3 * 5, linear_bias=7 * 2 * 5)),
    ("linear vector", lambda: F.linear(R(3), R(5, 3)), Work(mac=3 * 5)),
    ("linear no output axis", lambda: F.linear(R(2, 3), R(3)), Work(mac=2 * 3)),
    ("aten linear", lambda: torch.ops.aten.linear(R(2, 3), R(5, 3)), Work(mac=2 * 3 * 5)),
    # in1 x in2 MACs to meet the weight, then in2 more, for each of 2 x 7 outputs.
    ("bilinear", lambda: F.bilinear(R(2, 3), R(2, 5), R(7, 3, 5), R(7)), Work(mac=14 * (15 + 5), linear_bias=14)),
    ("matmul", lambda: torch.matmul(R(2, 3), R(3, 5)), Work(mac=30)),
    ("@", lambda: R(2, 3) @ R(3, 5), Work(mac=30)),
    ("reflected @", lambda: torch.Tensor.__rmatmul__(R(3, 5), R(2, 3)), Work(mac=30)),
    ("Tensor.matmul", lambda: R(2, 3).matmul(R(3, 5)), Work(mac=30)),
    ("matmul by name", lambda: torch.matmul(input=R(2, 3), other=R(3, 5)), Work(mac=30)),
    ("matmul out", lambda: torch.matmul(R(2, 3), R(3, 5), out=torch.empty(2, 5)), Work(mac=30)),
    ("matmul vectors", lambda: R(3) @ R(3), Work(mac=3)),
    ("matmul matrix vector", lambda: R(2, 3) @ R(3), Work(mac=6)),
    ("matmul vector matrix", lambda: R(3) @ R(3, 5), Work(mac=15)),
    ("matmul vector batch", lambda: R(3) @ R(7, 3, 5), Work(mac=7 * 15)),
    ("matmul batch vector", lambda: R(7, 2, 3) @ R(3), Work(mac=7 * 6)),
    ("matmul broadcast", lambda: R(7, 1, 2, 3) @ R(11, 3, 5), Work(mac=7 * 11 * 30)),
    ("matmul empty", lambda: R(0, 3) @ R(3, 5), Work()),
    ("mm", lambda: torch.mm(R(2, 3), R(3, 5)), Work(mac=30)),
    ("aten mm", lambda: torch.ops.aten.mm.default(R(2, 3), R(3, 5)), Work(mac=30)),
    ("bmm", lambda: torch.bmm(R(7, 2, 3), R(7, 3, 5)), Work(mac=210)),
    ("mv", lambda: torch.mv(R(2, 3), R(3)), Work(mac=6)),
    ("dot", lambda: torch.dot(R(3), R(3)), Work(mac=3)),
    ("vdot", lambda: torch.vdot(R(3), R(3)), Work(mac=3)),
    ("inner", lambda: torch.inner(R(2, 3), R(5, 3)), Work(mac=30)),
    ("inner scalar", lambda: torch.inner(R(2, 3), R(())), Work(multiply=6)),
    ("vecdot", lambda: torch.linalg.vecdot(R(2, 3), R(5, 1, 3)), Work(mac=5 * 2 * 3)),
    ("outer", lambda: torch.outer(R(3), R(5)), Work(multiply=15)),
    ("kron", lambda: torch.kron(R(2, 3), R(5, 7)), Work(multiply=210)),
    ("addmm", lambda: torch.addmm(R(5), R(2, 3), R(3, 5)), Work(mac=30, bias=10)),
    ("addmm_", lambda: R(2, 5).addmm_(R(2, 3), R(3, 5)), Work(mac=30, bias=10)),
    ("addmm scaled", lambda: torch.addmm(R(5), R(2, 3), R(3, 5), beta=2, alpha=3), Work(mac=30, bias=10, multiply=20)),
    ("addmm beta 0", lambda: torch.addmm(R(5), R(2, 3), R(3, 5), beta=0), Work(mac=30)),
    ("addmv", lambda: torch.addmv(R(2), R(2, 3), R(3)), Work(mac=6, bias=2)),
    ("addr", lambda: torch.addr(R(3, 5), R(3), R(5)), Work(multiply=15, bias=15)),
    ("baddbmm", lambda: torch.baddbmm(R(7, 2, 5), R(7, 2, 3), R(7, 3, 5)), Work(mac=210, bias=70)),
    ("Tensor.baddbmm", lambda: R(7, 2, 5).baddbmm(R(7, 2, 3), R(7, 3, 5)), Work(mac=210, bias=70)),
    ("addbmm", lambda: torch.addbmm(R(2, 5), R(7, 2, 3), R(7, 3, 5)), Work(mac=210, bias=10)),
    ("_int_mm", lambda: torch._int_mm(torch.ones(17, 8, dtype=torch.int8), torch.ones(8, 16, dtype=torch.int8)),
     Work(mac=17 * 8 * 16)),
    ("complex", lambda: torch.randn(2, 3, dtype=torch.cfloat) @ torch.randn(3, 5, dtype=torch.cfloat),
     Work(complex_mac=30)),
    ("einsum", lambda: torch.einsum("bij,bjk->bik", R(7, 2, 3), R(7, 3, 5)), Work(mac=210)),
    ("einsum list", lambda: torch.einsum("ij,jk", [R(2, 3), R(3, 5)]), Work(mac=30)),
    ("einsum sublists", lambda: torch.einsum(R(2, 3), [0, 1], R(3, 5), [1, 2], [0, 2]), Work(mac=30)),
    ("einsum ellipsis", lambda: torch.einsum("...ij,...jk", R(7, 2, 3), R(11, 1, 3, 5)), Work(mac=7 * 11 * 30)),
    ("einsum outer", lambda: torch.einsum("i,j->ij", R(3), R(5)), Work(multiply=15)),
    # i is summed out of the first operand alone, k out of the second; then one MAC for each j.
    ("einsum pre-summed", lambda: torch.einsum("ij,jk->", R(2, 3), R(3, 5)), Work(mac=3, add=6 + 15)),
    ("einsum trace", lambda: torch.einsum("ii->", R(3, 3)), Work(add=3)),
    ("einsum transpose", lambda: torch.einsum("ij->ji", R(2, 3)), Work()),
    ("tensordot", lambda: torch.tensordot(R(2, 3, 5), R(3, 5, 7), 2), Work(mac=210)),
    ("tensordot lists", lambda: torch.tensordot(R(2, 3, 5), R(5, 7, 3), ([1, 2], [2, 0])), Work(mac=210)),
    ("tensordot broadcast", lambda: torch.tensordot(R(1, 3), R(2, 5), ([0], [0])), Work(mac=15)),
    # (2x3)(3x5)=30 then (2x5)(5x7)=70 beats 105 + 42.
    ("multi_dot", lambda: torch.linalg.multi_dot([R(2, 3), R(3, 5), R(5, 7)]), Work(mac=100)),
    ("multi_dot vectors", lambda: torch.linalg.multi_dot([R(3), R(3, 5), R(5)]), Work(mac=15 + 3)),
    ("chain_matmul", lambda: torch.chain_matmul(R(2, 3), R(3, 5), R(5, 7)), Work(mac=100)),
]  # fmt: skip

# The dispatcher has no formula for matrix-vector products, dot products, `_trilinear`, addmm_ and addbmm.
BLIND = {
    "bilinear", "matmul vectors", "matmul matrix vector", "matmul vector matrix", "matmul batch vector", "mv",
    "dot", "vdot", "vecdot", "addmv", "_int_mm", "addmm_", "addbmm", "linear vector", "linear no output axis",
}  # fmt: skip


@pytest.mark.parametrize(("name", "call", "expected"), ROWS, ids=[row[0] for row in ROWS])
def test_work(name, call, expected):
    assert work(call) == expected


@pytest.mark.parametrize(
    ("name", "call"), [row[:2] for row in ROWS if row[0] not in BLIND], ids=[r[0] for r in ROWS if r[0] not in BLIND]
)
def test_macs_equal_the_dispatchers(name, call):
    assert macs(work(call)) == dispatcher_macs(call)


@pytest.mark.parametrize("enabled", [True, False], ids=["opt_einsum", "left to right"])
def test_random_einsums_equal_the_dispatcher(enabled, monkeypatch):
    import random

    monkeypatch.setattr(torch.backends.opt_einsum, "enabled", enabled)
    dice = random.Random(7)
    sizes = dict(zip("abcdef", (2, 3, 5, 7, 11, 1), strict=True))
    for _ in range(150):
        terms = ["".join(dice.sample("abcdef", dice.randint(0, 4))) for _ in range(dice.randint(1, 4))]
        labels = sorted(set("".join(terms)))
        equation = ",".join(terms) + "->" + "".join(dice.sample(labels, dice.randint(0, len(labels))))
        operands = [R([sizes[c] if dice.random() < 0.9 else 1 for c in term]) for term in terms]

        def call(equation=equation, operands=operands):
            return torch.einsum(equation, *operands)

        assert macs(work(call)) == dispatcher_macs(call), (equation, [o.shape for o in operands])


def bf16(*sizes):
    return torch.randn(*sizes, dtype=torch.bfloat16)


# Offsets are the ends of each group along the routed axis.
GROUPED = [
    ("rows", lambda: torch._grouped_mm(bf16(24, 16), bf16(3, 16, 32), offs=torch.tensor([8, 8, 24], dtype=torch.int32)),
     24 * 16 * 32),
    ("batched", lambda: torch._grouped_mm(bf16(3, 8, 16), bf16(3, 16, 32)), 3 * 8 * 16 * 32),
    ("inner", lambda: torch._grouped_mm(bf16(8, 48), bf16(48, 32), offs=torch.tensor([16, 48], dtype=torch.int32)),
     8 * 48 * 32),
    ("columns", lambda: torch._grouped_mm(bf16(2, 8, 16), bf16(16, 64), offs=torch.tensor([16, 64], dtype=torch.int32)),
     8 * 16 * 64),
]  # fmt: skip


@pytest.mark.parametrize(("name", "call", "expected"), GROUPED, ids=[row[0] for row in GROUPED])
def test_grouped_products(name, call, expected):
    assert macs(work(call)) == expected


@pytest.mark.parametrize("needed", ["both", "left", "right"])
def test_exact_backward_equals_the_dispatchers(needed):
    def call(function, *sizes):
        operands = [R(size) for size in sizes]
        operands[0].requires_grad_(needed != "right")
        operands[1].requires_grad_(needed != "left")
        return lambda: function(*operands)

    for function, *sizes in [
        (torch.matmul, (2, 3), (3, 5)),
        (torch.bmm, (7, 2, 3), (7, 3, 5)),
        (torch.matmul, (7, 1, 2, 3), (11, 3, 5)),
        (F.linear, (7, 2, 3), (5, 3)),
        (lambda a, b: torch.einsum("bij,bjk->bik", a, b), (7, 2, 3), (7, 3, 5)),
        (lambda a, b: torch.tensordot(a, b, 1), (2, 3), (3, 5)),
        (lambda a, b: torch.addmm(R(5), a, b), (2, 3), (3, 5)),
        (lambda a, b: torch.linalg.multi_dot([a, b, R(5, 7)]), (2, 3), (3, 5)),
    ]:
        run = call(function, *sizes)
        found = cost(run, grads=True)
        assert (macs(found.forward), macs(found.backward)) == dispatcher_training_macs(run)


def test_no_backward_without_autograd():
    weight = torch.nn.Parameter(R(5, 3))
    with torch.no_grad():
        assert macs(cost(lambda: F.linear(R(2, 3), weight), grads=True).backward) == 0
