"""MessagePack with NumPy arrays as openpi writes it: the markers are keys of type `bin`."""

import msgpack
import numpy as np

# Structures, objects and complex numbers are not taken by any side.
REFUSED_KINDS = "VOc"


def _marked(value):
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in REFUSED_KINDS:
        raise ValueError(f"arrays of {value.dtype} cannot be sent")
    if isinstance(value, np.ndarray):
        parts = {b"__ndarray__": True, b"data": value.tobytes(), b"dtype": value.dtype.str, b"shape": value.shape}
        return parts
    if isinstance(value, np.generic):
        return {b"__npgeneric__": True, b"data": value.item(), b"dtype": value.dtype.str}
    raise TypeError(f"{type(value).__name__} cannot be sent")


def _unmarked(entries):
    if b"__ndarray__" in entries:
        array = np.frombuffer(entries[b"data"], dtype=np.dtype(entries[b"dtype"])).reshape(entries[b"shape"])
        return array.copy()
    if b"__npgeneric__" in entries:
        return np.dtype(entries[b"dtype"]).type(entries[b"data"])
    return entries


def pack(value) -> bytes:
    """The bytes of a value."""
    return msgpack.packb(value, default=_marked)


def unpack(data: bytes):
    """The value of bytes; arrays are copies, which may be written to."""
    return msgpack.unpackb(data, object_hook=_unmarked)
