"""The catalogue of well-known models: published configurations and published sizes.

The data is JSON, one file per family, in the folder `catalogue` beside this module. An entry's `config`
holds only the fields that differ from the defaults of its `model_type` in transformers. Nothing here
imports torch or transformers; the files are read on the first question.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True, slots=True)
class KnownModel:
    """One model of the catalogue: how to configure it, and how large its authors say it is.

    Attributes:
        name: The lower-case name it is asked for by.
        model_type: The architecture's key in transformers.
        architecture: The transformers class its published configuration names.
        hub: The repository on the Hugging Face Hub that publishes it.
        config: The configuration's fields that differ from the model type's defaults.
        source: Where the parameter count is published.
        params: The published number of parameters, tied ones once, or None where only a rounded one is.
        params_published: That rounded figure, such as "6.7B".
        aliases: Other names of the same configuration.
        counted: The class whose parameters the figure counts; empty where it is `architecture`.
        buffers: How many of `params` transformers keeps as buffers (the routers' balancing biases).
        separate_head: Whether the checkpoint's output head is a matrix of its own although the
            transformers class shares the embedding's.
        note: Anything else a reader of the figures must know.

    Example:
        >>> find_known("llama-3.1-405b").params
        405853388800
    """

    name: str
    model_type: str
    architecture: str
    hub: str
    config: Mapping[str, Any] = field(hash=False)
    source: str
    params: int | None = None
    params_published: str = ""
    aliases: tuple[str, ...] = ()
    counted: str = ""
    buffers: int = 0
    separate_head: bool = False
    note: str = ""


def known_names() -> tuple[str, ...]:
    """Returns the names of the catalogue in alphabetical order, aliases not among them."""
    return tuple(sorted(model.name for model in set(_index().values())))


def find_known(name: str) -> KnownModel | None:
    """Returns the model of this name, alias or hub repository, whatever its case; None if there is none.

    Example:
        >>> find_known("meta-llama/Llama-3.1-8B").name
        'llama-3.1-8b'
    """
    return _index().get(name.strip().lower())


def closest(name: str, n: int = 3) -> tuple[str, ...]:
    """Returns up to `n` names of different catalogue models, the nearest spelling first.

    Example:
        >>> closest("lama-3.1-405b", 1)
        ('llama-3.1-405b',)
    """
    index = _index()
    spelling = name.strip().lower().rsplit("/", 1)[-1]
    candidates = [known for known in index if "/" not in known]
    near = get_close_matches(spelling, candidates, n=n + len(candidates), cutoff=0.3)
    return tuple(dict.fromkeys(index[known].name for known in near))[:n]


@cache
def _index() -> dict[str, KnownModel]:
    """The catalogue by every spelling that names a model: name, aliases, hub repository."""
    index: dict[str, KnownModel] = {}
    for model in _entries():
        for spelling in dict.fromkeys((model.name, *model.aliases, model.hub.lower())):
            if index.setdefault(spelling, model) is not model:
                raise ValueError(f"{spelling!r} names both {index[spelling].name} and {model.name}")
    return index


def _entries() -> list[KnownModel]:
    folder = files(__package__) / "catalogue"
    documents = [file.read_text(encoding="utf-8") for file in folder.iterdir() if file.name.endswith(".json")]
    entries = [entry for document in documents for entry in json.loads(document)]
    return [KnownModel(**{**entry, "aliases": tuple(entry.get("aliases", ()))}) for entry in entries]
