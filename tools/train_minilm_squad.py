"""Fine-tune MiniLM-L6 on SQuAD v1.1 and write the weights that Loadfleet embeds.

How `harness/src/loadfleet/embedded/minilm-squad-int8.safetensors` is made:

1. The encoder is all-MiniLM-L6-v2 (six BERT layers, hidden size 384), the question-answering head is new. The word
   embeddings stay as they are.
2. Every example is one window of its paragraph around the answer (`--crop` tokens), in batches of similar length;
   AdamW, linear warm-up and decay, no dropout, cross-entropy over the start and the end position.
3. Matrices and word embeddings are rounded to int8 per row (symmetric: the largest magnitude of a row is 127 steps),
   the position embeddings to float16. The layout is that of `loadfleet.workloads.bert.model`, which reads it back here.

The arguments and the losses are recorded in the file's metadata. One seed on one machine gives the same file; other
core counts and instruction sets round differently. An epoch takes about an hour on two cores with AMX, several times
that on others. To replace the embedded weights: write the file, evaluate the ONNX model built from it with
`tools/evaluate_squad.py`, and update digest and accuracy in the catalogue and the model card.

    python tools/train_minilm_squad.py --encoder model.safetensors --vocabulary vocab.txt --squad train-v1.1.json \
        --output minilm-squad-int8.safetensors --epochs 2
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors.numpy import load_file, save_file
from tokenizers import BertWordPieceTokenizer

from loadfleet.workloads.bert.model import Architecture, read_weights

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

try:
    import torch
except ModuleNotFoundError:  # checked in main(), so that --help works without it
    torch = None

QUESTION = 64
ARCHITECTURE = Architecture(
    layers=6, hidden=384, heads=12, feed_forward=1536, positions=512, vocabulary=30522, epsilon=1e-12
)


@dataclass(frozen=True)
class Example:
    """Token ids, first position of the paragraph, first and last position of the answer."""

    ids: list[int]
    document: int
    start: int
    end: int


def main() -> int:
    """Train, quantise, write, read back."""
    arguments = parse()
    if torch is None:
        sys.stderr.write("PyTorch is needed for training only: pip install torch\n")
        return 3
    torch.manual_seed(arguments.seed)
    chance = random.Random(arguments.seed)  # noqa: S311  shuffling, not secrets
    if arguments.threads:
        torch.set_num_threads(arguments.threads)

    examples = read_examples(arguments.squad, arguments.vocabulary)
    weights = initial_weights(arguments.encoder, arguments.initial, arguments.seed)
    steps = arguments.steps or int(len(examples) * arguments.epochs / arguments.batch)
    trained, losses = train(weights, examples, steps, arguments, chance)

    record = {key: str(value) if isinstance(value, Path) else value for key, value in vars(arguments).items()}
    metadata = {
        "architecture": asdict(ARCHITECTURE),
        "base_model": "all-MiniLM-L6-v2, word embeddings frozen",
        "licence": "Apache-2.0 (base model); training data CC BY-SA 4.0 (SQuAD v1.1)",
        "training": [{**record, "steps": steps, "torch": torch.__version__, "losses": losses}],
        "quantisation": "matrices and word embeddings int8 per row (symmetric, scale = largest magnitude / 127); "
        "position embeddings fp16; the rest fp32",
    }
    save_file(quantised(trained), arguments.output, {"loadfleet": json.dumps(metadata, sort_keys=True)})
    read_weights(arguments.output)
    sys.stdout.write(f"{arguments.output}: {arguments.output.stat().st_size:,} bytes\n")
    return 0


def parse() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description="Fine-tune MiniLM-L6 on SQuAD v1.1")
    parser.add_argument("--encoder", type=Path, required=True, help="model.safetensors of all-MiniLM-L6-v2")
    parser.add_argument("--vocabulary", type=Path, required=True, help="vocab.txt of BERT uncased")
    parser.add_argument("--squad", type=Path, required=True, help="train-v1.1.json")
    parser.add_argument("--output", type=Path, required=True, help="safetensors file to write")
    parser.add_argument("--initial", type=Path, help="continue from a file this program wrote")
    parser.add_argument("--epochs", type=float, default=2.0)
    parser.add_argument("--steps", type=int, default=0, help="number of batches instead of epochs")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--crop", type=int, default=176, help="tokens of an example at most")
    parser.add_argument("--learning-rate", type=float, default=2e-4)
    parser.add_argument("--weight-decay", type=float, default=0.01)
    parser.add_argument("--warm-up", type=float, default=0.05, help="share of the steps")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--bf16", action=argparse.BooleanOptionalAction, default=True)
    return parser.parse_args()


def read_examples(squad: Path, vocabulary: Path) -> list[Example]:
    """Every question with its whole paragraph; questions whose answer lies on no token are left out."""
    document = json.loads(squad.read_text(encoding="utf-8"))
    rows = [
        (entry["question"], paragraph["context"], entry["answers"][0])
        for article in document["data"]
        for paragraph in article["paragraphs"]
        for entry in paragraph["qas"]
    ]
    tokenizer = BertWordPieceTokenizer(str(vocabulary), lowercase=True)
    cls, sep = (tokenizer.token_to_id(token) for token in ("[CLS]", "[SEP]"))
    contexts = list(dict.fromkeys(context for _, context, _ in rows))
    encoded = dict(zip(contexts, tokenizer.encode_batch(contexts, add_special_tokens=False), strict=True))
    questions = tokenizer.encode_batch([question for question, _, _ in rows], add_special_tokens=False)
    examples = []
    for (_, context, answer), question in zip(rows, questions, strict=True):
        begin, end = answer["answer_start"], answer["answer_start"] + len(answer["text"])
        covered = [
            number for number, (first, past) in enumerate(encoded[context].offsets) if past > begin and first < end
        ]
        if covered:
            head = [cls, *question.ids[:QUESTION], sep]
            ids = [*head, *encoded[context].ids, sep]
            examples.append(Example(ids, len(head), covered[0] + len(head), covered[-1] + len(head)))
    return examples


def cropped(example: Example, size: int, chance: random.Random) -> Example:
    """A random window that holds the answer (its beginning, when the answer is longer than a window)."""
    if len(example.ids) <= size:
        return example
    room = size - example.document - 1
    latest = min(example.start - example.document, len(example.ids) - 1 - example.document - room)
    earliest = min(max(0, example.end - example.document - room + 1), latest)
    begin = chance.randint(earliest, latest)
    window = example.ids[example.document + begin : example.document + begin + room]
    ids = [*example.ids[: example.document], *window, example.ids[-1]]
    end = min(example.end - begin, len(ids) - 2)
    return Example(ids, example.document, example.start - begin, end)


def batches(examples: list[Example], size: int, crop: int, chance: random.Random) -> Iterator[list[Example]]:
    """Endless batches of similar length, in random order."""
    while True:
        order = list(range(len(examples)))
        chance.shuffle(order)
        groups = []
        for begin in range(0, len(order), size * 64):
            near = sorted(order[begin : begin + size * 64], key=lambda index: len(examples[index].ids))
            groups += [near[first : first + size] for first in range(0, len(near), size)]
        chance.shuffle(groups)
        for group in groups:
            yield [cropped(examples[index], crop, chance) for index in group]


def initial_weights(encoder: Path, initial: Path | None, seed: int) -> dict[str, NDArray[np.float32]]:
    """The encoder's tensors under this layout's names, with a random head; or those of an earlier file."""
    if initial is not None:
        return read_weights(initial)[1]
    source = {name.removeprefix("bert."): tensor for name, tensor in load_file(encoder).items()}
    names = {
        "we.weight": "embeddings.word_embeddings.weight",
        "pe.weight": "embeddings.position_embeddings.weight",
        "te.weight": "embeddings.token_type_embeddings.weight",
        "ln.weight": "embeddings.LayerNorm.weight",
        "ln.bias": "embeddings.LayerNorm.bias",
    }
    parts = {
        "o": "attention.output.dense",
        "ln1": "attention.output.LayerNorm",
        "i": "intermediate.dense",
        "f": "output.dense",
        "ln2": "output.LayerNorm",
    }
    weights = {name: source[theirs] for name, theirs in names.items()}
    for layer in range(ARCHITECTURE.layers):
        theirs = f"encoder.layer.{layer}"
        for kind in ("weight", "bias"):
            stacked = [source[f"{theirs}.attention.self.{name}.{kind}"] for name in ("query", "key", "value")]
            weights[f"layers.{layer}.qkv.{kind}"] = np.concatenate(stacked)
            for name, path in parts.items():
                weights[f"layers.{layer}.{name}.{kind}"] = source[f"{theirs}.{path}.{kind}"]
    head = np.random.default_rng(seed).normal(0.0, 0.02, (2, ARCHITECTURE.hidden))
    weights["qa.weight"] = head.astype(np.float32)
    weights["qa.bias"] = np.zeros(2, np.float32)
    return weights


def train(
    weights: dict[str, NDArray[np.float32]],
    examples: list[Example],
    steps: int,
    arguments: argparse.Namespace,
    chance: random.Random,
) -> tuple[dict[str, NDArray[np.float32]], list[float]]:
    """The trained tensors and the loss of every hundredth step and the last."""
    tensors = {name: torch.tensor(array, requires_grad=name != "we.weight") for name, array in weights.items()}
    trainable = [tensor for tensor in tensors.values() if tensor.requires_grad]
    groups = [
        {"params": [t for t in trainable if t.ndim > 1], "weight_decay": arguments.weight_decay},
        {"params": [t for t in trainable if t.ndim == 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=arguments.learning_rate)
    warm_up = max(1, int(steps * arguments.warm_up))
    losses: list[float] = []
    began = time.perf_counter()
    source = batches(examples, arguments.batch, arguments.crop, chance)
    for step in range(steps):
        factor = min((step + 1) / warm_up, (steps - step) / max(1, steps - warm_up))
        for group in optimizer.param_groups:
            group["lr"] = arguments.learning_rate * factor
        batch = next(source)
        ids, mask, segments = arrays(batch)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=arguments.bf16):
            logits = forward(tensors, ids, mask, segments)
        logits = logits.float().masked_fill((mask == 0)[..., None], -1e4)
        targets = torch.tensor([[example.start, example.end] for example in batch])
        loss = torch.nn.functional.cross_entropy(logits, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trainable, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if step % 100 == 0 or step == steps - 1:
            losses.append(round(loss.item(), 4))
            rate = (step + 1) * arguments.batch / (time.perf_counter() - began)
            sys.stderr.write(f"step {step + 1}/{steps} loss {losses[-1]:.3f} {rate:.1f} examples/s\n")
    return {name: tensor.detach().numpy() for name, tensor in tensors.items()}, losses


def arrays(batch: list[Example]) -> tuple[Any, Any, Any]:
    """Ids, mask and segments of a batch, int64 [batch, longest]."""
    longest = max(len(example.ids) for example in batch)
    ids, mask, segments = (torch.zeros(len(batch), longest, dtype=torch.long) for _ in range(3))
    for row, example in enumerate(batch):
        size = len(example.ids)
        ids[row, :size] = torch.tensor(example.ids)
        mask[row, :size] = 1
        segments[row, example.document : size] = 1
    return ids, mask, segments


def forward(weights: dict[str, Any], ids: Any, mask: Any, segments: Any) -> Any:
    """Start and end logits, [batch, sequence, 2].

    Attention is written out: the backward pass of PyTorch's fused attention takes half of a step on CPUs.
    """
    functional = torch.nn.functional

    def linear(x: Any, name: str) -> Any:
        return functional.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])

    def norm(x: Any, name: str) -> Any:
        size = (ARCHITECTURE.hidden,)
        return functional.layer_norm(x, size, weights[f"{name}.weight"], weights[f"{name}.bias"], ARCHITECTURE.epsilon)

    rows, columns = ids.shape
    size = ARCHITECTURE.hidden // ARCHITECTURE.heads
    x = weights["we.weight"][ids] + weights["pe.weight"][:columns] + weights["te.weight"][segments]
    x = norm(x, "ln")
    padding = torch.zeros(rows, 1, 1, columns).masked_fill((mask == 0)[:, None, None, :], -1e4)
    for layer in range(ARCHITECTURE.layers):
        name = f"layers.{layer}"
        heads = linear(x, f"{name}.qkv").view(rows, columns, 3, ARCHITECTURE.heads, size)
        query, key, value = heads.permute(2, 0, 3, 1, 4)
        scores = torch.matmul(query * size**-0.5, key.transpose(-1, -2)) + padding.to(query.dtype)
        mixed = torch.matmul(functional.softmax(scores, -1, dtype=scores.dtype), value)
        x = norm(x + linear(mixed.transpose(1, 2).reshape(rows, columns, -1), f"{name}.o"), f"{name}.ln1")
        x = norm(x + linear(functional.gelu(linear(x, f"{name}.i")), f"{name}.f"), f"{name}.ln2")
    return linear(x, "qa")


def quantised(weights: dict[str, NDArray[np.float32]]) -> dict[str, NDArray[Any]]:
    """The tensors as stored: `NAME.q` and `NAME.s` for matrices, fp16 positions, the rest as it is."""
    stored: dict[str, NDArray[Any]] = {}
    for name, tensor in weights.items():
        if name == "pe.weight":
            stored[name] = tensor.astype(np.float16)
        elif tensor.ndim == 2 and len(tensor) > 2:
            scale = np.maximum(np.abs(tensor).max(1), np.finfo(np.float32).tiny) / np.float32(127)
            stored[f"{name}.q"] = np.rint(tensor / scale[:, None]).clip(-127, 127).astype(np.int8)
            stored[f"{name}.s"] = scale.astype(np.float32)
        else:
            stored[name] = np.ascontiguousarray(tensor)
    return stored


if __name__ == "__main__":
    raise SystemExit(main())
