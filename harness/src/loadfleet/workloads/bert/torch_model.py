"""The embedded MiniLM weights as a PyTorch module; `model` says how they are stored and what the network is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from loadfleet.workloads.bert.model import read_weights

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from loadfleet.workloads.bert.model import Architecture

# Added to the attention scores of padding.
_MASKED = -10000.0


def load(path: Path) -> nn.Module:
    """The network with the weights of a file, fp32, for inference.

    Raises:
        InputError: The file is not in the layout of `model`.
    """
    architecture, weights = read_weights(path)
    return QuestionAnswering(architecture, weights).eval()


class QuestionAnswering(nn.Module):  # type: ignore[misc]
    """BERT with a start and an end logit for every position; inputs int64 [B, S], outputs [B, S] by canonical name."""

    def __init__(self, architecture: Architecture, weights: Mapping[str, NDArray[np.float32]]) -> None:
        super().__init__()
        self.words = nn.Embedding.from_pretrained(torch.from_numpy(weights["we.weight"]))
        self.positions = nn.Embedding.from_pretrained(torch.from_numpy(weights["pe.weight"]))
        self.kinds = nn.Embedding.from_pretrained(torch.from_numpy(weights["te.weight"]))
        self.norm = _norm(architecture, weights, "ln")
        self.layers = nn.ModuleList(_Layer(architecture, weights, number) for number in range(architecture.layers))
        self.answer = _linear(weights, "qa")

    def forward(
        self, input_ids: torch.Tensor, input_mask: torch.Tensor, segment_ids: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        place = torch.arange(input_ids.shape[1], device=input_ids.device)
        x = self.norm(self.words(input_ids) + self.kinds(segment_ids) + self.positions(place))
        mask = ((1 - input_mask[:, None, None, :]) * _MASKED).to(x.dtype)
        for layer in self.layers:
            x = layer(x, mask)
        start, end = self.answer(x).unbind(-1)
        return {"output_start_logits": start, "output_end_logits": end}


class _Layer(nn.Module):  # type: ignore[misc]
    def __init__(self, architecture: Architecture, weights: Mapping[str, NDArray[np.float32]], number: int) -> None:
        super().__init__()
        prefix = f"layers.{number}"
        self.heads = architecture.heads
        self.qkv = _linear(weights, f"{prefix}.qkv")
        self.out = _linear(weights, f"{prefix}.o")
        self.inner = _linear(weights, f"{prefix}.i")
        self.outer = _linear(weights, f"{prefix}.f")
        self.first = _norm(architecture, weights, f"{prefix}.ln1")
        self.second = _norm(architecture, weights, f"{prefix}.ln2")

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        batch, length, hidden = x.shape
        size = hidden // self.heads
        parts = self.qkv(x).view(batch, length, 3, self.heads, size).permute(2, 0, 3, 1, 4)
        query, key, value = parts.unbind(0)
        mixed = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=mask.expand(batch, 1, length, length), scale=1 / math.sqrt(size)
        )
        attended: torch.Tensor = self.first(self.out(mixed.transpose(1, 2).reshape(batch, length, hidden)) + x)
        result: torch.Tensor = self.second(self.outer(functional.gelu(self.inner(attended))) + attended)
        return result


def _linear(weights: Mapping[str, NDArray[np.float32]], name: str) -> nn.Linear:
    matrix, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
    layer = nn.Linear(matrix.shape[1], matrix.shape[0])
    layer.weight.data = torch.from_numpy(matrix)
    layer.bias.data = torch.from_numpy(bias)
    return layer


def _norm(architecture: Architecture, weights: Mapping[str, NDArray[np.float32]], name: str) -> nn.LayerNorm:
    layer = nn.LayerNorm(architecture.hidden, eps=architecture.epsilon)
    layer.weight.data = torch.from_numpy(weights[f"{name}.weight"])
    layer.bias.data = torch.from_numpy(weights[f"{name}.bias"])
    return layer
