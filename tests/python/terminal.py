"""Runs a program on a terminal, as somebody would who looks at it.

Arguments: what to wait for on the screen, how to end it (text to type, or the name of a signal), the program, its
arguments. On standard output a JSON object: what was on the screen, how it ended, and whether the terminal was left as
it was found.
"""

import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time

LIMIT = 20.0


def main() -> None:
    wanted, ending, *command = sys.argv[1:]
    own, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    before = termios.tcgetattr(terminal)
    process = subprocess.Popen(
        command, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True
    )
    screen = b""
    asked = False
    deadline = time.monotonic() + LIMIT
    while time.monotonic() < deadline:
        ended = process.poll() is not None
        readable, _, _ = select.select([own], [], [], 0.05)
        if readable:
            screen += os.read(own, 65536)
        elif ended:
            break
        if wanted.encode() in screen and not asked:
            asked = True
            if ending.startswith("SIG"):
                process.send_signal(signal.Signals[ending])
            else:
                os.write(own, ending.encode())
    if process.poll() is None:
        process.kill()
    answer = {
        "screen": screen.decode(errors="replace"),
        "status": process.wait(),
        "restored": termios.tcgetattr(terminal) == before,
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
