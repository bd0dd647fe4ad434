"""The page Train: five stations from accepted pairs to a model of one's own."""
