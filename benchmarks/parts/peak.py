"""What the processor can at most: one large matrix product on all cores, and the ceilings that follow from it."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Any

from benchmarks import manners
from benchmarks.errors import UnavailableError
from benchmarks.part import Figure, Part, Reading, value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.bench import Bench, Cell

SIZE = 1024  # of the square matrices
KINDS = {
    "onnxruntime fp32": ("onnxruntime", "fp32"),
    "openvino fp32": ("openvino", "fp32"),
    "openvino bf16": ("openvino", "bf16"),
    "onnxruntime int8": ("onnxruntime", "int8"),
}
_SECONDS = 1.0
_MODEL, _COST = "embedded model, bare", "a sample"
_SAMPLES = 300


def readings(bench: Bench, number: int) -> Iterator[Reading]:
    """Billions of multiplications and additions a second."""
    for name, (backend, kind) in KINDS.items():
        try:
            python = bench.python(backend)
            done = bench.child("benchmarks.parts.peak:product", python, backend=backend, kind=kind, seconds=_SECONDS)
            yield Reading(name, done / 1e9, "GFLOP/s")
        except UnavailableError as error:
            yield Reading(name, None, reason=str(error))
    cell = bench.cell(query_count=_SAMPLES)
    indices = bench.issued(cell)
    rate = bench.child("benchmarks.sut:bare_offline", cell=cell, indices=indices)
    each = bench.child("benchmarks.parts.peak:cost", cell=cell, indices=indices)
    yield Reading(_MODEL, rate * each / 1e9, "GFLOP/s")
    yield Reading(_COST, each / 1e9, "GFLOP")
    yield manners.reference(bench)


def product(backend: str, kind: str, seconds: float) -> float:
    """Operations a second of products of two square matrices, one session on each core."""
    import numpy as np  # noqa: PLC0415  (in the child process only)
    import onnx  # noqa: PLC0415
    from onnx import helper, numpy_helper  # noqa: PLC0415

    random = np.random.default_rng(SIZE)
    if kind == "int8":
        left = random.integers(0, 255, (SIZE, SIZE), np.uint8)
        right, operator = random.integers(-127, 127, (SIZE, SIZE), np.int8), "MatMulInteger"
    else:
        left = random.standard_normal((SIZE, SIZE), np.float32)
        right, operator = random.standard_normal((SIZE, SIZE), np.float32), "MatMul"
    types = [helper.np_dtype_to_tensor_dtype(left.dtype), 6 if kind == "int8" else 1]  # 6 is int32, 1 is float32
    body = helper.make_graph(
        [helper.make_node(operator, ["x", "w"], ["y"])],
        "product",
        [helper.make_tensor_value_info("x", types[0], [SIZE, SIZE])],
        [helper.make_tensor_value_info("y", types[1], [SIZE, SIZE])],
        [numpy_helper.from_array(right, "w")],
    )
    graph: bytes = helper.make_model(
        body, opset_imports=[helper.make_opsetid("", 13)], ir_version=7
    ).SerializeToString()
    onnx.checker.check_model(graph)
    return sum(_on_every_core(lambda: _caller(backend, kind, graph), left, seconds)) * 2.0 * SIZE**3


def _caller(backend: str, kind: str, graph: bytes) -> Any:
    """A function that computes the product on one thread."""
    if backend == "openvino":
        import openvino as ov  # noqa: PLC0415

        core = ov.Core()
        if kind == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise RuntimeError("this processor computes no bf16")
        options = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "ENABLE_CPU_PINNING": False}
        hint = {"INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[kind]}
        request = core.compile_model(core.read_model(graph), "CPU", {**options, **hint}).create_infer_request()
        return lambda x: request.infer({0: x}, share_inputs=True)
    import onnxruntime  # noqa: PLC0415

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, settings, providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {"x": x})


def _on_every_core(make: Any, x: Any, seconds: float) -> list[float]:
    """Calls a second on each core, all at the same time."""
    cores = sorted(os.sched_getaffinity(0))
    rates: list[float] = []
    gate = threading.Barrier(len(cores))

    def instance(core: int) -> None:
        os.sched_setaffinity(0, {core})
        call = make()
        call(x)
        gate.wait()
        count, start = 0, time.perf_counter()
        while (passed := time.perf_counter() - start) < seconds:
            call(x)
            count += 1
        rates.append(count / passed)

    threads = [threading.Thread(target=instance, args=(core,)) for core in cores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(rates) < len(cores):
        raise SystemExit(1)  # a thread has said why
    return rates


def cost(cell: Cell, indices: list[int]) -> float:
    """Mean operations of a sample of the model: products with its weights, and attention; no padding."""
    import onnx  # noqa: PLC0415

    from benchmarks import sut  # noqa: PLC0415

    graph = onnx.load(cell["model"]["path"]).graph
    shapes = {one.name: tuple(one.dims) for one in graph.initializer}
    weights = [shapes[node.input[1]] for node in graph.node if node.op_type == "MatMul" and node.input[1] in shapes]
    layers = sum(node.op_type == "Softmax" for node in graph.node)
    hidden = weights[0][0]
    lengths = sut.dataset(cell).lengths[indices].astype(float)
    products = 2.0 * sum(rows * columns for rows, columns in weights) * lengths
    return float((products + 4.0 * layers * hidden * lengths**2).mean())


def _rows() -> Iterator[Figure]:
    for name in KINDS:
        yield value(f"Matrix product, {name}", name, "GFLOP/s")
    yield Figure(
        "Embedded model, bare, fp32: share of the matrix product",
        f"{_MODEL} / onnxruntime fp32",
        (_MODEL, "onnxruntime fp32"),
        lambda model, product: model / product,
    )
    for name in KINDS:
        yield Figure(
            f"Ceiling of {name}: the matrix product's speed against the reference-style SUT",
            f"{name} / {_COST} / reference",
            (name, _COST, "reference"),
            lambda product, each, reference: product / each / reference,
        )


PART = Part(
    name="peak",
    title="What the processor can at most: a matrix product of 1,024 x 1,024 on all cores",
    run=readings,
    figures=tuple(_rows()),
    rounds=2,
    seconds=35,
    rank=22,
)
