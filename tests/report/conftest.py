"""Hand-made profiles and golden files; `--update-golden` rewrites the files."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from calprof.profiles import Profile
from calprof.recording.recording import Call, ModuleRecord, Recording, Uncounted
from calprof.work import Cost, Work

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite tests/report/golden")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compares a text with a file of that name."""
    update = request.config.getoption("--update-golden", default=False)

    def check(name: str, text: str) -> None:
        path = GOLDEN / name
        if update:
            GOLDEN.mkdir(exist_ok=True)
            path.write_text(text + "\n", encoding="utf-8", newline="\n")
        assert path.exists(), f"{path} is missing; run pytest tests/report --update-golden"
        assert text + "\n" == path.read_text(encoding="utf-8")

    return check


def call(module: str, op: str, family: str, count: int = 1, **work: int) -> Call:
    return Call(module, op, family, count, Cost(Work(**work)))


BLOCKS = 5
TOKENS, VOCABULARY, WIDTH, HIDDEN = 7, 101, 13, 31
SPARE = 17


@pytest.fixture
def decoder() -> Profile:
    """A decoder of five equal blocks with a tied head, a spare layer and a call nobody can price."""
    embedding, linear, narrow = VOCABULARY * WIDTH, WIDTH * HIDDEN, WIDTH * WIDTH
    block = narrow + linear
    records = [
        ModuleRecord("", "Decoder", 1, embedding + BLOCKS * block + SPARE + WIDTH, embedding + BLOCKS * block + WIDTH),
        ModuleRecord("embed", "Embedding", 1, embedding, embedding),
        ModuleRecord("layers", "ModuleList", 0, BLOCKS * block, BLOCKS * block),
    ]
    calls = []
    uncounted = []
    for index in range(BLOCKS):
        path = f"layers.{index}"
        records += [
            ModuleRecord(path, "Block", 1, block, block),
            ModuleRecord(f"{path}.attention", "Attention", 1, narrow, narrow),
            ModuleRecord(f"{path}.attention.query", "Linear", 1, narrow, narrow),
            ModuleRecord(f"{path}.up", "Linear", 1, linear, linear),
            ModuleRecord(f"{path}.act", "GELU", 2),
        ]
        calls += [
            call(f"{path}.attention.query", "linear", "matmul", mac=TOKENS * narrow),
            call(
                f"{path}.attention",
                "scaled_dot_product_attention",
                "attention",
                mac=911,
                masked_mac=757,
                softmax=49,
            ),
            call(f"{path}.up", "linear", "matmul", mac=TOKENS * linear, linear_bias=TOKENS * HIDDEN),
            call(f"{path}.act", "gelu", "activation", 2, gelu=2 * TOKENS * HIDDEN),
            call(path, "add", "pointwise", 2, add=2 * TOKENS * WIDTH),
        ]
        uncounted.append(Uncounted(f"{path}.attention", "unique", 2, "its cost depends on the values"))
    records += [
        ModuleRecord("spare", "Linear", 0, SPARE, 0),
        ModuleRecord("head", "Linear", 1, embedding, embedding),
    ]
    calls += [
        call("head", "linear", "matmul", mac=TOKENS * embedding),
        call("", "mul", "pointwise", multiply=TOKENS),
    ]
    recording = Recording(tuple(calls), tuple(uncounted), tuple(records), 0.25, ("routing is taken as balanced",))
    return Profile(recording, kind="Decoder", input="1x7 tokens (input_ids)")


@pytest.fixture
def strange() -> Profile:
    """Names that terminals, markup, HTML and Markdown would take for something else."""
    names = [
        "[red]bold[/red]",
        "<script>alert(1)</script>",
        "a|b`c",
        "tab\tbell\a\x1b[31m",
        "宽" * 40,
        "long_" * 40,
    ]
    records = [ModuleRecord("", "[bold]Model", 1)]
    records += [ModuleRecord(name, f"Class<{index}>", 1) for index, name in enumerate(names)]
    calls = [call(name, "[blink]op", "<b>family</b>", mac=index + 2) for index, name in enumerate(names)]
    uncounted = [Uncounted(names[1], "<i>op</i>", 1, "[reason] & more")]
    return Profile(Recording(tuple(calls), tuple(uncounted), tuple(records)), kind="[bold]Model", input="<x>")


def grown(seed: int) -> Profile:
    """A random tree, many of whose siblings are equal."""
    chance = random.Random(seed)
    records: list[ModuleRecord] = []
    calls: list[Call] = []

    def grow(path: str, level: int, like: int) -> int:
        shape = random.Random(like)
        place = len(records)
        records.append(ModuleRecord(path, f"Kind{like % 7}", 1))
        params = shape.choice([0, shape.randrange(10**6)])
        if shape.random() < 0.7:
            work = {"mac": shape.randrange(10 ** shape.randrange(1, 12)), "add": shape.randrange(10**4)}
            calls.append(call(path, shape.choice(["conv2d", "linear", "mul"]), "any", **work))
        if level < 3:
            for index in range(shape.randrange(6)):
                same = shape.randrange(3) + like * 3 + 1
                params += grow(f"{path}.{index}" if path else str(index), level + 1, same)
        records[place] = ModuleRecord(path, f"Kind{like % 7}", shape.randrange(1, 4), params, params)
        return params

    grow("", 0, chance.randrange(1000))
    return Profile(Recording(tuple(calls), (), tuple(records)), kind="Grown", input="none")


@pytest.fixture(params=range(12))
def random_profile(request: pytest.FixtureRequest) -> Profile:
    return grown(request.param)
