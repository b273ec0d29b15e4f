"""A program from a file of Python, and again when it is saved."""

from __future__ import annotations

import importlib.util
import os
import sys
from types import ModuleType

from dpif.program.errors import ProgramError
from dpif.program.program import Program

__all__ = ["File", "load"]

_MODULE = "dpif_program_file"


class File:
    """A file with a program. ``program`` is what is in it now; `changed` tells that it was saved."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._stamp = self._look()
        self.program = load(path)

    def _look(self) -> tuple[int, int]:
        try:
            status = os.stat(self.path)
        except OSError as error:
            raise ProgramError(f"{self.path}: {error.strerror}") from None
        return status.st_mtime_ns, status.st_size

    def changed(self) -> bool:
        """Tell whether the file was saved since somebody asked; one that is gone for a moment was not."""
        try:
            stamp = self._look()
        except ProgramError:
            return False
        before, self._stamp = self._stamp, stamp
        return stamp != before

    def reload(self) -> Program:
        """Load the file again; raise what is wrong with it, and then the old program stays."""
        self.program = load(self.path)
        return self.program


def load(path: str) -> Program:
    """Return the program of a file: the one called ``program``, or the only one.

    Raises `ProgramError` where there is none or no way to tell, and what the file raises when it is run.
    """
    spec = importlib.util.spec_from_file_location(_MODULE, path)
    if spec is None or spec.loader is None:
        raise ProgramError(f"{path} is no file of Python; its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    directory = os.path.dirname(os.path.abspath(path))
    sys.modules[_MODULE] = module
    sys.path.insert(0, directory)  # what lies beside it may be imported, as where a file is run
    try:
        spec.loader.exec_module(module)
    except FileNotFoundError as error:
        if error.filename == path:
            raise ProgramError(f"{path}: {error.strerror}") from None
        raise
    finally:
        sys.path.remove(directory)
    return _program_of(module, path)


def _program_of(module: ModuleType, path: str) -> Program:
    found = {name: value for name, value in vars(module).items() if isinstance(value, Program)}
    program = found.get("program") or next(iter(found.values()), None)
    if program is None:
        raise ProgramError(
            f"{path} has no program; write 'program = Program()', and @program.forward before a function"
        )
    if "program" not in found and len(found) > 1:
        raise ProgramError(f"{path} has several programs ({', '.join(found)}); call the one to run 'program'")
    try:
        program.function  # noqa: B018  # says what is missing
    except ProgramError as error:
        raise ProgramError(f"{path}: {error}") from None
    return program
