"""What the patches of a simulation replace, as it was; imported before they are made."""

from __future__ import annotations

import _thread
import os
import socket
import time

SOCKET = socket.socket
sleep = time.sleep
monotonic = time.monotonic
process_time = time.process_time
fork = os.fork
get_ident = _thread.get_ident
start_new_thread = _thread.start_new_thread
