"""Scripts for the training environment only: nothing of the app is imported here, and nobody imports them."""
