"""The engine of the userspace datapath: what the kernel module does, on values. See `dpif.userspace` for the whole.

A packet's way: a `device` hands it to the `port` that it is under, the port to its `datapath`, which makes a
`frame` of it, looks for a flow in the `table`, and has a `processor` run the flow's actions, which `execute`
compiled when the flow was put. These change the frame (`modify`, `nsh`), track it (`conntrack`), meter it
(`meters`), or hand it to a port, or up (`upcall`, `psample`). A `namespace` holds all devices and datapaths, and
what they share. `fingerprint`, `columns` and `batch` are the short way for packets like those before. A `refusal`
is what a kernel would say to a request.

These things hold each other as they do in the kernel: a port its datapath, the datapath its ports, an action what
it acts on. Files above import those below to use them; those below name those above (`Datapath`, `Port`,
`Namespace`) for types alone, so that each can be read, and loaded, by itself.
"""
