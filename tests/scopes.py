"""PyTorch's dispatcher, module by module: the flops counted while a module is the innermost running one."""

from __future__ import annotations

from typing import Any

import torch
from support import dispatcher


def dispatcher_macs_by_module(model: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, int]:
    """Runs `model` in eval mode without autograd; returns own MACs by dotted path, zeros left out."""
    own: dict[str, int] = {}
    stack: list[str] = []
    seen = [0]
    handles = []

    with dispatcher() as counter, torch.no_grad():

        def settle() -> None:
            total = int(counter.get_total_flops())
            if stack and total != seen[0]:
                own[stack[-1]] = own.get(stack[-1], 0) + (total - seen[0]) // 2
            seen[0] = total

        def enter(path: str) -> Any:
            def hook(module: Any, inputs: Any) -> None:
                settle()
                stack.append(path)

            return hook

        def leave(module: Any, inputs: Any, output: Any) -> None:
            settle()
            stack.pop()

        for path, module in model.named_modules():
            handles.append(module.register_forward_pre_hook(enter(path)))
            handles.append(module.register_forward_hook(leave))
        training = model.training
        try:
            model.eval()(*args, **kwargs)
        finally:
            model.train(training)
            for handle in handles:
                handle.remove()
    return own
