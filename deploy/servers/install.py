"""Installs pinned packages of Python into a folder: the servers of requirements.txt, or others.

    install.py FOLDER [REQUIREMENTS]

Does nothing if they are there. May be run twice at once, and again after it was killed.
"""

import os
import pathlib
import shutil
import subprocess
import sys

from once import once

SERVERS = pathlib.Path(__file__).with_name("requirements.txt")
os.environ["PIP_ROOT_USER_ACTION"] = "ignore"
PIP = ["-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--requirement"]


def works(*command):
    """Whether a command ends well; what it says is only of interest if everything fails."""
    return subprocess.run(command, capture_output=True).returncode == 0


def install(folder, requirements):
    """With a virtual environment of its own, or, where Python lacks the parts for that (Debian
    without python3-venv), with the packages alone."""
    if works(sys.executable, "-m", "venv", "--clear", folder):
        return subprocess.run([folder / "bin/python3", *PIP, requirements]).returncode
    shutil.rmtree(folder, ignore_errors=True)
    if not works(sys.executable, "-m", "pip", "--version"):
        sys.exit(
            f"{sys.executable} has neither venv nor pip to install {requirements.stem} with; on Debian and "
            "Ubuntu `apt install python3-venv` brings both"
        )
    target = ["--target", folder]
    return subprocess.run([sys.executable, *PIP, requirements, *target]).returncode


def main(folder, requirements=SERVERS):
    folder, requirements = pathlib.Path(folder).absolute(), pathlib.Path(requirements)
    packages = requirements.read_text()
    what = ", ".join(packages.split())

    def attempt():
        if install(folder, requirements) != 0:
            sys.exit(f"{what} could not be installed into {folder}; pip says why above")

    once(folder, f"{packages}# with Python {sys.version}", what, attempt)


main(*sys.argv[1:])
