"""The datapath protocol."""
