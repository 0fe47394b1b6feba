"""`calprof MODEL --compare` and `calprof formula`."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
from click.testing import CliRunner, Result

from calprof.analytical import FORMULAS
from calprof.cli import cli


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, words, prog_name="calprof")


def test_a_model_beside_its_formulas() -> None:
    pytest.importorskip("transformers")
    done = subprocess.run(
        [sys.executable, "-m", "calprof", "llama-3.1-8b", "--seq", "53", "--compare", "--convention", "matmul"],
        capture_output=True, text=True, encoding="utf-8", timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 100
    rows = {line.split()[0]: line for line in done.stdout.splitlines() if line and not line.startswith(" ")}
    assert set(FORMULAS) <= set(rows)
    assert rows["exact"].endswith("1.0000  nothing")
    assert re.search(r"^ +products .* 100\.0% +0$", done.stdout, re.MULTILINE)


def test_the_comparison_in_json() -> None:
    pytest.importorskip("transformers")
    result = run("gpt2", "--seq", "19", "--compare", "--json", "-", "--set", "n_layer=2")
    data = json.loads(result.stdout)
    compared = data["comparison"]
    assert compared["flops"] == data["flops"]
    assert sum(row["recorded"] for row in compared["terms"]) == 2 * data["macs"]
    assert {entry["name"] for entry in compared["formulas"]} == set(FORMULAS)
    assert "comparison" not in json.loads(run("gpt2", "--seq", "5", "--json", "-", "--set", "n_layer=1").stdout)


def test_the_list_of_formulas() -> None:
    result = run("formula", "list")
    assert result.exit_code == 0, result.output
    assert max(map(len, result.stdout.splitlines())) <= 100
    assert set(FORMULAS) <= {line.split(" ")[0] for line in result.stdout.splitlines()}
    assert run("formula").stdout == run("formula", "--help").stdout
    assert "formula" in run("--help").stdout


@pytest.mark.parametrize(
    ("words", "flops"),
    [
        # PaLM 540B on one sequence: 2048 times the 3,277,734,806,784 FLOPs per token of its appendix B.
        (
            "palm --params 540_350_000_000 --layers 118 --heads 48 --head-size 256 --seq 2048",
            2048 * 3_277_734_806_784,
        ),
        # nanoGPT's notebook: forward_total of GPT-2, and its estimate of 6ND with N = 124,337,664.
        ("nanogpt --layers 12 --heads 12 --hidden 768 --seq 1024 --vocabulary 50257", 291_648_307_200),
        ("6nd --params 124,337,664 --seq 1024 --batch 3", 3 * 1024 * 6 * 124_337_664),
        ("2n --params 6.7B --seq 1", 13_400_000_000),
    ],
)
def test_a_formula_on_plain_numbers(words: str, flops: int) -> None:
    result = run("formula", *words.split())
    assert result.exit_code == 0, result.output
    assert f"({flops:,})" in result.stdout


@pytest.mark.parametrize("name", FORMULAS)
def test_every_formula_has_an_option_for_each_number(name: str) -> None:
    numbers = FORMULAS[name].parameters
    shown = run("formula", name, "--help").stdout
    for option, default in numbers.items():
        assert f"--{option.replace('_', '-')}" in shown
        assert option == "gated" or default is ... or isinstance(default, int)
    required = [f"--{option.replace('_', '-')}=12" for option, default in numbers.items() if default is ...]
    result = run("formula", name, *required)
    assert result.exit_code == 0, result.output
    value = FORMULAS[name].plain(**{option: 12 for option, default in numbers.items() if default is ...})
    assert f"({value:,})" in result.stdout or f"{value} FLOPs" in result.stdout


def test_a_gate_can_be_left_out() -> None:
    sizes = ("--layers=3", "--hidden=16", "--vocabulary=0", "--seq=8")
    assert "is no whole number" in run("formula", "megatron-deepspeed", *sizes).stderr
    sizes = ("--layers=3", "--hidden=16", "--vocabulary=32", "--seq=8")
    # 96·B·s·l·h²·(1 + s/6h + V/16lh) = 96·8·3·256·(1 + 1/12 + 1/24), and 4/3 of it.
    assert "(663,552)" in run("formula", "megatron-deepspeed", *sizes, "--no-gated").stdout
    assert "(884,736)" in run("formula", "megatron-deepspeed", *sizes).stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("plam", r"no formula is called 'plam'; the closest ones are palm"),
        ("palm --layers 118", r"Missing option '--params'"),
        ("6nd --params few --seq 3", r"'few' is no number: give one such as 4096, 6.7B or 1e9"),
        ("6nd --params 1.5 --seq 3", r"'1.5' is no whole number"),
        ("6nd --params 1e9 --seq -3", r"'-3' is no whole number"),
        ("6nd --params 1e999 --seq 3", r"'1e999' is no whole number"),
        ("6nd --params 1e9 --seq 3 --layers 2", r"No such option.*--layers"),
        ("exact --layers 2 --hidden 10 --heads 3 --vocabulary 7 --seq 5", r"hidden 10 is not a multiple of heads 3"),
    ],
    ids=str,
)
def test_a_mistake_is_one_sentence_and_status_2(words: str, says: str) -> None:
    result = run("formula", *words.split())
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("calprof: ")
    assert result.stderr.count("\n") == 1
    assert re.search(says, result.stderr)


def test_a_model_without_a_configuration_is_not_compared() -> None:
    result = run("squeezenet1_1", "--compare", "--shape", "1,3,64,64")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "no Hugging Face configuration" in result.stderr


def test_formulas_load_no_torch() -> None:
    code = """
import sys
from calprof.cli import cli
try:
    cli.main(["formula", "6nd", "--params", "10", "--seq", "3"])
except SystemExit:
    pass
assert "torch" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "180 FLOPs" in done.stdout
