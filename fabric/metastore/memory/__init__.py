"""A metastore in this process's memory: for tests, for trying things out, and as the plainest reading of the port.

One lock and plain dictionaries (state.py), one file for each part of the port, the rules of `fabric.metastore.rules`.
A forked child goes on with a copy of its own.
"""
