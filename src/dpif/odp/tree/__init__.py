"""Flows below those whose packets come to them: the tree of recirculations.

`tree` grows it. `facts` is what is known of packets that come out of a flow, and so which flows they cannot match;
`crowd` finds those that they may among many.
"""
