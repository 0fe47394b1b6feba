"""A recording's products by the rows of a comparison, read off module names, ops and shapes.

Names are those of the Hugging Face, timm and torchvision models and of the reference codes they stem from.
What fits no name is the rest, so that the rows always sum to what was recorded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from calprof.analytical.terms import ROWS, Terms
from calprof.recording.recording import Call, Recording

__all__ = ["ROTARY", "recorded_rows"]

ROTARY = "rotary"
"""The row of rotary frequencies that meet the positions in a matrix product."""

_QKV = (
    "q k v qkv query key value q_proj k_proj v_proj qkv_proj query_proj key_proj value_proj q_lin k_lin v_lin "
    "to_q to_k to_v to_qkv wq wk wv wqkv c_attn q_attn query_key_value in_proj w_pack q_a_proj q_b_proj kv_proj "
    "kv_a_proj_with_mqa kv_a_proj kv_b_proj"
)
_PROJECTION = "o o_proj out_proj c_proj proj dense out_lin wo to_out attn_out output"
_MLP = {
    "gate": "gate_proj wi_0 w1 fc1_g",
    "up": "up_proj wi wi_1 w3 fc1 fc1_x c_fc fc_in lin1 linear1 dense_h_to_4h intermediate ffn up fc_up",
    "down": "down_proj wo w2 fc2 c_proj fc_out lin2 linear2 dense_4h_to_h output ffn_output down fc_down",
    "gate and up": "gate_up_proj w12 w13 weights_in",
    "router": "gate router shared_expert_gate",
}
_LOGITS = "lm_head embed_out vocab_projector proj_out output_projection generator_lm_head lm_logits"

_IN_ATTENTION = {**dict.fromkeys(_QKV.split(), "qkv"), **dict.fromkeys(_PROJECTION.split(), "projection")}
_ELSEWHERE = {
    **{word: row for row, words in _MLP.items() for word in words.split()},
    **dict.fromkeys(_LOGITS.split(), "logits"),
}
_EMBEDDING = frozenset({"embeddings_project", "embedding_hidden_mapping_in", "project_in"})
_PASSED_OVER = re.compile(r"\d+|base_layer|lora_\w+|default|dense|linear|base|projection")
"""Parts of a path that say nothing of their own: an index, an adapter, a layer inside what has the name."""

_ATTENTION = re.compile(r"attn|attention")
_BATCHED = frozenset({"matmul", "bmm", "baddbmm", "einsum", "__matmul__"})


def recorded_rows(recording: Recording) -> Terms:
    """Forward FLOPs of the recording's products, 2 per MAC, by row; masked products are counted too.

    Attention's core is split in scores and weighted values; a fused gate and up product in its halves; the
    products of experts in those that widen and those that narrow. Rows without a product are left out.
    """
    kinds = {record.path: record.kind for record in recording.modules}
    sums: Terms = {}
    scopes: dict[tuple[str, str], list[Call]] = {}
    for call in recording.calls:
        if _macs(call):
            place = _place(call, kinds.get(call.module, ""))
            scopes.setdefault((call.module, place), []).append(call)
    for (_, place), calls in scopes.items():
        for row, macs in _split(place, calls).items():
            sums[row] = sums.get(row, 0) + 2 * macs
    return {row: sums[row] for row in (*ROWS, ROTARY) if sums.get(row)}


def _macs(call: Call) -> int:
    return call.cost.forward["mac"] + call.cost.forward["masked_mac"]


def _split(place: str, calls: list[Call]) -> Terms:
    """The MACs of one module's calls at one place, by row."""
    total = sum(map(_macs, calls))
    if place == "gate and up":
        return {"gate": total // 2, "up": total - total // 2}
    if place == "core":
        return _core(calls)
    if place == "batched":
        return _batched(calls)
    if place == "whole attention":
        return _whole(calls)
    if place == "experts":
        return _experts(calls)
    return {place: total}


def _place(call: Call, kind: str) -> str:
    """The row of a call, or the fused group of rows it has to be split into."""
    *inside, name = call.module.lower().split(".")
    if "rotary" in call.module.lower():
        return ROTARY
    if call.op == "multi_head_attention_forward":
        return "whole attention"
    if call.family == "attention":
        return "core"
    if "router" in kind.lower() or "router" in (*inside[-1:], name):
        return "router"
    if name == "experts" or kind.endswith("Experts"):
        return "experts"
    found = _named(inside, name)
    if found is None and call.op in _BATCHED and _ATTENTION.search(f"{call.module} {kind}".lower()):
        return "batched"
    return found or "rest"


def _named(inside: list[str], name: str) -> str | None:
    """The row that the last telling part of a path names."""
    if name == "decoder" and inside[-1:] and inside[-1] in ("predictions", "lm_head"):
        return "logits"
    path = [*inside, name]
    for index in reversed(range(len(path))):
        word, above = path[index], path[:index]
        in_attention = any(_ATTENTION.search(part) for part in above)
        if in_attention and word in _IN_ATTENTION:
            return _IN_ATTENTION[word]
        if word == "lm_head" and path[-1] == "dense":
            return None  # RoBERTa's hidden layer of the head
        if word == "output" and not above:
            return "logits"
        if word in _ELSEWHERE and not (in_attention and word == "output"):
            return _ELSEWHERE[word]
        if word in _EMBEDDING or "embed" in word:
            return "embedding"
        if not _PASSED_OVER.fullmatch(word):
            return None
    return None


def _core(calls: Iterable[Call]) -> Terms:
    """A fused kernel: each pair costs the query's width for its score and the value's for its weighted value."""
    sums = {"scores": 0, "weighted values": 0}
    for call in calls:
        query, value = (call.shapes[0][-1], call.shapes[2][-1]) if len(call.shapes) > 2 else (1, 1)
        scores = _macs(call) * query // (query + value)
        sums["scores"] += scores
        sums["weighted values"] += _macs(call) - scores
    return sums


def _batched(calls: list[Call]) -> Terms:
    """Attention in the open: the scores come first, and what contracts over them is the weighted values.

    Where the length equals the head size both products have the same shapes and are one entry of an even
    count, half of it each.
    """
    first = calls[0]
    sums = {"scores": 0, "weighted values": 0}
    for call in calls:
        macs = _macs(call)
        weighted = 0
        if call is not first and _left(call) == _result(first):
            weighted = macs
        elif len(calls) == 1 and call.count % 2 == 0:
            weighted = macs // 2
        elif call.op == "einsum" and call is not first:
            weighted = macs
        sums["weighted values"] += weighted
        sums["scores"] += macs - weighted
    return sums


def _left(call: Call) -> tuple[int, ...]:
    # The operands before the last one and the result; `baddbmm` has what it adds first.
    return call.shapes[-3][-2:] if len(call.shapes) > 2 else ()


def _result(call: Call) -> tuple[int, ...]:
    return call.shapes[-1][-2:] if call.shapes else ()


def _whole(calls: Iterable[Call]) -> Terms:
    """`multi_head_attention_forward`: three projections in, the core, one projection out, all of one width."""
    sums = dict.fromkeys(("qkv", "scores", "weighted values", "projection"), 0)
    for call in calls:
        if len(call.shapes) < 4:
            sums["qkv"] += _macs(call)
            continue
        query, key, value = (_size(shape) for shape in call.shapes[:3])
        width = call.shapes[0][-1]
        qkv, out = call.count * width * (query + key + value), call.count * width * query
        core = _macs(call) - qkv - out
        for row, macs in zip(sums, (qkv, core // 2, core - core // 2, out), strict=True):
            sums[row] += macs
    return sums


def _size(shape: tuple[int, ...]) -> int:
    elements = 1
    for size in shape:
        elements *= size
    return elements


def _experts(calls: list[Call]) -> Terms:
    """Experts: the first width that comes out is the gate and up, or up alone; what leads back is down."""
    widths: dict[tuple[int, int], int] = {}
    for call in calls:
        place = (call.shapes[0][-1], call.shapes[-1][-1]) if call.shapes else (0, 0)
        widths[place] = widths.get(place, 0) + _macs(call)
    total = sum(widths.values())
    if len(widths) == 1:
        # Calls that were merged, or an expert as wide as the model: a gated one has three equal products.
        return {"gate": total // 3, "up": total // 3, "down": total - 2 * (total // 3)}
    into = next(iter(widths))
    widening = widths[into]
    down = total - widening
    return _widened(widening, down)


def _widened(widening: int, down: int) -> Terms:
    """A gated expert widens with twice the products that lead back."""
    if widening == 2 * down:
        return {"gate": down, "up": down, "down": down}
    return {"up": widening, "down": down}
