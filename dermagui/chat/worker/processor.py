"""What llama.cpp, as we compile it, wants of a processor: asked before its first instruction runs.

Without the check an older processor ends the child with an illegal instruction and without a word.
"""

from __future__ import annotations

import platform
import re
import sys
from pathlib import Path

from dermagui.errors import UserError

NEEDED = ("sse4_2", "avx", "avx2", "bmi2", "fma", "f16c")
"""The x86 baseline of ggml without ``GGML_NATIVE``: Intel since 2013, AMD since 2015."""

_X86 = ("x86_64", "amd64", "x86", "i386", "i686")
_WINDOWS_AVX2 = 40


def check_processor() -> None:
    """Raises ``UserError`` ``chat.cpu_too_old`` with what is missing."""
    missing = missing_features()
    if missing:
        raise UserError("chat.cpu_too_old", missing=missing)


def missing_features() -> list[str]:
    """What this processor cannot do of what is needed; nothing where it is no x86 or cannot be asked."""
    if platform.machine().lower() not in _X86:
        return []
    if sys.platform == "win32":
        return _missing_on_windows()
    try:
        # macOS has no such file, and the package compiles for its x86 without these features.
        return missing_of(Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace"))
    except OSError:
        return []


def missing_of(cpuinfo: str) -> list[str]:
    """What the first processor of a ``/proc/cpuinfo`` lacks; nothing where it tells no features."""
    found = re.search(r"^flags\s*:(.*)$", cpuinfo, re.MULTILINE)
    known = set(found[1].split()) if found else set(NEEDED)
    return [feature for feature in NEEDED if feature not in known]


def _missing_on_windows() -> list[str]:
    """Windows tells of AVX2 only; every processor that has it has the others. Not yet run on Windows."""
    import ctypes

    kernel = ctypes.windll.kernel32  # type: ignore[attr-defined]
    return [] if kernel.IsProcessorFeaturePresent(_WINDOWS_AVX2) else ["avx2"]
