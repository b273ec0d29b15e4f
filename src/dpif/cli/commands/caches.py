"""``cache-get-size`` and ``cache-set-size``: the caches in front of a flow table, of which there is one."""

from collections.abc import Iterator

from dpif._typing import NamedTuple
from dpif.cli.context import Context
from dpif.cli.errors import CommandError, invalid
from dpif.client.datapath import Datapath
from dpif.odp.messages.datapath import DatapathRecord

_MASKS = "masks-cache"


def cache_lines(record: DatapathRecord) -> Iterator[str]:
    """Return what there is to say of the caches of a datapath."""
    if record.masks_cache_size is not None:
        yield "  caches:"
        yield f"    {_MASKS}: size:{record.masks_cache_size}"


def cache_data(record: DatapathRecord) -> list[dict[str, object]]:
    """Return the caches of a datapath, with their sizes in entries."""
    return [] if record.masks_cache_size is None else [{"name": _MASKS, "size": record.masks_cache_size}]


class Caches(NamedTuple):
    """The caches of a datapath."""

    name: str
    record: DatapathRecord

    def lines(self) -> Iterator[str]:
        """Return the text as ``ovs-dpctl`` prints it."""
        yield f"{self.name}:"
        yield from cache_lines(self.record)

    def data(self) -> dict[str, object]:
        """Return its name and its caches."""
        return {"name": self.name, "caches": cache_data(self.record)}


class NewSize(NamedTuple):
    """The size, in entries, that a cache has now."""

    cache: str
    size: int

    def lines(self) -> Iterator[str]:
        """Return the text as ``ovs-dpctl`` prints it."""
        yield f"Setting cache size successful, new size {self.size}"

    def data(self) -> dict[str, object]:
        """Return both."""
        return self._asdict()


def get_size(context: Context) -> None:
    """Show the sizes of the caches of a datapath, or of all."""

    def read(datapath: Datapath) -> Caches:
        return Caches(str(datapath), datapath.read())

    if context.words:
        with _open(context) as datapath:
            context.print_all("datapaths", [read(datapath)])
    else:
        context.print_all("datapaths", context.each_datapath((), read))


def set_size(context: Context) -> None:
    """Change the size of a cache."""
    from dpif.cli.numbers import read_number  # `show` takes this file for something else

    _, cache, text = context.words
    wanted = read_number(text)
    if wanted is None:
        raise invalid("size is malformed")
    with _open(context) as datapath:
        if datapath.masks_cache_size() is None:
            raise CommandError("Setting caches not supported")
        if cache != _MASKS:
            raise invalid(f'Cache name "{cache}" not found on dpif', f"there is {_MASKS}")
        with context.failing("Setting cache size failed"):
            size = datapath.set_masks_cache_size(wanted)
        context.print(NewSize(cache, size))


def _open(context: Context) -> Datapath:
    name = context.words[0]
    with context.failing(f"Opening datapath {name} failed"):
        return context.open(name)
