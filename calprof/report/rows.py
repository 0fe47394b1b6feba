"""The tree as rows to print: runs of equal modules folded, own work and leftovers as rows of their own.

In every column the rows below a row add up to it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from calprof.cost.training import Training
from calprof.profiles import ModuleNode, Profile
from calprof.report.folding import Identities, groups

Sort = Literal["flops", "macs", "params"]
SORTS: tuple[Sort, ...] = ("flops", "macs", "params")


@dataclass(frozen=True)
class Figures:
    """What a row's columns show; additive.

    Attributes:
        params: Elements of parameters.
        macs: MACs of the forward.
        flops: FLOPs of the forward.
        backward: FLOPs of the backward pass, where training is shown.
        recompute: FLOPs of recomputation, where training is shown.
    """

    params: int = 0
    macs: int = 0
    flops: int = 0
    backward: int = 0
    recompute: int = 0

    @property
    def total(self) -> int:
        """FLOPs of all phases."""
        return self.flops + self.backward + self.recompute

    def combine(self, other: Figures, sign: int = 1) -> Figures:
        """Returns this plus `sign` times the other, never below zero."""
        pairs = zip(_values(self), _values(other), strict=True)
        return Figures(*(max(mine + sign * theirs, 0) for mine, theirs in pairs))

    def times(self, count: int) -> Figures:
        """Returns `count` times this."""
        return Figures(*(value * count for value in _values(self)))

    def __bool__(self) -> bool:
        return any(_values(self))


@dataclass(frozen=True)
class Row:
    """One line of the tree.

    Attributes:
        name: Name of the module or of the run of modules; empty for other rows.
        detail: Class of a module; what an `own` row ran.
        figures: The columns, for all modules the row stands for.
        role: `module`, `own` (a module's work outside its children) or `more` (the small rest).
        path: Dotted path of the (first) module.
        modules: How many equal modules the row stands for.
        calls: How often each of them ran.
        remark: `ignored` or `not called`.
        children: The rows below.
    """

    name: str
    detail: str
    figures: Figures
    role: Literal["module", "own", "more"] = "module"
    path: str = ""
    modules: int = 1
    calls: int = 1
    remark: str = ""
    children: tuple[Row, ...] = field(default=())

    def walk(self, depth: int = 0) -> Iterator[tuple[int, Row]]:
        """Yields this row and those below with their depth."""
        yield depth, self
        for child in self.children:
            yield from child.walk(depth + 1)

    def height(self) -> int:
        """Returns how many levels are below this row."""
        return max(level for level, _ in self.walk())


def build_rows(
    profile: Profile,
    *,
    depth: int | None = None,
    sort: str | None = None,
    top: int | None = None,
    training: Training | None = None,
    fold: bool = True,
) -> Row:
    """Returns the model's row with all others below it.

    Args:
        profile: What to show.
        depth: Levels below the model; all by default.
        sort: `flops`, `macs` or `params`, largest first; registration order by default.
        top: The largest children to keep per level, by `sort` or else by FLOPs; the rest become one row.
        training: The phases to show beside the forward.
        fold: Whether equal sibling subtrees become one row.

    Raises:
        ValueError: A negative depth, a `top` below one, or another sort.
    """
    if depth is not None and (type(depth) is not int or depth < 0):
        raise ValueError(f"depth must be a number of levels >= 0, not {depth!r}")
    if top is not None and (type(top) is not int or top < 1):
        raise ValueError(f"top must be a number of modules >= 1, not {top!r}")
    if sort is not None and sort not in SORTS:
        raise ValueError(f"unknown sort {sort!r}; the accepted ones are {', '.join(SORTS)}")
    phases = training.modules if training is not None else {}
    identities = Identities(phases) if fold else None
    builder = _Builder(_op_names(profile), phases, identities, depth, sort, top)
    return builder.row(profile.root, profile.root.kind or profile.kind or "model", 1, 0)


@dataclass(frozen=True)
class _Builder:
    ops: Mapping[str, str]
    phases: Mapping[str, Training]
    identities: Identities | None
    depth: int | None
    sort: str | None
    top: int | None

    def figures(self, node: ModuleNode) -> Figures:
        phase = self.phases.get(node.path)
        if phase is None:
            return Figures(node.params, node.macs, node.flops)
        return Figures(node.params, node.macs, node.flops, phase.backward.flops, phase.recompute.flops)

    def row(self, node: ModuleNode, name: str, modules: int, level: int) -> Row:
        """Returns the row of `modules` equal modules, of which `node` is the first."""
        shown = self.depth is None or level < self.depth
        return Row(
            name=name,
            detail=node.kind,
            figures=self.figures(node).times(modules),
            path=node.path,
            modules=modules,
            calls=node.calls,
            remark=_remark(node),
            children=self.below(node, modules, level) if shown else (),
        )

    def below(self, node: ModuleNode, modules: int, level: int) -> tuple[Row, ...]:
        if not node.children:
            return ()
        rows = [
            self.row(group[0], name, modules * len(group), level + 1)
            for name, group in groups(node.children, self.identities)
        ]
        rows = _largest(rows, self.top, self.sort)
        if self.sort:
            rows.sort(key=_key(self.sort))
        own = self.own(node)
        if own:
            ran = self.ops.get(node.path) or "parameters"
            rows.append(Row("", ran, own.times(modules), "own", node.path, modules))
        return tuple(rows)

    def own(self, node: ModuleNode) -> Figures:
        inside = sum_figures(self.figures(child) for child in node.children)
        return self.figures(node).combine(inside, -1)


def sum_figures(figures: Iterable[Figures]) -> Figures:
    """Returns the sum of several rows' columns."""
    total = Figures()
    for each in figures:
        total = total.combine(each)
    return total


def _values(figures: Figures) -> tuple[int, ...]:
    return figures.params, figures.macs, figures.flops, figures.backward, figures.recompute


def _key(sort: str) -> Callable[[Row], tuple[bool, int]]:
    name = "total" if sort == "flops" else sort
    return lambda row: (row.role == "more", -getattr(row.figures, name))


def _largest(rows: Sequence[Row], top: int | None, sort: str | None) -> list[Row]:
    """Keeps the `top` largest rows in their order and adds up the others in one."""
    if top is None or len(rows) <= top + 1:
        return list(rows)
    ranked = sorted(range(len(rows)), key=lambda index: (_key(sort or "flops")(rows[index]), index))
    kept = sorted(ranked[:top])
    rest = [rows[index] for index in ranked[top:]]
    more = Row("", "", sum_figures(row.figures for row in rest), "more", modules=sum(row.modules for row in rest))
    return [*(rows[index] for index in kept), more]


def _remark(node: ModuleNode) -> str:
    if node.ignored:
        return "ignored"
    if not node.calls and node.params and not node.children:
        return "not called"
    return ""


def _op_names(profile: Profile) -> dict[str, str]:
    """Returns, per module path, the ops that are at least 1 % of its own work, the most expensive first."""
    flops: dict[str, dict[str, int]] = {}
    for call in profile.recording.calls:
        price = profile.convention.price(call.cost.forward)
        ops = flops.setdefault(call.module, {})
        ops[call.op] = ops.get(call.op, 0) + price
    return {
        path: ", ".join(
            sorted(
                (op for op, price in ops.items() if price and 100 * price >= sum(ops.values())),
                key=lambda op: (-ops[op], op),
            )
        )
        for path, ops in flops.items()
    }


def deepest_that_fits(root: Row, limit: int) -> int:
    """Returns the largest depth, at least 1, at which the tree has at most `limit` rows."""
    rows = Counter(level for level, _ in root.walk())
    depth = total = 0
    for level in sorted(rows):
        total += rows[level]
        if total > limit and level > 1:
            break
        depth = level
    return depth


def cut(root: Row, depth: int) -> Row:
    """Returns the tree without what is more than `depth` levels below its root."""
    below = tuple(cut(child, depth - 1) for child in root.children) if depth > 0 else ()
    return replace(root, children=below)
