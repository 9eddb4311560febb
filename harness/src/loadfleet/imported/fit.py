"""Whether a model's signature is that of a workload, and which of its inputs and outputs is which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loadfleet.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loadfleet.imported.signature import Port, Signature


@dataclass(frozen=True)
class Fit:
    """How a model serves a workload.

    Attributes:
        inputs: Canonical name -> name in the graph.
        outputs: Likewise.
        dynamic_shape: Whether batches may be as short as their longest sample.
        max_batch: Samples a call takes at most; None for any number.
    """

    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    dynamic_shape: bool
    max_batch: int | None


def check(model: str, signature: Signature, workload: Mapping[str, Any]) -> Fit:
    """Compare a signature with what a workload's catalogue entry declares as `inputs`, `outputs` and `sizes`.

    Args:
        model: What the model is called in messages.
        signature: Of the model.
        workload: The entry's data.

    Raises:
        InputError: They do not fit: every difference, and both signatures.
    """
    if not workload.get("inputs") or not workload.get("outputs"):
        raise InputError(
            f"the workload {workload['name']} does not say what its models look like",
            fix="use the workload onnx, which takes any model, or add `inputs` and `outputs` to the catalogue's entry",
        )
    problems: list[str] = []
    inputs = _named(workload["inputs"], signature.inputs, "input", problems)
    outputs = _answers(workload, signature.outputs, problems)
    taken = {port.name for port in inputs.values()}
    problems += [f"nothing is given for the input {port}" for port in signature.inputs if port.name not in taken]
    sizes = workload.get("sizes", {})
    for wanted, found in ((workload["inputs"], inputs), (workload["outputs"], outputs)):
        for name, port in found.items():
            problems += _differences(port, wanted[name], sizes)
    if problems:
        raise InputError(
            f"{model} does not fit the workload {workload['name']}: {'; '.join(problems)}\n"
            f"  the model: {_list(signature.inputs)} -> {_list(signature.outputs)}\n"
            f"  {workload['name']}: {_wanted(workload['inputs'])} -> {_wanted(workload['outputs'])}",
            fix="export the model with that signature, or set benchmark_workload: onnx to measure it without accuracy",
        )
    shapes = [(port.shape or (), workload["inputs"][name]["shape"]) for name, port in inputs.items()]
    fixed = [own for shape, wanted in shapes for own, each in zip(shape, wanted, strict=True) if each in sizes]
    batches = {shape[0] for shape, _ in shapes if shape and isinstance(shape[0], int)}
    return Fit(
        inputs={name: port.name for name, port in inputs.items()},
        outputs={name: port.name for name, port in outputs.items()},
        dynamic_shape=all(isinstance(each, str) for each in fixed),
        max_batch=min(batches) if batches else None,
    )


def _answers(workload: Mapping[str, Any], ports: Sequence[Port], problems: list[str]) -> dict[str, Port]:
    """All outputs; or the one that a model gives, where the workload takes one of several."""
    wanted = workload["outputs"]
    if not workload.get("one_output"):
        return _named(wanted, ports, "output", problems)
    for name, facts in wanted.items():
        port = next((each for each in ports if each.name in [name, *facts.get("aliases", ())]), None)
        if port is not None:
            return {name: port}
    fitting = [(name, each) for name, facts in wanted.items() for each in ports if not _differences(each, facts, {})]
    if len(fitting) == 1:
        return dict(fitting)
    several = f"{' or '.join(f'{name} ({each.name})' for name, each in fitting)}: rename it in the graph"
    problems.append(f"its output may be {several}" if fitting else f"it has none of the outputs {', '.join(wanted)}")
    return {}


def _named(wanted: Mapping[str, Any], ports: Sequence[Port], what: str, problems: list[str]) -> dict[str, Port]:
    """Canonical name -> port: of the same name, of another name it goes by, or the only one left of its kind."""
    found: dict[str, Port] = {}
    for name, facts in wanted.items():
        names = [name, *facts.get("aliases", ())]
        port = next((each for each in ports if each.name in names), None)
        if port is not None:
            found[name] = port
    missing = [name for name in wanted if name not in found]
    left = [each for each in ports if each not in found.values()]
    if len(missing) == 1 and (len(left) == 1 if what == "input" else len(ports) == 1):
        found[missing[0]] = left[0]
    problems += [f"it has no {what} {name}" for name in missing if name not in found]
    return {name: found[name] for name in wanted if name in found}


def _differences(port: Port, wanted: Mapping[str, Any], sizes: Mapping[str, int]) -> list[str]:
    """What is wrong with a port; where several shapes will do, compared with the first."""
    found = [_compared(port, wanted, shape, sizes) for shape in (wanted["shape"], *wanted.get("other_shapes", ()))]
    return found[0] if all(found) else []


def _compared(port: Port, wanted: Mapping[str, Any], shape: Sequence[int | str], sizes: Mapping[str, int]) -> list[str]:
    found = []
    if port.type != wanted["type"]:
        found.append(f"{port.name} is {port.type}, not {wanted['type']}")
    if port.shape is None:
        return found
    if len(port.shape) != len(shape):
        return [*found, f"{port.name} has {len(port.shape)} dimensions, not {len(shape)}"]
    for own, each in zip(port.shape, shape, strict=True):
        if isinstance(own, str):
            continue
        needed = 1 if each == "batch" else sizes.get(each) if isinstance(each, str) else each
        if needed is not None and own != needed:
            any_number = "any number" if each == "batch" else "any size"
            words = f"{needed}" if isinstance(each, int) else f"{any_number} or {needed}"
            found.append(f"a size of {port.name} is {own}, not {words}")
    return found


def _list(ports: Sequence[Port]) -> str:
    return ", ".join(str(port) for port in ports) or "nothing"


def _wanted(facts: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {each['type']} [{', '.join(str(size) for size in each['shape'])}]" for name, each in facts.items()
    )
