"""A transformers configuration and its model class, from a name, a model type or a local file.

transformers is imported inside the functions. Code from a repository is never run: a configuration
whose `model_type` transformers does not have is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import fields as declared_fields
from dataclasses import is_dataclass
from difflib import get_close_matches
from os import PathLike
from pathlib import Path
from typing import Any

from calprof.models.known import KnownModel, closest, find_known

_UNSETTABLE = frozenset({"model_type", "transformers_version", "auto_map"})
_READ_AT_BUILD = frozenset({"out_features", "out_indices"})
_DEPTHS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")


def build_config(known: KnownModel | str | PathLike[str], **overrides: Any) -> Any:
    """Returns the transformers configuration of a catalogue entry, a model type or a local file.

    A string is tried as a local path (when it starts with `.`, `/` or `~` or ends in `.json`), as a name of
    the catalogue, as a model type (its defaults), and last as a folder. `overrides` replace fields before
    the configuration is built, so what derives from them is derived anew; per-layer lists follow a new
    depth. A field of a nested configuration is written with a dot: `{"text_config.num_hidden_layers": 4}`.

    Raises:
        ValueError: Nothing of that name, no such field (with the closest ones), a field that transformers
            derives from others, a configuration that needs code from its repository, or one that
            transformers cannot build.
        ModuleNotFoundError: transformers is not installed.

    Example:
        >>> build_config("llama-3.1-405b", num_hidden_layers=4).num_hidden_layers
        4
    """
    name, fields = _description(known)
    config_class = _config_class(name, fields)
    config = _built(config_class, fields, name)
    if not overrides:
        return config
    changed = _built(config_class, _overridden(name, config, fields, overrides), name)
    _require_effect(name, changed, overrides)
    return changed


def untie_head(model: Any) -> None:
    """Gives `model` an output head of its own if it shares the embedding's weight.

    For catalogue entries with `separate_head`: the checkpoint has two matrices, and the transformers class
    makes them one when it builds from a configuration. Works on real, meta and fake parameters alike.
    """
    from torch.nn import Parameter

    head, embedding = model.get_output_embeddings(), model.get_input_embeddings()
    if head is not None and head.weight is embedding.weight:
        head.weight = Parameter(head.weight.detach().clone())


def _description(known: KnownModel | str | PathLike[str]) -> tuple[str, dict[str, Any]]:
    """The name to use in messages, and the fields with their model type."""
    if isinstance(known, KnownModel):
        fields = {"model_type": known.model_type, "architectures": [known.architecture]}
        return known.name, {**fields, **deepcopy(dict(known.config))}
    if not isinstance(known, str):
        return _from_file(Path(known))
    if known.startswith((".", "/", "~")) or known.endswith(".json"):
        return _from_file(Path(known).expanduser())
    entry = find_known(known)
    if entry is not None:
        return _description(entry)
    types = _config_mapping()
    if known in types:
        return known, {"model_type": known}
    if (Path(known) / "config.json").is_file():
        return _from_file(Path(known))
    near = dict.fromkeys((*closest(known), *get_close_matches(known, list(types), n=3)))
    raise ValueError(
        f"{known!r} is no model of the catalogue, no model type of transformers and no folder with a "
        f"config.json; the closest names are {', '.join(near) or 'none'}"
    )


def _from_file(path: Path) -> tuple[str, dict[str, Any]]:
    file = path / "config.json" if path.is_dir() else path
    if not file.is_file():
        raise ValueError(f"{str(path)!r} is neither a config.json nor a folder that has one")
    try:
        fields = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{str(file)!r} is not JSON: {error}") from error
    if not isinstance(fields, dict) or not isinstance(fields.get("model_type"), str):
        raise ValueError(f"{str(file)!r} names no model_type, so it is no transformers configuration")
    return str(file), fields


def _config_mapping() -> Any:
    try:
        from transformers import CONFIG_MAPPING
    except ModuleNotFoundError as error:
        if error.name != "transformers":
            raise
        raise ModuleNotFoundError("models by name need transformers: pip install transformers") from error
    return CONFIG_MAPPING


def _config_class(name: str, fields: Mapping[str, Any]) -> Any:
    types, kind = _config_mapping(), fields["model_type"]
    if kind in types:
        return types[kind]
    if fields.get("auto_map"):
        raise ValueError(
            f"{name!r} has the model type {kind!r}, which transformers does not have; it needs code from its "
            "repository, and calprof never runs such code"
        )
    near = get_close_matches(kind, list(types), n=3)
    raise ValueError(f"{name!r} has the model type {kind!r}, which transformers does not have{_closest(near)}")


def _built(config_class: Any, fields: Mapping[str, Any], name: str) -> Any:
    try:
        return config_class.from_dict(deepcopy(dict(fields)))
    except Exception as error:  # the library's validators raise types of their own
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"transformers cannot build a configuration from {name!r}: {reason}") from error


def _overridden(name: str, config: Any, fields: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """`fields` with `overrides` laid over them, those of nested configurations inside theirs."""
    changed, nested = dict(fields), dict[str, dict[str, Any]]()
    spelled = getattr(config, "attribute_map", {})
    for given, value in overrides.items():
        part, dot, rest = given.partition(".")
        field = spelled.get(part, part)
        _require_field(name, config, part, field)
        if dot:
            nested.setdefault(field, {})[rest] = value
        elif isinstance(value, Mapping) and hasattr(getattr(config, field, None), "to_dict"):
            nested.setdefault(field, {}).update(value)
        else:
            changed.pop(part, None)
            changed[field] = value
            if field == "num_labels":
                changed.pop("id2label", None)
                changed.pop("label2id", None)
            if field in _DEPTHS:
                changed.update(_refitted(config, fields, overrides, value))
    for field, inner in nested.items():
        sub = getattr(config, field)
        if not hasattr(sub, "to_dict"):
            raise ValueError(f"{field!r} of {name!r} is no nested configuration, so it has no fields to set")
        changed[field] = _overridden(f"{name} {field}", sub, dict(fields.get(field) or {}), inner)
    return changed


def _require_field(name: str, config: Any, given: str, field: str) -> None:
    settable = _settable(config)
    if field in settable:
        return
    if field in config.to_dict() and field not in _UNSETTABLE:
        raise ValueError(f"transformers derives {given!r} of {name!r} from other fields, so it cannot be set")
    inside = [f"{part}.{given}" for part in sorted(settable) if given in _settable(getattr(config, part, None))]
    near = inside or get_close_matches(given, sorted(settable), n=3, cutoff=0.4)
    raise ValueError(f"the configuration of {name!r} has no field {given!r}{_closest(near)}")


def _closest(names: Sequence[str]) -> str:
    if not names:
        return ", nor one spelled like it"
    return f"; the closest {'one is' if len(names) == 1 else 'ones are'} {', '.join(names)}"


def _settable(config: Any) -> frozenset[str]:
    """The fields a configuration is built from, by every name they go by; none for anything else."""
    if not hasattr(config, "to_dict"):
        return frozenset()
    declared = {field.name for field in declared_fields(config)} if is_dataclass(config) else set(config.to_dict())
    declared |= {"num_labels"} | _READ_AT_BUILD & config.to_dict().keys()
    if "rope_parameters" in declared:
        declared |= {"rope_theta", "rope_scaling"}
    aliases = {alias for alias, field in config.attribute_map.items() if field in declared}
    return frozenset(declared | aliases) - _UNSETTABLE


def _require_effect(name: str, config: Any, overrides: Mapping[str, Any]) -> None:
    """Refuses an override that the class replaced while it was built, as mT5 does with tied embeddings."""
    for given, value in overrides.items():
        found = config
        for part in given.split("."):
            found = getattr(found, part, value)
        if isinstance(value, int | float) and isinstance(found, int | float) and found != value:
            raise ValueError(f"transformers sets {given!r} of {name!r} to {found!r}, whatever is given")


def _refitted(config: Any, fields: Mapping[str, Any], overrides: Mapping[str, Any], depth: Any) -> dict[str, Any]:
    """Per-layer lists of `fields`, cut or repeated to `depth`; what the caller sets himself is left alone."""
    before = config.num_hidden_layers
    if type(depth) is not int or depth < 1:
        raise ValueError(f"a model has an integer number of layers of at least 1, not {depth!r}")
    lists = {
        key: [value[layer % before] for layer in range(depth)]
        for key, value in fields.items()
        if isinstance(value, list) and len(value) == before and key.endswith(("_types", "_layers"))
    }
    # GPT-Neo writes its layers as [[kinds, repeats], …], which must add up to the depth.
    pattern = getattr(config, "attention_types", None)
    if pattern and len(pattern) == 1 and depth % len(pattern[0][0]) == 0:
        lists["attention_types"] = [[pattern[0][0], depth // len(pattern[0][0])]]
    return {key: value for key, value in lists.items() if key not in overrides}
