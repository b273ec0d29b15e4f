"""The values of the protocol: fields, structures, attributes, keys. Each is described once.

From the small to the large:

* a *kind* of field (`kinds`) knows its place on the wire, its Python value, its text and its JSON;
* a structure is a list of fields (`structs`), `layers` has those of a flow key;
* an attribute has a type (`attrs`), and some types hold attributes again (`nest`; `arguments` where they stand in
  parentheses);
* a key is attributes (`key`), two of which are keys of their own (`tunnel` with `tunnel_options`, `nsh`).

Text is read by the `scanner`, which knows where it is and says so when something is wrong; `spelling` guesses what
was meant. `lazy` decodes attributes when they are read, for those who have many alike. `ufid` names a flow.

Wire and text, both ways, JSON, the tables of the docs and the strategies of tests follow from these descriptions.
They hold nothing of what a kernel makes of them: that is in `dpif.odp.kernel`.
"""
