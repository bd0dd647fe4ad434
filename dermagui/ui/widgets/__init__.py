"""Widgets that more than one page uses, one file each."""
