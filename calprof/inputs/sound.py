"""Sound for a configuration: raw samples, or frames of spectral features."""

from __future__ import annotations

import inspect
import math

import torch
from torch import nn

from calprof.inputs.placeholders import method_of
from calprof.inputs.request import Request
from calprof.inputs.values import filled, noise

DEFAULT_SECONDS = 1.0
DEFAULT_RATE = 16000
FRAMES_PER_SECOND = 100  # one mel frame every 10 ms
BINS = (
    "feature_projection_input_dim", "input_feat_size", "input_size", "input_dim", "num_mel_bins", "num_mels",
    "feature_size", "n_mels", "mel_bins", "num_chroma",
)  # fmt: skip


def samples(request: Request) -> int:
    """How many samples the waveform has, at the configuration's sampling rate or at 16 kHz."""
    rate = request.audio("sampling_rate", "sample_rate", default=DEFAULT_RATE)
    count = max(int((request.seconds or DEFAULT_SECONDS) * rate), 1)
    # A mask of samples is read at every hop of the codec, so there are whole hops.
    names = ("samples_per_token", "hop_length") if "padding_mask" in request.taken else ("samples_per_token",)
    step = int(request.audio(*names, default=1))
    return -(-count // step) * step


def waveform(request: Request) -> dict[str, torch.Tensor]:
    """`input_values`: (batch, samples), with an axis for audio channels if any; or a spectrogram."""
    mels = request.audio("num_mel_bins")
    if mels is not None and request.audio("frequency_stride") is not None:
        length = request.audio("max_length", default=1024)
        return {"input_values": noise((request.batch, length, mels), request.dtype)}
    shape: tuple[int, ...] = (request.batch, samples(request))
    heard = request.audio("audio_channels", "feature_extraction_channels", "channels")
    if heard is not None or request.audio("codebook_size", "quantization_levels", "quantization_dim"):
        shape = (request.batch, request.audio("audio_channels", "channels", default=1), shape[1])
    named = {"input_values": noise(shape, request.dtype)}
    if "input_values_cutoffs" in request.taken:
        named["input_values_cutoffs"] = filled((request.batch, 1), shape[-1])
    if "padding_mask" in request.taken and "input_ids" in request.taken:
        named["padding_mask"] = filled((request.batch, shape[-1]), 1).bool()
    return named


def features(request: Request) -> dict[str, torch.Tensor]:
    """`input_features`: (batch, bins, frames) if a convolution over time comes first, else transposed."""
    bins = int(request.audio(*BINS, default=80))
    stacked = request.audio("input_feat_per_channel")
    if stacked is not None:
        bins = int(stacked) * int(request.audio("input_channels", default=1))
    convolutions = request.audio("subsampling_conv_channels")
    if stacked is None and isinstance(convolutions, (list, tuple)):
        bins = int(convolutions[0])  # what is left after the convolutions is projected as if it were this many
    square = request.audio("spec_size")
    if square is not None:
        return {"input_features": noise((request.batch, 1, 4 * square, bins), request.dtype)}
    bins = _read_bins(request, bins)
    length = frame_count(request)
    if "feature_lens" in request.taken:
        # The sounds of all samples one after the other, and how long each is.
        joined = noise((bins, request.batch * length), request.dtype)
        return {"input_features": joined, "feature_lens": filled((request.batch,), length)}
    # Chunks of known length come with their frames last, even if a convolution goes over both axes.
    convolved = "chunk_sample_lengths" in request.taken or (stacked is None and _convolves(request, bins))
    shape = (request.batch, bins, length) if convolved else (request.batch, length, bins)
    if "audio_mel" in request.taken:  # with a mask of what is padding
        return {"audio_mel": noise(shape, request.dtype), "audio_mel_mask": filled((request.batch, length), 0).bool()}
    named = {"input_features": noise(shape, request.dtype)}
    for mask in ("input_features_mask", "feature_attention_mask"):
        if mask in request.taken and _masks_frames(request, mask):
            named[mask] = filled((request.batch, length), 1)
    encode = method_of(request.model, "get_audio_features")
    if encode is not None and "padding_mask" in inspect.signature(encode).parameters:
        heard = length * DEFAULT_RATE // FRAMES_PER_SECOND
        named["padding_mask"] = filled((request.batch, heard), 1)
    return named


def _read_bins(request: Request, bins: int) -> int:
    """The bins that the model reads: where no layer takes as many as stated, those of its first product.

    A layer that takes several frames at once takes a multiple of them.
    """
    if not isinstance(request.model, nn.Module):
        return bins
    wide = [one.in_features for one in request.model.modules() if isinstance(one, nn.Linear)]
    read = [one.in_channels for one in request.model.modules() if isinstance(one, (nn.Conv1d, nn.Conv2d))]
    stacked = bins * int(request.audio("subsampling_factor", default=1))
    # A convolution with one channel goes over time and bins at once.
    return bins if {1, bins} & {*read} or not wide or {bins, stacked} & {*wide} else wide[0]


def _masks_frames(request: Request, mask: str) -> bool:
    """Whether the encoder itself reads the mask; where it does not, the mask is of what comes out of it."""
    encode = method_of(request.model, "get_audio_features")
    return encode is None or mask in inspect.signature(encode).parameters


def frame_count(request: Request) -> int:
    """How many frames: as many as the encoder has positions for, else by the seconds, in whole chunks."""
    fixed = request.audio("max_source_positions")
    # Relative positions are a limit, not a length.
    relative = request.audio("input_feat_per_channel", "position_embeddings_type") is not None
    if fixed is not None and not relative and request.seconds is None:
        return 2 * int(fixed)
    length = max(int((request.seconds or DEFAULT_SECONDS) * FRAMES_PER_SECOND), 1)
    # Encoders join up to eight frames into one, and some work in windows.
    chunk = math.lcm(8, 2 * int(request.audio("n_window", default=1)))
    return -(-length // chunk) * chunk


def _convolves(request: Request, bins: int) -> bool:
    """Whether the bins are the channels of a convolution, as far as the model or its configuration tells."""
    if request.audio("n_window") is not None:
        return True  # over time and bins at once, in windows
    if isinstance(request.model, nn.Module):
        convolutions = [one for one in request.model.modules() if isinstance(one, nn.Conv1d) and one.groups == 1]
        if convolutions and convolutions[0].in_channels == request.audio("model_in_channels"):
            return False  # what is convolved first is noise, which the frames only condition
        readers = [one for one in convolutions if one.in_channels == bins]
        linear = any(isinstance(one, nn.Linear) and one.in_features == bins for one in request.model.modules())
        return any(one.kernel_size[0] > 1 or not linear for one in readers)
    return request.audio("max_source_positions") is not None
