"""Makes docs/coverage.md: what is known of each key attribute and each action, from the tables and the test data.

::

    python tools/coverage_page.py            # write the page
    python tools/coverage_page.py --check    # exit 1 when it is not up to date

Nothing is claimed by hand: *wire* and *text* come from the descriptions, *extraction* from what `extract` finds in
the packets of the tests, *user space* from what its rules and its list of actions take, *kernel* from the golden
data, where a count says how many flows the kernel has taken with it and shown again.
"""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from dpif.errors import DpifError
from dpif.odp.actions import Action, Actions, load_all
from dpif.odp.constants import ActionAttr, KeyAttr
from dpif.odp.extraction import extract
from dpif.odp.kernel.match import READ
from dpif.odp.messages import FlowRecord
from dpif.odp.messages.base import OVS_HDRLEN
from dpif.odp.model.attrs import AttrType, Empty, FlagSet, Opaque, Scalar, Structure
from dpif.odp.model.key import FlowKey, FlowMask
from dpif.odp.model.nest import Nest, Nested
from dpif.packet import capture
from dpif.testing import odd_packets
from dpif.userspace import CAPABILITIES

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "coverage.md"
GOLDEN = ROOT / "tests" / "golden" / "odp" / "dump.jsonl"
CAPTURES = ROOT / "tests" / "captures"


def wire_of(type_: AttrType[object]) -> str:
    """Return in words what stands in an attribute."""
    if isinstance(type_, Structure):
        return f"{type_.cls.__name__}, {type_.cls.SIZE} bytes"
    if isinstance(type_, Scalar):
        order = "network" if type_.order == "!" else "host"
        flags = ", flags" if isinstance(type_, FlagSet) else ""
        return f"{8 * type_.kind.size} bits, {order} order{flags}"
    if isinstance(type_, Nested):
        return f"nest of {type_.nest.__name__}"
    return {Empty: "flag", Opaque: "bytes"}.get(type(type_), type(type_).__name__)


def golden() -> Iterator[FlowRecord]:
    """Yield every golden flow as the kernel showed it."""
    for line in GOLDEN.read_text().splitlines():
        yield FlowRecord.from_reply(bytes(OVS_HDRLEN) + bytes.fromhex(json.loads(line)["record"]))


def attributes(nest: Nest, path: str = "") -> Iterator[str]:
    """Yield the path of each attribute in a nest; of a mask, those that it does not leave wildcarded."""
    for number, kept in nest.kept():
        name = f"{path}{nest.ATTRS[number].name if number in nest.ATTRS else number}"
        if not isinstance(nest, FlowMask) or not nest.type_of(number).is_zero(kept):
            yield name
        if isinstance(kept, Nest):
            yield from attributes(kept, "" if number == KeyAttr.ENCAP else f"{name}.")


def extracted() -> set[str]:
    """Return the attributes that `extract` finds in the packets of the tests."""
    found: set[str] = set()
    packets = [packet.data for path in sorted(CAPTURES.glob("*.pcap")) for packet in capture.read(path)]
    for packet in [*packets, *odd_packets.packets(random.Random(1))]:
        try:
            found.update(attributes(extract(packet, 1)))
        except (DpifError, OSError):
            continue
    return found


def all_actions(actions: Actions) -> Iterator[Action]:
    """Yield the actions of a list, and those within them."""
    for action in actions:
        yield action
        for name in ("actions", "greater", "less_equal"):
            inner = getattr(action, name, None)
            if isinstance(inner, Actions):
                yield from all_actions(inner)


def key_rows(cls: type[Nest], kernel: Counter[str], packets: set[str], prefix: str = "") -> Iterator[str]:
    """Yield a row for each attribute of a nest, and after a nest those of the attributes in it."""
    for number, attr in cls.ATTRS.items():
        name = prefix + attr.name
        extraction = "yes" if name in packets else "–"
        if prefix.startswith("tunnel"):
            extraction = "given"
        user_space = "yes" if prefix or number in READ else "–"
        yield (
            f"| `{name}` | {number} | {wire_of(attr.type)} | `{attr.text_name}` | {extraction} "
            f"| {user_space} | {kernel[name] or '–'} |"
        )
        if isinstance(attr.type, Nested) and attr.type.nest is not FlowKey:
            yield from key_rows(attr.type.nest, kernel, packets, f"{name}.")


def action_rows(kernel: Counter[int]) -> Iterator[str]:
    """Yield a row for each action."""
    for number, cls in sorted(load_all().by_number.items()):
        name = ActionAttr(number).name.lower()
        user_space = "yes" if name in CAPABILITIES else "–"
        text = cls.word or ("a port number" if number == ActionAttr.OUTPUT else name)
        yield f"| `{name}` | {number} | `{cls.__name__}` | `{text}` | {user_space} | {kernel[number] or '–'} |"


def page() -> str:
    """Return the whole page."""
    flows = list(golden())
    keys = Counter(name for flow in flows for name in set(attributes(flow.flow_mask() or FlowMask())))
    lists = [flow.flow_actions() or Actions() for flow in flows]
    actions = Counter(number for list_ in lists for number in {action.number for action in all_actions(list_)})
    return "\n".join(
        [
            "# What is covered",
            "",
            "Made by `tools/coverage_page.py` from the tables of the code and the data of the tests; do not edit.",
            "",
            "- **Wire**, **text**: how it is encoded, and its name in text; both ways, for values and masks.",
            "- **Extraction**: found by `extract` in the packets of the tests, which are compared with the kernel's",
            "  own keys in the lab; *given*: comes with the packet, not from its bytes.",
            "- **User space**: the datapath in user space takes it in flows.",
            f"- **Kernel**: of the {len(flows)} golden flows that Linux 6.1 took and showed again, how many match on",
            "  it or do it.",
            "",
            "## Key attributes",
            "",
            "| Attribute | Number | Wire | Text | Extraction | User space | Kernel |",
            "|---|---|---|---|---|---|---|",
            *key_rows(FlowKey, keys, extracted()),
            "",
            "## Actions",
            "",
            "| Action | Number | Class | Text | User space | Kernel |",
            "|---|---|---|---|---|---|",
            *action_rows(actions),
            "",
        ]
    )


def main() -> int:
    """Write the page, or check it."""
    text = page()
    if "--check" in sys.argv[1:]:
        if PAGE.read_text() != text:
            print(f"{PAGE.relative_to(ROOT)} is not up to date: run make generated", file=sys.stderr)
            return 1
        return 0
    PAGE.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
