"""The command line: what it prints and writes, and one sentence for each mistake."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import calprof
from calprof.cli import cli

MODEL = ["squeezenet1_1", "--shape", "1,3,64,64"]


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, words, prog_name="calprof")


def python(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, encoding="utf-8", timeout=300, check=False
    )


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """One run that writes every file."""
    folder = tmp_path_factory.mktemp("report")
    files = [
        word
        for option, name in (("json", "a.json"), ("html", "a.html"), ("csv", "a.csv"), ("ops-csv", "ops.csv"))
        for word in (f"--{option}", str(folder / name))
    ]
    return folder, run(*MODEL, "--recompute", *files)


def test_a_model_by_name_prints_its_tree(report: tuple[Path, Result]) -> None:
    result = report[1]
    assert result.exit_code == 0, result.output
    assert re.search(r"^SqueezeNet +1\.24 M", result.output, re.MULTILINE)
    assert "expand1x1 (Conv2d)" in result.output
    assert "1x3x64x64" in result.output
    assert "forward x1, backward x2, recompute x1" in result.output
    assert "\x1b" not in result.output
    assert max(map(len, result.output.splitlines())) <= 100


def test_the_files_agree_with_each_other(report: tuple[Path, Result]) -> None:
    folder = report[0]
    data = json.loads((folder / "a.json").read_text(encoding="utf-8"))
    # torchvision states 1,235,496 parameters for its weights of this model.
    assert data["params"] == data["trainable_params"] == 1_235_496
    assert data["convention"] == "arithmetic"
    assert data["training"]["total"]["flops"] == 4 * data["flops"]
    assert "1x3x64x64" in data["input"]
    with (folder / "a.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["path"] for row in rows] == [entry["path"] for entry in data["modules"]]
    assert sum(int(row["own_macs"]) for row in rows) == data["macs"]
    with (folder / "ops.csv").open(encoding="utf-8") as file:
        assert sum(int(row["flops"]) for row in csv.DictReader(file)) == data["flops"]
    assert "<title>SqueezeNet" in (folder / "a.html").read_text(encoding="utf-8")


def test_standard_output_can_be_the_file() -> None:
    result = run(*MODEL, "--json", "-", "--convention", "matmul", "--ignore", "classifier")
    data = json.loads(result.stdout)
    assert data["flops"] == 2 * data["macs"]
    assert [entry["ignored"] for entry in data["modules"] if entry["path"] == "classifier"] == [True]


def test_options_come_before_or_after_the_model() -> None:
    before = run("--depth", "1", "--quiet", *MODEL)
    after = run(*MODEL, "--depth", "1", "--quiet")
    spelt = run("profile", *MODEL, "--depth", "1", "--quiet")
    assert before.exit_code == 0
    assert before.stdout == after.stdout == spelt.stdout
    assert before.stdout.count("\n") == 1
    assert re.match(r"SqueezeNet: [\d.]+ MFLOPs, [\d.]+ MMACs, 1\.24 M params \(arithmetic", before.stdout)


def test_depth_top_sort_and_markdown() -> None:
    shallow = run(*MODEL, "--depth", "2", "--top", "3", "--sort", "flops", "--train").stdout
    assert "… 10 more" in shallow
    assert "backward" in shallow
    assert "expand1x1" not in shallow
    markdown = run(*MODEL, "--markdown", "--depth", "1").stdout
    assert "| `features` | Sequential | 1 |" in markdown


def test_the_catalogue() -> None:
    result = run("ops", "--family", "convolution", "--markdown")
    assert result.exit_code == 0, result.output
    rows = [line.strip("| ").split(" | ") for line in result.stdout.splitlines()]
    assert rows[0] == ["function", "family", "kinds of work", "derivation"]
    listed = {row[0]: row for row in rows[2:]}
    assert {"conv1d", "conv2d", "conv_transpose3d"} <= set(listed)
    assert listed["conv2d"][2] == "mac, conv_bias"
    assert "dot product" in listed["conv2d"][3]
    assert (
        "| flash_attn.flash_attn_interface.flash_attn_func |"
        in run("ops", "--family", "attention", "--markdown").stdout
    )
    assert "reshape" in run("ops", "--free").stdout
    reasons = run("ops", "--uncountable", "--markdown").stdout
    assert "| _unique |" in reasons
    assert "| matmul |" not in reasons


def test_kinds_of_a_formula_are_those_it_emits() -> None:
    """Every kind that formulas return for real calls is among the kinds listed for them."""
    import torch

    from calprof.cli.ops import kinds_of
    from calprof.ops.registry import classify
    from calprof.recording.recorder import Recorder

    x = torch.randn(2, 3, 5)
    calls = {
        torch.nn.functional.linear: (x, torch.randn(7, 5), torch.randn(7)),
        torch.softmax: (x, -1),
        torch.addmm: (torch.randn(3, 7), torch.randn(3, 5), torch.randn(5, 7)),
        torch.nn.functional.gelu: (x,),
        torch.matmul: (x, torch.randn(5, 7)),
    }
    for function, arguments in calls.items():
        with Recorder() as recorder:
            function(*arguments)
        (recorded,) = recorder.recording().calls
        assert set(recorded.cost.forward) <= set(kinds_of(classify(function)))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["resnet5O"], r"'resnet5O'; the closest names are resnet50, \w+, \w+ \(looked in .*\)$"),
        (["resnet18", "--shape", "1,,3"], "'1,,3' is no shape"),
        (["resnet18", "--shape", "1,0"], "'1,0' is no shape"),
        (["resnet18", "--depth", "deep"], "'deep' is no depth"),
        (
            ["resnet18", "--convention", "best"],
            "unknown convention 'best'.*arithmetic, matmul, calflops, electra",
        ),
        (["resnet18", "--sort", "size"], "'flops', 'macs', 'params'"),
        (["resnet18", "--json", "/no/such/folder/a.json"], "folder that does not exist"),
        ([*MODEL, "--ignore", "Nothing"], "'Nothing'"),
        (["resnet18", "--shape", "1,4,32,32"], "expected input.*to have 3 channels"),
        (["--fast", "resnet18"], "--fast"),
        (["resnet18", "resnet34"], "unexpected extra argument"),
        (["ops", "--family", "none"], "unknown family 'none'.*convolution"),
    ],
    ids=str,
)
def test_a_mistake_is_one_sentence_and_status_2(words: list[str], says: str) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("calprof: ")
    assert result.stderr.count("\n") == 1
    assert re.search(says, result.stderr.strip())


def test_debug_shows_where() -> None:
    result = run("resnet18", "--shape", "1,4,32,32", "--debug")
    assert isinstance(result.exception, ValueError)
    assert "resnet18 refuses float32 1x4x32x32 (RuntimeError: Given groups=1" in str(result.exception)
    assert isinstance(result.exception.__cause__, RuntimeError)


def test_help_names_commands_and_options() -> None:
    for words in ([], ["--help"], ["-h"]):
        result = run(*words)
        assert result.exit_code == 0
        for word in ("MODEL", "ops", "--shape", "--convention", "--recompute", "--debug"):
            assert word in result.stdout
    assert run("--version").stdout.strip().endswith(calprof.__version__)


def test_help_loads_neither_torch_nor_rich() -> None:
    code = """
import sys
from calprof.cli import cli
try:
    cli.main(["--help"])
except SystemExit:
    pass
heavy = {"torch", "rich", "torchvision", "numpy"} & set(sys.modules)
assert not heavy, heavy
"""
    done = python("-c", code)
    assert done.returncode == 0, done.stderr
    # The check can fail: a command that prints a table loads rich.
    loud = python("-c", code.replace('["--help"]', '["ops", "--family", "fft"]'))
    assert loud.returncode != 0
    assert "AssertionError: {" in loud.stderr


def test_the_package_runs_as_a_module() -> None:
    done = python("-m", "calprof", *MODEL, "--depth", "1")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
    assert "├─ features (Sequential)" in done.stdout
    wrong = python("-m", "calprof", "resnet50", "--depth", "x")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr.startswith("calprof: ")
    assert wrong.stderr.count("\n") == 1
