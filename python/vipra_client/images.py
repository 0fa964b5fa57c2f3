"""Image layouts, checked before they travel."""

import io

import numpy as np
from PIL import Image

JPEG_QUALITY = 100


def check_image(image, name="image") -> np.ndarray:
    """An RGB image as uint8 [height, width, 3] in one piece of memory.

    Takes uint8 images and fractions from 0 to 1, [height, width, 3]. Anything else is an error that says what was found: a wrong layout
    would be an image of noise to the policy, and nobody would notice.
    """
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[2] != 3:
        hint = ""
        if image.ndim == 3 and image.shape[0] == 3:
            hint = "; this one looks like [3, height, width]: np.moveaxis(image, 0, -1) brings the channels last"
        elif image.ndim == 4:
            hint = "; this one has a batch dimension"
        elif image.ndim == 3 and image.shape[2] == 4:
            hint = "; this one has an alpha channel: image[..., :3] takes it off"
        raise ValueError(f"{name}: shape {list(image.shape)}, wanted is [height, width, 3]{hint}")
    if 0 in image.shape:
        raise ValueError(f"{name}: an image of {image.shape[1]}x{image.shape[0]} pixels")
    if np.issubdtype(image.dtype, np.floating):
        low, high = float(image.min()), float(image.max())
        if not (low >= 0.0 and high <= 1.0):
            raise ValueError(f"{name}: {image.dtype} images are from 0 to 1, this one from {low} to {high}")
        image = (image * 255.0).astype(np.uint8)
    if image.dtype != np.uint8:
        raise ValueError(f"{name}: dtype {image.dtype}, wanted is uint8 (or fractions from 0 to 1)")
    return np.ascontiguousarray(image)


def to_jpeg(image: np.ndarray, quality: int = JPEG_QUALITY) -> bytes:
    """The bytes of a JPEG file."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="JPEG", quality=quality)
    return buffer.getvalue()


def resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Brings an image to a size with PIL's LANCZOS, whatever its shape, as the published server does."""
    if image.shape[:2] == (height, width):
        return image
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS))
