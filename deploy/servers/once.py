"""Installing what a file pins once: for install.py, maven.py and go.py."""

import fcntl
import sys


def once(folder, wanted, what, install):
    """Calls `install` unless `wanted` is what was installed into `folder` last. Whoever comes second
    waits. Without the stamp, which is written last, what is there is somebody's interrupted attempt.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    stamp = folder / "installed"
    # Beside it, as an installation may begin by clearing the folder.
    with open(folder.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.is_file() and stamp.read_text() == wanted:
            return
        print(f"installing {what} into {folder}", file=sys.stderr)
        install()
        stamp.write_text(wanted)
