"""From flows to lines of text: what ``dump-flows`` prints.

There are three ways, and all give the same lines; `compiled` says when each is taken, and why.

* `text` makes the line of any flow, from its values: the slow way, and the one that says what is right.
* *Writers* make text of bytes, each of one kind of attribute or action: `fields` those of structures and numbers,
  `keys` those of flow keys (`tunnels`, and `special` for what has a form of its own), `actions` those of actions
  (`arguments` for those that hold attributes, `userdata`), `flows` put them together. They need no flow to have been
  like this one.
* *Templates* make the lines of flows, and the lists of actions, that many are like: `shapes`, `nests` and
  `tunnel_pieces` tell what is text in these and what is a value at its place (`in_place`), `action_pieces` what is in
  actions, and `templates` compiles that. `learned` says when, and `frequent` which template a flow goes by.
"""
