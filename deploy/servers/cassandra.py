"""Installs the pinned Cassandra of cassandra.xml into a folder, with Maven.

    cassandra.py FOLDER

Does nothing if it is there. May be run twice at once, and again after it was killed.
"""

import fcntl
import pathlib
import re
import shutil
import subprocess
import sys

POM = pathlib.Path(__file__).with_name("cassandra.xml")
JAVA = 17
OR = "or set LANDFALL_TEST_CQL to host:port of a running ScyllaDB or Cassandra"


def java():
    """The version of `java`; 0 where there is none."""
    try:
        said = subprocess.run(["java", "-version"], capture_output=True, text=True).stderr
    except FileNotFoundError:
        return 0
    version = re.search(r'version "(\d+)', said)
    return int(version[1]) if version else 0


def check_tools():
    if java() != JAVA:
        sys.exit(f"Cassandra needs Java {JAVA} (on Debian and Ubuntu `apt install openjdk-17-jre-headless`), {OR}")
    if not shutil.which("mvn"):
        sys.exit(f"Cassandra is installed by Maven, which is not here (on Debian and Ubuntu `apt install maven`), {OR}")


def install(folder):
    """Maven's own repository is in the folder too, and goes once the jars are where they belong."""
    libraries, repository = folder / "lib", folder / "maven"
    shutil.rmtree(libraries, ignore_errors=True)
    command = ["mvn", "--batch-mode", "--no-transfer-progress", "--quiet", "--file", POM]
    options = [
        f"-Dmaven.repo.local={repository}",
        f"-DoutputDirectory={libraries}",
        "-DincludeScope=runtime",
    ]
    if subprocess.run([*command, *options, "dependency:copy-dependencies"]).returncode != 0:
        sys.exit(f"Cassandra could not be installed into {folder}; Maven says why above")
    shutil.rmtree(repository)


def main(folder):
    folder = pathlib.Path(folder).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    # Last to be written: without it, what is there is somebody's interrupted attempt.
    stamp = folder / "installed"
    wanted = POM.read_text()
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.is_file() and stamp.read_text() == wanted:
            return
        check_tools()
        print(f"installing Cassandra into {folder}", file=sys.stderr)
        install(folder)
        stamp.write_text(wanted)


main(*sys.argv[1:])
