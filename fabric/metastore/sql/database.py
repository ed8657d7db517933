"""The seam between the parts of the metastore and a database."""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
Row = tuple[Any, ...]


class Session(Protocol):
    """One transaction under way. Statements take `:name` parameters; values are text, integers, bytes or None."""

    def execute(self, statement: str, **values: object) -> int:
        """Run a change and return how many rows it touched."""
        ...

    def one(self, statement: str, **values: object) -> Row | None:
        """Return the first row of a query, or None."""
        ...

    def all(self, statement: str, **values: object) -> list[Row]:
        """Return all rows of a query; the query bounds them."""
        ...


class Database(Protocol):
    """Runs serializable transactions. Thread-safe, usable in a forked child.

    `work` may be run several times, each time in a new transaction after the one before left no trace. So it takes only
    immutable input, reads everything anew, and changes nothing but the database.
    """

    def read(self, work: Callable[[Session], T]) -> T:
        """Run `work`, which only reads, on one consistent state."""
        ...

    def write(self, work: Callable[[Session], T]) -> T:
        """Run `work` as one transaction and return its result once it is durable.

        Raises:
            DeadlineError: others were in the way for too long.
            UnavailableError, NoSpaceError, AccessDeniedError, DataError: as the database says. After an error of the
                commit itself the transaction may have happened: repeat it with its idempotency key or id.
        """
        ...

    def write_once(self, work: Callable[[Session], T]) -> T:
        """As write, but `work` is run at most once: for input that cannot be read twice."""
        ...

    def close(self) -> None:
        """Let go of all connections; may be called twice."""
        ...
