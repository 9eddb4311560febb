# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0
"""Reads a Linux machine: pure functions over a file system root and a command runner. Private to this collection.

Nothing is guessed: what a file or tool does not say is None (facts) or "" (system description).
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import re
from typing import Any, Callable, Dict, List, Optional, Tuple

Facts = Dict[str, Any]
# Runs a command; gives its exit status and standard output, or (127, "") when it does not exist.
Runner = Callable[[List[str]], Tuple[int, str]]

# Instruction sets that decide how fast inference is.
FLAGS = (
    "avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "avx_vnni", "amx_tile", "amx_int8", "amx_bf16",
    "fma", "asimd", "asimddp", "bf16", "i8mm", "sve", "sve2",
)  # fmt: skip

# The 35 keys of systems/<system>.json (MLCommons submission checker v6.1), in the order of its template.
DESCRIPTION_KEYS = (
    "division", "submitter", "status", "system_type", "system_type_detail", "system_name", "number_of_nodes",
    "host_processor_model_name", "host_processors_per_node", "host_processor_core_count", "host_processor_frequency",
    "host_processor_caches", "host_processor_interconnect", "host_memory_capacity", "host_memory_configuration",
    "host_storage_capacity", "host_storage_type", "host_networking", "host_networking_topology",
    "host_network_card_count", "accelerators_per_node", "accelerator_model_name", "accelerator_memory_capacity",
    "accelerator_host_interconnect", "accelerator_memory_configuration", "accelerator_interconnect",
    "accelerator_interconnect_topology", "accelerator_frequency", "accelerator_on-chip_memories", "cooling",
    "framework", "operating_system", "other_software_stack", "hw_notes", "sw_notes",
)  # fmt: skip

# Of a system that LoadGen reaches over a network (network division), and of those that say more than they must.
NETWORK_KEYS = (
    "is_network", "network_type", "network_media", "network_rate", "nic_loadgen", "number_nic_loadgen",
    "net_software_stack_loadgen", "network_protocol", "number_connections", "nic_sut", "number_nic_sut",
    "net_software_stack_sut", "network_topology",
)  # fmt: skip
OPTIONAL_KEYS = (
    "host_processor_vcpu_count", "power_management", "filesystem", "boot_firmware_version",
    "management_firmware_version", "other_hardware", "number_of_type_nics_installed", "nics_enabled_firmware",
    "nics_enabled_os", "nics_enabled_connected", "network_speed_mbit", "power_supply_quantity_and_rating_watts",
    "power_supply_details", "disk_drives", "disk_controllers", "system_power_only", "system_power_capacity",
)  # fmt: skip

# Decided by people or known only after a run (framework): their absence is no failure to measure.
DECLARED_KEYS = frozenset(
    ("division", "submitter", "status", "system_type", "system_type_detail", "framework", "hw_notes", "sw_notes")
)

# Facts that differ from one minute to the next, or from one preparation to the next: not part of a system's identity.
VOLATILE_FACTS = frozenset(
    ("boot_id", "clock", "environment", "free", "user", "root", "sudo", "capabilities", "missing_packages")
)


def read(root: str, path: str) -> Optional[str]:
    """The stripped text of a file below the root, None when it is missing, unreadable or empty."""
    try:
        with open(os.path.join(root, path.lstrip("/")), encoding="utf-8", errors="replace") as stream:
            return stream.read().strip() or None
    except OSError:
        return None


def number(text: Optional[str]) -> Optional[int]:
    """The integer a text starts with, None without one."""
    match = re.match(r"-?\d+", text or "")
    return int(match.group()) if match else None


def listing(root: str, pattern: str) -> List[str]:
    """Paths below the root that match, relative to it, in natural order (cpu2 before cpu10)."""
    found = [os.path.relpath(name, root) for name in glob.glob(os.path.join(glob.escape(root), pattern.lstrip("/")))]
    return sorted(found, key=lambda name: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)])


def cpu(root: str, run: Runner) -> Facts:
    """Processors: model, counts, highest frequency, caches, microcode, governor, instruction sets."""
    info: Dict[str, str] = {}
    for line in (read(root, "/proc/cpuinfo") or "").splitlines():
        key, _colon, value = line.partition(":")
        info.setdefault(key.strip(), value.strip())
    cpus = [name for name in listing(root, "/sys/devices/system/cpu/cpu[0-9]*") if re.search(r"/cpu\d+$", name)]
    places = []
    for name in cpus:
        package, core = read(root, name + "/topology/physical_package_id"), read(root, name + "/topology/core_id")
        if core is not None:
            places.append((number(package), number(core)))
    flags = set((info.get("flags") or info.get("Features") or "").split())
    frequencies = [number(read(root, name + "/cpufreq/cpuinfo_max_freq")) for name in cpus]
    governors = sorted(set(filter(None, (read(root, name + "/cpufreq/scaling_governor") for name in cpus))))
    model = info.get("model name") or _lscpu_model(run)
    return {
        "model": model,
        "vendor": info.get("vendor_id") or info.get("CPU implementer"),
        "sockets": len({package for package, _core in places}) or None,
        "cores": len(set(places)) or None,
        "threads": len(places) or (read(root, "/proc/cpuinfo") or "").count("processor\t") or None,
        "numa_nodes": len(listing(root, "/sys/devices/system/node/node[0-9]*")) or None,
        "max_mhz": max((value // 1000 for value in frequencies if value), default=None),
        "caches": _caches(root, cpus),
        "microcode": info.get("microcode"),
        "governor": ", ".join(governors) or None,
        "flags": [flag for flag in FLAGS if flag in flags],
    }


def _lscpu_model(run: Runner) -> Optional[str]:
    # Arm's /proc/cpuinfo has part numbers only; lscpu carries the table of names.
    status, text = run(["lscpu"])
    match = re.search(r"^Model name:\s*(\S.*)$", text, re.MULTILINE) if status == 0 else None
    return match.group(1).strip() if match and match.group(1).strip() != "-" else None


def _caches(root: str, cpus: List[str]) -> List[Facts]:
    instances: Dict[Tuple[int, str, int], set] = {}
    for name in cpus:
        for index in listing(root, name + "/cache/index[0-9]*"):
            level, size = number(read(root, index + "/level")), number(read(root, index + "/size"))
            kind = {"Data": "d", "Instruction": "i"}.get(read(root, index + "/type") or "", "")
            if level is not None and size is not None:
                shared = read(root, index + "/shared_cpu_list") or name
                instances.setdefault((level, kind, size), set()).add(shared)
    return [
        {"name": "L%d%s" % (level, kind), "size_kib": size, "count": len(shared)}
        for (level, kind, size), shared in sorted(instances.items())
    ]


def memory(root: str, run: Runner, privileged: bool) -> Facts:
    """Memory: total and available bytes, and the modules in their slots when dmidecode may read them."""
    values = dict(re.findall(r"^(\w+):\s+(\d+) kB$", read(root, "/proc/meminfo") or "", re.MULTILINE))
    total, available = values.get("MemTotal"), values.get("MemAvailable")
    status, text = run(["dmidecode", "--type", "17"]) if privileged else (127, "")
    return {
        "total_bytes": int(total) * 1024 if total else None,
        "available_bytes": int(available) * 1024 if available else None,
        "modules": dimms(text) if status == 0 else [],
    }


def dimms(text: str) -> List[Facts]:
    """Memory modules from `dmidecode --type 17`: size in bytes, type, speed in MT/s; empty slots left out."""
    modules = []
    for block in text.split("\n\n"):
        fields = dict(re.findall(r"^\s+([\w ]+): (.+)$", block, re.MULTILINE))
        match = re.match(r"(\d+) (MB|GB|TB)$", fields.get("Size", ""))
        if not match:
            continue
        scale = {"MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}[match.group(2)]
        speed = number(fields.get("Configured Memory Speed")) or number(fields.get("Speed"))
        kind = fields.get("Type")
        named = kind if kind not in ("Unknown", "Other", "RAM", None) else None
        modules.append({"size_bytes": int(match.group(1)) * scale, "type": named, "speed_mts": speed})
    return modules


def storage(root: str, path: str, device: Tuple[int, int]) -> Facts:
    """The block device a path lies on, by the major and minor number that stat gives for it."""
    mount, filesystem, source = mount_of(root, path, device)
    folder = os.path.join(root, "sys/dev/block/%d:%d" % device)
    if not os.path.exists(folder) and source and source.startswith("/dev/"):
        # Btrfs and the like give a device number of their own; the mount names the real one.
        folder = os.path.join(root, "sys/class/block", os.path.basename(source))
    facts: Facts = {"mount": mount, "filesystem": filesystem, "device": None, "type": None, "size_bytes": None}
    if not os.path.exists(folder):
        return facts
    folder = os.path.realpath(folder)
    while os.listdir(os.path.join(folder, "slaves")) if os.path.isdir(os.path.join(folder, "slaves")) else []:
        # Device mapper and RAID: the first member stands for all.
        slaves = os.path.join(folder, "slaves")
        folder = os.path.realpath(os.path.join(slaves, sorted(os.listdir(slaves))[0]))
    if os.path.exists(os.path.join(folder, "partition")):
        folder = os.path.dirname(folder)
    sectors = number(read(folder, "size"))
    name = os.path.basename(folder)
    facts["device"], facts["size_bytes"] = name, sectors * 512 if sectors else None
    facts["type"] = _disk_type(name, read(folder, "queue/rotational"))
    return facts


def _disk_type(name: str, rotational: Optional[str]) -> Optional[str]:
    for prefix, kind in (("nvme", "NVMe SSD"), ("vd", "virtual disk"), ("xvd", "virtual disk"), ("mmcblk", "eMMC")):
        if name.startswith(prefix):
            return kind
    return {"0": "SSD", "1": "HDD"}.get(rotational or "")


def mount_of(root: str, path: str, device: Tuple[int, int]) -> Tuple[Optional[str], Optional[str], Optional[str]]:
    """Mount point, file system type and source of the mount that holds a path (/proc/self/mountinfo)."""
    best: Tuple[Optional[str], Optional[str], Optional[str]] = (None, None, None)
    for line in (read(root, "/proc/self/mountinfo") or "").splitlines():
        left, _dash, right = line.partition(" - ")
        fields, tail = left.split(), right.split()
        if len(fields) < 5 or len(tail) < 2 or fields[2] != "%d:%d" % device:
            continue
        point = fields[4]
        if (path + "/").startswith(point.rstrip("/") + "/") and len(point) >= len(best[0] or ""):
            best = (point, tail[0], tail[1])
    return best


def networks(root: str) -> List[Facts]:
    """Physical network cards: those with a device behind them."""
    cards = []
    for name in listing(root, "/sys/class/net/*"):
        folder = os.path.join(root, name)
        if not os.path.exists(os.path.join(folder, "device")):
            continue
        speed = number(read(root, name + "/speed"))
        kind = {"1": "Ethernet", "32": "InfiniBand"}.get(read(root, name + "/type") or "", "other")
        if os.path.isdir(os.path.join(folder, "wireless")):
            kind = "Wi-Fi"
        driver = os.path.join(folder, "device", "driver")
        cards.append({
            "name": os.path.basename(name),
            "type": kind,
            "speed_mbit": speed if speed and speed > 0 else None,
            "driver": os.path.basename(os.path.realpath(driver)) if os.path.exists(driver) else None,
        })  # fmt: skip
    return cards


def accelerators(run: Runner) -> List[Facts]:
    """GPUs that their driver's own tool sees; no tool, or no driver behind it, means none."""
    return nvidia(run) or amd(run)


NVIDIA_FIELDS = ("name", "memory.total", "driver_version", "pcie.link.gen.max", "pcie.link.width.max", "clocks.max.sm")


def nvidia(run: Runner) -> List[Facts]:
    """NVIDIA GPUs by nvidia-smi."""
    status, text = run(["nvidia-smi", "--query-gpu=" + ",".join(NVIDIA_FIELDS), "--format=csv,noheader,nounits"])
    found = []
    for line in text.splitlines() if status == 0 else []:
        values = [value.strip() for value in line.split(",")]
        if len(values) != len(NVIDIA_FIELDS):
            continue
        generation, width = number(values[3]), number(values[4])
        memory_mib = number(values[1])
        found.append({
            "vendor": "nvidia",
            "name": values[0],
            "memory_bytes": memory_mib << 20 if memory_mib else None,
            "driver": values[2],
            "host_interconnect": "PCIe Gen%d x%d" % (generation, width) if generation and width else None,
            "max_mhz": number(values[5]),
        })  # fmt: skip
    return found


def amd(run: Runner) -> List[Facts]:
    """AMD GPUs by rocm-smi."""
    status, text = run(["rocm-smi", "--showproductname", "--showmeminfo", "vram", "--showdriverversion", "--json"])
    try:
        cards = json.loads(text) if status == 0 else {}
    except ValueError:
        cards = {}
    system = {key.lower(): value for key, value in cards.get("system", {}).items()}
    found = []
    for name in sorted(name for name in cards if name.startswith("card")):
        fields = {key.lower(): value for key, value in cards[name].items()}
        found.append({
            "vendor": "amd",
            "name": fields.get("card series") or fields.get("card model"),
            "memory_bytes": number(fields.get("vram total memory (b)")),
            "driver": system.get("driver version"),
            "host_interconnect": None,
            "max_mhz": None,
        })  # fmt: skip
    return found


def operating_system(root: str) -> Facts:
    """Distribution and kernel."""
    text = read(root, "/etc/os-release") or read(root, "/usr/lib/os-release") or ""
    release = {key: value.strip("\"'") for key, value in re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE)}
    kin = {release.get("ID"), *release.get("ID_LIKE", "").split()}
    family = None
    if {"debian", "ubuntu"} & kin:
        family = "Debian"
    elif {"rhel", "fedora", "centos"} & kin:
        family = "RedHat"
    return {
        "id": release.get("ID"),
        "version": release.get("VERSION_ID"),
        "name": release.get("PRETTY_NAME"),
        "family": family,
        "kernel": read(root, "/proc/sys/kernel/osrelease"),
    }


def virtualisation(root: str) -> Facts:
    """Whether this is a container or a virtual machine, and of which make where the kernel tells."""
    container = read(root, "/run/systemd/container")
    if not container and os.path.exists(os.path.join(root, ".dockerenv")):
        container = "docker"
    if not container and os.path.exists(os.path.join(root, "run/.containerenv")):
        container = "podman"
    if container:
        return {"type": "container", "technology": container}
    technology = read(root, "/sys/hypervisor/type")
    vendor = read(root, "/sys/class/dmi/id/sys_vendor") or ""
    for word, name in (("QEMU", "kvm"), ("VMware", "vmware"), ("Microsoft", "hyper-v"), ("innotek", "virtualbox")):
        technology = technology or (name if word in vendor else None)
    if technology or re.search(r"^flags\s*:.* hypervisor( |$)", read(root, "/proc/cpuinfo") or "", re.MULTILINE):
        return {"type": "virtual machine", "technology": technology}
    return {"type": "none", "technology": None}


def missing_packages(names: List[str], family: Optional[str], run: Runner) -> List[str]:
    """Those of the packages that the host's package database does not list as installed; needs no privilege."""
    missing = []
    for name in names:
        if family == "Debian":
            status, text = run(["dpkg-query", "--show", "--showformat=${db:Status-Status}", name])
            present = status == 0 and text.strip() == "installed"
        else:
            present = run(["rpm", "--query", "--quiet", name])[0] == 0
        if not present:
            missing.append(name)
    return missing


def environment(folder: str) -> Facts:
    """A Python environment's version and packages, read from its files: {"python": "3.11.2", "packages": {...}}."""
    packages = {}
    for name in listing(folder, "lib/python3*/site-packages/*.dist-info"):
        package, _dash, version = os.path.basename(name)[: -len(".dist-info")].rpartition("-")
        if package:
            packages[package.replace("_", "-").lower()] = version
    match = re.search(r"^version(?:_info)? *= *(\d+(?:\.\d+)*)", read(folder, "pyvenv.cfg") or "", re.MULTILINE)
    return {"python": match.group(1) if match else None, "packages": packages}


def gigabytes(count: Optional[int], unit: int = 1 << 30, name: str = "GiB") -> str:
    """Bytes in words: "512 GiB", "23.5 GiB"; "" for None."""
    if not count:
        return ""
    value = count / unit
    return ("%.0f %s" if value >= 100 or abs(value - round(value)) < 0.05 else "%.1f %s") % (value, name)


def kibibytes(count: int) -> str:
    """Kibibytes in words: "96 KiB", "32 MiB"."""
    return "%d MiB" % (count // 1024) if count >= 1024 and count % 1024 == 0 else "%d KiB" % count


def description(facts: Facts, name: str) -> Dict[str, str]:
    """MLCommons' 35 system keys, from measurement alone; "" where nothing was measured."""
    values = dict.fromkeys(DESCRIPTION_KEYS, "")
    processor, ram, disk, system = facts["cpu"], facts["memory"], facts["storage"], facts["os"]
    sockets, cores = processor["sockets"], processor["cores"]
    values.update({
        "system_name": name,
        "number_of_nodes": "1",
        "host_processor_model_name": processor["model"] or "",
        "host_processors_per_node": str(sockets or ""),
        "host_processor_core_count": str(cores // sockets) if cores and sockets else "",
        "host_processor_frequency": "%.2f GHz" % (processor["max_mhz"] / 1000) if processor["max_mhz"] else "",
        "host_processor_caches": ", ".join(
            "%s %s x %d" % (one["name"], kibibytes(one["size_kib"]), one["count"]) for one in processor["caches"]
        ),
        "host_processor_interconnect": "N/A" if sockets == 1 else "",
        "host_memory_capacity": gigabytes(sum(m["size_bytes"] for m in ram["modules"]) or ram["total_bytes"]),
        "host_memory_configuration": _modules(ram["modules"]),
        "host_storage_capacity": gigabytes(disk["size_bytes"], 10**9, "GB"),
        "host_storage_type": disk["type"] or "",
        "host_networking": _networking(facts["networks"]),
        # One node has no topology between nodes.
        "host_networking_topology": "N/A",
        "host_network_card_count": str(len(facts["networks"])),
        "operating_system": ", ".join(
            filter(None, (system["name"], "Linux " + system["kernel"] if system["kernel"] else ""))
        ),
        "other_software_stack": ", ".join(["Python " + facts["python"]["version"], *_drivers(facts["accelerators"])]),
    })  # fmt: skip
    values.update(_accelerator_keys(facts["accelerators"]))
    return values


def _drivers(found: List[Facts]) -> List[str]:
    return sorted({"%s driver %s" % (one["vendor"].upper(), one["driver"]) for one in found if one["driver"]})


def _modules(modules: List[Facts]) -> str:
    kinds: Dict[str, int] = {}
    for module in modules:
        speed = "-%d" % module["speed_mts"] if module["speed_mts"] else ""
        text = ("%s %s%s" % (gigabytes(module["size_bytes"]), module["type"] or "", speed)).strip()
        kinds[text] = kinds.get(text, 0) + 1
    return ", ".join("%d x %s" % (count, text) for text, count in sorted(kinds.items()))


def _networking(cards: List[Facts]) -> str:
    if not cards:
        return "N/A"
    kinds: Dict[str, int] = {}
    for card in cards:
        speed = card["speed_mbit"]
        text = card["type"] + (" %g Gbit/s" % (speed / 1000) if speed else "")
        kinds[text] = kinds.get(text, 0) + 1
    return ", ".join("%d x %s" % (count, text) for text, count in sorted(kinds.items()))


def _accelerator_keys(found: List[Facts]) -> Dict[str, str]:
    keys = [key for key in DESCRIPTION_KEYS if key.startswith("accelerator_")]
    if not found:
        return dict(dict.fromkeys(keys, "N/A"), accelerators_per_node="0")

    def distinct(field: str, text: Callable[[Any], str] = str) -> str:
        return ", ".join(sorted({text(one[field]) for one in found if one[field]}))

    return {
        "accelerators_per_node": str(len(found)),
        "accelerator_model_name": distinct("name"),
        "accelerator_memory_capacity": distinct("memory_bytes", gigabytes),
        "accelerator_host_interconnect": distinct("host_interconnect"),
        "accelerator_frequency": distinct("max_mhz", lambda value: "%d MHz" % value),
        "accelerator_interconnect": "N/A" if len(found) == 1 else "",
        "accelerator_interconnect_topology": "N/A" if len(found) == 1 else "",
    }


def identity(facts: Facts, values: Dict[str, str]) -> Facts:
    """What makes two hosts the same system: all that is measured or stated but names, places and the moment.

    Bytes of memory differ by what each kernel keeps for itself; the description has them rounded.
    """
    unnamed = {
        "memory": ("available_bytes", "total_bytes"),
        "storage": ("device", "mount"),
        "python": ("executable",),
    }
    measured = {
        key: {name: part for name, part in value.items() if name not in unnamed.get(key, ())}
        if isinstance(value, dict)
        else value
        for key, value in facts.items()
        if key not in VOLATILE_FACTS and key not in ("hostname", "networks")
    }
    cards = [{name: part for name, part in card.items() if name != "name"} for card in facts.get("networks") or []]
    measured["networks"] = sorted(cards, key=lambda card: json.dumps(card, sort_keys=True))
    return {"measured": measured, "description": {key: value for key, value in values.items() if key != "system_name"}}


def system(facts: Facts, name: str, overrides: Dict[str, Any], fallbacks: Dict[str, Any]) -> Facts:
    """The system.json of a host: what was measured, its MLCommons description, and a digest equal hosts share.

    Raises:
        ValueError: An override or fallback names a key that MLCommons does not know.
    """
    known = DESCRIPTION_KEYS + NETWORK_KEYS + OPTIONAL_KEYS
    unknown = sorted((set(overrides) | set(fallbacks)) - set(known))
    if unknown:
        raise ValueError("unknown keys: %s (known: %s)" % (", ".join(unknown), ", ".join(known)))
    values = description(facts, name)
    values.update({key: str(value) for key, value in overrides.items() if value is not None})
    unmeasured = [key for key in DESCRIPTION_KEYS if not values[key] and key not in DECLARED_KEYS]
    values.update({key: str(value) for key, value in fallbacks.items() if not values.get(key) and value is not None})
    text = json.dumps(identity(facts, values), sort_keys=True)
    return {
        "schema_version": 1,
        "name": name,
        "digest": "sha256:" + hashlib.sha256(text.encode()).hexdigest(),
        "measured": facts,
        "description": values,
        "unmeasured": unmeasured,
    }
