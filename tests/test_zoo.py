"""A sample of the zoo sweep: each model is profiled without weights, and its MACs are the dispatcher's."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

ZOO = Path(__file__).parent.parent / "benchmarks" / "zoo.py"
SEED = 7
TIMM = [
    "convnext_atto",
    "eva02_tiny_patch14_224",
    "ghostnet_050",
    "levit_128s",
    "mobilevitv2_050",
    "regnetx_002",
    "repvgg_a0",
    "res2net50_14w_8s",
    "sequencer2d_s",
    "tnt_s_legacy_patch16_224",
    "vit_tiny_patch16_224",
]
SMALL = [
    "albert",
    "altclip_text_model",
    "clip",
    "d_fine",
    "deepseek_v3",
    "detr",
    "ernie4_5_moe",
    "mamba2",
    "qwen2_vl",
    "segformer",
    "siglip",
    "switch_transformers",
    "t5",
    "time_series_transformer",
    "vits",
    "wav2vec2",
    "xlstm",
]


def swept(tmp_path, names, *options):
    """The rows of a sweep over these names."""
    output = tmp_path / "zoo.jsonl"
    match = "^(" + "|".join(names) + ")$"
    command = [sys.executable, str(ZOO), "--match", match, "--output", str(output), *options]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in output.read_text().splitlines()]


@pytest.mark.parametrize(
    ("names", "options"),
    [
        (random.Random(SEED).sample(TIMM, 4), ("--source", "timm")),
        (random.Random(SEED).sample(SMALL, 6), ("--source", "transformers", "--variant", "small")),
    ],
    ids=["timm", "transformers"],
)
def test_a_sample_is_exact(tmp_path, names, options):
    rows = swept(tmp_path, names, *options)
    assert sorted(row["name"] for row in rows) == sorted(names)
    assert [(row["name"], row["status"], row.get("uncounted")) for row in rows if row["status"] != "exact"] == []
    assert not any(row["uncounted"] for row in rows)
    assert all(row["macs"] == row["dispatcher"] > 0 for row in rows)


def test_new_sweeps_take_the_place_of_old_ones(monkeypatch):
    monkeypatch.syspath_prepend(str(ZOO.parent))
    from zoo_results import renewed

    def row(name, status, variant="default", source="timm"):
        return {"source": source, "name": name, "variant": variant, "group": "", "status": status, "reason": "E",
                "uncounted": {}, "tried": {"a": "b"}}  # fmt: skip

    before = renewed({}, [row("a", "failed"), row("b", "exact"), row("c", "failed", "small", "transformers")])
    assert [group["name"] for group in before["groups"]] == ["timm", "transformers, every type, small"]
    after = renewed(before, [row("c", "exact", "small", "transformers"), row("d", "refused", "small", "transformers")])
    assert [(group["models"], group["exact"]) for group in after["groups"]] == [(2, 1), (2, 1)]
    assert [line.partition(": ")[0] for line in after["remarks"]] == ["- timm:a", "- transformers:d (small)"]
