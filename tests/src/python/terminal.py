"""Runs a command on a terminal, whose screen is standard output and whose keys standard input."""

import os
import pty
import sys

sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))
