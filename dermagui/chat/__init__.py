"""A quantized vision model on the user's own computer: what a GGUF file is, bundles, and chats with them.

Nothing here imports ``llama_cpp`` but ``worker``, which runs in a child process of its own.
"""
