"""What the processor says that it can compute. Nothing is assumed of its name."""

from __future__ import annotations

import hashlib
import platform
from pathlib import Path

# Flags that decide which kernels run, as Linux writes them: x86-64, then Arm.
_FLAGS = (
    "avx2", "fma", "avx_vnni", "avx_vnni_int8", "avx512f", "avx512bw", "avx512_vnni", "avx512_bf16", "avx512_fp16",
    "amx_tile", "amx_int8", "amx_bf16", "amx_fp16",
    "asimd", "asimdhp", "asimddp", "i8mm", "bf16", "sve", "sve2",
)  # fmt: skip
BF16 = {"avx512_bf16", "amx_bf16", "bf16"}


def flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> list[str]:
    """All feature flags of the first processor, sorted; empty where the system does not say."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() in {"flags", "Features"}:
            return sorted(value.split())
    return []


def cpu() -> list[str]:
    """The flags that matter to a matrix product, in a fixed order."""
    have = set(flags())
    return [flag for flag in _FLAGS if flag in have]


def fingerprint() -> str:
    """Names a kind of processor: what was compiled for one must not run on another."""
    text = " ".join([platform.machine(), *flags()])
    return hashlib.sha256(text.encode()).hexdigest()[:12]
