"""Fine-tunes a vision model on a dataset, and brings it home; torch stays in its own environment."""
