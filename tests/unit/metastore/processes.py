"""Runs a function in forked children, which say what they did line by line, so that a killed one has said it."""

import os
import signal
import traceback


class Child:
    """A forked child that runs `work(say)`; what it says is a line each in `lines`."""

    def __init__(self, work, *, user=None):
        read, write = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            status = 1
            try:
                os.close(read)
                if user is not None:
                    os.setgid(user)
                    os.setuid(user)
                work(lambda text: os.write(write, f"{text}\n".encode()))
                status = 0
            except BaseException:
                os.write(write, b"failed: " + traceback.format_exc().replace("\n", " | ").encode() + b"\n")
            finally:
                os._exit(status)
        os.close(write)
        self._said = os.fdopen(read)

    def line(self):
        """Return the next line, waiting for it."""
        return self._said.readline().removesuffix("\n")

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)

    def lines(self):
        """Return all further lines, once the child has ended however it did."""
        with self._said:
            said = self._said.read().splitlines()
        _, status = os.waitpid(self.pid, 0)
        failed = [line for line in said if line.startswith("failed: ")]
        assert not failed, failed[0].replace(" | ", "\n")
        self.status = os.waitstatus_to_exitcode(status)
        return said
