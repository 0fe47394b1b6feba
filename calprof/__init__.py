"""calprof: FLOPs and MACs of any PyTorch model, per op and per module, from one real forward."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from calprof.api import calculate_flops, profile
    from calprof.conventions import CONVENTIONS, Convention
    from calprof.cost.training import Passes
    from calprof.named import calculate_flops_hf, profile_by_name
    from calprof.ops.registry import formula
    from calprof.profiler import FlopProfiler
    from calprof.result import Profile
    from calprof.steps import Step, profile_step
    from calprof.work import Cost, Work

__version__ = "0.1.0"
__all__ = [
    "CONVENTIONS", "Convention", "Cost", "FlopProfiler", "Passes", "Profile", "Step", "Work", "calculate_flops",
    "calculate_flops_hf", "formula", "profile", "profile_by_name", "profile_step",
]  # fmt: skip

_HOMES = {
    "CONVENTIONS": "conventions", "Convention": "conventions", "Cost": "work", "FlopProfiler": "profiler",
    "Passes": "cost.training", "Profile": "result", "Work": "work", "calculate_flops": "api",
    "calculate_flops_hf": "named",
    "formula": "ops.registry", "profile": "api", "profile_by_name": "named",
    "Step": "steps", "profile_step": "steps",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    """Loads a public name on first use, so that `import calprof` and the command line start at once."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'calprof' has no attribute {name!r}")
    value = getattr(import_module(f"calprof.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
