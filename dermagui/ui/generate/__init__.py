"""The Generate page: what, how, five real previews, and a run with its answers."""
