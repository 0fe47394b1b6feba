"""What a comparison holds: a row per formula with its named differences, and rows of terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from calprof.analytical import Formula, Shape, Terms, grouped
from calprof.analytical.terms import ROWS
from calprof.comparison.causes import formula_terms
from calprof.comparison.recorded import ROTARY

_ROWS = (*ROWS[:-1], ROTARY, ROWS[-1])


@dataclass(frozen=True)
class Entry:
    """One formula beside the profile.

    Attributes:
        formula: The formula.
        value: Its FLOPs.
        passes: The forwards it is held beside: 1, or 3 for a formula of a training step.
        profile: FLOPs of that many profiled forwards.
        differences: Cause to the FLOPs by which the formula counts more (or, negative, less) than the profile.
            They sum to `value - profile`.
    """

    formula: Formula
    value: int
    passes: int
    profile: int
    differences: Mapping[str, int] = field(hash=False)

    @property
    def name(self) -> str:
        """The formula's name."""
        return self.formula.name

    @property
    def ratio(self) -> float:
        """The formula's value over the profile's."""
        return self.value / self.profile if self.profile else float("inf")

    @property
    def counted(self) -> Terms:
        """What the formula counts and the profile does not, the largest first, in FLOPs."""
        return dict(sorted(((k, n) for k, n in self.differences.items() if n > 0), key=lambda pair: -pair[1]))

    @property
    def missing(self) -> Terms:
        """What the profile counts and the formula does not, the largest first, in FLOPs above zero."""
        return dict(sorted(((k, -n) for k, n in self.differences.items() if n < 0), key=lambda pair: -pair[1]))


@dataclass(frozen=True, slots=True)
class TermRow:
    """One row of products: what a formula says, and what was recorded in as many forwards.

    Attributes:
        name: The row, such as `qkv` or `weighted values`.
        formula: FLOPs by the formula.
        recorded: FLOPs recorded, at 2 per MAC.
    """

    name: str
    formula: int
    recorded: int

    @property
    def difference(self) -> int:
        """The formula's FLOPs beyond the recorded ones."""
        return self.formula - self.recorded


@dataclass(frozen=True)
class Comparison:
    """Every formula that applies to a model beside its profile; prints as tables.

    Attributes:
        shape: The model as numbers.
        batch: Sequences, or images.
        seq: Tokens of each; for an image model those of its patches.
        model: Class name of the model.
        convention: Name of the price list of the profile.
        flops: FLOPs of one profiled forward under it.
        recorded: The forward's products by row, at 2 FLOPs per MAC, masked ones too.
        extra: Everything else the convention charges, or leaves out, by cause; `flops` is their sum with `recorded`.
        entries: One per formula, in the catalogue's order.
        notes: What a reader must know.

    Example:
        >>> comparison = prof.compare()
        >>> comparison["palm"].ratio, comparison.closest.name
        (0.9976, 'exact')
    """

    shape: Shape
    batch: int
    seq: int
    model: str
    convention: str
    flops: int
    recorded: Mapping[str, int] = field(hash=False)
    extra: Mapping[str, int] = field(hash=False)
    entries: tuple[Entry, ...] = ()
    notes: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Entry:
        for entry in self.entries:
            if entry.name == name:
                return entry
        raise KeyError(f"no applicable formula is called {name!r}: {', '.join(each.name for each in self.entries)}")

    @property
    def closest(self) -> Entry:
        """The formula whose products are nearest to the recorded ones, row by row."""
        return min(self.entries, key=self._distance)

    @property
    def closest_published(self) -> Entry:
        """The nearest one that is published: the term-by-term counts are the model's own products."""
        return min((each for each in self.entries if not each.name.startswith("exact")), key=self._distance)

    def _distance(self, entry: Entry) -> float:
        return sum(abs(row.difference) for row in self.terms(entry.name)) / entry.passes

    def terms(self, name: str | None = None) -> tuple[TermRow, ...]:
        """Returns a formula's products beside the recorded ones, row by row; by default the closest formula's.

        Raises:
            KeyError: No applicable formula has this name.
        """
        entry = self.closest if name is None else self[name]
        seq = None if self.shape.patches else self.seq
        rows = grouped(formula_terms(entry.formula, self.shape, self.batch, seq))
        found = (TermRow(row, rows.get(row, 0), entry.passes * self.recorded.get(row, 0)) for row in _ROWS)
        return tuple(row for row in found if row.formula or row.recorded)

    def to_dict(self) -> dict[str, Any]:
        """Returns the comparison as plain data, for JSON; every count is FLOPs.

        Keys: `model`, `convention`, `batch`, `seq`, `flops` of one forward, `closest`, `formulas` (one entry each
        with `name`, `title`, `source`, `passes`, `value`, `profile`, `ratio`, and `differences` by cause, which sum
        to `value - profile`), `terms` of the closest formula (`row`, `formula`, `recorded`, `difference`), `notes`.
        """
        return {
            "model": self.model,
            "convention": self.convention,
            "batch": self.batch,
            "seq": self.seq,
            "flops": self.flops,
            "closest": self.closest.name,
            "formulas": [
                {
                    "name": entry.name,
                    "title": entry.formula.title,
                    "source": entry.formula.source,
                    "passes": entry.passes,
                    "value": entry.value,
                    "profile": entry.profile,
                    "ratio": entry.ratio,
                    "differences": dict(entry.differences),
                }
                for entry in self.entries
            ],
            "terms": [
                {"row": row.name, "formula": row.formula, "recorded": row.recorded, "difference": row.difference}
                for row in self.terms()
            ],
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        from calprof.comparison.text import comparison_text

        return comparison_text(self)
