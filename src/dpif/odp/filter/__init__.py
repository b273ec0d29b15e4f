"""Which flows, and in what order: the language of filters, its fields, and OpenFlow's names for them.

`language` reads a filter and makes a function of it that is asked about each flow. `fields` says what may be asked
and `values` how the other side of a comparison is written. `openflow` takes what ``ovs-dpctl dump-flows`` takes, with
the fields in `openflow_fields`. `order` sorts by the same fields.
"""
