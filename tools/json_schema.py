"""Makes src/dpif/_data/json-schema.json: what ``--json`` and ``--json-lines`` print, as a JSON Schema.

::

    python tools/json_schema.py            # write the file
    python tools/json_schema.py --check    # exit 1 when it is not up to date

Keys, masks and actions follow from their descriptions in `dpif.odp`; what the commands put around them stands here.
Of a command ``dump-flows`` the document is ``#/$defs/dump-flows``, a line ``#/$defs/dump-flows.line``.
"""

from __future__ import annotations

import json
import sys
from functools import singledispatch
from pathlib import Path
from typing import Any

from dpif.cli.output.json import VERSION
from dpif.odp.actions import Action, Clone, Hash, PushNsh, Set, SetMasked, TunnelPush, Userspace, load_all
from dpif.odp.actions.base import ActionList, FieldAction, NestAction
from dpif.odp.actions.cookies import Cookie
from dpif.odp.actions.ct import MaskedType, NameType
from dpif.odp.actions.nat import Nat, NatType
from dpif.odp.actions.simple import Bare, Number
from dpif.odp.constants import ActionAttr
from dpif.odp.model.attrs import AttrType, Empty, Opaque, Scalar, Structure
from dpif.odp.model.key import FlowKey
from dpif.odp.model.kinds import TCP_FLAGS, U128, Flags, Frag, Ipv4Kind, Ipv6Kind, Kind, MacKind
from dpif.odp.model.layers import Mpls, MplsStack
from dpif.odp.model.nest import Attributes, Nested
from dpif.odp.model.nsh import Nsh
from dpif.odp.model.structs import Record
from dpif.odp.model.tunnel import Tunnel
from dpif.odp.model.tunnel_options import GeneveType, Gtpu, GtpuType

Schema = dict[str, Any]

FILE = Path(__file__).parent.parent / "src" / "dpif" / "_data" / "json-schema.json"

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "integer"}
COUNT: Schema = {"type": "integer", "minimum": 0}
SECONDS: Schema = {"type": "number", "minimum": 0, "description": "seconds"}
FLAG: Schema = {"type": "boolean"}
HEX: Schema = {"type": "string", "pattern": "^([0-9a-f]{2})*$"}
NAMED = {
    **{f"u{bits}": {"type": "integer", "minimum": 0, "maximum": (1 << bits) - 1} for bits in (8, 16, 32, 64)},
    "mac": {"type": "string", "pattern": "^[0-9a-f]{2}(:[0-9a-f]{2}){5}$"},
    "ipv4": {"type": "string", "format": "ipv4"},
    "ipv6": {"type": "string", "format": "ipv6"},
    "label": {"type": "string", "pattern": "^(0|0x[0-9a-f]{1,32})$", "description": "up to 128 bits"},
}


def ref(name: str) -> Schema:
    """Return what stands for a definition."""
    return {"$ref": f"#/$defs/{name}"}


def array(items: Schema) -> Schema:
    """Return a list of such items."""
    return {"type": "array", "items": items}


def maybe(schema: Schema) -> Schema:
    """Return what may be null."""
    return {"anyOf": [schema, {"type": "null"}]}


def some(properties: Schema, **more: Any) -> Schema:
    """Return an object that has none but these members."""
    return {"type": "object", "properties": properties, "additionalProperties": False, **more}


def all_of(properties: Schema) -> Schema:
    """Return an object that has just these members."""
    return some(properties, required=list(properties))


def one_of(properties: Schema) -> Schema:
    """Return an object that has one of these members."""
    return some(properties, minProperties=1, maxProperties=1)


# Fields and attributes


@singledispatch
def field(kind: Kind[Any], mask: bool = False) -> Schema:
    """Return a field of a value, or of a mask."""
    return ref(f"u{8 * kind.size}")


@field.register
def _(kind: MacKind, mask: bool = False) -> Schema:
    return ref("mac")


@field.register
def _(kind: Ipv4Kind, mask: bool = False) -> Schema:
    return ref("ipv4")


@field.register
def _(kind: Ipv6Kind, mask: bool = False) -> Schema:
    return ref("ipv6")


@field.register
def _(kind: U128, mask: bool = False) -> Schema:
    return ref("label")


@field.register
def _(kind: Frag, mask: bool = False) -> Schema:
    return ref("u8") if mask else {"anyOf": [{"enum": ["no", "first", "later"]}, ref("u8")]}


@field.register
def _(kind: Flags, mask: bool = False) -> Schema:  # type: ignore[type-arg]  # the flag's type does not matter
    return array({"anyOf": [{"enum": list(kind.names)}, {"type": "string", "pattern": "^0x[0-9a-f]+$"}]})


def record(cls: type[Record], mask: bool = False, *, whole: bool = False) -> Schema:
    """Return a structure; all its fields when `whole`, else those that are matched."""
    fields = {one.name: field(one.kind, mask) for one in cls.FIELDS}
    return all_of(fields) if whole else some(fields)


@singledispatch
def attribute(type_: AttrType[Any], mask: bool = False) -> Schema:
    """Return the payload of an attribute."""
    return TEXT


@attribute.register
def _(type_: Scalar, mask: bool = False) -> Schema:  # type: ignore[type-arg]
    return field(type_.kind, mask)


@attribute.register
def _(type_: Structure, mask: bool = False) -> Schema:  # type: ignore[type-arg]
    return record(type_.cls, mask)


@attribute.register
def _(type_: Nested, mask: bool = False) -> Schema:  # type: ignore[type-arg]
    if type_.nest is FlowKey:
        return ref("mask" if mask else "key")
    return attributes(type_.nest, mask)


@attribute.register
def _(type_: Opaque, mask: bool = False) -> Schema:
    return HEX


@attribute.register
def _(type_: GtpuType, mask: bool = False) -> Schema:
    return {"anyOf": [record(Gtpu, mask), HEX]}


@attribute.register
def _(type_: Empty, mask: bool = False) -> Schema:
    return {"const": True}


@attribute.register
def _(type_: MplsStack, mask: bool = False) -> Schema:
    return array(record(Mpls, mask, whole=True))


@attribute.register
def _(type_: GeneveType, mask: bool = False) -> Schema:
    option = some(
        {"class": COUNT, "type": COUNT, "data": HEX, "length": COUNT, "reserved": COUNT},
        required=["class", "type", "data"],
    )
    return {"anyOf": [array(option), HEX]}


@attribute.register
def _(type_: ActionList, mask: bool = False) -> Schema:
    return ref("action_list")


@attribute.register
def _(type_: MaskedType, mask: bool = False) -> Schema:
    return all_of({"value": field(type_.kind), "mask": field(type_.kind, True)})


@attribute.register
def _(type_: NameType, mask: bool = False) -> Schema:
    return TEXT


@attribute.register
def _(type_: NatType, mask: bool = False) -> Schema:
    return attributes(Nat)


def attributes(cls: type[Attributes], mask: bool = False, **more: Schema) -> Schema:
    """Return attributes that stand together, and what else is told with them."""
    members = {attr.name: attribute(attr.type, mask) for attr in cls.ATTRS.values()}
    return some({**members, **more}, patternProperties={"^key[0-9]+$": HEX})


# Actions


def action(cls: type[Action]) -> Schema:
    """Return what an action says."""
    if cls is Userspace:
        cookies = {word: record(cookie, whole=True) for word, cookie in Cookie.by_word.items()}
        return attributes(Userspace, cookie=one_of(cookies))
    if cls is Hash:
        told = record(Hash, whole=True)
        told["properties"]["alg"] = {"anyOf": [{"enum": ["l4", "sym_l4"]}, told["properties"]["alg"]]}
        return told
    if issubclass(cls, FieldAction):
        return record(cls, whole=True)
    if issubclass(cls, NestAction):
        return attributes(cls)
    if issubclass(cls, Number):
        return COUNT
    if issubclass(cls, Bare):
        return {"const": True}
    return {
        Clone: ref("action_list"),
        Set: ref("key"),
        SetMasked: all_of({"key": ref("key"), "mask": ref("mask")}),
        PushNsh: attributes(Nsh),
        TunnelPush: all_of({"tnl_port": COUNT, "out_port": COUNT, "tnl_type": COUNT, "header": HEX}),
    }[cls]


def action_list() -> Schema:
    """Return a list of actions."""
    known = {ActionAttr(number).name.lower(): action(cls) for number, cls in sorted(load_all().by_number.items())}
    return array(one_of({**known, "unknown": all_of({"type": COUNT, "data": HEX})}))


# What commands print

MATCH = {"match": TEXT, "key": ref("key"), "mask": maybe(ref("mask"))}
ACTIONS = {"actions": TEXT, "action_list": ref("action_list")}
COUNTERS = {"packets": COUNT, "bytes": COUNT, "used": maybe(SECONDS), "tcp_flags": field(TCP_FLAGS)}
FLOW = {"ufid": maybe({"type": "string", "pattern": "^ufid:"}), "flow": TEXT, **MATCH, **ACTIONS, **COUNTERS}
CACHES = array(all_of({"name": TEXT, "size": COUNT}))
PORT_STATISTICS = {
    f"{way}_{what}": COUNT for what in ("packets", "bytes", "errors", "dropped") for way in ("rx", "tx")
}
OF_DEVICE = ("rx_overruns", "rx_frame", "tx_aborted", "tx_carrier", "collisions")
PORT = {
    "number": COUNT,
    "name": TEXT,
    "type": TEXT,
    "options": {"type": "object", "additionalProperties": {"type": ["integer", "string"]}},
    "ifindex": maybe(NUMBER),
    "statistics": maybe(
        some(
            {
                **PORT_STATISTICS,
                **{name: maybe(COUNT) for name in OF_DEVICE},
                "upcalls": maybe(all_of({"success": COUNT, "fail": COUNT})),
            },
            required=[*OF_DEVICE, "upcalls"],
        )
    ),
}
DATAPATH = {
    "name": TEXT,
    "lookups": maybe(all_of({"hit": COUNT, "missed": COUNT, "lost": COUNT})),
    "flows": maybe(COUNT),
    "masks": maybe(all_of({"hit": COUNT, "total": COUNT, "cache_hit": COUNT})),
    "features": maybe(array(TEXT)),
    "caches": CACHES,
    "ports": array(all_of(PORT)),
}
TUPLE = some(
    {
        "src": TEXT,
        "dst": TEXT,
        **dict.fromkeys(("protocol", "src_port", "dst_port", "icmp_id", "icmp_type", "icmp_code", "zone"), COUNT),
        **dict.fromkeys(("packets", "bytes"), COUNT),
    },
    required=["src", "dst", "protocol"],
)
TCP = {
    "state": TEXT,
    **{name: maybe(COUNT) for name in ("wscale_orig", "wscale_reply")},
    **{name: array(TEXT) for name in ("flags_orig", "flags_reply")},
}
VTAGS = {"vtag_orig": maybe(COUNT), "vtag_reply": maybe(COUNT)}
CONNECTION = {
    "match": TEXT,
    "protocol": TEXT,
    "orig": TUPLE,
    "reply": TUPLE,
    "id": COUNT,
    "zone": COUNT,
    "status": array(TEXT),
    "timeout": SECONDS,
    "start": maybe(SECONDS),
    "stop": maybe(SECONDS),
    "mark": COUNT,
    "labels": TEXT,
    "tcp": maybe(all_of(TCP)),
    "sctp": maybe(all_of({"state": {"type": ["string", "integer"]}, **VTAGS})),
    "helper": maybe(TEXT),
    "parent": maybe(TUPLE),
}
UPCALL = {
    "kind": {"enum": ["miss", "action"]},
    "match": TEXT,
    "key": ref("key"),
    "packet": HEX,
    "length": COUNT,
    "userdata": maybe(HEX),
    "cookie": maybe({"type": "object"}),
    "actions": maybe(TEXT),
    "action_list": maybe(ref("action_list")),
    "egress_tunnel": maybe(attributes(Tunnel)),
    "mru": maybe(COUNT),
    "hash": maybe(COUNT),
}
SAMPLE = {
    "group": COUNT,
    "cookie": maybe(HEX),
    "rate": COUNT,
    "probability": {"type": "number", "minimum": 0, "maximum": 1},
    "packet": HEX,
    "length": COUNT,
    "protocol": maybe(COUNT),
    "in_ifindex": maybe(COUNT),
    "out_ifindex": maybe(COUNT),
    "sequence": COUNT,
    "timestamp": maybe(SECONDS),
    "tunnel": maybe(attributes(Tunnel)),
}
COUNTS = {"type": "object", "additionalProperties": COUNT}
LEVEL = {"enum": ["ok", "notice", "problem"]}
FINDING = {
    "check": TEXT,
    "level": LEVEL,
    **{name: maybe(TEXT) for name in ("subject", "meaning", "advice")},
    "found": TEXT,
    "facts": {"type": "object"},
}
COMMAND = {
    **dict.fromkeys(("name", "usage", "summary", "details", "topic"), TEXT),
    "min_arguments": COUNT,
    "max_arguments": maybe(COUNT),
    "examples": array(TEXT),
    "writes": FLAG,
    "json": FLAG,
    "options": array(all_of({"flags": array(TEXT), "value": maybe(TEXT), "help": TEXT})),
}
LINE_OF_FILE = {
    "line": COUNT,
    "operation": {"enum": ["add", "modify", "delete"]},
    "error": maybe(TEXT),
    "errno": maybe({"type": "string", "pattern": "^(E[A-Z0-9]+|[0-9]+)$"}),
    "statistics": maybe(all_of(COUNTERS)),
}
RESULT = {"line": COUNT, "command": TEXT, "output": maybe(ref("document")), "status": COUNT, "errors": array(TEXT)}
OF_FILE = {"file": TEXT, "carried_out": COUNT, "failed": COUNT}
GROUP = {
    "vlans": array(all_of({"tpid": COUNT, "vid": COUNT, "pcp": COUNT})),
    "mpls": maybe(record(Mpls, whole=True)),
    **ACTIONS,
}
ZONE = {"zone": COUNT, "limit": COUNT, "connections": COUNT}
SENT: Schema = {"packets": COUNT, "bytes": COUNT}
VALUES = {
    "add-flow": COUNTERS,
    "cache-set-size": {"cache": TEXT, "size": COUNT},
    "ct-bkts": {"message": TEXT},
    "ct-get-limits": {
        "default": COUNT,
        "zones": array(all_of({"zone": COUNT, "limit": COUNT, "connections": COUNT})),
    },
    "ct-stats-show": {"total": COUNT, "protocols": COUNTS, "tcp_states": COUNTS},
    "del-flow": COUNTERS,
    "doctor": {"level": LEVEL, "sections": array(all_of({"subject": TEXT, "findings": array(all_of(FINDING))}))},
    "get-flow": FLOW,
    "mod-flow": COUNTERS,
    "offload-stats-show": {"statistics": array(COUNTS)},
    "normalize-actions": {"input": all_of({**MATCH, **ACTIONS}), "groups": array(all_of(GROUP))},
    "version": {"dpif_version": TEXT},
    "execute": SENT,
    "send": SENT,
}
"""The members of documents that have one value."""
ARRAYS: dict[str, tuple[str, Schema, Schema]] = {
    "add-flows": ("lines", LINE_OF_FILE, OF_FILE),
    "batch": ("results", RESULT, {"file": TEXT, "succeeded": COUNT, "failed": COUNT}),
    "cache-get-size": ("datapaths", {"name": TEXT, "caches": CACHES}, {}),
    "del-flows": ("lines", LINE_OF_FILE, OF_FILE),
    "dump-conntrack": ("connections", CONNECTION, {}),
    "dump-dps": ("datapaths", {"name": TEXT}, {}),
    "dump-flows": ("flows", FLOW, {"datapath": TEXT}),
    "help": ("commands", COMMAND, {}),
    "list-commands": ("commands", COMMAND, {}),
    "mod-flows": ("lines", LINE_OF_FILE, OF_FILE),
    "parse-actions": ("parsed", ACTIONS, {}),
    "psample": ("samples", SAMPLE, {}),
    "show": ("datapaths", DATAPATH, {}),
    "upcalls": ("upcalls", UPCALL, {}),
}
"""The array of a document, what it consists of, and the members behind it."""

BRANCH = {"recirc_id": COUNT, "flows": array(ref("dump-flows.node")), "elsewhere": FLAG}
NODES = array(ref("dump-flows.node"))
TREE = {
    "datapath": TEXT,
    "ports": array(all_of({"in_port": maybe(COUNT), "flows": NODES})),
    "unreached": array(all_of({"recirc_id": COUNT, "flows": NODES})),
    "hidden": COUNT,
}
"""What ``dump-flows --tree`` tells in place of the array."""

DELETION = {"datapath": TEXT, "flows": COUNT, "deleted": COUNT, "failed": COUNT}
"""What ``del-flows`` tells in place of the array when it has a filter."""


TRACED_FLOW = {"ufid": FLOW["ufid"], "flow": TEXT, "packets": COUNT, "bytes": COUNT}
EFFECT = {
    "action": TEXT,
    "effect": TEXT,
    "note": maybe(TEXT),
    "port": maybe(COUNT),
    "packet": TEXT,
    "tunnel": maybe(TEXT),
    "lookup": maybe(COUNT),
    "branches": array(all_of({"when": TEXT, "effects": array(ref("trace.effect"))})),
}
STEP = {
    "step": COUNT,
    **TRACED_FLOW,
    "if": maybe(TEXT),
    "also_match": array(all_of(TRACED_FLOW)),
    "effects": array(ref("trace.effect")),
}
LOOKUP = {
    "recirc_id": COUNT,
    "packet": TEXT,
    "steps": array(all_of(STEP)),
    "may_miss": FLAG,
    "nearest": array(all_of({**TRACED_FLOW, "differing": COUNT, "wants": TEXT, "has": TEXT, "set_by": TEXT})),
    "stopped": maybe(TEXT),
}
TRACE = {
    "packet": TEXT,
    "lookups": array(all_of(LOOKUP)),
    "results": array(all_of({"steps": array(COUNT), "if": array(TEXT), "outcome": TEXT})),
}
ARRAYS["trace"] = ("traces", TRACE, {})


def schema() -> Schema:
    """Return the whole schema."""
    version = {"version": {"const": VERSION}}
    documents: Schema = {}
    lines: Schema = {}
    for name, members in VALUES.items():
        documents[name] = all_of({**version, "command": {"const": name}, **members})
    for name, (array_name, item, members) in ARRAYS.items():
        head = {**version, "command": {"const": name}}
        documents[name] = all_of({**head, array_name: array(ref(f"{name}.item")), **members, "complete": FLAG})
        lines[f"{name}.item"] = all_of(item)
        lines[f"{name}.line"] = all_of({**version, **item})
    tree = all_of({**version, "command": {"const": "dump-flows"}, **TREE})
    documents["dump-flows"] = {"anyOf": [documents["dump-flows"], tree]}
    deletion = all_of({**version, "command": {"const": "del-flows"}, **DELETION})
    documents["del-flows"] = {"anyOf": [documents["del-flows"], deletion]}
    lines["trace.effect"] = all_of(EFFECT)
    lines["dump-flows.node"] = all_of({**FLOW, "branches": array(all_of(BRANCH))})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"What dpif --json prints, version {VERSION}",
        **ref("document"),
        "$defs": {
            "document": {"oneOf": [ref(name) for name in documents]},
            **NAMED,
            "key": attributes(FlowKey),
            "mask": attributes(FlowKey, mask=True),
            "action_list": action_list(),
            **documents,
            **lines,
        },
    }


def text_of(made: Schema) -> str:
    """Return the file: a definition a line."""
    encode = json.JSONEncoder(separators=(",", ":")).encode
    definitions = ",\n".join(f"{encode(name)}:{encode(one)}" for name, one in made.pop("$defs").items())
    return f'{encode(made)[:-1]},"$defs":{{\n{definitions}\n}}}}\n'


def main() -> int:
    """Write the file, or check it."""
    text = text_of(schema())
    if "--check" not in sys.argv:
        FILE.write_text(text)
    elif not FILE.exists() or FILE.read_text() != text:
        print(f"{FILE.name} is not up to date: run make generated")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
