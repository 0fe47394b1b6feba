"""A profile as plain data, JSON, CSV or Markdown, and in a file."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from io import StringIO
from pathlib import Path
from typing import Any, Literal

from calprof import __version__
from calprof.cost.training import Training
from calprof.profiles import ModuleNode, Profile
from calprof.report.numbers import format_cell, format_exact, format_share
from calprof.report.rows import Row, build_rows
from calprof.report.summary import causal_note, summarise
from calprof.report.tables import group_uncounted, notes_of
from calprof.report.tree import describe

SCHEMA = 1
"""Version of what `to_dict` returns; it grows when a key changes its meaning or disappears."""

_PHASES = ("forward", "backward", "recompute", "total")


def to_dict(profile: Profile, training: Training | None = None) -> dict[str, Any]:
    """Returns the profile as dicts, lists, strings, integers and floats.

    Keys, all counts being exact integers:

    - `schema`, `version`: of this layout, of calprof.
    - `model`, `input`: class name; what the model was given.
    - `convention`: name of the price list of every `flops`; `units` says what each count is in.
    - `flops`, `macs`, `params`, `trainable_params`: of the whole model, parameters once each.
    - `causal`: one sentence on attention above the diagonal, or `null` where no attention is causal.
    - `seconds`: time spent recording.
    - `modules`: one entry per module in registration order: `path` (empty for the model), `class`, `calls`;
      `macs`, `flops`, `params`, `trainable_params`, all with what is below it; `own_macs` and `own_flops`
      without; `ignored`; with training, `training` as below.
    - `ops`: one entry per op, the most expensive first: `op`, `family`, `calls`, `macs`, `flops`, and `work`,
      the number of steps by kind.
    - `uncounted`: `module`, `op`, `calls`, `reason` of every call whose work is not known.
    - `uncalled`: `path`, `class`, `params` of modules with parameters that never ran.
    - `verification`: `null`, or the comparison with PyTorch's own counter: `macs`, `dispatcher_macs`, `modules`
      compared, `agrees`, `error` and `differences`, each with `path`, `macs`, `dispatcher_macs` and `reason`.
    - `notes`: what a reader must know, as sentences.
    - `training`: with a training step only: `basis`, and for `forward`, `backward`, `recompute`, `total`
      their `flops` and `macs`.

    Example:
        >>> to_dict(prof)["macs"]
        4089184256
    """
    data: dict[str, Any] = {
        "schema": SCHEMA,
        "version": __version__,
        "model": profile.root.kind or profile.kind,
        "input": profile.input,
        "convention": profile.convention.name,
        "units": {"flops": profile.convention.unit, "macs": "MACs", "params": "parameters", "seconds": "s"},
        "flops": profile.flops,
        "macs": profile.macs,
        "params": profile.params,
        "trainable_params": profile.trainable_params,
        "causal": causal_note(profile) or None,
        "seconds": profile.recording.seconds,
        "modules": [_module(node, training) for node in profile.root.walk()],
        "ops": [{**asdict(row), "work": dict(row.work)} for row in profile.by_op()],
        "uncounted": [
            {"module": each.module, "op": each.op, "calls": each.count, "reason": each.reason}
            for each in profile.uncounted
        ],
        "uncalled": [
            {"path": record.path, "class": record.kind, "params": record.params} for record in profile.uncalled
        ],
        "verification": _verification(getattr(profile, "verification", None)),
        "notes": [*dict.fromkeys((*profile.notes, *profile.recording.notes))],
    }
    if training is not None:
        data["training"] = {"basis": training.basis, **_phases(training)}
    return data


def _module(node: ModuleNode, training: Training | None) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "path": node.path,
        "class": node.kind,
        "calls": node.calls,
        "macs": node.macs,
        "flops": node.flops,
        "params": node.params,
        "trainable_params": node.trainable_params,
        "own_macs": node.own_macs,
        "own_flops": node.own_flops,
        "ignored": node.ignored,
    }
    if training is not None and node.path in training.modules:
        entry["training"] = _phases(training.modules[node.path])
    return entry


def _verification(found: Any) -> dict[str, Any] | None:
    return None if found is None else {**asdict(found), "agrees": found.agrees}


def _phases(training: Training) -> dict[str, dict[str, int]]:
    return {name: asdict(getattr(training, name)) for name in _PHASES}


def to_json(profile: Profile, training: Training | None = None, indent: int | None = 2) -> str:
    """Returns `to_dict` as JSON."""
    return json.dumps(to_dict(profile, training), indent=indent, ensure_ascii=False)


def to_csv(
    profile: Profile,
    training: Training | None = None,
    table: Literal["modules", "ops", "uncounted"] = "modules",
) -> str:
    """Returns one of the lists of `to_dict` as CSV with a header line.

    The phases of a training step become columns such as `backward_flops`; an op's `work` is left out.

    Raises:
        ValueError: Another table.
    """
    if table not in ("modules", "ops", "uncounted"):
        raise ValueError(f"unknown table {table!r}; the accepted ones are modules, ops, uncounted")
    headers = {
        "modules": [*_module(profile.root, None)],
        "ops": ["op", "family", "calls", "macs", "flops"],
        "uncounted": ["module", "op", "calls", "reason"],
    }[table]
    entries = [_flat(entry) for entry in to_dict(profile, training)[table]]
    if table == "modules" and training is not None:
        headers += [f"{phase}_{unit}" for phase in _PHASES for unit in ("flops", "macs")]
    stream = StringIO()
    writer = csv.DictWriter(stream, headers, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(entries)
    return stream.getvalue()


def _flat(entry: Mapping[str, Any]) -> dict[str, Any]:
    flat = dict(entry)
    for phase, units in flat.pop("training", {}).items():
        flat |= {f"{phase}_{unit}": count for unit, count in units.items()}
    return flat


def to_markdown(
    profile: Profile,
    training: Training | None = None,
    *,
    depth: int | None = None,
    sort: str | None = None,
    top: int | None = None,
) -> str:
    """Returns header, modules, ops, uncounted calls and notes as Markdown; options as for the tree."""
    unit = profile.convention.unit
    root = build_rows(profile, depth=depth, sort=sort, top=top, training=training)
    header = [f"- {_escape(f'{label}: {line}' if label else line)}" for label, line in summarise(profile, training)]
    columns = ["params", "MACs", unit] + (["backward", "recompute", "total"] if training else []) + ["share"]
    parts = [
        "\n".join(header),
        _table(["module", "class", "calls", *columns], list(_tree(root, "", root, training))),
    ]
    ops = [
        [_code(row.op), row.family, format_exact(row.calls), _cell(row.macs), _cell(row.flops),
         format_share(row.flops, profile.flops)]
        for row in profile.by_op()
    ]  # fmt: skip
    if ops:
        parts.append(_table(["op", "family", "calls", "MACs", unit, "share"], ops))
    uncounted = [
        [
            _code(row.module or "(model)"),
            str(row.modules),
            _code(row.op),
            format_exact(row.calls),
            _escape(row.reason),
        ]
        for row in group_uncounted(profile)
    ]
    if uncounted:
        parts += ["Not counted:", _table(["module", "modules", "op", "calls", "reason"], uncounted)]
    notes = [f"- {_escape(note)}" for note in notes_of(profile)]
    if notes:
        parts.append("\n".join(notes))
    return "\n\n".join(parts) + "\n"


def _tree(row: Row, prefix: str, root: Row, training: Training | None) -> list[list[str]]:
    name, detail = describe(row)
    path = f"{prefix}.{name}" if prefix else name
    figures = row.figures
    counts = [figures.params, figures.macs, figures.flops]
    if training is not None:
        counts += [figures.backward, figures.recompute, figures.total]
    if row.role == "module":
        detail = f"{row.modules}x {row.detail}" if row.modules > 1 else row.detail
    calls = str(row.calls) if row.role == "module" else ""
    share = format_share(figures.total, root.figures.total)
    lines = [[_code(path), _escape(f"{detail} {row.remark}".strip()), calls, *map(_cell, counts), share]]
    below = "" if row is root else path
    for child in row.children:
        lines += _tree(child, below, root, training)
    return lines


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    words = {"module", "class", "op", "family", "reason"}
    rule = [":--" if header in words else "--:" for header in headers]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (headers, rule, *rows))


def _cell(value: int) -> str:
    return format_cell(value).strip()


def _code(text: str) -> str:
    return "`" + " ".join(text.replace("`", "'").replace("|", "\\|").split()) + "`"


def _escape(text: str) -> str:
    for character in "\\|*_`<[]":
        text = text.replace(character, "&lt;" if character == "<" else "\\" + character)
    return " ".join(text.split())


def save(profile: Profile, path: str | Path, training: Training | None = None) -> None:
    """Writes the profile to a file whose suffix names the format: .json, .csv (modules), .md, .html or .txt.

    Raises:
        ValueError: Another suffix.
    """
    from calprof.report.html import report_html
    from calprof.report.text import report_text

    writers = {
        ".json": to_json,
        ".csv": to_csv,
        ".md": to_markdown,
        ".html": report_html,
        ".txt": lambda prof, step: report_text(prof, training=step) + "\n",
    }
    writer = writers.get(Path(path).suffix.lower())
    if writer is None:
        raise ValueError(f"the suffix of {str(path)!r} names no format; the accepted ones are {', '.join(writers)}")
    Path(path).write_text(writer(profile, training), encoding="utf-8", newline="\n")  # type: ignore[operator]
