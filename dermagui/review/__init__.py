"""Review: what people decide about pairs, as events that are only ever appended."""
