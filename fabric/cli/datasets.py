"""Fabrics and datasets: init, create, datasets, delete."""

from collections.abc import Iterator
from typing import Any

import click

from fabric.cli import text
from fabric.cli.address import DATASET, Target, parse_pairs
from fabric.cli.options import Command, dry_run_option, pass_session, yes_option
from fabric.cli.output import Column
from fabric.cli.session import Session
from fabric.errors import InvalidInputError


def whole(target: Target) -> str:
    """Return the name of a dataset that was written without a ref.

    Raises:
        InvalidInputError: a ref was written.
    """
    if target.ref is not None:
        raise InvalidInputError(
            f"{target} names a ref, but this command is about the dataset", hint=f"write {target.dataset}"
        )
    return target.dataset


@click.command("init", cls=Command)
@click.argument("directory", required=False, type=click.Path())
@click.option(
    "--store", metavar="URL", help="Where the bytes go: s3://bucket/prefix, or a directory. Default: DIRECTORY/objects."
)
@click.option("--metastore", metavar="URL", help="Where refs are kept. Default: DIRECTORY/metastore.sqlite.")
@pass_session
def init(session: Session, *, directory: str | None, store: str | None, metastore: str | None) -> None:
    """Make a fabric in DIRECTORY (default: the endpoint of the settings, which is also made by itself at first use).

    \b
    Examples:
      fabric init /srv/fabric
      fabric init fabric --store 's3://bucket/prefix?endpoint=https://minio:9000'
    """
    session.log()
    from fabric.repo.fabric import init as make  # noqa: PLC0415

    settings = session.settings
    with make(directory or settings.endpoint, store=store, metastore=metastore, settings=settings) as fabric:
        data = {"id": fabric.id, "endpoint": str(fabric.endpoint)}
    lines = [f"fabric made in {data['endpoint']}"]
    if data["endpoint"] != session.settings.endpoint:
        lines.append(f"use it: export FABRIC_ENDPOINT={data['endpoint']}")
    session.out.done(data, "\n".join(lines))


@click.command("create", cls=Command)
@click.argument("target", metavar="DATASET", type=DATASET)
@click.option("--metadata", metavar="KEY=VALUE", multiple=True, help="Free text about the dataset; may be repeated.")
@pass_session
def create(session: Session, *, target: Target, metadata: tuple[str, ...]) -> None:
    """Create a dataset with an empty branch.

    \b
    Example:
      fabric create imagenet --metadata owner=vision-team
    """
    dataset = session.fabric.create(whole(target), metadata=parse_pairs(metadata))
    data = {"name": dataset.name, "id": dataset.id, "default_branch": dataset.default_branch}
    session.out.done(data, f"created dataset {dataset.name}, branch {dataset.default_branch}")


@click.command("datasets", cls=Command)
@click.option("-l", "--long", "is_long", is_flag=True, help="With entries, size and last commit (reads each dataset).")
@pass_session
def datasets(session: Session, *, is_long: bool) -> None:
    """List the datasets.

    \b
    Example:
      fabric datasets --long
    """

    def rows() -> Iterator[dict[str, Any]]:
        for record in session.fabric.datasets():
            row: dict[str, Any] = {
                "name": record.name,
                "id": record.id,
                "created": record.created,
                "default_branch": record.default_branch,
                "metadata": dict(record.metadata),
            }
            if is_long:
                info = session.dataset(record.name).resolve()
                row |= {"commit": info.id, "updated": info.commit.time}
                row |= {"entries": info.commit.entries, "size": info.commit.size}
            yield row

    columns = [Column("NAME", lambda row: row["name"], style="head")]
    if is_long:
        columns += [
            Column("ENTRIES", lambda row: f"{row['entries']:,}", right=True),
            Column("SIZE", lambda row: text.size(row["size"]), right=True),
            Column("COMMIT", lambda row: text.short(row["commit"]), style="commit"),
            Column("UPDATED", lambda row: text.local_time(row["updated"])),
        ]
    columns += [Column("CREATED", lambda row: text.local_time(row["created"]))]
    columns += [Column("METADATA", lambda row: text.pairs(row["metadata"]))]
    session.out.table(rows(), columns, nothing="no datasets yet: 'fabric create NAME' makes one")


@click.command("delete", cls=Command)
@click.argument("target", metavar="DATASET", type=DATASET)
@yes_option
@dry_run_option
@pass_session
def delete(session: Session, *, target: Target, yes: bool, dry_run: bool) -> None:
    """Delete a dataset with all its branches and snapshots. Asks first.

    \b
    Example:
      fabric delete imagenet-test --yes
    """
    dataset = session.dataset(whole(target))
    branches, snapshots = len(dataset.branches()), len(dataset.snapshots())
    what = (
        f"dataset {dataset.name} with {text.count(branches, 'branch', 'branches')} and {text.count(snapshots, 'snapshot')}"
    )
    data = {"name": dataset.name, "id": dataset.id, "branches": branches, "snapshots": snapshots, "deleted": not dry_run}
    if dry_run:
        session.out.done(data, f"would delete {what}")
        return
    session.confirm(f"Delete {what}?", yes=yes)
    session.fabric.delete(dataset.name)
    session.out.done(data, f"deleted {what}")
