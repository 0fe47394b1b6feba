"""The recorder: what is switched on while a model runs, and switched off again whatever happens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack
from time import perf_counter
from types import TracebackType
from typing import Any

import torch

from calprof.recording.compilation import eager
from calprof.recording.control import run
from calprof.recording.evaluation import evaluate
from calprof.recording.interception import Interception
from calprof.recording.modules import Scope, Tally, follow
from calprof.recording.opaque import opaque
from calprof.recording.reach import ancestors, custom_functions, differentiable, loss_of, mark_unreached
from calprof.recording.recording import Call, ModuleRecord, Recording, Uncounted
from calprof.recording.script import scripted
from calprof.recording.transforms import batched
from calprof.recording.walking import unique, walk
from calprof.work import NOTHING, Cost

_DISTINCT_LIMIT = 20_000
"""Distinct calls held before they are priced and merged per module and op: about 20 MB."""

IgnoreRule = type | str


class Recorder:
    """Records every call made inside a `with` block, any number of times.

    Args:
        model: The model whose modules work is attributed to; without one, modules are named by class.
        grads: Whether to note which operands require a gradient, for the exact backward.
        ignore: Module classes, class names or dotted paths whose work is left out.

    Raises:
        ValueError: An `ignore` rule that matches no module.
    """

    def __init__(
        self,
        model: torch.nn.Module | None = None,
        *,
        grads: bool = False,
        ignore: Collection[IgnoreRule] | IgnoreRule = (),
    ) -> None:
        self.model = model
        self.grads = grads
        self._ignored = _ignored_modules(model, [ignore] if isinstance(ignore, (type, str)) else list(ignore))
        self._tally = Tally(model)
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
            stack.callback(follow(self._tally))
            mode = Interception(self._tally, self.grads, self._merge, _DISTINCT_LIMIT, run)
            for below in (batched(mode), scripted(mode), opaque(mode, self.model, self._notes)):
                stack.enter_context(below)
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
        # A forward that raised through a hook-less frame leaves its scope open.
        self._tally.scope = self._tally.root
        self._tally.counts = self._tally.root.counts
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
        calls: list[Call] = []
        uncounted = dict(self._uncounted)
        for scope, key, count in self._counted():
            op = key[0]
            found = evaluate(key, self.grads)
            if found.reason:
                place = (scope.path, op.name, found.reason)
                uncounted[place] = uncounted.get(place, 0) + count
            else:
                cost = found.cost * count
                calls.append(Call(scope.path, op.name, op.family, count, cost, found.shapes, found.dtypes))
        calls += [Call(*place, count, cost) for place, (count, cost) in self._merged.items()]
        return Recording(
            tuple(calls),
            tuple(Uncounted(module, op, count, reason) for (module, op, reason), count in uncounted.items()),
            tuple(self._module_records()),
            self._seconds,
            tuple(self._notes),
            self.grads,
        )

    def _counted(self) -> Iterator[tuple[Scope, tuple[Any, ...], int]]:
        for scope in self._tally.scopes:
            if not self._is_ignored(scope):
                for key, count in scope.counts.items():
                    yield scope, key, count

    def _is_ignored(self, scope: Scope) -> bool:
        return bool(self._ignored) and any(id(each.module) in self._ignored for each in scope.lineage())

    def _merge(self) -> None:
        """Prices what is held and keeps only totals per module and op, so that memory stays bounded."""
        for scope, key, count in self._counted():
            op = key[0]
            found = evaluate(key, self.grads)
            if found.reason:
                place = (scope.path, op.name, found.reason)
                self._uncounted[place] = self._uncounted.get(place, 0) + count
            else:
                place = (scope.path, op.name, op.family)
                seen, cost = self._merged.get(place, (0, Cost(NOTHING)))
                self._merged[place] = (seen + count, cost + found.cost * count)
        for scope in self._tally.scopes:
            scope.counts.clear()
        self._tally.distinct = 0

    def _module_records(self) -> Iterator[ModuleRecord]:
        calls: dict[str, int] = {}
        modules = {} if self.model is None else unique(walk(self.model))
        for scope in self._tally.scopes:
            if scope.module is not None:
                calls[scope.path] = calls.get(scope.path, 0) + scope.calls
                modules.setdefault(scope.path, scope.module)
        params = _inclusive_params(modules)
        for path, module in modules.items():
            yield ModuleRecord(
                path, type(module).__name__, calls.get(path, 0), *params[path], id(module) in self._ignored
            )


def _inclusive_params(modules: Mapping[str, torch.nn.Module]) -> dict[str, tuple[int, int]]:
    """Returns, for each path, the elements and the trainable elements of the module's parameters and those below it.

    One pass from the leaves up: sizes are added, and only parameters that several modules hold are kept apart.
    """
    holders = Counter(id(each) for module in modules.values() for each in module._parameters.values())
    sizes: dict[str, list[int]] = {}
    shared: dict[str, dict[int, tuple[int, bool]]] = {}
    for path, module in modules.items():
        mine = sizes[path] = [0, 0]
        for each in module._parameters.values():
            if each is None:
                continue
            size = _numel(each)
            if holders[id(each)] > 1:
                shared.setdefault(path, {})[id(each)] = (size, each.requires_grad)
                continue
            mine[0] += size
            if each.requires_grad:
                mine[1] += size
    for path in sorted(filter(None, modules), key=_depth, reverse=True):
        above = path.rpartition(".")[0]
        while above and above not in sizes:
            above = above.rpartition(".")[0]
        if above in sizes:
            sizes[above][0] += sizes[path][0]
            sizes[above][1] += sizes[path][1]
            if path in shared:
                shared.setdefault(above, {}).update(shared[path])
    for path, common in shared.items():
        sizes[path][0] += sum(size for size, _ in common.values())
        sizes[path][1] += sum(size for size, trainable in common.values() if trainable)
    return {path: (size, trainable) for path, (size, trainable) in sizes.items()}


def _depth(path: str) -> int:
    return path.count(".")


def _numel(parameter: torch.nn.Parameter) -> int:
    # A lazy module's parameter has no size before its first forward.
    lazy = type(parameter) is not torch.nn.Parameter and torch.nn.parameter.is_lazy(parameter)
    return 0 if lazy else parameter.numel()


def _ignored_modules(model: torch.nn.Module | None, rules: list[IgnoreRule]) -> set[int]:
    ignored: set[int] = set()
    named = walk(model) if rules and model is not None else []
    for rule in rules:
        if not isinstance(rule, (type, str)):
            raise TypeError(f"ignore_modules takes module classes and names, not {rule!r}")
        matches = {id(module) for path, module in named if _matches(rule, path, module)}
        if not matches:
            name = rule if isinstance(rule, str) else rule.__name__
            raise ValueError(f"ignore_modules: no module of the model has the class or path {name!r}")
        ignored |= matches
    return ignored


def _matches(rule: IgnoreRule, path: str, module: torch.nn.Module) -> bool:
    if isinstance(rule, str):
        return rule in (path, type(module).__name__)
    return isinstance(module, rule)
