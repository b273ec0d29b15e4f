"""What the kernel makes of keys, masks and actions: its rules in its order, as values instead of a bare EINVAL.

The kernel keeps a key in one flat structure. `swkey` is that structure as one int; `places` says where the values of
each attribute lie in it, `match` (with `match_tunnel`) goes from attributes to it by every rule that there is, `emit`
goes back. `check`, with a file for each action that has rules of its own, follows a list of actions as the kernel
does before it takes a flow; `check_state` is what is known of a packet on the way. `protocols` says which attributes
go with which.

A rule that is broken raises `RuleBroken` (`rules`), which names it and says what to do. The datapath in user space
refuses by these rules; the client explains with them what a kernel refused.
"""
