"""The README's generated blocks are what the code prints today."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_generated_blocks_are_current():
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "readme.py", "--check"], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_readme_never_says_flops_for_a_rate():
    assert "FLOPS" not in (ROOT / "README.md").read_text()
