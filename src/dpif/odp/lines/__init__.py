"""From flows to lines of text: what ``dump-flows`` prints.

`text` makes the line of any flow, from its values: the slow way, and the one that says what is right. `compiled`
looks at the messages of a dump, finds that most are alike, and makes of each sort a function from bytes to text, of
the parts in `templates`. Both give the same lines.
"""
