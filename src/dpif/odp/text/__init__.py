"""From text to the bytes of a flow, fast: for files of flows, in which no flow has a value of another.

What a text means is said by the values (`dpif.odp.model`, `dpif.odp.actions`), which read any text, slowly, and
explain what is wrong with it. This is the short way for the texts that are right. Whatever it does not know goes the
slow way, the *slow twin*, and both give the same bytes: property tests say so.

It lives on this, that the flows of a datapath are made by one program, and so look alike::

    ct_state(0x2a/0x3f),eth(src=0a:58:0a:f4:00:0f),tunnel(tun_id=0x6,geneve({class=0x102,type=0x80,len=4,0x20003}))
    t_stt(/),th(sr=),tunnl(tun_i=,gnv({lss=,typ=,ln=,}))      its skeleton: all but what digits are written with

Two texts of one skeleton differ in values alone, or nearly so. Thus, of a text that is new:

1. `pieces` cuts it at brackets and separators, by three calls to the interpreter's C. What stands between them are
   names, words, and values.
2. `texts` finds the *form* that was made of another text with this skeleton, and compares names and words.
3. `form` reads all values, and one `struct` call packs them with what is the same in all texts of the form:
   headers of attributes, padding, exact masks. In bytes, too, they have one layout: a nest of the same lengths has
   its fields at the same offsets, however deep they are. So there is nothing special about what is nested.

A form is made of the first text like it by walking over its pieces as the slow twin does over its characters:
`keys` (with `tunnels`, `nsh` and `structures`) makes *parts* of a match, `actions` (with `arguments`, `setting`,
`cookies` and `nat`) of actions. A part is a constant, or a value: the Python that reads it (`reading`), the place of
its piece, and its `struct` code (`parts`). What decides about the layout or has another meaning is no value but a
word, by which forms are told apart: the length of a Geneve option, flags by name, the type of NSH metadata.

The walk is strict: it makes a form of nothing that is written otherwise than Open vSwitch writes it. So is the
reading: a number that is too large, or octal, or where zero means something else, is refused. Then the slow twin is
asked, and it is from there that errors come.

Matches and actions are lists. Single elements are read by forms of their own, and remembered by their texts; so lines
that have much in common, or are all of different kinds, take little more than what is new in them (`texts` says when
which way is taken). Many lines of a file at once are sorted by their forms, and of those of one form the pieces that
stand at one place are read together (`file_lines`, `together`). These and `matches` have the functions that others
call.
"""
