"""Connection tracking, as nf_conntrack and nf_nat do it for the kernel's datapath.

``tuples``
    What names a connection in one direction: addresses, protocol, ports.
``validity``
    Which packets count.
``connection``, ``timeouts``
    What is known of a connection, and how long it lives: the defaults, and policies.
``protocols``, ``tcp`` (with ``segment`` and ``tcp_window``), ``sctp``
    What state and life time a packet gives a connection.
``tracker``
    The table of connections of a namespace, and its limits.
``nat``
    Choosing a translation and rewriting packets.
``action``
    The actions ``ct`` and ``ct_clear`` (net/openvswitch/conntrack.c).

Left out: helpers (a ``ct`` with one is refused), and fragments, which are not put together: they are invalid.
"""
