"""A configuration from the Hugging Face Hub, and nothing else: weights are never asked for."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any

from calprof.models.configs import build_config
from calprof.models.known import closest, find_known


def hub_config(
    name: str,
    options: Mapping[str, Any],
    token: str | None = None,
    trust_remote_code: bool = False,
) -> Any:
    """Returns the configuration of the hub repository `name`, with `options` laid over its fields.

    It comes from the hub's cache where it is there, else from the catalogue where that has it, else from the
    network. `HF_HUB_OFFLINE`, `HF_ENDPOINT`, `HF_HOME` and `HF_TOKEN` are respected.

    Raises:
        ValueError: No such repository, one that wants a token, no network, or a configuration that cannot
            be built; the message says what to do.
    """
    file = _cached(name)
    if file is None and not trust_remote_code and find_known(name) is not None:
        return build_config(name, **options)
    file = file or _downloaded(name, token)
    if trust_remote_code and _needs_code(file):
        return _remote(name, options, token)
    try:
        return build_config(file, **options)
    except ValueError as error:
        raise ValueError(str(error).replace(repr(file), repr(name))) from error


def _needs_code(file: str) -> bool:
    import json
    from pathlib import Path

    from transformers import CONFIG_MAPPING

    fields = json.loads(Path(file).read_text(encoding="utf-8"))
    return bool(fields.get("auto_map")) and fields.get("model_type") not in CONFIG_MAPPING


def _cached(name: str) -> str | None:
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(name, "config.json")
    except HFValidationError as error:
        raise ValueError(f"{name!r} is no name of a hub repository, which is ORGANISATION/MODEL") from error
    return found if isinstance(found, str) else None


def _downloaded(name: str, token: str | None) -> str:
    from huggingface_hub import constants, errors, hf_hub_download

    try:
        if not constants.HF_HUB_OFFLINE:
            _require_network(constants.ENDPOINT)
        return str(hf_hub_download(name, "config.json", token=token or None))
    except errors.GatedRepoError as error:
        raise ValueError(
            f"{name!r} is gated: accept its terms at https://huggingface.co/{name} and give a token "
            f"(HF_TOKEN, or token=){_instead(name)}"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise ValueError(
            f"the hub has no model {name!r} that this token may see: check the spelling, or give a token "
            f"(HF_TOKEN, or token=){_instead(name)}"
        ) from error
    except errors.OfflineModeIsEnabled as error:
        raise _offline(name) from error
    except (errors.LocalEntryNotFoundError, socket.gaierror) as error:
        if constants.HF_HUB_OFFLINE:
            raise _offline(name) from error
        raise ValueError(
            f"{name!r} is not in the hub's cache, and the hub cannot be reached: check the network, or give a "
            f"folder with a config.json as hf:./folder{_instead(name)}"
        ) from error
    except errors.EntryNotFoundError as error:
        raise ValueError(f"{name!r} has no config.json, so it is no transformers model") from error
    except OSError as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"the hub does not give the configuration of {name!r}: {reason}{_instead(name)}") from error


def _offline(name: str) -> ValueError:
    return ValueError(
        f"{name!r} is not in the hub's cache, and HF_HUB_OFFLINE forbids the network: unset it{_instead(name)}"
    )


def _require_network(endpoint: str) -> None:
    """Asks for the hub's address once, because the hub's client tries for half a minute where there is no network."""
    from urllib.parse import urlparse
    from urllib.request import getproxies

    address = urlparse(endpoint)
    if not getproxies() and address.hostname:
        socket.getaddrinfo(address.hostname, address.port or 443)


def _instead(name: str) -> str:
    near = closest(name)
    return f"; without the hub calprof knows {', '.join(near)}" if near else ""


def _remote(name: str, options: Mapping[str, Any], token: str | None) -> Any:
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(name, token=token or None, trust_remote_code=True)
    except Exception as error:  # code from the repository raises what it likes
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"the code of {name!r} does not build its configuration: {reason}") from error
    for field, value in options.items():
        if not hasattr(config, field):
            raise ValueError(f"the configuration of {name!r} has no field {field!r}")
        setattr(config, field, value)
    return config
