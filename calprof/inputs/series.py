"""Time series, trajectories and page layouts for a configuration."""

from __future__ import annotations

import torch

from calprof.inputs.request import Request
from calprof.inputs.values import filled, integers, noise


def series(request: Request) -> dict[str, torch.Tensor]:
    """`past_values` and, for the probabilistic forecasters, the features and the future that come with it."""
    context = int(request.whole("context_length", default=64))
    inputs = request.whole("num_input_channels")
    if inputs is not None:
        named = {"past_values": noise((request.batch, context, inputs), request.dtype)}
    elif "past_time_features" in request.taken:
        named = _lagged(request, context)
    else:
        named = {"past_values": noise((request.batch, context), request.dtype)}
    if "past_observed_mask" in request.taken and request.taken["past_observed_mask"].default is not None:
        named["past_observed_mask"] = torch.ones_like(named["past_values"])
    if "past_values_padding" in request.taken:
        named["past_values_padding"] = filled(named["past_values"].shape, 0)
    if "freq" in request.taken:
        named["freq"] = filled((request.batch, 1), 0)
    return named


def _lagged(request: Request, context: int) -> dict[str, torch.Tensor]:
    """History as long as the context and its largest lag, then the horizon to predict."""
    config = request.config
    past = context + max(config.lags_sequence)
    known = config.num_time_features + config.num_dynamic_real_features
    values = () if config.input_size == 1 else (config.input_size,)
    named = {
        "past_values": noise((request.batch, past, *values), request.dtype),
        "past_time_features": noise((request.batch, past, known), request.dtype),
        "past_observed_mask": noise((request.batch, past, *values), request.dtype).fill_(1),
        "future_values": noise((request.batch, config.prediction_length, *values), request.dtype),
        "future_time_features": noise((request.batch, config.prediction_length, known), request.dtype),
    }
    if config.num_static_categorical_features:
        shape = (request.batch, config.num_static_categorical_features)
        named["static_categorical_features"] = integers(0, min(config.cardinality), shape)
    if config.num_static_real_features:
        shape = (request.batch, config.num_static_real_features)
        named["static_real_features"] = noise(shape, request.dtype)
    return named


def trajectory(request: Request) -> dict[str, torch.Tensor]:
    """States, actions, rewards and returns to go of `seq` steps of an episode."""
    steps = request.seq or 20
    wide = request.whole("state_dim", default=1)
    return {
        "states": noise((request.batch, steps, wide), request.dtype),
        "actions": noise((request.batch, steps, request.whole("act_dim", default=1)), request.dtype),
        "rewards": noise((request.batch, steps, 1), request.dtype),
        "returns_to_go": noise((request.batch, steps, 1), request.dtype),
        "timesteps": integers(0, request.whole("max_ep_len", default=steps), (request.batch, steps)),
        "attention_mask": filled((request.batch, steps), 1),
    }
