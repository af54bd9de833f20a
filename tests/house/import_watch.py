"""Imports the modules named on the command line; prints as JSON what that loaded and what it did on the way."""

import importlib
import json
import os
import sys
import threading
from typing import Any

DEEDS = {
    "os.chmod",
    "os.mkdir",
    "os.posix_spawn",
    "os.remove",
    "os.rename",
    "os.system",
    "socket.bind",
    "socket.connect",
    "sqlite3.connect",
    "subprocess.Popen",
}
deeds: list[str] = []


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    """Note what changes something outside this process; reading is no deed."""
    if event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR):
        deeds.append(f"opens {arguments[0]} for writing")
    elif event in DEEDS:
        deeds.append(f"{event} {arguments}")


if __name__ == "__main__":
    before = set(sys.modules)
    sys.addaudithook(watch)
    for name in sys.argv[1:]:
        importlib.import_module(name)
    done = [*deeds, *(f"starts thread {thread.name}" for thread in threading.enumerate()[1:])]
    loaded = sorted({name.partition(".")[0] for name in set(sys.modules) - before})
    sys.stdout.write(json.dumps({"loaded": loaded, "deeds": done}))
