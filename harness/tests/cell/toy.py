"""A workload small enough for tests: a sample is a number, the model answers its square."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from loadfleet.backends.base import Backend, ModelFile, Options, Session
from loadfleet.workloads.base import Accuracy, Dataset, Workload

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

COUNT = 40
SLOW_S = 0.002


class ToyDataset(Dataset):
    """Numbers 0..39; sample i costs i + 1."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values
        self.count = len(values)
        self.lengths = np.arange(1, self.count + 1, dtype=np.int32)

    def batch(self, indices: np.ndarray, width: int | None = None) -> dict[str, np.ndarray]:
        return {"x": self.values[indices][:, None].repeat(width or 1, 1)}

    def respond(self, indices: np.ndarray, outputs: Mapping[str, np.ndarray]) -> np.ndarray:
        return np.ascontiguousarray(outputs["y"][:, :1], np.float32)


class Toy(Workload):
    name = "toy"

    def open(self, prepared: Path) -> Dataset:
        return ToyDataset(np.load(prepared / "values.npy"))

    def accuracy(self, prepared: Path, log: Path) -> Accuracy:
        entries = {entry["qsl_idx"]: entry["data"] for entry in json.loads(log.read_text())}
        right = sum(np.frombuffer(bytes.fromhex(data), np.float32)[0] == index**2 for index, data in entries.items())
        value = 100.0 * float(right) / len(entries)
        return Accuracy("right", value, {"right": value}, f"right={value}", len(entries), COUNT)


class SlowSession(Session):
    """Squares, after a time that is known: 2 ms on one thread, 32 ms on two, for they are in each other's way."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.seconds = SLOW_S * threads**4

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        end = time.perf_counter() + self.seconds
        time.sleep(self.seconds - 0.0005)
        while time.perf_counter() < end:
            pass
        return {"y": inputs["x"] ** 2}

    def describe(self) -> dict[str, Any]:
        return {"threads": self.threads}


class Slow(Backend):
    """The backend `slow`."""

    name = "slow"

    def versions(self) -> dict[str, str]:
        return {"slow": os.environ.get("TOY_VERSION", "1")}

    def check_device(self, device: str) -> None:
        """It has none."""

    def load(self, model: ModelFile, options: Options) -> Session:
        return SlowSession(options.threads)


def build_values(inputs: Mapping[str, Path], output: Path, parameters: Mapping[str, Any]) -> None:
    np.save(output / "values.npy", np.arange(COUNT, dtype=np.float32))


def build_model(inputs: Mapping[str, Path], output: Path, parameters: Mapping[str, Any]) -> None:
    shape = ["batch", "width"]
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "x"], ["y"])],
        "square",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, output / "model.onnx")
