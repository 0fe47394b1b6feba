"""`python -m calprof`: the command line."""

from __future__ import annotations

from calprof.cli import main

if __name__ == "__main__":
    main()
