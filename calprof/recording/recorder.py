"""The recorder: what is switched on while a model runs, and switched off again whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from time import perf_counter
from types import TracebackType
from typing import Any

import torch

from calprof.ops.registry import Op
from calprof.recording.compilation import eager
from calprof.recording.control import run
from calprof.recording.evaluation import Evaluated, evaluate
from calprof.recording.following import following
from calprof.recording.interception import Interception
from calprof.recording.inventory import inventory, note
from calprof.recording.later import Later
from calprof.recording.modules import Tally
from calprof.recording.opaque import opaque
from calprof.recording.patching import exchanged, wrapped
from calprof.recording.popping import popped
from calprof.recording.reach import ancestors, custom_functions, differentiable, loss_of, mark_unreached
from calprof.recording.recording import Call, Calls, Counted, ModuleRecord, Recording, Uncounted
from calprof.recording.script import scripted
from calprof.recording.transforms import batched, dual
from calprof.recording.walking import Survey, Walk, walk
from calprof.work import NOTHING, Cost

_DISTINCT_LIMIT = 10_000
"""Distinct calls held before they are priced and merged per module and op: about 15 MB."""

IgnoreRule = type | str


class Recorder:
    """Records every call made inside a `with` block, any number of times.

    Args:
        model: The model whose modules work is attributed to; without one, modules are named by class.
        grads: Whether to note which operands require a gradient, for the exact backward.
        ignore: Module classes, class names or dotted paths whose work is left out.
        seen: What a look at the model's modules has found, where the run exchanges none for another.
        changed: Called while recording, whenever another module runs from then on.

    Raises:
        ValueError: An `ignore` rule that matches no module.
    """

    def __init__(
        self,
        model: torch.nn.Module | None = None,
        *,
        grads: bool = False,
        ignore: Collection[IgnoreRule] | IgnoreRule = (),
        seen: Survey | None = None,
        changed: Callable[[], None] | None = None,
    ) -> None:
        self.model = model
        self.grads = grads
        self._changed = changed
        self._seen = seen
        found = walk(model) if seen is None else seen.found
        self._ignored = _ignored_modules(found, [ignore] if isinstance(ignore, (type, str)) else list(ignore))
        self._tally = Tally(found)
        self._merged: dict[tuple[str, str, str], tuple[int, Cost]] = {}
        self._uncounted: dict[tuple[str, str, str], int] = {}
        self._notes: dict[str, None] = {}
        self._seconds = 0.0
        self._open: ExitStack | None = None
        self._started = 0.0

    def __enter__(self) -> Recorder:
        if self._open is not None:
            raise RuntimeError("this profiler is recording already; nest two profilers instead of one twice")
        with ExitStack() as stack:
            stack.enter_context(eager())
            stack.enter_context(following(self._tally, self._changed))
            mode = Interception(self._tally, self.grads, self._settle, run, self._notes)
            stack.enter_context(exchanged(popped()))
            stack.enter_context(wrapped([*batched(mode), *dual(mode), *scripted(mode)]))
            stack.enter_context(opaque(mode, self.model, self._notes))
            stack.enter_context(mode)
            self._open = stack.pop_all()
        self._started = perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._seconds += perf_counter() - self._started
        stack, self._open = self._open, None
        assert stack is not None
        stack.close()
        self._tally.events.append(None)  # modules may be running still
        self._tally.traces.clear()  # they hold the autograd graph alive

    @property
    def tally(self) -> Tally:
        """What is being counted: the running scope and its calls."""
        return self._tally

    def differentiate(self, output: Any) -> None:
        """Leaves the gradient out of calls that `output` does not depend on; to be called before the block ends.

        A loss in the output (`output.loss`) stands for all of it. Without this, every result that requires a
        gradient is taken to get one.
        """
        if not self.grads:
            return
        loss = loss_of(output)
        reached = ancestors(differentiable(output if loss is None else loss))
        mark_unreached(self._tally, reached)
        for name in custom_functions(reached):
            note = f"the backward of the custom autograd function {name} is not in the exact count"
            self._notes[f"{note}; profile_step measures it"] = None

    def recording(self) -> Recording:
        """Returns what has been recorded so far."""
        paths = tuple(self._tally.paths())
        self._tell_threads()
        counted: list[Counted] = []
        uncounted = dict(self._uncounted)
        for op, found, places in self._priced():
            if found.reason:
                for scope, count in places.items():
                    place = (paths[scope], op.name, found.reason)
                    uncounted[place] = uncounted.get(place, 0) + count
            else:
                where = tuple(places.items())
                counted.append(Counted(op.name, op.family, found.cost, found.shapes, found.dtypes, where))
        merged = [Call(*place, count, cost) for place, (count, cost) in self._merged.items()]
        return Recording(
            Calls(counted, paths, merged),
            tuple(Uncounted(module, op, count, reason) for (module, op, reason), count in uncounted.items()),
            self._module_records(paths),
            self._seconds,
            tuple(self._notes),
            self.grads,
        )

    def _priced(self) -> Iterator[tuple[Op, Evaluated, Mapping[int, int]]]:
        """Yields every distinct call, what it costs, and how often it was made in which scope."""
        left_out = self._tally.below(self._ignored) if self._ignored else None
        for key, places in self._tally.table.items():
            if left_out is not None:
                places = {scope: count for scope, count in places.items() if not left_out[scope]}
            if places:
                yield key[0], evaluate(key, self.grads), places

    def _tell_threads(self) -> None:
        """Notes the model's modules that ran in another thread, as `DataParallel` runs its copies of them."""
        if not self._tally.elsewhere:
            return
        mine = set(map(id, walk(self.model).values()))
        elsewhere = self._tally.elsewhere.items()
        missed = [each for number, each in elsewhere if number in mine or getattr(each, "_is_replica", False)]
        if missed:
            kinds = ", ".join(sorted({type(each).__name__ for each in missed}))
            self._notes[f"modules of the model ran in another thread, where nothing is counted: {kinds}"] = None

    def _settle(self) -> None:
        """Counts what has piled up; where too many calls are distinct, keeps their totals per module and op alone.

        Not while gradients are noted, because which calls they reach is known only at the end.
        """
        self._tally.replay()
        if self._tally.distinct > _DISTINCT_LIMIT and not self.grads:
            self._merge()

    def _merge(self) -> None:
        for op, found, places in self._priced():
            for scope, count in places.items():
                path = self._tally.path(scope)
                if found.reason:
                    reason = (path, op.name, found.reason)
                    self._uncounted[reason] = self._uncounted.get(reason, 0) + count
                else:
                    place = (path, op.name, op.family)
                    seen, cost = self._merged.get(place, (0, Cost(NOTHING)))
                    self._merged[place] = (seen + count, cost + found.cost * count)
        self._tally.clear()

    def _module_records(self, paths: Sequence[str]) -> Later[ModuleRecord]:
        noted = note(walk(self.model) if self._seen is None else self._seen.found)
        if self._seen is not None and self._seen.children != noted.children:
            noted = note(walk(self.model))  # it has made some of its modules during the run
        if self._tally.outsiders:
            known, met = set(noted.paths), zip(paths, self._tally.modules, strict=True)
            noted += note({path: each for path, each in met if each is not None and path not in known})
        return inventory(noted, zip(paths, tuple(self._tally.calls), strict=True), self._ignored)


def _ignored_modules(named: Walk, rules: list[IgnoreRule]) -> set[int]:
    ignored: set[int] = set()
    for rule in rules:
        if not isinstance(rule, (type, str)):
            raise TypeError(f"ignore_modules takes module classes and names, not {rule!r}")
        matches = {id(module) for path, module in named.items() if _matches(rule, path, module)}
        if not matches:
            name = rule if isinstance(rule, str) else rule.__name__
            raise ValueError(f"ignore_modules: no module of the model has the class or path {name!r}")
        ignored |= matches
    return ignored


def _matches(rule: IgnoreRule, path: str, module: torch.nn.Module) -> bool:
    if isinstance(rule, str):
        return rule in (path, type(module).__name__)
    return isinstance(module, rule)
