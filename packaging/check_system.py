"""Says what this machine lacks before the set-up trips over it, with the one line that installs it.

``python3 packaging/check_system.py`` looks for what the installation needs; with ``--qt`` it looks for the
system libraries that PySide6 links to, with ``--window`` for those of a window on a screen too. Only the
standard library is used, and nothing newer than Python 3.6, so that an old python3 gets as far as its own
complaint. Exit code 1 if anything is missing.
"""

import ctypes
import importlib
import os
import platform
import shutil
import sys

OLDEST_PYTHON = (3, 11)
OLDEST_GLIBC = (2, 34)  # the Linux wheels of PySide6 are built for manylinux_2_34

# Parts of the standard library that distributions split off or leave out of their own builds.
MODULES = ("ensurepip", "sqlite3", "ssl")

# What the libraries inside the PySide6 wheel link to and no wheel brings: shared object, Debian and
# Ubuntu package, Fedora package.
QT_LIBRARIES = (
    ("libEGL.so.1", "libegl1", "mesa-libEGL"),
    ("libGL.so.1", "libgl1", "mesa-libGL"),
    ("libX11.so.6", "libx11-6", "libX11"),
    ("libdbus-1.so.3", "libdbus-1-3", "dbus-libs"),
    ("libfontconfig.so.1", "libfontconfig1", "fontconfig"),
    ("libfreetype.so.6", "libfreetype6", "freetype"),
    ("libglib-2.0.so.0", "libglib2.0-0", "glib2"),
    ("libxkbcommon.so.0", "libxkbcommon0", "libxkbcommon"),
)

# What a window on an X server needs besides; tests and --pictures do without.
WINDOW_LIBRARIES = (
    ("libX11-xcb.so.1", "libx11-xcb1", "libX11-xcb"),
    ("libxcb-cursor.so.0", "libxcb-cursor0", "xcb-util-cursor"),
    ("libxcb-icccm.so.4", "libxcb-icccm4", "xcb-util-wm"),
    ("libxcb-image.so.0", "libxcb-image0", "xcb-util-image"),
    ("libxcb-keysyms.so.1", "libxcb-keysyms1", "xcb-util-keysyms"),
    ("libxcb-randr.so.0", "libxcb-randr0", "libxcb"),
    ("libxcb-render-util.so.0", "libxcb-render-util0", "xcb-util-renderutil"),
    ("libxcb-shape.so.0", "libxcb-shape0", "libxcb"),
    ("libxcb-sync.so.1", "libxcb-sync1", "libxcb"),
    ("libxcb-xfixes.so.0", "libxcb-xfixes0", "libxcb"),
    ("libxcb-xkb.so.1", "libxcb-xkb1", "libxcb"),
    ("libxkbcommon-x11.so.0", "libxkbcommon-x11-0", "libxkbcommon-x11"),
)


def install_line(debian: str, fedora: str) -> str:
    """The command of this machine's package tool, or of both families where neither tool is found."""
    lines = [f"sudo apt install {debian}", f"sudo dnf install {fedora}"]
    tools = [shutil.which("apt"), shutil.which("dnf")]
    found = [line for line, tool in zip(lines, tools) if tool]
    return "    " + "\n    ".join(found or lines)


def dotted(version: "tuple[int, ...]") -> str:
    """(3, 11) as "3.11"."""
    return ".".join(str(part) for part in version)


def python_faults(version: "tuple[int, ...]") -> "list[str]":
    """Complains about a Python before ``OLDEST_PYTHON``."""
    if version >= OLDEST_PYTHON:
        return []
    wanted, found = dotted(OLDEST_PYTHON), dotted(version)
    return [
        f"python3 is Python {found}; dermagui needs {wanted} or newer. Install one with\n"
        + install_line(f"python{wanted} python{wanted}-venv", f"python{wanted}")
        + f"\nand name it: make PYTHON=python{wanted}"
    ]


def glibc_faults(name: str, version: str) -> "list[str]":
    """Complains about a Linux whose C library is older than the wheels allow."""
    if name != "glibc" or tuple(int(part) for part in version.split(".")[:2]) >= OLDEST_GLIBC:
        return []
    return [
        f"This Linux has glibc {version}; PySide6 needs {dotted(OLDEST_GLIBC)} or newer:"
        " Debian 12, Ubuntu 22.04, Fedora 35 or later."
    ]


def module_faults(modules: "tuple[str, ...]") -> "list[str]":
    """Complains about parts of the standard library that cannot be imported."""
    missing = [name for name in modules if not can_import(name)]
    if not missing:
        return []
    python = "python" + dotted(sys.version_info[:2])
    return [
        f"{sys.executable} lacks {', '.join(missing)}. Install the rest of it with\n"
        + install_line(f"{python} {python}-venv", f"{python} python3-pip")
    ]


def library_faults(libraries: "tuple[tuple[str, str, str], ...]") -> "list[str]":
    """Complains about shared objects that the loader does not find."""
    missing = [library for library in libraries if not can_load(library[0])]
    if not missing:
        return []
    names, debian, fedora = (" ".join(dict.fromkeys(column)) for column in zip(*missing))
    return [
        f"System libraries that PySide6 needs are missing: {names}. Install them with\n"
        + install_line(debian, fedora)
    ]


def window_faults(environment: "dict[str, str]") -> "list[str]":
    """Complains about what a window on this Linux lacks; whoever names a platform of Qt's knows why."""
    if environment.get("QT_QPA_PLATFORM") or environment.get("WAYLAND_DISPLAY"):
        return library_faults(QT_LIBRARIES)
    if not environment.get("DISPLAY"):
        return [
            "There is no screen here (neither DISPLAY nor WAYLAND_DISPLAY is set): start it on a desktop."
        ]
    return library_faults(QT_LIBRARIES + WINDOW_LIBRARIES)


def can_import(name: str) -> bool:
    """Whether a module imports."""
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


def can_load(shared_object: str) -> bool:
    """Whether the dynamic loader finds a shared object."""
    try:
        ctypes.CDLL(shared_object)
    except OSError:
        return False
    return True


def main(arguments: "list[str]") -> int:
    """Prints every fault to stderr; returns the exit code."""
    if arguments == ["--qt"]:
        faults = library_faults(QT_LIBRARIES) if sys.platform == "linux" else []
    elif arguments == ["--window"]:
        faults = window_faults(dict(os.environ)) if sys.platform == "linux" else []
    else:
        faults = python_faults(sys.version_info[:2]) or (
            glibc_faults(*platform.libc_ver()) + module_faults(MODULES)
        )
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
