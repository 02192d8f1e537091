"""What the process that asks for kernels and those that it asks have to agree on.  Imports nothing slow."""

import struct

#: Stands before each message on a kernel's line: its length in bytes.
LENGTH = struct.Struct("!I")
#: What a zygote takes in one request: bytes, and descriptors that come with them.
LARGEST_REQUEST = 1 << 18
MOST_DESCRIPTORS = 64
#: The order in which the provisioner hands over the listening sockets; the name of a socket file ends in its place.
CHANNELS = ("shell", "iopub", "stdin", "hb", "control")
