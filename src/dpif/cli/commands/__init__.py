"""The commands, a module for each family of them: what each does, from its words to the values that it prints.

A command is a function that is given a `Context`. It looks things up by the library, and hands what it found to
``context.print_all`` and its like as values that have `lines` (for people) and `data` (for JSON). How these look is
the business of `dpif.cli.output`; which commands there are, with their usage and help, that of
`dpif.cli.command_table`, which names the function here: ``show:show``. A module is imported when one of its commands
is run.
"""
