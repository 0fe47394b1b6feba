"""What a name stands for: how to construct the model, and what to feed it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from calprof.inputs.arguments import Inputs


REMEDY = "change what its builder is given (--set KEY=VALUE, overrides=)"


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes a caller chose; None where the model's own default stands.

    Attributes:
        shape: All sizes of one tensor input, batch first.
        batch: Samples.
        seq: Text tokens of each sample.
        image_size: Height and width in pixels, one number for both.
        seconds: Length of the sound.
        frames: Frames of a video.
    """

    shape: tuple[int, ...] | None = None
    batch: int | None = None
    seq: int | None = None
    image_size: int | tuple[int, int] | None = None
    seconds: float | None = None
    frames: int | None = None

    def __post_init__(self) -> None:
        for name in ("batch", "seq", "seconds", "frames"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float)) or value <= 0):
                raise ValueError(f"{name} must be a positive number, not {value!r}")

    def refuse(self, model: str, kind: str, *names: str) -> None:
        """Raises ValueError if one of the sizes `names` was given to a model that takes something else."""
        for name in names:
            if getattr(self, name) is not None:
                raise ValueError(f"{model} takes {kind}: {name} does not apply to it")

    def edges(self) -> tuple[int, int] | None:
        """Returns height and width, None where no image size was given."""
        if self.image_size is None or isinstance(self.image_size, tuple):
            return self.image_size
        return (self.image_size, self.image_size)


@dataclass(frozen=True, slots=True)
class Blueprint:
    """A model that is not built yet.

    Attributes:
        label: Where it is from and what it is called, as `torchvision resnet50`.
        construct: Builds it; run under a fake mode nothing is stored.
        inputs: Makes the arguments of one forward for the model that was built.
        existing: The user's own real model, where the name stands for one; `construct` then returns it.
        notes: What a reader of the figures must know.
        remedy: What to change where a library refuses to build it; empty where it is the user's own code.
    """

    label: str
    construct: Callable[[], torch.nn.Module]
    inputs: Callable[[torch.nn.Module], Inputs]
    existing: bool = False
    notes: tuple[str, ...] = ()
    remedy: str = ""


def is_ours(error: Exception) -> bool:
    """Returns whether calprof's own code raised the error, not a model's or a library's."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and str(trace.tb_frame.f_globals.get("__name__", "")).startswith("calprof")


def called(build: Callable[..., Any], label: str, options: Mapping[str, Any]) -> Any:
    """Returns `build(**options)`; an option it does not take is refused by name.

    Raises:
        ValueError: `build` takes no such option.
    """
    try:
        return build(**options)
    except TypeError as error:
        unknown = [name for name in options if f"'{name}'" in str(error)]
        if not unknown:
            raise
        raise ValueError(f"{label} takes no option {unknown[0]!r}: {error}") from error
