"""Flows that the kernel has shown, as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dpif import FlowKey, FlowMask
from dpif.cli.output.flow_data import flow_data
from dpif.odp.messages import FlowRecord
from dpif.odp.messages.base import OVS_HDRLEN

DUMP = Path(__file__).parent / "odp" / "dump.jsonl"
RECORDS = [
    FlowRecord.from_reply(bytes(OVS_HDRLEN) + bytes.fromhex(json.loads(line)["record"]))
    for line in DUMP.read_text().splitlines()
]


@pytest.mark.parametrize("verbose", [False, True])
def test_every_flow_fits_the_schema(check_json: Any, verbose: bool) -> None:
    assert RECORDS
    for record in RECORDS:
        told = flow_data(record, 0, verbose=verbose, port_names=None)
        check_json.lines(json.dumps({"version": 1, **told}), "dump-flows")


def test_every_flow_is_built_again_from_it() -> None:
    for record in RECORDS:
        told: Any = json.loads(json.dumps(flow_data(record, 0, verbose=True, port_names=None)))
        if [] in (told["key"].get("mpls"), told["mask"].get("mpls")):
            continue  # the kernel shows a stack without labels, and takes none
        assert FlowKey(**told["key"]) == record.flow_key()
        assert FlowMask(**told["mask"]) == record.flow_mask()
