"""calflops' published table of vision models, from the shapes torchvision runs and the closed forms."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
torchvision = pytest.importorskip("torchvision")

from calprof.analytical import layers  # noqa: E402 - after the skip

# model: FLOPs, MACs, parameters, as printed (six significant digits)
PUBLISHED = {
    # 741.19 G is printed for the MACs; 714.188 M is what the program gives
    "alexnet": ("1.42974e+09", "7.14188e+08", 61100840),
    "vgg11": ("1.52392e+10", "7.60909e+09", 132863000),
    "vgg13": ("2.26476e+10", "1.13085e+10", 133048000),
    "vgg16": ("3.09738e+10", "1.54703e+10", 138358000),
    "vgg19": ("3.93e+10", "1.96321e+10", 143667000),
    "vgg11_bn": ("1.5254e+10", "7.60909e+09", 132869000),
    "vgg13_bn": ("2.26721e+10", "1.13085e+10", 133054000),
    "vgg16_bn": ("3.10009e+10", "1.54703e+10", 138366000),
    "vgg19_bn": ("3.93297e+10", "1.96321e+10", 143678000),
    "resnet18": ("3.63625e+09", "1.81407e+09", 11689500),
    "resnet34": ("7.33939e+09", "3.66376e+09", 21797700),
    "resnet50": ("8.21111e+09", "4.08918e+09", 25557000),
    "resnet101": ("1.56509e+10", "7.80141e+09", 44549200),  # printed 15690900000, but 15.65 in its G column
    "resnet152": ("2.30943e+10", "1.15136e+10", 60192800),
    "squeezenet1_0": ("1.64897e+09", "8.18925e+08", 1248420),
    "squeezenet1_1": ("7.05014e+08", "3.49152e+08", 1235500),
    "densenet121": ("5.71688e+09", "2.83416e+09", 7978860),
    "densenet169": ("6.77837e+09", "3.35984e+09", 14149480),  # printed 14195000, digits exchanged
    "densenet201": ("8.65852e+09", "4.29137e+09", 20013900),
    "densenet161": (
        "1.55465e+10",
        "7.72791e+09",
        28681000,
    ),  # printed 1554650000 and 7727900000, a digit short
    "inception_v3": ("5.69239e+09", "2.83792e+09", 27161300),  # the G column says 5.29
}


class Prices(torch.overrides.TorchFunctionMode):
    """FLOPs as calflops prices them, and MACs, of the functions one forward calls.

    2 a MAC, the bias of a convolution but not of a linear layer, 2 a normalised element, 1 a ReLU, and 1 for
    each element that enters a pool.
    """

    flops, macs, inside = 0, 0, False

    def __torch_function__(self, function, types, args=(), kwargs=None):
        outermost, self.inside = not self.inside, True
        out = function(*args, **(kwargs or {}))
        if outermost:
            self.inside = False
            self.price(getattr(function, "__name__", ""), args, out)
        return out

    def price(self, name: str, args: tuple, out: torch.Tensor) -> None:
        if name == "conv2d":
            outputs, inputs, *kernel = args[1].shape
            macs = layers.convolution_macs(tuple(out.shape[2:]), tuple(kernel), inputs, outputs)
            self.macs += macs
            self.flops += 2 * macs + (0 if args[2] is None else out.numel())
        elif name == "linear":
            outputs, inputs = args[1].shape
            self.macs += inputs * outputs
            self.flops += layers.matrix_product(1, inputs, outputs, bias=True)
        elif name == "batch_norm":
            self.flops += 2 * out.numel()
        elif name.startswith("relu"):
            self.flops += out.numel()
        elif "pool2d" in name:
            self.flops += args[0].numel()


@pytest.mark.parametrize("name", PUBLISHED)
def test_calflops_vision_models(name: str) -> None:
    options = {"init_weights": False} if name == "inception_v3" else {}
    with torch.device("meta"):
        model = getattr(torchvision.models, name)(weights=None, **options)
    flops, macs, params = PUBLISHED[name]
    with torch.no_grad(), Prices() as prices:
        model.eval()(torch.empty(1, 3, 224, 224, device="meta"))
    assert f"{prices.macs:.6g}" == macs
    assert float(f"{sum(p.numel() for p in model.parameters()):.6g}") == float(f"{params:.6g}")
    assert f"{prices.flops:.6g}" == flops
