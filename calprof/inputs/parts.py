"""What encoders and decoders get that are only parts of a model: states, latents, spectra, features."""

from __future__ import annotations

import torch
from torch import nn

from calprof.inputs import stages
from calprof.inputs.pictures import channels, size
from calprof.inputs.request import Request
from calprof.inputs.sound import BINS, DEFAULT_SECONDS, FRAMES_PER_SECOND, features, samples
from calprof.inputs.stages import WIDTHS
from calprof.inputs.text import random_ids
from calprof.inputs.traits import config_vocabulary, first_layer
from calprof.inputs.values import filled, integers, noise

POOLED = 4


def tokens(request: Request) -> torch.Tensor:
    """(batch, length) token ids."""
    return random_ids(request.config, config_vocabulary(request.config), (request.batch, request.length))


def codes(request: Request) -> torch.Tensor:
    """(batch, length, codebooks) codes of sound, one of each codebook at every step."""
    books = request.whole("num_codebooks", default=1)
    return integers(0, request.whole("codebook_size", default=2), (request.batch, request.length, books))


def mask(request: Request) -> torch.Tensor:
    """(batch, length) ones."""
    return filled((request.batch, request.length), 1)


def embeddings(request: Request) -> torch.Tensor:
    """(batch, length, width) vectors in place of embedded tokens, or the frames that an encoder of sound projects."""
    wide = request.whole("input_dim", *WIDTHS, default=1)
    return noise((request.batch, request.length, wide), request.dtype)


def states(request: Request) -> torch.Tensor:
    """What the first layer reads: pixels, samples of sound, or vectors; windows of an image count as samples."""
    first = first_layer(request.model)
    if isinstance(first, nn.Conv2d) and first.in_channels == channels(request):
        return picture(request)
    if isinstance(first, nn.Conv1d) and first.in_channels == request.whole("audio_channels", "channels"):
        return noise((request.batch, first.in_channels, samples(request)), request.dtype)
    if "quantized_code" in request.taken:
        return stages.denoised(request)
    wide = request.whole("input_dim", "input_size", *WIDTHS, default=1)
    vectors = noise((request.batch, request.length, wide), request.dtype)
    if isinstance(first, nn.Conv1d) and first.in_channels == wide:
        return vectors.transpose(1, 2).contiguous()
    # Where both are stated, `num_windows` counts all windows, else those along each side.
    side = int(request.whole("num_windows_side", "num_windows", default=1))
    return vectors.repeat(side**2, 1, 1)


def encoded(request: Request) -> torch.Tensor:
    """(batch, length, width) states of an encoder, one for each place of the coarsest map that comes with it."""
    if "backbone_features" in request.taken:
        return stages.places(request)
    wide = request.whole(
        "encoder_hidden_size", "cross_hidden_size", "cross_attention_hidden_size", "input_dim", *WIDTHS, default=1
    )
    return noise((request.batch, request.length, wide), request.dtype)


def patched(request: Request) -> torch.Tensor:
    """(batch, patches, width) states of the model over patches of bytes, a patch for each byte at the most."""
    wide = request.whole("hidden_size_global", "hidden_size", default=1)
    return noise((request.batch, request.length, wide), request.dtype)


def latents(request: Request) -> torch.Tensor:
    """(batch, width, frames) vectors that a decoder of sound starts from."""
    first = first_layer(request.model)
    read = first.in_channels if isinstance(first, (nn.Conv1d, nn.ConvTranspose1d)) else None
    wide = read or request.whole("latent_dim", "hidden_size", default=1)
    return noise((request.batch, wide, request.length), request.dtype)


def spectrum(request: Request) -> torch.Tensor:
    """The frames of the sound that the model also gets as samples, one for each hop of them if they are joined."""
    frames = features(request)["input_features"]
    hop = request.whole("hop_length")
    if hop is None or "input_values" not in request.taken:
        return frames
    return noise((request.batch, samples(request) // int(hop), frames.shape[-1]), request.dtype)


def _bins(request: Request) -> int:
    return int(request.whole("model_in_dim", "mel_dim", *BINS, default=80))


def spectrogram(request: Request) -> torch.Tensor:
    """(batch, frames, bins) values that a vocoder makes sound of."""
    count = max(int((request.seconds or DEFAULT_SECONDS) * FRAMES_PER_SECOND), 1)
    return noise((request.batch, count, _bins(request)), request.dtype)


def mel_spectrogram(request: Request) -> torch.Tensor:
    """(batch, bins, frames) values that a vocoder makes sound of."""
    return spectrogram(request).transpose(1, 2).contiguous()


def picture(request: Request) -> torch.Tensor:
    """(batch, channels, height, width) values."""
    return noise((request.batch, channels(request), *size(request)), request.dtype)


def layered(request: Request) -> torch.Tensor:
    """(images, patches, width · layers) states of the layers of a vision encoder that are side by side."""
    layers = request.whole("vision_feature_layer", "vision_feature_layers", default=(0,))
    wide = request.whole("hidden_size", default=1) * (len(layers) if isinstance(layers, (list, tuple)) else 1)
    return noise((request.batch, POOLED * request.length, wide), request.dtype)


def pooled(request: Request) -> torch.Tensor:
    """(tokens, patches of each) numbers of the patches that are pooled to a token."""
    count = POOLED * request.length * request.batch
    return torch.arange(count, dtype=torch.int64, device="cpu").reshape(-1, POOLED)


def context(request: Request) -> torch.Tensor:
    """(batch, length, width · layers) states of several layers of another model, side by side."""
    wide = request.whole("hidden_size", default=1) * len(request.whole("target_layer_ids", default=(0,)))
    return noise((request.batch, request.length, wide), request.dtype)
