"""What a name means: a library and a model of it, the catalogue, a file, the hub, or the user's own code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from calprof.models.blueprint import Blueprint, Sizes
from calprof.models.known import closest, find_known, known_names

LIBRARIES = ("torchvision", "timm", "hf")
_LOCAL = (".", "/", "~")


def resolve(
    name: str,
    sizes: Sizes | None = None,
    *,
    head: str | None = None,
    options: Mapping[str, Any] | None = None,
    token: str | None = None,
    trust_remote_code: bool = False,
    processor: Any = None,
) -> Blueprint:
    """Returns how to build the model of this name and what to feed it; nothing is built yet.

    A name is `torchvision:NAME`, `timm:NAME`, `hf:ORG/NAME` (the hub), `hf:FOLDER-OR-FILE`, `hf:TYPE` (a
    transformers model type with its defaults), `package.module:callable`, or bare. A bare name is looked for
    in the catalogue, torchvision, transformers' model types and timm, in that order; one with a slash is a
    hub name, or a path if it starts like one.

    Args:
        name: The name.
        sizes: Sizes of the input.
        head: The head of a transformers model, as `causal-lm`, or the name of its class.
        options: Fields of a transformers configuration, or keyword arguments of another library's builder.
        token: The hub's access token.
        trust_remote_code: Whether code from a hub repository may be run.
        processor: What makes a transformers model's inputs.

    Raises:
        ValueError: Nothing of that name: the three closest, and where it was looked for.

    Example:
        >>> resolve("resnet50").label
        'torchvision resnet50'
    """
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"the name of a model is a text such as 'resnet50' or 'hf:gpt2', not {name!r}")
    sizes, options = sizes or Sizes(), dict(options or {})
    library, rest = _library_of(name.strip())
    if not rest.strip(": "):
        raise ValueError(
            f"{name!r} names no model: give one such as 'resnet50', 'timm:vit_base_patch16_224' or 'hf:gpt2'"
        )
    if library == "hf":
        from calprof.models.huggingface import blueprint

        return blueprint(rest, sizes, options, head, token, trust_remote_code, processor)
    if head is not None or processor is not None:
        raise ValueError(f"{name} is no transformers model: it takes no head and no processor")
    if library == "torchvision":
        from calprof.models.torchvision import blueprint as torchvision_blueprint

        return torchvision_blueprint(rest, sizes, options)
    if library == "timm":
        from calprof.models.timm import blueprint as timm_blueprint

        return timm_blueprint(rest, sizes, options)
    from calprof.models.importpath import blueprint as path_blueprint

    return path_blueprint(rest, sizes, options)


def _library_of(name: str) -> tuple[str, str]:
    prefix, colon, rest = name.partition(":")
    if colon and prefix in LIBRARIES:
        return prefix, rest
    if name.startswith(_LOCAL) or name.endswith(".json"):
        return "hf", name
    if colon:
        return "path", name
    if find_known(name) is not None or "/" in name:
        return "hf", name
    return _library_with(name), name


def _library_with(name: str) -> str:
    """The library that has this bare name, asked in the order of how fast each answers."""
    from calprof.models import huggingface, timm, torchvision

    if name in _or_none(torchvision.names):
        return "torchvision"
    if name in huggingface.types():
        return "hf"
    if timm.has(name):
        return "timm"
    places = {
        "calprof's catalogue": (*known_names(), *closest(name)),
        "torchvision": _or_none(torchvision.names),
        "transformers' model types": huggingface.types(),
        "timm": _or_none(timm.names),
    }
    raise unknown(name, places)


def unknown(name: str, places: Mapping[str, Iterable[str]]) -> ValueError:
    """Returns the error for a name that none of `places` has, with the three closest names."""
    lists = {place: list(names) for place, names in places.items()}
    everything = dict.fromkeys(each for names in lists.values() for each in names)
    near = get_close_matches(name.lower(), everything, n=3, cutoff=0.0)
    looked = ", ".join(place if names else f"{place} (not installed)" for place, names in lists.items())
    return ValueError(f"no model is called {name!r}; the closest names are {', '.join(near)} (looked in {looked})")


def _or_none(names: Any) -> list[str]:
    try:
        return list(names())
    except ValueError:
        return []
