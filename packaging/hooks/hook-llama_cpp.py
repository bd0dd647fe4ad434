"""llama_cpp loads its libraries by path from its own folder ``lib``: they go there, under their own names."""

from PyInstaller.utils.hooks import collect_dynamic_libs

binaries = collect_dynamic_libs("llama_cpp", destdir="llama_cpp/lib")
