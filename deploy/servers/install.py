"""Installs the pinned servers of requirements.txt into a folder.

    install.py FOLDER

Does nothing if they are there. May be run twice at once, and again after it was killed.
"""

import fcntl
import os
import pathlib
import shutil
import subprocess
import sys

REQUIREMENTS = pathlib.Path(__file__).with_name("requirements.txt")
os.environ["PIP_ROOT_USER_ACTION"] = "ignore"
PIP = ["-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--requirement"]


def works(*command):
    """Whether a command ends well; what it says is only of interest if everything fails."""
    return subprocess.run(command, capture_output=True).returncode == 0


def install(folder):
    """With a virtual environment of its own, or, where Python lacks the parts for that (Debian
    without python3-venv), with the packages alone."""
    if works(sys.executable, "-m", "venv", "--clear", folder):
        return subprocess.run([folder / "bin/python3", *PIP, REQUIREMENTS]).returncode
    shutil.rmtree(folder, ignore_errors=True)
    if not works(sys.executable, "-m", "pip", "--version"):
        sys.exit(
            f"{sys.executable} has neither venv nor pip to install the servers with; on Debian and "
            "Ubuntu `apt install python3-venv` brings both"
        )
    target = ["--target", folder]
    return subprocess.run([sys.executable, *PIP, REQUIREMENTS, *target]).returncode


def main(folder):
    folder = pathlib.Path(folder).absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Last to be written: without it, what is there is somebody's interrupted attempt.
    stamp = folder / "installed"
    requirements = REQUIREMENTS.read_text()
    wanted = f"{requirements}# with Python {sys.version}"
    with open(folder.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.is_file() and stamp.read_text() == wanted:
            return
        print(f"installing {', '.join(requirements.split())} into {folder}", file=sys.stderr)
        if install(folder) != 0:
            sys.exit(f"the servers could not be installed into {folder}; pip says why above")
        stamp.write_text(wanted)


main(*sys.argv[1:])
