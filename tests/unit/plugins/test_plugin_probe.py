"""The probe reads fake machines: what is there is reported, what is not is never invented."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.loadfleet.mlperf.plugins.module_utils import _probe

if TYPE_CHECKING:
    from pathlib import Path

DEBIAN = """PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
VERSION_ID="12"
ID=debian
"""
ROCKY = """NAME="Rocky Linux"
VERSION_ID="9.4"
ID="rocky"
ID_LIKE="rhel centos fedora"
PRETTY_NAME="Rocky Linux 9.4 (Blue Onyx)"
"""
DIMMS = """# dmidecode 3.4
Handle 0x1100, DMI type 17, 92 bytes
Memory Device
\tSize: 32 GB
\tType: DDR5
\tSpeed: 5600 MT/s
\tConfigured Memory Speed: 4800 MT/s

Handle 0x1101, DMI type 17, 92 bytes
Memory Device
\tSize: No Module Installed
\tType: Unknown

Handle 0x1102, DMI type 17, 92 bytes
Memory Device
\tSize: 32 GB
\tType: DDR5
\tSpeed: 5600 MT/s
\tConfigured Memory Speed: 4800 MT/s
"""
ROCM = {
    "card0": {"Card Series": "AMD Instinct MI300X", "VRAM Total Memory (B)": "206141652992"},
    "system": {"Driver version": "6.8.5"},
}


def nothing(_command: list[str]) -> tuple[int, str]:
    return 127, ""


def answers(**texts: str) -> _probe.Runner:
    """A machine where some commands exist; keys are command names with _ for -."""

    def run(command: list[str]) -> tuple[int, str]:
        text = texts.get(command[0].replace("-", "_"))
        return (127, "") if text is None else (0, text)

    return run


def plant(root: Path, files: dict[str, str]) -> str:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return str(root)


@pytest.fixture
def server(tmp_path: Path) -> str:
    """Two sockets of two cores with two threads, an NVMe disk, one 25 Gbit/s card, a bridge that is no card."""
    flags = "fpu avx2 avx512f avx512_vnni amx_int8 fma"
    files = {
        "proc/cpuinfo": "".join(
            f"processor\t: {n}\nvendor_id\t: GenuineIntel\nmodel name\t: Intel(R) Xeon(R) 8480+\nmicrocode\t: 0x2b\n"
            f"flags\t\t: {flags}\n\n"
            for n in range(8)
        ),
        "proc/meminfo": "MemTotal:       65536000 kB\nMemFree: 1 kB\nMemAvailable:   60000000 kB\n",
        "proc/sys/kernel/osrelease": "6.1.0-18-amd64\n",
        "proc/self/mountinfo": "22 1 259:2 / / rw - ext4 /dev/nvme0n1p2 rw\n"
        "23 22 259:3 / /srv rw - xfs /dev/nvme0n1p3 rw\n",
        "etc/os-release": DEBIAN,
        "sys/devices/virtual/block/nvme0n1/size": "1953525168\n",
        "sys/devices/virtual/block/nvme0n1/queue/rotational": "0\n",
        "sys/devices/virtual/block/nvme0n1/nvme0n1p3/partition": "3\n",
        "sys/devices/virtual/block/nvme0n1/nvme0n1p3/size": "1000\n",
        "sys/class/net/ens1/device/vendor": "0x15b3",
        "sys/class/net/ens1/speed": "25000\n",
        "sys/class/net/ens1/type": "1\n",
        "sys/class/net/br0/speed": "25000\n",
    }
    for n in range(8):
        cpu = f"sys/devices/system/cpu/cpu{n}"
        files[f"{cpu}/topology/physical_package_id"] = str(n // 4)
        files[f"{cpu}/topology/core_id"] = str(n % 4 // 2)
        files[f"{cpu}/cpufreq/cpuinfo_max_freq"] = "3800000"
        files[f"{cpu}/cpufreq/scaling_governor"] = "performance"
        for index, (level, kind, size, shared) in enumerate(
            [(1, "Data", "48K", n // 2), (2, "Unified", "2048K", n // 2), (3, "Unified", "107520K", n // 4)]
        ):
            cache = f"{cpu}/cache/index{index}"
            files |= {
                f"{cache}/level": str(level),
                f"{cache}/type": kind,
                f"{cache}/size": size,
                f"{cache}/shared_cpu_list": str(shared),
            }
    root = plant(tmp_path, files)
    dev = tmp_path / "sys/dev/block"
    dev.mkdir(parents=True)
    (dev / "259:3").symlink_to("../../devices/virtual/block/nvme0n1/nvme0n1p3")
    return root


def facts(root: str, run: _probe.Runner = nothing, *, privileged: bool = False) -> dict[str, Any]:
    return {
        "hostname": "host",
        "cpu": _probe.cpu(root, run),
        "memory": _probe.memory(root, run, privileged),
        "storage": _probe.storage(root, "/srv/store", (259, 3)),
        "networks": _probe.networks(root),
        "accelerators": _probe.accelerators(run),
        "os": _probe.operating_system(root),
        "python": {"executable": "/usr/bin/python3", "version": "3.11.2"},
        "virtualisation": _probe.virtualisation(root),
        "clock": 1.0,
    }


def test_server_is_described_from_its_files(server: str) -> None:
    values = _probe.description(facts(server, answers(dmidecode=DIMMS), privileged=True), "sut1")
    expected = {
        "system_name": "sut1",
        "host_processor_model_name": "Intel(R) Xeon(R) 8480+",
        "host_processors_per_node": "2",
        "host_processor_core_count": "2",
        "host_processor_frequency": "3.80 GHz",
        "host_processor_caches": "L1d 48 KiB x 4, L2 2 MiB x 4, L3 105 MiB x 2",
        "host_processor_interconnect": "",
        "host_memory_capacity": "64 GiB",
        "host_memory_configuration": "2 x 32 GiB DDR5-4800",
        "host_storage_capacity": "1000 GB",
        "host_storage_type": "NVMe SSD",
        "host_networking": "1 x Ethernet 25 Gbit/s",
        "host_network_card_count": "1",
        "accelerators_per_node": "0",
        "accelerator_model_name": "N/A",
        "operating_system": "Debian GNU/Linux 12 (bookworm), Linux 6.1.0-18-amd64",
    }
    assert {key: values[key] for key in expected} == expected
    assert set(values) == set(_probe.DESCRIPTION_KEYS)
    assert len(values) == 35
    assert all(isinstance(value, str) for value in values.values())


def test_facts_of_the_server(server: str) -> None:
    cpu = _probe.cpu(server, nothing)
    assert (cpu["sockets"], cpu["cores"], cpu["threads"]) == (2, 4, 8)
    assert cpu["governor"] == "performance"
    assert cpu["microcode"] == "0x2b"
    assert cpu["flags"] == ["avx2", "avx512f", "avx512_vnni", "amx_int8", "fma"]
    assert _probe.storage(server, "/srv/store", (259, 3))["mount"] == "/srv"


def test_memory_modules_are_not_read_without_root(server: str) -> None:
    values = _probe.description(facts(server, answers(dmidecode=DIMMS), privileged=False), "sut1")
    assert values["host_memory_configuration"] == ""
    assert values["host_memory_capacity"] == "62.5 GiB"


def test_an_empty_machine_is_all_unmeasured(tmp_path: Path) -> None:
    found = _probe.system(facts(str(tmp_path)), "bare", {}, {})
    assert "host_processor_model_name" in found["unmeasured"]
    assert "host_storage_type" in found["unmeasured"]
    assert "cooling" in found["unmeasured"]
    assert found["description"]["host_processor_model_name"] == ""
    assert found["description"]["accelerators_per_node"] == "0"
    assert not set(found["unmeasured"]) & _probe.DECLARED_KEYS


def test_overrides_win_and_fallbacks_fill_but_stay_unmeasured(server: str) -> None:
    found = _probe.system(
        facts(server),
        "sut1",
        {"cooling": "air", "host_storage_type": "RAM disk"},
        {"host_memory_configuration": "not stated", "host_storage_capacity": "not stated"},
    )
    values = found["description"]
    assert (values["cooling"], values["host_storage_type"]) == ("air", "RAM disk")
    assert values["host_memory_configuration"] == "not stated"
    assert values["host_storage_capacity"] == "1000 GB"
    assert "host_memory_configuration" in found["unmeasured"]
    assert "cooling" not in found["unmeasured"]


def test_an_unknown_key_is_refused(server: str) -> None:
    with pytest.raises(ValueError, match="coolnig"):
        _probe.system(facts(server), "sut1", {"coolnig": "air"}, {})


def test_equal_hosts_share_their_digest(server: str) -> None:
    one = facts(server)
    other = json.loads(json.dumps(one)) | {"hostname": "another", "boot_id": "x"}
    other["networks"] = [dict(card, name="ens9") for card in other["networks"]]
    other["storage"] = dict(other["storage"], device="sdz")
    other["memory"] = dict(other["memory"], total_bytes=(other["memory"]["total_bytes"] or 0) + 4096)
    first = _probe.system(one, "sut1", {}, {})
    second = _probe.system(other, "sut2", {}, {})
    assert first["digest"] == second["digest"]
    assert (first["name"], second["name"]) == ("sut1", "sut2")
    assert _probe.system(other, "sut2", {"cooling": "liquid"}, {})["digest"] != first["digest"]
    other["cpu"] = dict(other["cpu"], microcode="0xffff")
    assert _probe.system(other, "sut2", {}, {})["digest"] != first["digest"]


def test_the_digest_is_of_the_machine_not_of_the_moment(server: str) -> None:
    now, later = facts(server), facts(server)
    later["clock"] = 2.0
    later["memory"] = dict(later["memory"], available_bytes=1)
    first = _probe.system(now, "sut1", {}, {})["digest"]
    assert _probe.system(later, "sut1", {}, {})["digest"] == first
    later["cpu"] = dict(later["cpu"], governor="powersave")
    assert _probe.system(later, "sut1", {}, {})["digest"] != first


def test_nvidia_cards_are_described(server: str) -> None:
    text = (
        "NVIDIA H100 80GB HBM3, 81559, 550.54.15, 5, 16, 1980\nNVIDIA H100 80GB HBM3, 81559, 550.54.15, 5, 16, 1980\n"
    )
    values = _probe.description(facts(server, answers(nvidia_smi=text)), "sut1")
    assert values["accelerators_per_node"] == "2"
    assert values["accelerator_model_name"] == "NVIDIA H100 80GB HBM3"
    assert values["accelerator_memory_capacity"] == "79.6 GiB"
    assert values["accelerator_host_interconnect"] == "PCIe Gen5 x16"
    assert values["accelerator_frequency"] == "1980 MHz"
    assert values["accelerator_interconnect"] == ""
    assert values["other_software_stack"] == "Python 3.11.2, NVIDIA driver 550.54.15"


@pytest.mark.parametrize("text", ["", "No devices were found\n", "Failed to initialize NVML\n"])
def test_a_tool_without_cards_is_no_card(text: str) -> None:
    assert _probe.accelerators(answers(nvidia_smi=text)) == []


def test_amd_cards_are_described() -> None:
    (card,) = _probe.accelerators(answers(rocm_smi=json.dumps(ROCM)))
    assert card["name"] == "AMD Instinct MI300X"
    assert card["driver"] == "6.8.5"
    assert card["memory_bytes"] == 206141652992
    assert _probe.accelerators(answers(rocm_smi="not json")) == []


@pytest.mark.parametrize(
    ("release", "family", "identity"),
    [(DEBIAN, "Debian", "debian"), (ROCKY, "RedHat", "rocky"), ("ID=alpine\n", None, "alpine")],
)
def test_families(tmp_path: Path, release: str, family: str | None, identity: str) -> None:
    found = _probe.operating_system(plant(tmp_path, {"etc/os-release": release}))
    assert (found["family"], found["id"]) == (family, identity)


def test_missing_packages_on_both_families() -> None:
    def debian(command: list[str]) -> tuple[int, str]:
        return {"tar": (0, "installed"), "removed": (0, "config-files")}.get(command[-1], (1, ""))

    assert _probe.missing_packages(["tar", "removed", "absent"], "Debian", debian) == ["removed", "absent"]
    assert _probe.missing_packages(["tar", "absent"], "RedHat", lambda c: (int(c[-1] == "absent"), "")) == ["absent"]


def test_arm_takes_the_model_from_lscpu(tmp_path: Path) -> None:
    root = plant(
        tmp_path, {"proc/cpuinfo": "processor\t: 0\nCPU implementer\t: 0x41\nFeatures\t: fp asimd asimddp i8mm\n"}
    )
    cpu = _probe.cpu(root, answers(lscpu="Architecture: aarch64\nModel name:   Neoverse-V2\n"))
    assert cpu["model"] == "Neoverse-V2"
    assert cpu["flags"] == ["asimd", "asimddp", "i8mm"]


def test_a_logical_volume_leads_to_its_disk(tmp_path: Path) -> None:
    root = plant(
        tmp_path,
        {
            "sys/devices/sda/size": "2000",
            "sys/devices/sda/queue/rotational": "1",
            "sys/devices/sda/sda1/partition": "1",
            "sys/devices/dm-0/size": "1000",
        },
    )
    (tmp_path / "sys/devices/dm-0/slaves").mkdir()
    (tmp_path / "sys/devices/dm-0/slaves/sda1").symlink_to("../../sda/sda1")
    (tmp_path / "sys/dev/block").mkdir(parents=True)
    (tmp_path / "sys/dev/block/254:0").symlink_to("../../devices/dm-0")
    found = _probe.storage(root, "/", (254, 0))
    assert (found["device"], found["type"], found["size_bytes"]) == ("sda", "HDD", 2000 * 512)


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        ({}, ("none", None)),
        ({"proc/cpuinfo": "flags\t\t: fpu hypervisor lm\n"}, ("virtual machine", None)),
        ({"sys/class/dmi/id/sys_vendor": "QEMU"}, ("virtual machine", "kvm")),
        ({".dockerenv": ""}, ("container", "docker")),
    ],
)
def test_virtualisation(tmp_path: Path, files: dict[str, str], kind: tuple[str, str | None]) -> None:
    found = _probe.virtualisation(plant(tmp_path, files))
    assert (found["type"], found["technology"]) == kind
