"""The command line: ``dpif``, a datapath at one's fingertips, with the commands and the output of ``ovs-dpctl``.

::

    dpif add-dp dp0 v0 v1                            # the kernel's datapath: system@dp0
    dpif add-flow dp0 "in_port(1),eth(),eth_type(0x0806),arp()" 2
    dpif -m dump-flows dp0
    dpif serve --detach                              # serves datapaths in user space, for the same commands
    dpif add-dp netdev@br0

How it is built, in the order of a run:

* `entry` holds `main`: runs a command line and turns whatever happens into an exit status and a line on stderr;
* `endings` are Ctrl-C and the end of the time: they strike where what is printed stays whole;
* `command_table` and `options` are the tables: all commands (those that run something are in `program_commands`), all
  options. Help, ``list-commands`` and the check of the number of arguments follow from them, and a new command starts
  with a line there; `command` says what one is;
* `arguments` reads a command line by these tables, `help` shows them, `completion` answers a shell by them;
* `context` is what a command gets: its words and options, datapaths by name, and the two ways out, `print` and
  `report`; `errors` are how it fails; `numbers`, `files`, `devices` and `datapath_features` what its words may mean;
* the package `commands` has the commands, by topic. They make values, whose `lines` are what is printed;
* the package `output` has what these look like: tables, colour, JSON, progress.

Modules are imported when a command needs them, so that a short command starts fast; a test holds ``show`` to a list
of modules and to a budget. Nothing here knows messages or attributes: that is for the library.

Exit status: 0; 1 after any error; 2 when the command line itself is wrong (an unknown option, too few
arguments); 130 after Ctrl-C, 141 when the reader of the output has gone, 142 when ``--timeout`` is over.
"""

from __future__ import annotations

from dpif.cli.entry import main

__all__ = ["main"]
