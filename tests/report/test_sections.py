"""Header, op table, uncounted calls and notes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from calprof.conventions import MACS
from calprof.cost.training import Passes, training_by_factor
from calprof.profiles import Profile
from calprof.recording.recording import Recording
from calprof.report import op_table, report_text
from calprof.report.summary import causal_note, one_line, summarise
from calprof.report.tables import group_uncounted, notes_of
from calprof.report.text import to_text

MACS_TOTAL = 5 * (7 * 13 * 13 + 911 + 757 + 7 * 13 * 31) + 7 * 101 * 13


def test_the_header_names_model_input_convention_and_totals(decoder: Profile) -> None:
    lines = dict(summarise(decoder))
    assert lines["model"] == "Decoder"
    assert lines["input"] == "1x7 tokens (input_ids)"
    assert lines["convention"].startswith("arithmetic: ")
    assert lines["MACs"] == f"{MACS_TOTAL / 1000:.2f} KMACs ({MACS_TOTAL:,})"
    flops = 2 * MACS_TOTAL + 5 * (5 * 49 + 7 * 31 + 5 * 2 * 7 * 31 + 2 * 7 * 13) + 7
    assert lines["FLOPs"] == f"{flops / 1000:.2f} KFLOPs ({flops:,})"
    params = 101 * 13 + 5 * (13 * 13 + 13 * 31) + 13
    assert lines["params"] == f"{(params + 17) / 1000:.2f} K ({params + 17:,}), {params / 1000:.2f} K trainable"
    assert lines["recorded in"] == "250.00 ms"


def test_the_header_says_whether_masked_work_is_charged(decoder: Profile) -> None:
    masked = 5 * 757
    assert causal_note(decoder) == (
        f"attention above the diagonal charged ({masked / 1000:.2f} KMACs that a causal kernel may skip)"
    )
    assert "diagonal not charged" in report_text(decoder.under("matmul-causal"))
    without = replace(decoder, recording=Recording(modules=decoder.recording.modules))
    assert "diagonal" not in report_text(without)


def test_training_phases_are_in_the_header(decoder: Profile) -> None:
    text = report_text(decoder, training=training_by_factor(decoder, Passes(recompute=1)))
    assert "forward x1, backward x2, recompute x1" in text
    assert "KFLOPs forward + " in text
    assert f"x4 of the forward; {4 * MACS_TOTAL / 1000:.2f} KMACs" in text
    assert "recompute" not in report_text(decoder, training=training_by_factor(decoder)).split("module")[1]


def test_a_convention_that_counts_macs_prints_no_flops(decoder: Profile) -> None:
    text = report_text(decoder.under(MACS))
    assert "FLOP" not in text.replace("floating", "")


def test_no_report_says_flops_in_capitals(decoder: Profile) -> None:
    from calprof.report import report_html, to_json, to_markdown

    for text in (report_text(decoder), report_html(decoder), to_json(decoder), to_markdown(decoder)):
        assert "FLOPS" not in text


def test_one_line(decoder: Profile) -> None:
    macs = f"{MACS_TOTAL / 1000:.2f} KMACs"
    assert one_line(decoder.under(MACS)) == f"Decoder: {macs}, 4.20 K params (macs, forward, 1x7 tokens (input_ids))"
    assert f"{3 * MACS_TOTAL / 1000:.2f} KMACs" in one_line(decoder, training_by_factor(decoder))


def test_the_op_table_adds_up(decoder: Profile) -> None:
    table = op_table(decoder, top=2)
    assert [row.op for row in table.rows] == ["linear", "scaled_dot_product_attention"]
    assert sum(row.flops for row in table.rows + table.rest) == decoder.flops
    text = to_text(table)
    assert "… 3 more" in text
    # 5 blocks x (query, up) and the head.
    assert text.splitlines()[1].split()[:3] == ["linear", "matmul", "11"]
    assert "more" not in to_text(op_table(decoder))
    with pytest.raises(ValueError, match="top"):
        op_table(decoder, top=0)


def test_ops_without_flops_are_one_line(decoder: Profile) -> None:
    text = to_text(op_table(decoder.under("matmul"), top=20))
    assert "gelu" not in text
    assert "… 3 more" in text


def test_uncounted_calls_of_equal_layers_are_one_row(decoder: Profile) -> None:
    (row,) = group_uncounted(decoder)
    assert (row.module, row.modules, row.op, row.calls) == ("layers.*.attention", 5, "unique", 10)
    text = report_text(decoder)
    assert "not counted: 10 calls" in text
    assert "its cost depends on the values" in text


def test_notes(decoder: Profile) -> None:
    notes = notes_of(decoder)
    assert notes[0] == "routing is taken as balanced"
    assert notes[1] == "1 module never called, with 17 params that others may use: spare (Linear)"
    assert "shared" in notes[2]


def test_an_empty_profile_prints() -> None:
    text = report_text(Profile(Recording()))
    assert "0 FLOPs" in text
    assert "0 MACs" in text


def test_without_details_no_tree(decoder: Profile) -> None:
    text = report_text(decoder, detailed=False)
    assert "Block" not in text
    assert "not counted" in text
    assert "KFLOPs" in text
