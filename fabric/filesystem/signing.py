"""URLs of single files, for those few whose bytes are an object of their own."""

from fabric.errors import DataError, InvalidInputError
from fabric.model.content import Content
from fabric.model.extent import Codec, ExtentKind
from fabric.objects.open import open_store
from fabric.objects.wrapper import signer
from fabric.repo.view import View

EXPIRATION_S_MAX = 7 * 24 * 3600


def sign(view: View, path: bytes, name: str, expiration_s: int) -> str:
    """Return a URL that lets anyone GET a file; see `FabricFileSystem.sign`.

    Raises:
        NotImplementedError: it is no object of its own, or its store signs nothing.
        InvalidInputError: no time for which a URL can live.
    """
    if not 0 < expiration_s <= EXPIRATION_S_MAX:
        raise InvalidInputError(f"a signed URL lives 1 to {EXPIRATION_S_MAX} seconds, not {expiration_s}")
    content = view.content(path)
    found = _whole_external_object(content)
    if found is None:
        raise NotImplementedError(
            f"{name} cannot have a URL of its own: its bytes lie in an object that holds other files too"
        )
    location, key = found
    store = open_store(view.dataset.fabric.metastore.locations.get(location).url)
    try:
        signing = signer(store)
        if signing is None or store.head(key).size != content.size:
            raise NotImplementedError(f"{name} cannot have a URL: the store of location {location!r} makes none for it")
        return signing.sign(key, expiration_s)
    finally:
        store.close()


def _whole_external_object(content: Content) -> tuple[str, str] | None:
    """Return (location, key) if the extents are one external object from its start on, without a gap."""
    at, found = 0, None
    for extent in content.extents:
        plain = extent.kind == ExtentKind.EXTERNAL and extent.codec == Codec.NONE and not extent.key
        if not plain or extent.offset != at or (found is not None and extent.object != found):
            return None
        at, found = at + extent.length, extent.object
    if found is None or at != content.size:
        return None
    try:
        location, _version, key = (part.decode() for part in found.split(b"\x00"))
    except ValueError:
        raise DataError("an external extent does not name a location, a version and a key") from None
    return location, key
