"""What pydoc and the manual say of the attributes of a key: made of their descriptions, and true of values."""

from __future__ import annotations

import pydoc

import pytest

from dpif import FlowKey, parse_match
from dpif.odp.model.describing import describe
from dpif.odp.model.nest import Attr
from dpif.odp.model.tunnel import Tunnel

TEXTS = {
    "ipv4": "ipv4(src=10.0.0.1,dst=10.0.0.2,proto=17,tos=0,ttl=64,frag=no)",
    "in_port": "in_port(1)",
    "tcp_flags": "tcp_flags(syn)",
    "ct_label": "ct_label(0x1)",
    "eth": "eth(src=02:00:00:00:00:01,dst=02:00:00:00:00:02)",
    "nd": "nd(target=fc00::1,sll=02:00:00:00:00:01,tll=02:00:00:00:00:02)",
}


def test_an_attribute_tells_its_type_its_text_and_its_mask() -> None:
    assert FlowKey.in_port.__doc__ == ("int of 32 bits, or None; as text in_port(…); its mask has the same type.")
    assert describe(FlowKey.eth) == (
        "Ethernet",
        (("src", "Mac"), ("dst", "Mac")),
        "each field has a mask of its type",
        "eth(src=…,dst=…)",
    )


@pytest.mark.parametrize("nest", [FlowKey, Tunnel])
def test_every_attribute_is_told_in_pydoc(nest: type) -> None:
    page = pydoc.plain(pydoc.render_doc(nest))
    for name, attribute in vars(nest).items():
        if isinstance(attribute, Attr):
            assert f"{name}\n |      {attribute.__doc__}" in page


@pytest.mark.parametrize("name", TEXTS)
def test_what_is_told_is_true_of_a_value(name: str) -> None:
    key, mask = parse_match(TEXTS[name])
    told = describe(vars(FlowKey)[name])
    value = getattr(key, name)
    assert type(value).__name__ == type(getattr(mask, name)).__name__ == told.value.split()[0]
    assert [(field, type(getattr(value, field)).__name__) for field, _ in told.fields] == list(told.fields)
    before, _, _ = told.text.partition("(")
    assert TEXTS[name].startswith(before)


def test_the_class_itself_still_says_what_it_is() -> None:
    assert "An attribute of a nest" in (Attr.__doc__ or "")
