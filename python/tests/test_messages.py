"""Bytes are those of openpi's client (interfaces a.2)."""

import numpy as np
import pytest

from vipra_client.messages import pack, unpack

ARRAY = "84c40b5f5f6e6461727261795f5fc3c40464617461"
SCALAR = "83c40d5f5f6e7067656e657269635f5fc3c40464617461"

GOLDENS = [
    ({}, "80"),
    ({"action_horizon": 2}, "81ae616374696f6e5f686f72697a6f6e02"),
    (
        np.array([[1, 2], [3, 4]], np.float32),
        ARRAY + "c4100000803f000000400000404000008040c4056474797065a33c6634c4057368617065920202",
    ),
    (np.array([[[1, 2, 3]]], np.uint8), ARRAY + "c403010203c4056474797065a37c7531c405736861706593010103"),
    (np.array(1.0), ARRAY + "c408000000000000f03fc4056474797065a33c6638c405736861706590"),
    (np.array([True, False]), ARRAY + "c4020100c4056474797065a37c6231c40573686170659102"),
    (np.array([1, -2]), ARRAY + "c4100100000000000000feffffffffffffffc4056474797065a33c6938c40573686170659102"),
    (np.bool_(True), SCALAR + "c3c4056474797065a37c6231"),
    (np.float32(1.5), SCALAR + "cb3ff8000000000000c4056474797065a33c6634"),
    (np.float64(1.5), "cb3ff8000000000000"),
    (np.str_("hi"), "a26869"),
]


@pytest.mark.parametrize("value, expected", GOLDENS, ids=[str(expected)[:20] for _, expected in GOLDENS])
def test_bytes_are_openpis(value, expected):
    assert pack(value).hex() == expected
    again = unpack(bytes.fromhex(expected))
    if isinstance(value, np.ndarray):
        assert again.dtype == value.dtype
        np.testing.assert_array_equal(again, value)
        again[...] = 0  # Copies may be written to.
    else:
        assert again == value


def test_what_cannot_be_sent_is_refused():
    for value in (np.array([1j]), np.array([object()]), np.zeros(2, dtype=[("x", "f4")])):
        with pytest.raises(ValueError, match="cannot be sent"):
            pack({"key": value})
    with pytest.raises(TypeError, match="set"):
        pack({"key": {1, 2}})
