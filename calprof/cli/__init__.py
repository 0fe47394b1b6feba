"""The command line: `calprof MODEL` profiles a model, other first words are commands of their own.

Each command is one file of this package, imported when it is used; none imports torch or rich before it runs.
"""

from __future__ import annotations

from calprof.cli.group import cli, main

__all__ = ["cli", "main"]
