"""The Review page: one image, one pair, one key."""
