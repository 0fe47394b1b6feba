"""One name for every spelling of an op.

`torch.add`, `Tensor.add`, `add_`, `__radd__`, `__iadd__` and `aten.add.Tensor` are one op, `add`. A few ops
take their arguments in another order in one namespace than in another (`F.embedding`, `torch.embedding`),
so an identity keeps the namespace beside the name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_REFLECTED = frozenset(
    (
        "add", "sub", "mul", "div", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor", "lshift",
        "rshift", "divmod",
    )
)  # fmt: skip
_SPELLINGS = {
    "truediv": "div", "true_divide": "div", "divide": "div", "itruediv": "div", "floordiv": "floor_divide",
    "mod": "remainder", "invert": "bitwise_not", "and": "bitwise_and", "or": "bitwise_or",
    "xor": "bitwise_xor", "lshift": "bitwise_left_shift", "rshift": "bitwise_right_shift",
    "subtract": "sub", "multiply": "mul", "negative": "neg", "absolute": "abs", "clip": "clamp",
    "greater": "gt", "greater_equal": "ge", "less": "lt", "less_equal": "le", "not_equal": "ne",
    "arccos": "acos", "arccosh": "acosh", "arcsin": "asin", "arcsinh": "asinh", "arctan": "atan",
    "arctanh": "atanh", "arctan2": "atan2", "fix": "trunc", "ger": "outer", "det": "det",
    "expit": "sigmoid", "psi": "digamma", "gammaln": "lgamma", "orgqr": "householder_product",
    "conv_tbc": "conv_tbc", "concat": "cat", "concatenate": "cat", "swapaxes": "transpose",
    "swapdims": "transpose", "moveaxis": "movedim", "vstack": "vstack", "row_stack": "vstack",
}  # fmt: skip
_PRIMS = {
    "erf_inv": "erfinv", "bessel_i0": "i0", "bessel_i0e": "i0e", "bessel_i1": "i1", "bessel_i1e": "i1e",
    "shift_left": "bitwise_left_shift", "shift_right_arithmetic": "bitwise_right_shift", "fft_c2c": "_fft_c2c",
    "fft_r2c": "_fft_r2c", "fft_c2r": "_fft_c2r",
}  # fmt: skip
"""PyTorch's primitives, which its own decompositions are made of, where they are called otherwise."""
_PREFIXED = {"torch._C._fft": "fft", "torch._C._linalg": "linalg", "torch._C._special": "special"}
_MODULES = {
    "torch.nn.functional": "functional", "torch._C._nn": "functional", "torch": "torch",
    "torch.functional": "torch", "torch._tensor": "tensor", "torch._VF": "torch",
    "torch._C._VariableFunctions": "torch", "torch._lobpcg": "torch", "torch._lowrank": "torch",
    "torch._C._sparse": "torch", "torch._C._nested": "torch",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Identity:
    """Which op a callable is: its namespace, its normalised name, and whether its operands are swapped."""

    namespace: str
    name: str
    reflected: bool = False
    attribute: bool = False
    """Whether it reads or writes a tensor's attribute."""

    @property
    def qualified(self) -> str:
        """The name with its namespace, such as `functional.embedding`."""
        return f"{self.namespace}.{self.name}"

    @property
    def keys(self) -> tuple[str, ...]:
        """The registry keys to try, most specific first."""
        if self.namespace == "aten":
            return (self.qualified, f"torch.{self.name}", self.name)
        if self.namespace == "prims":
            return (self.qualified, self.name, f"special.{self.name}")
        if self.namespace in _OWN:
            return (self.qualified, self.name)
        return (self.qualified,)


_OWN = frozenset({"functional", "torch", "tensor", "fft", "linalg", "special"})


def normalise(name: str) -> tuple[str, bool]:
    """Returns the shared name of a spelling, and whether its operands are swapped.

    Example:
        >>> normalise("__rsub__"), normalise("add_"), normalise("__itruediv__")
        (('sub', True), ('add', False), ('div', False))
    """
    reflected = False
    if name.startswith("__") and name.endswith("__") and len(name) > 4:
        name = name[2:-2]
        if name[0] == "r" and name[1:] in _REFLECTED:
            name, reflected = name[1:], True
        elif name[0] == "i" and name[1:] in _REFLECTED:
            name = name[1:]
    elif name.endswith("_") and not name.endswith("__"):
        name = name[:-1]
    return _SPELLINGS.get(name, name), reflected


def identify(func: Callable[..., Any]) -> Identity:
    """Returns which op `func` is, from its name and the place it is defined in.

    Example:
        >>> identify(torch.Tensor.__iadd__).qualified
        'tensor.add'
    """
    name = getattr(func, "__name__", None) or type(func).__name__
    if name in ("__get__", "__set__", "__delete__"):
        return Identity("tensor", name, attribute=True)
    packet = getattr(func, "_overloadpacket", func)
    qualified = getattr(packet, "_qualified_op_name", None)
    if isinstance(qualified, str):
        namespace, _, name = qualified.partition("::")
        prefix, _, rest = name.partition("_")
        if namespace == "aten" and prefix in _PREFIXED.values() and rest:
            return Identity(prefix, normalise(rest)[0])
        if namespace == "prims":
            return Identity(namespace, _PRIMS.get(name, name))
        if namespace != "aten":
            return Identity(namespace, name)
        prefix, _, rest = name.partition("_")
        if prefix in _PREFIXED.values() and rest:
            # `aten.linalg_svd` is `torch.linalg.svd`.
            return Identity(prefix, normalise(rest)[0])
        return Identity(namespace, normalise(name)[0])
    if any(base.__name__ == "HigherOrderOperator" for base in type(func).__mro__):
        return Identity("higher_order", name)
    module = getattr(func, "__module__", None) or ""
    if module in _PREFIXED:
        namespace = _PREFIXED[module]
        name, reflected = normalise(name.removeprefix(namespace + "_"))
        return Identity(namespace, name, reflected)
    if getattr(func, "__objclass__", None) is not None:
        name, reflected = normalise(name)
        return Identity("tensor", name, reflected)
    if not module:
        # Builtins of torch itself carry no module.
        module = "torch"
    if module in _MODULES:
        name, reflected = normalise(name)
        return Identity(_MODULES[module], name, reflected)
    return Identity(module, getattr(func, "__qualname__", name))
