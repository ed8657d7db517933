"""A data fabric for stateful containers."""
