"""One run, raw: what was called where, before any price."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from operator import itemgetter
from typing import Any

from calprof.recording.later import Later
from calprof.work import NOTHING, Cost, Work


@dataclass(frozen=True, slots=True)
class Call:
    """Equal calls of one op from one module.

    Attributes:
        module: Dotted path of the innermost running module, empty for the model itself.
        op: Normalised name of the op.
        family: The group of like ops it belongs to.
        count: How many times it ran with these shapes.
        cost: The work of all `count` calls and of their gradients.
        shapes: Sizes of the tensors it was given, then of its results; empty where many were merged.
        dtypes: Their dtypes, in the same order.
        phase: `forward`, `backward`, `recompute` or `optimizer`.
    """

    module: str
    op: str
    family: str
    count: int
    cost: Cost
    shapes: tuple[tuple[int, ...], ...] = ()
    dtypes: tuple[str, ...] = ()
    phase: str = "forward"


@dataclass(frozen=True, slots=True)
class Uncounted:
    """Calls whose work is not known, with the reason; never silently zero.

    Attributes:
        module: Dotted path of the innermost running module.
        op: Name of the function.
        count: How many times it ran.
        reason: Why it is not counted.
    """

    module: str
    op: str
    count: int
    reason: str


@dataclass(frozen=True, slots=True)
class ModuleRecord:
    """A module of the profiled model.

    Attributes:
        path: Dotted path, empty for the model itself.
        kind: Class name.
        calls: How many times its forward ran.
        params: Elements of its parameters and its children's, shared ones once.
        trainable_params: Those that require a gradient.
        ignored: Whether the caller asked to leave its work out.
    """

    path: str
    kind: str
    calls: int = 0
    params: int = 0
    trainable_params: int = 0
    ignored: bool = False


@dataclass(frozen=True, slots=True)
class Counted:
    """An op called with the same shapes, wherever: what `Call` rows are made of.

    Attributes:
        op: Normalised name of the op.
        family: The group of like ops it belongs to.
        cost: The work of one call and of its gradient.
        shapes: Sizes of the tensors it was given, then of its results.
        dtypes: Their dtypes.
        places: For each place in the run that made such calls its number, and how many.
    """

    op: str
    family: str
    cost: Cost
    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[str, ...]
    places: Sequence[tuple[int, int]]


class Calls(Later[Call]):
    """The calls of a run in the order of the places that made them, and their work without making them.

    Args:
        counted: The distinct calls.
        modules: The module of each place, by number.
        merged: Rows of calls that were added up during the run.
    """

    def __init__(self, counted: Sequence[Counted], modules: Sequence[str], merged: Sequence[Call] = ()) -> None:
        super().__init__(lambda: _rows(counted, modules, merged))
        self._counted, self._merged = counted, merged

    @cached_property
    def work(self) -> Work:
        """The work of all calls, without their gradients."""
        counts: dict[str, int] = {}
        for each in self._counted:
            times = sum([count for _, count in each.places])
            for kind, count in each.cost.forward.items():
                counts[kind] = counts.get(kind, 0) + count * times
        return sum((call.cost.forward for call in self._merged), Work(**counts))


def _rows(counted: Iterable[Counted], modules: Sequence[str], merged: Iterable[Call]) -> Iterator[Call]:
    rows = [(number, each, count) for each in counted for number, count in each.places]
    for number, each, count in sorted(rows, key=itemgetter(0)):
        yield Call(modules[number], each.op, each.family, count, each.cost * count, each.shapes, each.dtypes)
    yield from merged


@dataclass(frozen=True, slots=True)
class Recording:
    """One run: calls, uncounted calls and the modules they belong to.

    Recordings add up: `a + b` is both runs together.

    Attributes:
        calls: Every counted call, merged by module, op and shapes.
        uncounted: Every call whose work is not known.
        modules: Every module of the model, in registration order.
        seconds: Wall-clock time spent recording.
        notes: What a reader must know to read the numbers, such as an assumption that was made.
        grads: Whether autograd was on and which operands require a gradient was noted.
    """

    calls: Sequence[Call] = ()
    uncounted: tuple[Uncounted, ...] = ()
    modules: Sequence[ModuleRecord] = ()
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    grads: bool = False

    def __add__(self, other: Recording) -> Recording:
        modules = {record.path: record for record in self.modules}
        for record in other.modules:
            mine = modules.get(record.path)
            calls = record.calls + (mine.calls if mine else 0)
            modules[record.path] = ModuleRecord(**{**asdict(mine or record), "calls": calls})
        return Recording(
            (*self.calls, *other.calls),
            self.uncounted + other.uncounted,
            tuple(modules.values()),
            self.seconds + other.seconds,
            tuple(dict.fromkeys(self.notes + other.notes)),
            self.grads and other.grads,
        )

    @property
    def work(self) -> Work:
        """The work of all calls, without their gradients."""
        if isinstance(self.calls, Calls):
            return self.calls.work
        return sum((call.cost.forward for call in self.calls), NOTHING)

    def with_notes(self, notes: Iterable[str]) -> Recording:
        """Returns the same run with more to say about it."""
        more = tuple(dict.fromkeys((*self.notes, *notes)))
        return self if more == self.notes else replace(self, notes=more)

    def to_dict(self) -> dict[str, Any]:
        """Returns plain data that `from_dict` reads back, for JSON."""
        return {
            "calls": [
                {**_fields(call, "cost"), "work": dict(call.cost.forward), "backward": dict(call.cost.backward)}
                for call in self.calls
            ],
            "uncounted": [asdict(call) for call in self.uncounted],
            "modules": [asdict(record) for record in self.modules],
            "seconds": self.seconds,
            "notes": list(self.notes),
            "grads": self.grads,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Recording:
        """Returns the recording that `to_dict` wrote."""
        calls = []
        for item in data["calls"]:
            fields = dict(item)
            cost = Cost(Work(**fields.pop("work")), Work(**fields.pop("backward")))
            fields["shapes"] = tuple(tuple(shape) for shape in fields["shapes"])
            fields["dtypes"] = tuple(fields["dtypes"])
            calls.append(Call(cost=cost, **fields))
        return cls(
            tuple(calls),
            tuple(Uncounted(**item) for item in data["uncounted"]),
            tuple(ModuleRecord(**item) for item in data["modules"]),
            data["seconds"],
            tuple(data["notes"]),
            data.get("grads", False),
        )


def _fields(record: Call, *without: str) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__dataclass_fields__ if name not in without}
