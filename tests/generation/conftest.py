"""The engine and its models of random weights, for the tests of the local model."""

from tests.chat.conftest import engine, llama_pair

__all__ = ["engine", "llama_pair"]
