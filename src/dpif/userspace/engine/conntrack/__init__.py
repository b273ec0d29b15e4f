"""Connection tracking, as nf_conntrack and nf_nat do it for the kernel's datapath.

``tuples``
    What names a connection in one direction: addresses, protocol, ports.
``validity``, ``tcp``
    Which packets count, and what state and life time they give a connection.
``tracker``
    `Connection` and `Tracker`: the table of connections of a namespace, and its limits.
``nat``
    Choosing a translation and rewriting packets.
``action``
    The actions ``ct`` and ``ct_clear`` (net/openvswitch/conntrack.c).

Left out: helpers (a ``ct`` with one is refused), timeout policies (unknown ones are passed over, as in the
kernel), TCP windows, the states of SCTP, and fragments, which are not put together: they are invalid.
"""
