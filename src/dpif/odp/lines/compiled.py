"""Flow messages to lines of text, fast: by templates for the shapes that many flows share, by writers for all others.

There are three ways to make a line, and all make the same one; property tests say so.

* The slow way, `format_flow_line`: the message becomes values, these become text. It takes 30 to 150 us, and no
  preparation: so the first few flows of a dump go this way, and whatever is not as the kernel sends it.
* By *writers* (`flows.py`): functions, one for each kind of attribute and action, that make text of the bytes.
  Any flow that a kernel can dump goes this way in 4 to 20 us, though no other have its mask, layout or actions.
* By *templates*, 1 to 5 us, for what is frequent. Most flows of a dump share *shapes*: the same attributes of the
  same lengths, the same mask. When so many flows have had these in common that it pays, a template is made: a
  function that reads the values that changed between messages at their offsets, by one `struct` call for each byte
  order, and puts them between the texts that did not. All other bytes it compares with those of the first message,
  most of them as one number, and so tells itself whether a message is as it knows them. If not, writers make this
  line, and the template is compiled anew to read what is new in it. Values that say what follows them (EtherType,
  protocol, fragment type) belong to the shape. Lists of actions have templates of their own, so that shapes do not
  multiply: whatever the actions of a flow are, its key has the same one.

::

    message   headers | KEY: in_port eth eth_type … | MASK: … | STATS | USED | ACTIONS: …
    compared  ======= | ============ === ========== | ======= | ==    | ==   |
    read              |                 1           |         |   2 3 |   4  | 5: by their own

"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice

from dpif._typing import TYPE_CHECKING, Final
from dpif.odp.lines.text import format_flow_line, milliseconds
from dpif.odp.messages.flow import FlowRecord
from dpif.odp.model.attrs import Style

if TYPE_CHECKING:
    from dpif.odp.lines.frequent import LinesByShape

FEW: Final = 16
"""So many flows take the slow way, before anything is prepared for more of them."""


class FlowLines:
    """Lines of flow messages in one style.

    `clock` tells milliseconds on the datapath's monotonic clock. `complete` is given each record that takes the slow
    way, and may add what it lacks; for None instead of a record there is no line.
    """

    def __init__(
        self,
        *,
        verbose: bool = False,
        port_names: Mapping[int, str] | None = None,
        clock: Callable[[], int] = milliseconds,
        complete: Callable[[FlowRecord], FlowRecord | None] = lambda record: record,
    ) -> None:
        self._style = Style(verbose, port_names)
        self._now = Now(clock)
        self._complete = complete
        self._few = FEW
        self._fast: LinesByShape | None = None

    def lines(self, payloads: Iterable[bytes]) -> list[str]:
        """Return the lines of messages that came together."""
        self._now.forget()
        if self._fast is not None:
            return self._fast.lines(payloads)
        lines: list[str] = []
        rest = iter(payloads)
        for payload in islice(rest, self._few):
            self._few -= 1
            lines += self._slowly(payload)
        if not self._few:
            from dpif.odp.lines.frequent import LinesByShape  # who prints few flows does not pay for it

            self._fast = LinesByShape(self._style, self._now, self._slowly)
            lines += self._fast.lines(rest)
        return lines

    def _slowly(self, payload: bytes) -> Iterator[str]:
        """Yield the line the slow way."""
        record = self._complete(FlowRecord.from_reply(payload))
        if record is not None:
            style = self._style
            yield format_flow_line(record, self._now(), verbose=style.verbose, port_names=style.port_names)


class Now:
    """The time for messages that came together: the clock is asked once for all of them, and only for one that tells.

    Where a clock is a system call it costs as much as dozens of lines.
    """

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self.read: int | None = None
        """What it said, once it was asked. Who looks here first saves half of what it takes to show a time."""

    def forget(self) -> None:
        """Ask the clock anew when the time is wanted."""
        self.read = None

    def __call__(self) -> int:
        """Return the time in milliseconds."""
        if self.read is None:
            self.read = self._clock()
        return self.read
