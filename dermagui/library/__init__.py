"""Pictures on disk: found, recognised, decoded, described, and made into the pixels that are used."""
