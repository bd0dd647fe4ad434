"""The door to llama.cpp: its functions, its log, and the graphics cards that it knows.

The functions are those of C: a null pointer comes back as None or as something false, and a wrong argument
ends the process. Log lines from warnings up go to descriptor 2; the first error, which is the cause of those
that follow, is kept for the user.
"""

from __future__ import annotations

import os
from contextlib import suppress
from ctypes import byref, c_char_p, c_int, c_size_t, c_void_p
from dataclasses import dataclass
from typing import Any

import llama_cpp._ctypes_extensions
import llama_cpp._ggml
import llama_cpp.llama_cpp
import llama_cpp.mtmd_cpp

# C has no types that would help a checker here.
llama: Any = llama_cpp.llama_cpp
mtmd: Any = llama_cpp.mtmd_cpp

_WARNING, _ERROR, _CONTINUED = 3, 4, 5
_GRAPHICS_TYPES = (1, 2)
_LOG_BYTES = 4096


class NativeLog:
    """What llama.cpp says, from warnings up."""

    def __init__(self) -> None:
        self._level = 0
        self._error = ""
        self._callback = llama.llama_log_callback(self._on_line)
        llama.llama_log_set(self._callback, None)
        mtmd.mtmd_helper_log_set(self._callback, None)

    def _on_line(self, level: int, text: bytes, _: object) -> None:
        self._level = self._level if level == _CONTINUED else level
        if self._level < _WARNING:
            return
        with suppress(OSError):  # a full disk must not end a chat
            os.write(2, text[:_LOG_BYTES])
        if self._level == _ERROR and text.strip() and not self._error:
            self._error = text.decode("utf-8", "replace").strip()[:300]

    def take_error(self) -> str:
        """The first error since this was asked last; empty where there was none."""
        error, self._error = self._error, ""
        return error


@dataclass(frozen=True, slots=True)
class GraphicsCard:
    """A device that can take layers of a model."""

    name: str
    free_bytes: int


def graphics_cards() -> list[GraphicsCard]:
    """The graphics cards that this build of llama.cpp can use."""
    if not llama.llama_supports_gpu_offload():
        return []
    ggml, devices = _device_functions()
    found = [ggml.ggml_backend_dev_get(place) for place in range(ggml.ggml_backend_dev_count())]
    return [_card(devices, device) for device in found if _is_graphics(devices, device)]


def _device_functions() -> tuple[Any, Any]:
    """The libraries that list devices and that ask them; the Python package declares neither function."""
    ggml = llama_cpp._ggml.libggml
    devices = llama_cpp._ctypes_extensions.load_shared_library("ggml-base", llama_cpp._ggml.libggml_base_path)
    for function, result, arguments in (
        (ggml.ggml_backend_dev_count, c_size_t, []),
        (ggml.ggml_backend_dev_get, c_void_p, [c_size_t]),
        (devices.ggml_backend_dev_type, c_int, [c_void_p]),
        (devices.ggml_backend_dev_description, c_char_p, [c_void_p]),
        (devices.ggml_backend_dev_memory, None, [c_void_p, c_void_p, c_void_p]),
    ):
        function.restype, function.argtypes = result, arguments
    return ggml, devices


def _is_graphics(devices: Any, device: int) -> bool:  # noqa: ANN401, a library of ctypes
    return devices.ggml_backend_dev_type(device) in _GRAPHICS_TYPES


def _card(devices: Any, device: int) -> GraphicsCard:  # noqa: ANN401
    free, total = c_size_t(), c_size_t()
    devices.ggml_backend_dev_memory(device, byref(free), byref(total))
    name = devices.ggml_backend_dev_description(device).decode("utf-8", "replace")
    return GraphicsCard(name, free.value)
