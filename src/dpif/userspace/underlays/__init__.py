"""The networks that tunnels travel on: the host's own, by its sockets, and one in memory."""
