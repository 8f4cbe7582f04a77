"""Runs Synapse for as long as whoever started it holds our standard input open.

A byte on standard input asks for an orderly stop. Its end means that the test process is gone, however it went:
then the data directory goes too, and so do we.
"""

import os
import shutil
import signal
import sys
import threading

data_directory = sys.argv[1]


def watch() -> None:
    while os.read(0, 1):
        os.kill(os.getpid(), signal.SIGTERM)
    shutil.rmtree(data_directory, ignore_errors=True)
    os.kill(os.getpid(), signal.SIGKILL)


threading.Thread(target=watch, daemon=True).start()
sys.argv = ["synapse", "--config-path", os.path.join(data_directory, "homeserver.yaml")]

from synapse.app.homeserver import main  # noqa: E402

main()
