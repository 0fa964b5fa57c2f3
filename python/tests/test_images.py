"""Layouts are checked before they travel."""

import io

import numpy as np
import pytest
from PIL import Image

from vipra_client.images import check_image, resize, to_jpeg


def test_bytes_and_fractions_are_taken():
    image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert check_image(image) is not None
    np.testing.assert_array_equal(check_image(image), image)
    np.testing.assert_array_equal(check_image(np.full((1, 1, 3), 1.0)), [[[255, 255, 255]]])
    turned = check_image(image[::-1, ::-1])
    assert turned.flags["C_CONTIGUOUS"]
    np.testing.assert_array_equal(turned, image[::-1, ::-1])


@pytest.mark.parametrize(
    "image, message",
    [
        (np.zeros((3, 8, 8), np.uint8), "channels last"),
        (np.zeros((1, 8, 8, 3), np.uint8), "batch dimension"),
        (np.zeros((8, 8, 4), np.uint8), "alpha"),
        (np.zeros((8, 8), np.uint8), r"\[height, width, 3\]"),
        (np.zeros((0, 8, 3), np.uint8), "8x0 pixels"),
        (np.zeros((8, 8, 3), np.int64), "int64"),
        (np.full((8, 8, 3), 200.0), "from 200.0 to 200.0"),
        (np.full((8, 8, 3), np.nan), "from nan to nan"),
    ],
)
def test_wrong_layouts_are_named(image, message):
    with pytest.raises(ValueError, match=message) as error:
        check_image(image, "image0")
    assert str(error.value).startswith("image0:")


def test_files_are_read_back():
    image = np.full((16, 16, 3), (200, 100, 50), np.uint8)
    again = np.asarray(Image.open(io.BytesIO(to_jpeg(image))))
    assert np.abs(again.astype(int) - image).max() <= 3


def test_resizing_is_pils_lanczos():
    image = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    expected = np.asarray(Image.fromarray(image).resize((32, 16), Image.Resampling.LANCZOS))
    np.testing.assert_array_equal(resize(image, 16, 32), expected)
    assert resize(image, 48, 64) is image
