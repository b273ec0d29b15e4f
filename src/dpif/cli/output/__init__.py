"""What is printed: tables for a terminal, colour, JSON, progress, and the views of ports, flows and connections.

A *view* is a value that knows its `lines`, as ``ovs-dpctl`` prints them, and its `data`, for JSON; on a terminal some
of them are rows of a `table`. `colour` goes over lines that are done. Nothing here asks a datapath for anything, or
knows of commands: who has the values calls.
"""
