"""What the user queries: a recording, priced.

A `Profile` is a recording seen under a convention and a number of passes. Asking it anything, or seeing it
under another convention, runs nothing again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeVar

from calprof.conventions import ARITHMETIC, MACS, Convention, find_convention
from calprof.recording.recording import ModuleRecord, Recording, Uncounted
from calprof.work import NOTHING, Work

P = TypeVar("P", bound="Profile")


@dataclass(frozen=True)
class ModuleNode:
    """A module in the tree, with what ran in it.

    Attributes:
        path: Dotted path, empty for the model itself.
        name: Last part of the path.
        kind: Class name.
        calls: How many times its forward ran.
        params: Elements of its parameters and its children's, shared ones once.
        trainable_params: Those that require a gradient.
        own: Work of the calls made while it was the innermost running module.
        work: The same with its children's.
        convention: The price list of `flops`.
        children: The modules below it.
        ignored: Whether its work was left out on request.
    """

    path: str
    name: str
    kind: str
    calls: int
    params: int
    trainable_params: int
    own: Work
    work: Work
    convention: Convention
    children: tuple[ModuleNode, ...] = ()
    ignored: bool = False

    @cached_property
    def flops(self) -> int:
        """FLOPs of the module and its children, under the convention."""
        return self.convention.price(self.work)

    @cached_property
    def macs(self) -> int:
        """MACs of the module and its children."""
        return macs_of(self.work, self.convention)

    @cached_property
    def own_flops(self) -> int:
        """FLOPs of the module without its children, under the convention."""
        return self.convention.price(self.own)

    @cached_property
    def own_macs(self) -> int:
        """MACs of the module without its children."""
        return macs_of(self.own, self.convention)

    def walk(self) -> Iterator[ModuleNode]:
        """Yields this module and everything below it, in registration order."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True)
class OpRow:
    """All calls of one op.

    Attributes:
        op: Normalised name.
        family: The group of like ops it belongs to.
        calls: How many times it ran.
        work: Their work.
        flops: Their FLOPs under the profile's convention.
        macs: Their MACs.
    """

    op: str
    family: str
    calls: int
    work: Work
    flops: int
    macs: int


@dataclass(frozen=True)
class Profile:
    """FLOPs, MACs and parameters of one recorded run.

    Attributes:
        recording: The raw run.
        convention: The price list of every FLOP figure.
        kind: Class name of the model.
        input: One line about what the model was given.

    Example:
        >>> prof = profile(torch.nn.Linear(3, 5), input_shape=(2, 3))
        >>> prof.macs, prof.flops, prof.params
        (30, 70, 20)
    """

    recording: Recording
    convention: Convention = ARITHMETIC
    kind: str = ""
    input: str = ""
    notes: tuple[str, ...] = field(default=())

    @cached_property
    def work(self) -> Work:
        """All counted work of the forward."""
        return self.recording.work

    # The totals are sums over the calls: the tree, which takes longer, is built when it is asked for.

    @property
    def flops(self) -> int:
        """FLOPs of the run under the convention."""
        return self.convention.price(self.work)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the run."""
        return macs_of(self.work, self.convention)

    @property
    def params(self) -> int:
        """Elements of all parameters, each counted once."""
        return self._whole.params

    @property
    def trainable_params(self) -> int:
        """Elements of the parameters that require a gradient, each counted once."""
        return self._whole.trainable_params

    @cached_property
    def _whole(self) -> ModuleRecord:
        return next((record for record in self.recording.modules if not record.path), ModuleRecord("", self.kind))

    @property
    def uncounted(self) -> tuple[Uncounted, ...]:
        """Calls whose work is not known, with module, name, number and reason."""
        return self.recording.uncounted

    @property
    def uncalled(self) -> tuple[ModuleRecord, ...]:
        """Modules with parameters of their own kind that never ran: leaves whose forward was not called."""
        paths = {record.path for record in self.recording.modules}
        parents = {path.rpartition(".")[0] for path in paths if path}
        return tuple(
            record
            for record in self.recording.modules
            if not record.calls and record.params and record.path not in parents
        )

    @cached_property
    def root(self) -> ModuleNode:
        """The model as a tree of modules."""
        return build_tree(self.recording, self.convention, self.kind)

    def by_module(self) -> dict[str, ModuleNode]:
        """Returns every module by its dotted path; the model itself is the empty path."""
        return {node.path: node for node in self.root.walk()}

    def by_op(self) -> list[OpRow]:
        """Returns one row per op, the most expensive first."""
        calls: dict[tuple[str, str], int] = {}
        works: dict[tuple[str, str], Work] = {}
        for call in self.recording.calls:
            place = (call.op, call.family)
            calls[place] = calls.get(place, 0) + call.count
            works[place] = works.get(place, NOTHING) + call.cost.forward
        rows = [
            OpRow(*place, calls[place], work, self.convention.price(work), macs_of(work, self.convention))
            for place, work in works.items()
        ]
        return sorted(rows, key=lambda row: (-row.flops, -row.macs, row.op))

    def under(self: P, convention: str | Convention) -> P:
        """Returns the same run under another convention.

        Example:
            >>> prof.under("matmul").flops == 2 * prof.macs
            True
        """
        return replace(self, convention=find_convention(convention))


def macs_of(work: Work, convention: Convention) -> int:
    """Returns the MACs of `work`, without the masked ones where the convention does not charge them."""
    return (MACS if convention.charges_masked else _CAUSAL_MACS).price(work)


_CAUSAL_MACS = MACS.causal()


def build_tree(recording: Recording, convention: Convention, kind: str = "") -> ModuleNode:
    """Returns the tree of modules with own and inclusive work."""
    own: dict[str, dict[str, int]] = {}
    for call in recording.calls:
        counts = own.setdefault(call.module, {})
        for step, count in call.cost.forward.items():
            counts[step] = counts.get(step, 0) + count
    records = {record.path: record for record in recording.modules}
    for path in own:
        records.setdefault(path, ModuleRecord(path, ""))
    for path in [*records]:
        parent = path.rpartition(".")[0]
        while parent and parent not in records:
            records[parent] = ModuleRecord(parent, "")
            parent = parent.rpartition(".")[0]
    records.setdefault("", ModuleRecord("", kind))
    children: dict[str, list[str]] = {}
    for path in records:
        if path:
            children.setdefault(path.rpartition(".")[0], []).append(path)
    return _node("", records, children, own, convention)


def _node(
    path: str,
    records: Mapping[str, ModuleRecord],
    children: Mapping[str, list[str]],
    own: Mapping[str, dict[str, int]],
    convention: Convention,
) -> ModuleNode:
    below = tuple(_node(child, records, children, own, convention) for child in children.get(path, ()))
    record = records[path]
    mine = own.get(path, {})
    total = dict(mine)
    for child in below:
        for kind, count in child.work.items():
            total[kind] = total.get(kind, 0) + count
    return ModuleNode(
        path=path,
        name=path.rpartition(".")[2],
        kind=record.kind,
        calls=record.calls,
        params=record.params,
        trainable_params=record.trainable_params,
        own=Work(**mine) if mine else NOTHING,
        work=Work(**total) if below else Work(**mine),
        convention=convention,
        children=below,
        ignored=record.ignored,
    )
