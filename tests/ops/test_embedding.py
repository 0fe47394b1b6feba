"""Embedding lookups and bags, by hand: a table of 11 rows of 7."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from support import work
from torch import nn

from calprof.conventions import ARITHMETIC, CALFLOPS, ELECTRA, MATMUL
from calprof.work import Work

TABLE = torch.randn(11, 7)
IDS = torch.tensor([[1, 2, 4, 5, 3], [0, 3, 2, 9, 7], [10, 1, 6, 8, 2]])
ONE_HOT = Work(onehot_mac=15 * 11 * 7)

ROWS = [
    ("embedding", lambda: F.embedding(IDS, TABLE), ONE_HOT),
    ("embedding padding_idx", lambda: F.embedding(IDS, TABLE, 2), ONE_HOT),
    ("torch.embedding", lambda: torch.embedding(TABLE, IDS), ONE_HOT),
    ("aten.embedding", lambda: torch.ops.aten.embedding(TABLE, IDS), ONE_HOT),
    ("embedding 0-d", lambda: F.embedding(torch.tensor(3), TABLE), Work(onehot_mac=77)),
    ("embedding empty", lambda: F.embedding(IDS[:0], TABLE), Work()),
    # 15 rows of 7: squared, summed, a root and a bound, a division, a product an element.
    (
        "embedding max_norm",
        lambda: F.embedding(IDS, TABLE.clone(), max_norm=1.0),
        ONE_HOT + Work(multiply=105 + 15 + 105, add=105, transcendental=15, compare=15),
    ),
    (
        "embedding_renorm",
        lambda: torch.embedding_renorm_(TABLE.clone(), IDS[0], 1.0, 1.0),
        Work(add=70, multiply=5 + 35, compare=5),
    ),
    # 3 bags of 5: 105 elements added, 21 results divided.
    ("embedding_bag", lambda: F.embedding_bag(IDS, TABLE), Work(add=105, multiply=21)),
    ("embedding_bag sum", lambda: F.embedding_bag(IDS, TABLE, mode="sum"), Work(add=105)),
    ("embedding_bag max", lambda: F.embedding_bag(IDS, TABLE, mode="max"), Work(compare=105)),
    (
        "embedding_bag weights",
        lambda: F.embedding_bag(IDS, TABLE, mode="sum", per_sample_weights=torch.rand(3, 5)),
        Work(add=105, multiply=105),
    ),
    # 15 ids in 2 bags: 14 results.
    (
        "embedding_bag offsets",
        lambda: F.embedding_bag(IDS.flatten(), TABLE, torch.tensor([0, 4])),
        Work(add=105, multiply=14),
    ),
    (
        "torch.embedding_bag",
        lambda: torch.embedding_bag(TABLE, IDS.flatten(), torch.tensor([0, 4])),
        Work(add=105),
    ),
    (
        "torch.embedding_bag mean",
        lambda: torch.embedding_bag(TABLE, IDS.flatten(), torch.tensor([0, 4]), mode=1),
        Work(add=105, multiply=14),
    ),
]


@pytest.mark.parametrize(("call", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_by_hand(call, expected):
    assert work(call) == expected


def test_only_electra_charges_the_dense_product():
    found = work(lambda: nn.Embedding(11, 7)(IDS))
    assert ELECTRA.price(found) == 2 * 15 * 11 * 7
    assert ARITHMETIC.price(found) == MATMUL.price(found) == CALFLOPS.price(found) == 0
