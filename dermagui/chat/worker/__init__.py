"""The child of a chat, and the only importer of llama.cpp: a crash of native code ends nothing else."""
