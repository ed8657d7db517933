"""Files that were imported without copying are objects of their own: those have URLs."""

import io
import urllib.error
import urllib.request
from dataclasses import replace

import fsspec
import pytest

import fabric
from fabric.errors import DataError
from fabric.filesystem import FabricFileSystem, signing
from fabric.model.content import Content
from fabric.model.digest import DigestKind, block_digest, kind_for
from fabric.model.entry import Entry, Kind
from fabric.model.extent import Extent, ExtentKind

DATA = b"imported, not copied"
assert len(DATA) == 20


def external(key=b"part/file", offset=0, length=20):
    return Extent(ExtentKind.EXTERNAL, b"camera\x00\x00" + key, offset, length, length)


def import_file(dataset, path, extent, data=DATA):
    """What the zero-copy import does: a row whose bytes lie in a registered location."""
    with dataset.transaction() as tx:
        row = Entry(path, Kind.FILE, 0o644, size=len(data), digest_kind=kind_for(len(data)), digest=block_digest(data))
        tx._staging.put(row, [extent])


@pytest.fixture
def fs(s3_server, s3_url, folder):
    with fabric.init(folder / "home", store=s3_url) as made:
        made.create("data")
    yield fsspec.filesystem("fabric", endpoint=str(folder / "home"))
    FabricFileSystem.clear_instance_cache()


@pytest.fixture
def dataset(fs, s3_server):
    bucket = s3_server.make_bucket()
    client = s3_server.client()
    for key, data in (("imports/part/file", DATA), ("imports/part/longer", DATA + b"!")):
        client.put_object(bucket, key, io.BytesIO(data), len(data))
    fs.fabric.metastore.locations.create("camera", f"s3://{bucket}/imports/")
    dataset = fs.fabric.dataset("data")
    import_file(dataset, b"x", external())
    return dataset


@pytest.mark.s3
def test_an_imported_file_has_a_url(fs, dataset):
    assert fs.cat("data/x") == DATA
    url = fs.sign("data/x", expiration=60)
    with urllib.request.urlopen(url, timeout=20) as answer:
        assert answer.read() == DATA
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(url.replace("file", "longer"), timeout=20)


@pytest.mark.s3
def test_what_is_in_a_pack_or_is_part_of_an_object_has_none(fs, dataset):
    fs.pipe("data/packed", b"1")
    import_file(dataset, b"part", external(key=b"part/longer"))
    for path in ("data/packed", "data/part"):
        with pytest.raises(NotImplementedError):
            fs.sign(path)


def content(*extents):
    size = sum(extent.length for extent in extents)
    return Content(size, DigestKind.DEFERRED, bytes(32), extents)


def test_only_whole_objects_count():
    assert signing._whole_external_object(content(external())) == ("camera", "part/file")
    assert signing._whole_external_object(content(external(length=5), external(offset=5))) == ("camera", "part/file")
    plain = external()
    for extents in (
        (),
        (external(offset=1),),
        (external(length=5), external(offset=6)),
        (external(length=5), external(b"other", offset=5)),
        (replace(plain, kind=ExtentKind.OBJECT),),
        (replace(plain, key=1),),
        (replace(plain, codec=9),),
    ):
        assert signing._whole_external_object(content(*extents)) is None
    with pytest.raises(DataError):
        signing._whole_external_object(content(replace(plain, object=b"nonsense")))
