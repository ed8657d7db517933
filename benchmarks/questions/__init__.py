"""One module a question. Each has a docstring that says it, and `measure(bench)` that yields results."""
