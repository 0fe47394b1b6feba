"""The printed tree, read back: its columns add up, its lines fit, it says what it must."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

import pytest
from rich.cells import cell_len
from rich.console import Console

from calprof.cost.training import Passes, training_by_factor
from calprof.profiles import Profile
from calprof.report import report_text
from calprof.report.text import to_text
from calprof.report.tree import render

SCALES = {"": 0, "K": 3, "M": 6, "G": 9, "T": 12, "P": 15}


@dataclass
class Line:
    """A printed line: its label, each figure as a range that the rounded digits stand for, its children."""

    label: str
    low: list[Fraction]
    high: list[Fraction]
    children: list[Line] = field(default_factory=list)


def figure(text: str) -> tuple[Fraction, Fraction]:
    digits, prefix = re.fullmatch(r"([\d.]+)(?: ?([KMGTP%]))?", text).groups()  # type: ignore[union-attr]
    scale = Fraction(10) ** SCALES.get(prefix or "", 0)
    decimals = len(digits.partition(".")[2])
    slack = Fraction(1, 2 * 10**decimals) if decimals else Fraction(0)
    return (Fraction(digits) - slack) * scale, (Fraction(digits) + slack) * scale


def read(text: str, columns: int) -> Line:
    """Reads the lines of a printed tree back; lines saying `each` are no part of the sums."""
    stack: list[tuple[int, Line]] = []
    root = None
    for printed in text.splitlines():
        match = re.search(rf"((?:\s+[\d.]+(?: [KMGTP]|%)?){{{columns}}})\s*$", printed)
        if not match or "each of the" in printed:
            continue
        label = printed[: match.start()]
        guides = re.match(r"(?:(?:│  |   )*(?:├─ |└─ ))?", label)[0]  # type: ignore[index]
        ranges = [figure(each) for each in re.findall(r"[\d.]+(?: [KMGTP]|%)?", match[1])]
        line = Line(label[len(guides) :].strip(), [low for low, _ in ranges], [high for _, high in ranges])
        level = len(guides) // 3
        while stack and stack[-1][0] >= level:
            stack.pop()
        if stack:
            stack[-1][1].children.append(line)
        else:
            assert root is None, f"a second root: {printed!r}"
            root = line
        stack.append((level, line))
    assert root is not None
    return root


def check_sums(line: Line, columns: range) -> int:
    """Asserts that the rows below each row can add up to it, and returns how many rows were checked."""
    if not line.children:
        return 0
    for column in columns:
        low = sum(child.low[column] for child in line.children)
        high = sum(child.high[column] for child in line.children)
        assert low <= line.high[column], (line.label, column)
        assert high >= line.low[column], (line.label, column)
    return 1 + sum(check_sums(child, columns) for child in line.children)


OPTIONS = [
    {},
    {"fold": False},
    {"depth": 1},
    {"depth": 2, "sort": "flops"},
    {"top": 2},
    {"top": 1, "sort": "params"},
    {"sort": "macs"},
    {"limit": 10},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_rows_below_a_row_add_up_to_it(random_profile: Profile, options: dict[str, object]) -> None:
    root = read(to_text(render(random_profile, **options)), 4)  # type: ignore[arg-type]
    check_sums(root, range(4))
    assert root.low[3] <= 100 <= root.high[3] or not random_profile.flops


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("recompute", [0, 1])
def test_training_columns_add_up_too(random_profile: Profile, options: dict[str, object], recompute: int) -> None:
    step = training_by_factor(random_profile, Passes(recompute=recompute))
    phases = 3 if recompute and random_profile.flops else 2
    columns = phases + 4  # params, MACs, the phases, their total, the share
    root = read(to_text(render(random_profile, training=step, **options)), columns)  # type: ignore[arg-type]
    check_sums(root, range(columns))
    assert sum(root.low[2 : 2 + phases]) <= root.high[2 + phases]
    assert sum(root.high[2 : 2 + phases]) >= root.low[2 + phases]


def test_the_reader_of_these_tests_sees_a_wrong_sum(decoder: Profile) -> None:
    text = to_text(render(decoder))
    columns = range(1, 4)  # the head shares its parameters
    assert check_sums(read(text, 4), columns) == 4
    # The MACs of the blocks, printed too large.
    broken = re.sub(r"(0-4 \(5x Block\)\s+\S+ K\s+)\S+ K", r"\g<1>99.99 K", text)
    assert broken != text
    with pytest.raises(AssertionError, match="layers"):
        check_sums(read(broken, 4), columns)


def test_equal_siblings_are_one_line_with_the_sum_and_each(decoder: Profile) -> None:
    text = to_text(render(decoder))
    assert text.count("(5x Block)") == 1
    assert "0-4 (5x Block)" in text
    assert "query (5x Linear)" in text
    (sums,) = [line for line in text.splitlines() if "0-4" in line]
    (each,) = [line for line in text.splitlines() if "each of the 5" in line]
    macs = 7 * 13 * 13 + 911 + 757 + 7 * 13 * 31
    assert f"{5 * macs / 1000:.2f} K" in sums
    assert f"{macs / 1000:.2f} K" in each
    # Four more blocks of seven lines, and no line for each.
    assert len(to_text(render(decoder, fold=False)).splitlines()) == len(text.splitlines()) + 4 * 7 - 1


def test_blocks_that_differ_stay_apart(decoder: Profile) -> None:
    calls = decoder.recording.calls
    last = max(index for index, each in enumerate(calls) if each.module == "layers.2.up")
    changed = type(decoder)(
        type(decoder.recording)(calls[:last] + calls[last + 1 :], (), decoder.recording.modules),
        kind="Decoder",
    )
    text = to_text(render(changed))
    assert "0-1,3-4 (4x Block)" in text
    assert "2 (Block)" in text


def test_leaves_in_a_stack_keep_their_order() -> None:
    from calprof.recording.recording import ModuleRecord, Recording

    kinds = ["Conv", "ReLU", "Conv", "ReLU", "ReLU"]
    records = (ModuleRecord("", "Stack", 1), *(ModuleRecord(str(i), kind, 1) for i, kind in enumerate(kinds)))
    text = to_text(render(Profile(Recording(modules=records), kind="Stack")))
    labels = [re.sub(r"\s{2,}.*", "", line[3:]) for line in text.splitlines()[2:]]
    assert labels == ["0 (Conv)", "1 (ReLU)", "2 (Conv)", "3-4 (2x ReLU)"]


def test_own_work_is_a_row_that_names_its_ops(decoder: Profile) -> None:
    text = to_text(render(decoder))
    assert re.search(r"└─ \(own\) scaled_dot_product_attention +0 +8\.34 K", text)
    assert re.search(r"└─ \(own\) mul ", text)
    assert "act (5x GELU) x2" in text
    assert "spare (Linear) not called" in text


def test_depth_and_top(decoder: Profile) -> None:
    assert len(to_text(render(decoder, depth=0)).splitlines()) == 2
    shallow = to_text(render(decoder, depth=1))
    assert "embed" in shallow
    assert "Block" not in shallow
    top = to_text(render(decoder, depth=1, top=2))
    assert "… 2 more" in top
    assert "layers" in top
    assert "head" in top
    assert "spare" not in top
    limited = to_text(render(decoder, limit=8))
    assert limited == to_text(render(decoder, depth=2)) + "\n2 more levels below; --depth or depth= shows more"
    assert to_text(render(decoder, limit=100)) == to_text(render(decoder))


def test_sorting_puts_the_largest_first(decoder: Profile) -> None:
    text = to_text(render(decoder, depth=1, sort="macs"))
    names = re.findall(r"[├└]─ (\w+)", text)
    assert names[:2] == ["layers", "head"]
    assert re.findall(r"[├└]─ (\w+)", to_text(render(decoder, depth=1)))[:2] == ["embed", "layers"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": -1}, "depth"),
        ({"top": 0}, "top"),
        ({"sort": "size"}, "flops, macs, params"),
        ({"depth": 1.5}, "depth"),
    ],
)
def test_bad_options_are_named(decoder: Profile, options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        render(decoder, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("train", [False, True])
def test_no_line_is_wider_than_100_characters(
    strange: Profile, decoder: Profile, random_profile: Profile, train: bool
) -> None:
    for profile in (strange, decoder, random_profile):
        step = training_by_factor(profile, Passes(recompute=1)) if train else None
        assert max(cell_len(line) for line in report_text(profile, training=step).splitlines()) <= 100


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_a_terminal_of_any_width_is_not_overrun(decoder: Profile, strange: Profile, width: int) -> None:
    for profile in (decoder, strange):
        text = to_text(render(profile), width)
        assert max(cell_len(line) for line in text.splitlines()) <= min(width, 100)
        assert len(text.splitlines()) == len(to_text(render(profile)).splitlines())


def test_names_are_not_markup(strange: Profile) -> None:
    text = report_text(strange)
    assert "[red]bold[/red]" in text
    assert "[bold]Model" in text
    assert "\x1b" not in text
    assert "\a" not in text
    assert "long_long" in text
    assert "…" in text


def test_plain_when_piped_and_coloured_on_a_terminal(decoder: Profile) -> None:
    assert "\x1b" not in report_text(decoder)
    console = Console(force_terminal=True, color_system="standard", width=100)
    with console.capture() as capture:
        console.print(render(decoder))
    assert "\x1b[" in capture.get()
    assert [line.rstrip() for line in re.sub(r"\x1b\[[\d;]*m", "", capture.get()).splitlines()] == to_text(
        render(decoder)
    ).splitlines()


def test_an_encoding_without_guides_gets_ascii(decoder: Profile) -> None:
    text = to_text(render(decoder, top=2), encoding="ascii")
    assert text.isascii()
    assert "|- " in text
    assert "?" not in text


def test_the_same_profile_prints_the_same(random_profile: Profile) -> None:
    assert report_text(random_profile) == report_text(random_profile)


def test_golden(decoder: Profile, golden: Callable[[str, str], None]) -> None:
    golden("decoder.txt", report_text(decoder))
    step = training_by_factor(decoder, Passes(recompute=1))
    golden("decoder_training.txt", report_text(decoder, training=step, sort="flops", ops=3))
    golden("decoder_causal.txt", report_text(decoder.under("matmul-causal"), depth=2))
