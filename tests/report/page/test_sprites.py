"""Sheets hold the data they were made of."""

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from report.page.sprites import LARGEST_SIDE, LONGEST_PROFILE, MOST_PNG, Look


def opened(sheet):
    kind, content = sheet["source"].split(";base64,")
    return kind, np.asarray(Image.open(io.BytesIO(base64.b64decode(content)))).astype(float)


def cut(sheet, number, height, width):
    _, pixels = opened(sheet)
    top, left = number // sheet["columns"] * height, number % sheet["columns"] * width
    return pixels[top : top + height, left : left + width]


@pytest.mark.parametrize("shape", [(7, 5), (1, 7, 5), (3, 7, 5)])
def test_a_picture_is_found_at_its_place(shape):
    x = torch.randint(0, 256, (60, *shape)).float() + 40
    sheet = (look := Look.of(x)).sheet(x)
    assert look.drawn == (7, 5) and look.note is None
    for number in (0, 24, 25, 59):
        levels = 255 * (x[number].numpy() - look.low) / (look.high - look.low)
        expected = (
            levels.transpose(1, 2, 0) if shape[0] == 3 else 255 - levels.reshape(7, 5)
        )  # grey: ink on paper
        assert np.abs(cut(sheet, number, 7, 5) - expected).max() <= 0.51


def test_one_scale_for_data_and_for_what_is_expected_of_them():
    look = Look.of(torch.tensor([[[0.0, 1.0]]]))
    sheet = look.sheet(torch.tensor([[[-1.0, 2.0]], [[float("nan"), 0.5]]]))
    assert (
        cut(sheet, 0, 1, 2).tolist() == [[255, 0]]
        and np.abs(cut(sheet, 1, 1, 2) - 127.5).max() <= 0.5
    )


def test_large_pictures_are_drawn_smaller_and_noisy_ones_packed_closer():
    x = torch.rand(200, 3, 96, 192)
    look = Look.of(x)
    kind, pixels = opened(sheet := look.sheet(x))
    assert look.drawn == (LARGEST_SIDE // 2, LARGEST_SIDE) and "drawn smaller" in look.note
    assert (
        kind == "data:image/webp"
        and len(sheet["source"]) < 4 / 3 * MOST_PNG * 2
        and pixels.shape == (8 * 32, 25 * 64, 3)
    )


def test_vectors_are_bytes_and_long_ones_are_thinned():
    x = torch.randn(3, 5)
    look = Look.of(x)
    levels = np.frombuffer(base64.b64decode(look.sheet(x)["bytes"]), np.uint8).reshape(3, 5) / 255
    assert (
        not look.picture
        and np.abs(look.low + levels * (look.high - look.low) - x.numpy()).max() < 0.01
    )
    long = torch.arange(2000.0).repeat(2, 1)
    look = Look.of(long)
    levels = np.frombuffer(base64.b64decode(look.sheet(long)["bytes"]), np.uint8).reshape(
        2, LONGEST_PROFILE
    )
    assert (
        levels[0, 0] == 0
        and levels[0, -1] == 255
        and (np.diff(levels[0].astype(int)) >= 0).all()
        and "2,000" in look.note
    )
