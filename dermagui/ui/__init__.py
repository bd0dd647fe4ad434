"""The window: the only room that imports Qt. It shows what the other rooms know and asks them to act."""
