"""Which schema this release reads and writes, told without importing what makes it."""

REVISIONS = ("0001",)
"""The migrations, oldest first; a test compares them with the files in migrations/versions."""

HEAD = REVISIONS[-1]
"""The revision that this release works with."""
