"""The callback in the real `Trainer` of transformers, on a tiny model."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from training.test_adapters import transformer
from transformers import Trainer, TrainerCallback, TrainingArguments

from calprof.integrations.huggingface import FlopsCallback

PEAK = 1e9


class Watcher(TrainerCallback):
    """A logger of the user's: keeps what it is shown."""

    def __init__(self):
        self.seen = []

    def on_log(self, args, state, control, logs=None, **kwargs):
        self.seen.append(dict(logs))


def samples(lengths):
    return [{"input_ids": torch.arange(n) % 101, "labels": torch.arange(n) % 101} for n in lengths]


def train(tmp_path, callback, lengths, model=None, **options):
    options = {"per_device_train_batch_size": 2, "logging_steps": 1, "max_steps": 3, **options}
    arguments = TrainingArguments(
        output_dir=str(tmp_path), use_cpu=True, report_to=[], disable_tqdm=True, save_strategy="no", seed=0, **options
    )
    watcher = Watcher()
    trainer = Trainer(
        model=model or transformer("llama"), args=arguments, train_dataset=samples(lengths),
        data_collator=lambda rows: {key: torch.stack([row[key] for row in rows]) for key in rows[0]},
        callbacks=[watcher],
    )  # fmt: skip
    callback.attach(trainer)
    trainer.train()
    logs = [entry for entry in trainer.state.log_history if "loss" in entry]
    return trainer, logs, watcher


def measured(model, batch, length):
    """What PyTorch's dispatcher counts of a step on one batch."""
    ids = torch.zeros(batch, length, dtype=torch.long)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        model(input_ids=ids, labels=ids).loss.backward()
    return counter.get_total_flops()


def ticks(step):
    counter = itertools.count()
    return lambda: next(counter) * step


def test_logs_the_hand_calculation_beside_the_loss(tmp_path):
    # The clock is read once a step, but twice more, 0.5 s apart, around each accounting of a batch, which is left out.
    callback = FlopsCallback(device=PEAK, dtype="fp32", clock=ticks(0.5))
    trainer, logs, watcher = train(tmp_path, callback, [11] * 6)
    flops = measured(transformer("llama"), 2, 11)
    assert [entry["flops_per_step"] for entry in logs] == [flops] * 3
    assert "mfu" not in logs[0]  # the first step only starts the clock
    for entry in logs[1:]:
        seconds = 1.0
        assert entry["mfu"] == pytest.approx(flops / (seconds * PEAK))
        assert entry["tflops_per_device"] == pytest.approx(flops / seconds / 1e12)
    assert callback.profiles == 1
    # The user's own loggers see the same figures, and the model is left as it was.
    assert [entry.get("mfu") for entry in watcher.seen if "loss" in entry] == [entry.get("mfu") for entry in logs]
    assert not trainer.model._forward_pre_hooks


def test_accumulated_batches_and_devices_add_up(tmp_path):
    callback = FlopsCallback(device=PEAK, dtype="fp32", count=4)
    _, logs, _ = train(tmp_path, callback, [11] * 12, gradient_accumulation_steps=2, max_steps=2)
    assert logs[-1]["flops_per_step"] == 4 * 2 * measured(transformer("llama"), 2, 11)
    assert callback.profiles == 1


def test_other_lengths_are_fitted_not_profiled(tmp_path):
    lengths = [11, 11, 13, 13, 17, 17, 23, 23, 47, 47]
    callback = FlopsCallback(device=PEAK, dtype="fp32")
    _, logs, _ = train(tmp_path, callback, lengths, max_steps=5, train_sampling_strategy="sequential")
    expected = {float(measured(transformer("llama"), 2, n)) for n in lengths}
    assert {entry["flops_per_step"] for entry in logs} == expected
    # One profile, then six and the held-out one for the fit.
    assert callback.profiles == 8


def test_without_a_device_only_what_is_known_is_logged(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    _, logs, _ = train(tmp_path, FlopsCallback(), [11] * 6)
    assert "mfu" not in logs[-1] and logs[-1]["tflops_per_device"] > 0


def test_an_unknown_device_is_refused_before_the_first_step(tmp_path):
    with pytest.raises(ValueError, match="unknown device 'abacus'"):
        train(tmp_path, FlopsCallback(device="abacus"), [11] * 6)


def test_a_model_that_asks_for_values_trains_on(tmp_path):
    class Asking(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.head = torch.nn.Linear(4, 7)

        def forward(self, input_ids, labels=None):
            hidden = self.head(torch.nn.functional.one_hot(input_ids % 4).float())
            if hidden.sum().item() == 0.5:
                hidden = hidden * 2
            return {"loss": hidden.sum()}

    with pytest.warns(UserWarning, match="cannot tell what a step costs"):
        _, logs, _ = train(tmp_path, FlopsCallback(device=PEAK, dtype="fp32"), [11] * 6, model=Asking())
    assert "flops_per_step" not in logs[-1]
