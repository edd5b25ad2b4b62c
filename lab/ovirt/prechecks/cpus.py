"""By which flags a processor is of a CPU type that clusters know; the newest kinds of it, not the whole model."""

from __future__ import annotations

from collections.abc import Mapping, Set

INTEL, AMD = "GenuineIntel", "AuthenticAMD"

# Type of a cluster -> vendor, and the flags (as Linux spells them) that its predecessor does not have. In order of age.
_OWN: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "Intel Nehalem Family": (INTEL, ("sse4_1", "sse4_2", "popcnt", "cx16")),
    "Intel Westmere Family": (INTEL, ("aes",)),
    "Intel SandyBridge Family": (INTEL, ("avx", "xsave", "pclmulqdq")),
    "Intel IvyBridge Family": (INTEL, ("f16c", "rdrand", "fsgsbase")),
    "Intel Haswell Family": (INTEL, ("avx2", "bmi1", "bmi2", "fma", "movbe")),
    "Intel Broadwell Family": (INTEL, ("adx", "rdseed", "smap")),
    "Intel Skylake Client Family": (INTEL, ("xsavec", "xgetbv1")),
    "Intel Skylake Server Family": (INTEL, ("avx512f", "avx512dq", "avx512bw", "avx512vl", "clwb")),
    "Intel Cascadelake Server Family": (INTEL, ("avx512_vnni",)),
    "Intel Icelake Server Family": (INTEL, ("avx512_vbmi2", "vaes", "gfni")),
    "Intel Sapphire Rapids Server Family": (INTEL, ("amx_tile", "avx512_fp16")),
    "AMD Opteron G4": (AMD, ("sse4_2", "popcnt", "avx", "xop", "fma4")),
    "AMD Opteron G5": (AMD, ("tbm", "f16c", "fma")),
    "AMD EPYC": (AMD, ("sse4_2", "popcnt", "avx2", "bmi2", "sha_ni", "clzero")),
    "AMD EPYC-Rome": (AMD, ("clwb", "rdpid")),
    "AMD EPYC-Milan": (AMD, ("vaes", "vpclmulqdq", "pku")),
    "AMD EPYC-Genoa": (AMD, ("avx512f", "avx512_bf16")),
}


def _grown() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Each type with the flags of all before it in its line; EPYC is a line of its own."""
    found: dict[str, tuple[str, tuple[str, ...]]] = {}
    before: tuple[str, ...] = ()
    for name, (vendor, flags) in _OWN.items():
        starts_line = name in ("Intel Nehalem Family", "AMD Opteron G4", "AMD EPYC")
        before = flags if starts_line else before + flags
        found[name] = (vendor, before)
    return found


MARKS: Mapping[str, tuple[str, tuple[str, ...]]] = _grown()


def lacking(cpu_type: str, vendor: str, flags: Set[str]) -> list[str]:
    """What a processor lacks of a type; `Secure` types differ by microcode, which is not looked at. Raises KeyError: unknown type."""
    wanted_vendor, wanted = MARKS[cpu_type.removeprefix("Secure ")]
    return ([] if vendor == wanted_vendor else [f"vendor {wanted_vendor}"]) + [flag for flag in wanted if flag not in flags]
