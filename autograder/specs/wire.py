"""How `check` talks to the referee while a submission is graded: frames of JSON and bytes over an inherited socket.

A frame is two lengths, a JSON object and a body that may be empty.  Nothing on this line is ever unpickled or executed.
The conversation, the kernel speaking first:

    {"ask": "evaluation.evaluate"}              ->  {"nonce": "...", "seed": 123}  or  {"counts": false}
    {"nonce": "..."} + evidence                 ->  {"report": {...}}  or  {"rejected": "..."}
    {"nonce": "...", "fault": "what broke"}     ->  {"rejected": "..."}

Whoever reads the learner's code reads this too: no secret is in it.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import threading
from typing import Any

#: Names the descriptor of the socket in a kernel that grades.
VARIABLE = "AUTOGRADER_REFEREE"
#: Bytes.  The largest evidence of the corpora is below one MiB.
MOST_HEADER, MOST_BODY = 1 << 16, 1 << 26
LENGTHS = struct.Struct("!II")


class LineError(RuntimeError):
    """The other side closed the line, or sent what is no frame."""


def frame(header: dict[str, Any], body: bytes = b"") -> bytes:
    """One frame, ready to be sent.

    Raises:
        LineError: if it is larger than the other side accepts.
    """
    text = json.dumps(header).encode()
    if len(text) > MOST_HEADER or len(body) > MOST_BODY:
        raise LineError(
            f"a message of {len(text)} + {len(body)} bytes; at most {MOST_HEADER} + {MOST_BODY} may be sent"
        )
    return LENGTHS.pack(len(text), len(body)) + text + body


def lengths(prefix: bytes) -> tuple[int, int]:
    """The lengths of header and body that a frame announces.

    Raises:
        LineError: if they are beyond the limits.
    """
    header, body = LENGTHS.unpack(prefix)
    if header > MOST_HEADER or body > MOST_BODY:
        raise LineError(f"a message of {header} + {body} bytes; at most {MOST_HEADER} + {MOST_BODY} may be sent")
    return header, body


def parse(text: bytes) -> dict[str, Any]:
    """The header of a frame.

    Raises:
        LineError: if it is not a JSON object.
    """
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise LineError(f"not JSON: {error}") from error
    if not isinstance(header, dict):
        raise LineError("not a JSON object")
    return header


class Line:
    """One end: who asks has one request and one answer, who answers receives and sends."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._turn = threading.Lock()

    def ask(self, header: dict[str, Any], body: bytes = b"") -> dict[str, Any]:
        """Send a frame and wait for the answer's header.

        Raises:
            LineError, OSError: if the other side is gone or does not accept the frame.
        """
        return self.exchange(header, body)[0]

    def exchange(self, header: dict[str, Any], body: bytes = b"") -> tuple[dict[str, Any], bytes]:
        """The same, and the answer's body, too."""
        with self._turn:
            self.send(header, body)
            return self.receive()

    def send(self, header: dict[str, Any], body: bytes = b"") -> None:
        """Send a frame."""
        self._socket.sendall(frame(header, body))

    def receive(self) -> tuple[dict[str, Any], bytes]:
        """Wait for a frame; its header and its body."""
        head, rest = lengths(self._read(LENGTHS.size))
        return parse(self._read(head)), self._read(rest)

    def close(self) -> None:
        """Close this end."""
        self._socket.close()

    def _read(self, count: int) -> bytes:
        parts = bytearray()
        while len(parts) < count:
            part = self._socket.recv(count - len(parts))
            if not part:
                raise LineError("the other side has closed the line")
            parts += part
        return bytes(parts)


_line: Line | None = None


def line() -> Line | None:
    """The line to the referee; None where nothing is being graded.  The variable is read once and removed."""
    global _line
    descriptor = os.environ.pop(VARIABLE, None)
    if _line is None and descriptor is not None:
        _line = Line(socket.socket(fileno=int(descriptor)))
    return _line
