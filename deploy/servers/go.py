"""Installs the pinned programs of a list, which are written in Go, into a folder: stores.txt.

    go.py LIST FOLDER

Does nothing if they are there. May be run twice at once, and again after it was killed.
"""

import os
import pathlib
import shutil
import subprocess
import sys

from once import once


def install(name, programs, folder):
    """What each is built from is pinned by its own module."""
    if not shutil.which("go"):
        sys.exit(f"{name} are built by Go, which is not here (https://go.dev/dl/)")
    environment = {**os.environ, "GOBIN": str(folder / "bin")}
    for program in programs:
        if subprocess.run(["go", "install", program], env=environment).returncode != 0:
            sys.exit(f"{program} could not be installed into {folder}; Go says why above")


def main(programs, folder):
    programs, folder = pathlib.Path(programs), pathlib.Path(folder).absolute()
    wanted = programs.read_text()
    pinned = wanted.split()
    what = f"{', '.join(pinned)} (it takes minutes)"
    once(folder, wanted, what, lambda: install(programs.stem, pinned, folder))


main(*sys.argv[1:])
