"""The project's database: one module for each noun, the only place that knows SQL and sqlite_utils."""
