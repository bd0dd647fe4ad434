"""dermagui: from a folder of skin images to an AI model of one's own. Research use only."""

__version__ = "0.1.0"
