"""What both ends of a kernel's line have to agree on."""

import struct

#: Stands before each message: its length in bytes.
LENGTH = struct.Struct("!I")
