"""A small machine below a folder: what tuning and doctor read and write of /proc, /sys and /etc."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

BOOT_ID = "0f0e0d0c-0b0a-0908-0706-050403020100"


def machine(path: Path, cores: int = 4) -> Path:
    """Four cores with frequency control, two threads of nothing, huge pages on demand, no swap space."""
    root = path / "machine"
    files = {
        "proc/sys/kernel/random/boot_id": BOOT_ID,
        "proc/sys/kernel/numa_balancing": "1",
        "proc/sys/vm/swappiness": "60",
        "proc/sys/vm/zone_reclaim_mode": "0",
        "proc/swaps": "Filename",
        "proc/loadavg": "0.10 0.20 0.30 1/100 4242",
        "proc/cpuinfo": "vendor_id\t: GenuineIntel\nmodel name\t: Fast\nflags\t\t: avx2",
        "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never",
        "sys/kernel/mm/transparent_hugepage/defrag": "always defer defer+madvise [madvise] never",
    }
    for core in range(cores):
        folder = f"sys/devices/system/cpu/cpu{core}"
        files[f"{folder}/cpufreq/scaling_governor"] = "powersave"
        files[f"{folder}/cpufreq/scaling_available_governors"] = "performance powersave schedutil"
        files[f"{folder}/topology/physical_package_id"] = "0"
        files[f"{folder}/topology/core_id"] = str(core)
    for name, text in files.items():
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text + "\n", encoding="utf-8")
    return root


def snapshot(root: Path) -> dict[str, str]:
    """What every setting's file says; a kernel file by its chosen word, since a fake one loses the others."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_file() and not name.startswith(("var/", "store/", "tmp/")):
            text = path.read_text(encoding="utf-8")
            found[name] = text.partition("[")[2].partition("]")[0] + "\n" if "[" in text else text
    return found
