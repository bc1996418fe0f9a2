"""Installs the pinned programs of a list (stores.txt), or the tools of a module (jaeger.mod), which
are written in Go, into a folder.

    go.py LIST FOLDER

Does nothing if they are there. May be run twice at once, and again after it was killed.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from once import once


def go(arguments, folder, into):
    environment = {**os.environ, "GOBIN": str(into / "bin")}
    if subprocess.run(["go", *arguments], cwd=folder, env=environment).returncode != 0:
        sys.exit(f"`go {' '.join(arguments)}` fails for {into}; it says why above")


def install(name, wanted, folder):
    """What each is built from is pinned by its own module, or by the one that is given."""
    if not shutil.which("go"):
        sys.exit(f"{name} is built by Go, which is not here (https://go.dev/dl/)")
    if name.suffix == ".mod":
        with tempfile.TemporaryDirectory() as module:
            pathlib.Path(module, "go.mod").write_text(wanted)
            go(["install", "-mod=mod", "tool"], module, folder)
    else:
        for program in wanted.split():
            go(["install", program], None, folder)


def main(programs, folder):
    programs, folder = pathlib.Path(programs), pathlib.Path(folder).absolute()
    wanted = programs.read_text()
    what = f"{programs.name} (it takes minutes)"
    once(folder, wanted, what, lambda: install(programs, wanted, folder))


main(*sys.argv[1:])
