"""The engine of the userspace datapath: what the kernel module does, on values. See `dpif.userspace`."""
