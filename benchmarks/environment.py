"""What a result was measured with, and processes of its own for what must not touch the next measurement."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import signal
import time
from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def versions(distributions: Iterable[str]) -> dict[str, str]:
    """Returns the installed version of each distribution, `not installed` for the others."""
    found = {"python": platform.python_version()}
    for name in distributions:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def machine() -> dict[str, Any]:
    """Returns the processor, how many cores this process may use, how busy they are, and the threads PyTorch uses."""
    import torch

    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "threads": torch.get_num_threads(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def save(name: str, data: dict[str, Any]) -> Path:
    """Writes a result and returns its path."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n")
    return path


def load(name: str) -> dict[str, Any]:
    """Returns a saved result."""
    found: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())
    return found


def apart(function: Callable[[], Any], seconds: float = 300) -> Any:
    """Returns what `function` returns, run in a fork of this process: whatever it leaves behind ends with it.

    Raises:
        RuntimeError: It raised, was killed, or took longer than `seconds`; the message says which.
    """
    receiving, sending = os.pipe()
    child = os.fork()
    if not child:
        os.close(receiving)
        _answer(function, sending)
    os.close(sending)
    with os.fdopen(receiving, "rb") as pipe:
        text = _before(time.monotonic() + seconds, child, pipe.fileno())
    _, status = os.waitpid(child, 0)
    if text is None:
        raise RuntimeError(f"took longer than {seconds:g} s")
    if not text:
        raise RuntimeError(f"the process died with status {status}")
    answer = json.loads(text)
    if "failed" in answer:
        raise RuntimeError(answer["failed"])
    return answer["value"]


def why(error: BaseException) -> str:
    """Returns an exception as one short line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}".rstrip(": ")[:160]


def _answer(function: Callable[[], Any], pipe: int) -> None:
    """Writes what `function` returns, or why it does not, and ends the process without any clean-up."""
    try:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 1)
            os.dup2(nowhere.fileno(), 2)
        try:
            answer = {"value": function()}
        except BaseException as error:  # a peer may call sys.exit
            answer = {"failed": why(error)}
        with os.fdopen(pipe, "w") as out:
            json.dump(answer, out)
    finally:
        os._exit(0)


def _before(deadline: float, child: int, pipe: int) -> str | None:
    """Reads until the child closes the pipe; past the deadline the child is ended and there is no text."""
    import select

    chunks = []
    while True:
        ready, _, _ = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            return None
        chunk = os.read(pipe, 1 << 16)
        if not chunk:
            return b"".join(chunks).decode()
        chunks.append(chunk)


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
