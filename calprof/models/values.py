"""Questions that a model without values cannot answer, told by the line that asks them."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    UnsupportedFakeTensorException,
    UnsupportedOperatorException,
)

from calprof.models.construction import converted, real_copies
from calprof.models.fake import ShapesOnly

_OURS = str(Path(__file__).parents[1])
_REFUSALS = ("FakeTensor", ".numpy() is not supported", "Cannot access data pointer", "meta tensor")


class ValueNeeded(ValueError):
    """A forward or a constructor asked a tensor without storage for a value.

    Attributes:
        place: The file and line that asked.
        line: What that line says.
    """

    def __init__(self, place: str, line: str) -> None:
        self.place = place
        self.line = line
        super().__init__(
            f"{place} asks for a value (`{line}`), and a model without weights has none: "
            "run it for real, at reduced depth if it is large (--real --set num_hidden_layers=2; real=True, "
            "overrides={'num_hidden_layers': 2})"
        )


@contextmanager
def running(mode: ShapesOnly | None) -> Iterator[None]:
    """Runs a block under `mode`, if there is one; a forward may convert the model's parameters and copy known values.

    Raises:
        ValueNeeded: The block asked for a value that is not known.
    """
    if mode is None:
        yield
        return
    try:
        with mode, converted(), real_copies():
            yield
    except Exception as error:
        if not _is_question(error):
            raise
        raise ValueNeeded(*_asker(error)) from error


def _is_question(error: Exception) -> bool:
    kinds = (
        DataDependentOutputException,
        DynamicOutputShapeException,
        UnsupportedOperatorException,
        UnsupportedFakeTensorException,
    )
    return isinstance(error, kinds) or (
        isinstance(error, (RuntimeError, TypeError)) and any(text in str(error) for text in _REFUSALS)
    )


def _is_library(filename: str) -> bool:
    return "/torch/" in Path(filename).as_posix() or filename.startswith(_OURS)


def _asker(error: Exception) -> tuple[str, str]:
    """The innermost line that is neither PyTorch's nor calprof's."""
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if not _is_library(frame.filename)]
    frame = (theirs or frames)[-1]
    path = Path(frame.filename)
    parts = path.parts
    if "site-packages" in parts:
        path = Path(*parts[len(parts) - parts[::-1].index("site-packages") :])
    return f"{path.as_posix()}:{frame.lineno}", (frame.line or "?").strip()
