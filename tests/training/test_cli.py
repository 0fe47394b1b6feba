"""`calprof train-time`, and a training step on the main command."""

from __future__ import annotations

import json
import re

from click.testing import CliRunner

from calprof.cli import cli


def run(line):
    return CliRunner().invoke(cli, line.split(), prog_name="calprof")


def cell(output, label, column=0):
    line = next(line for line in output.splitlines() if line.strip().startswith(label + " "))
    return float(line.split(label, 1)[1].split()[column].replace(",", "").rstrip("%"))


def test_nanogpts_run():
    result = run("train-time --params 124337664 --tokens 300e9 --device a100 --count 8 --mfu 0.3 --price 2")
    assert result.exit_code == 0, result.output
    assert cell(result.output, "days") == 3.46
    # 6·124337664·300e9 FLOPs at 8 x 312e12 x 0.3, eight devices, 2 an hour.
    seconds = 6 * 124337664 * 300e9 / (8 * 312e12 * 0.3)
    assert cell(result.output, "device hours") == round(seconds * 8 / 3600)
    assert cell(result.output, "cost") == round(seconds * 16 / 3600)
    assert "A100" in result.output and "FLOPs with recomputation" not in result.output


def test_recomputation_takes_time_only_under_an_hfu():
    common = "train-time --params 1e9 --tokens 20e9 --device 312e12 --recompute"
    model, hardware = run(f"{common} --mfu 0.3"), run(f"{common} --hfu 0.4")
    assert cell(model.output, "days") == cell(hardware.output, "days")
    assert cell(model.output, "HFU") == 40.0 and cell(hardware.output, "MFU") == 30.0


def test_a_model_by_name_shows_both_counts():
    result = run("train-time hf:gpt2 --seq 1024 --tokens 300e9 --device a100 --count 8 --mfu 0.3")
    assert result.exit_code == 0, result.output
    assert "124,439,808 parameters" in result.output
    # nanoGPT: 874944921600 FLOPs for 1024 tokens.
    assert cell(result.output, "model FLOPs", 1) == float(f"{874944921600 / 1024 * 300e9:.4g}")
    assert cell(result.output, "model FLOPs", 0) == float(f"{6 * 124439808 * 300e9:.4g}")


def test_mistakes_are_one_sentence():
    for words, message in (
        ("--tokens 1e9 --device a100 --mfu 0.3", "give a model or --params"),
        ("--params 1e9 --tokens 1e9 --device abacus --mfu 0.3", "unknown device 'abacus'"),
        ("--params 1e9 --tokens 1e9 --device a100 --mfu 30", "30 % is 0.3"),
        ("--params 1e9 --tokens 1e9 --device a100", "exactly one of mfu and hfu"),
        ("--params 1e9 --tokens -1 --device a100 --mfu 0.3", "tokens"),
        ("--params 1e9 --tokens 1e9 --device a100 --mfu 0.3 --count -2", "count"),
        ("--params 1e9 --tokens 1e9 --device t4 --mfu 0.3 --dtype bf16", "bf16"),
    ):
        result = run(f"train-time {words}")
        assert result.exit_code == 2 and message in result.output, result.output
        assert len(result.output.strip().splitlines()) == 1


def test_an_exact_step_on_the_main_command():
    result = run("squeezenet1_1 --shape 1,3,64,64 --exact --json -")
    assert result.exit_code == 0, result.output
    data = json.loads(result.output)
    # The image needs no gradient: the first convolution, 64 filters of 3 x 3 x 3 on 31 x 31, has only its weight's.
    first = 64 * 27 * 31 * 31
    assert data["training"]["backward"]["macs"] == 2 * data["macs"] - first
    assert re.search("exact", data["training"]["basis"])
