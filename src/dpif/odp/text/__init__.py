"""From text to the bytes of a flow, fast: for files of flows, whose lines repeat most of each other.

What a text means is said by the values (`dpif.odp.model`), which read any text, slowly, and explain what is wrong
with it. This is the short way for the texts that are right: `matches` takes a match apart, `forms` remembers how
elements that look alike are read. Whatever they do not know goes the slow way, and both give the same bytes.
"""
