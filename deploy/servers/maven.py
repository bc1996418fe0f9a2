"""Installs what a pom.xml pins into a folder, with Maven: cassandra.xml, dsbulk.xml.

    maven.py POM FOLDER

Does nothing if it is there. May be run twice at once, and again after it was killed.
"""

import pathlib
import re
import shutil
import subprocess
import sys

from once import once

JAVA = 17


def java():
    """The version of `java`; 0 where there is none."""
    try:
        said = subprocess.run(["java", "-version"], capture_output=True, text=True).stderr
    except FileNotFoundError:
        return 0
    version = re.search(r'version "(\d+)', said)
    return int(version[1]) if version else 0


def check_tools(name):
    if java() != JAVA:
        sys.exit(f"{name} needs Java {JAVA} (on Debian and Ubuntu `apt install openjdk-17-jre-headless`)")
    if not shutil.which("mvn"):
        sys.exit(f"{name} is installed by Maven, which is not here (on Debian and Ubuntu `apt install maven`)")


def install(pom, folder):
    """Maven's own repository is in the folder too, and goes once the jars are where they belong."""
    check_tools(pom.stem)
    libraries, repository = folder / "lib", folder / "maven"
    shutil.rmtree(libraries, ignore_errors=True)
    command = ["mvn", "--batch-mode", "--no-transfer-progress", "--quiet", "--file", pom]
    options = [
        f"-Dmaven.repo.local={repository}",
        f"-DoutputDirectory={libraries}",
        "-DincludeScope=runtime",
    ]
    if subprocess.run([*command, *options, "dependency:copy-dependencies"]).returncode != 0:
        sys.exit(f"{pom.stem} could not be installed into {folder}; Maven says why above")
    shutil.rmtree(repository)


def main(pom, folder):
    pom, folder = pathlib.Path(pom), pathlib.Path(folder).absolute()
    once(folder, pom.read_text(), pom.stem, lambda: install(pom, folder))


main(*sys.argv[1:])
