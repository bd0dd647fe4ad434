"""Generation: questions, prompts, what the service answered, what it costs, and checks on every answer."""
