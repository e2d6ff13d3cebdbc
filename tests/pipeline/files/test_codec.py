import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipeline.errors import StoreError
from pipeline.files import codec
from pipeline.files.store import Store, stage_key
from pipeline.types import Pose, Subject

sides = st.integers(1, 40)
quick = settings(max_examples=40, deadline=None)


@quick
@given(hnp.arrays(np.uint8, st.tuples(sides, sides, st.just(3))))
def test_an_image_comes_back_as_it_was(image):
    back = codec.decode_image(codec.encode_image(image))
    assert back.dtype == np.uint8
    np.testing.assert_array_equal(back, image)


@quick
@given(hnp.arrays(np.bool_, st.tuples(sides, sides)))
def test_a_mask_comes_back_as_it_was(mask):
    back = codec.decode_mask(codec.encode_mask(mask))
    assert back.dtype == np.bool_
    np.testing.assert_array_equal(back, mask)


@quick
@given(hnp.arrays(np.float32, st.tuples(sides, sides), elements=st.floats(0, 1, width=32)))
def test_an_alpha_comes_back_within_half_a_step_and_its_ends_exactly(alpha):
    back = codec.decode_alpha(codec.encode_alpha(alpha))
    assert back.dtype == np.float32
    assert np.abs(back.astype(np.float64) - alpha).max() <= 0.5 / 65535 + 1e-7
    np.testing.assert_array_equal(back[(alpha == 0) | (alpha == 1)], alpha[(alpha == 0) | (alpha == 1)])


def test_a_mask_takes_one_bit_a_pixel():
    noise = np.random.default_rng(0).random((512, 512)) > 0.5
    assert len(codec.encode_mask(noise)) < 512 * 512 / 8 * 1.1


def test_red_stays_red():
    from io import BytesIO

    from PIL import Image

    red = np.full((2, 2, 3), (255, 0, 0), np.uint8)
    assert Image.open(BytesIO(codec.encode_image(red))).convert("RGB").getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize(
    ("encode", "array"),
    [
        (codec.encode_image, np.zeros((4, 4), np.uint8)),
        (codec.encode_image, np.zeros((4, 4, 4), np.uint8)),
        (codec.encode_image, np.zeros((4, 4, 3), np.float32)),
        (codec.encode_image, np.zeros((0, 4, 3), np.uint8)),
        (codec.encode_mask, np.zeros((4, 4), np.uint8)),
        (codec.encode_alpha, np.zeros((4, 4), np.float64)),
        (codec.encode_alpha, np.full((4, 4), 1.01, np.float32)),
        (codec.encode_alpha, np.full((4, 4), np.nan, np.float32)),
        (lambda array: codec.encode_arrays({"x": array}), np.array([object()])),
    ],
)
def test_an_array_of_another_kind_is_refused(encode, array):
    with pytest.raises(StoreError):
        encode(array)


@pytest.mark.parametrize("decode", [codec.decode_image, codec.decode_mask, codec.decode_alpha, codec.decode_arrays])
@pytest.mark.parametrize("data", [b"", b"no picture", b"\x89PNG\r\n\x1a\n"])
def test_bytes_that_are_something_else_are_refused(decode, data):
    with pytest.raises(StoreError):
        decode(data)


def test_an_eight_bit_png_is_not_an_alpha():
    with pytest.raises(StoreError, match="16-bit"):
        codec.decode_alpha(codec.encode_mask(np.ones((4, 4), bool)))


def test_named_arrays_come_back_and_have_the_same_bytes_each_time():
    arrays = {"b": np.arange(6, dtype=np.float32).reshape(2, 3), "a": np.array([True, False])}
    data = codec.encode_arrays(arrays)
    back = codec.decode_arrays(data)
    assert back["b"].dtype == np.float32
    np.testing.assert_array_equal(back["b"], arrays["b"])
    np.testing.assert_array_equal(back["a"], arrays["a"])
    assert data == codec.encode_arrays(dict(reversed(arrays.items())))


@pytest.mark.parametrize("pose", [None, Pose(points=np.ones((33, 2), np.float32), visibility=np.ones(33, np.float32))])
def test_a_subject_goes_through_the_store(tmp_path, pose):
    rng = np.random.default_rng(1)
    subject = Subject(
        mask=rng.random((30, 20)) > 0.5,
        alpha=(rng.integers(0, 65536, (30, 20)) / 65535).astype(np.float32),
        foreground=rng.integers(0, 256, (30, 20, 3), np.uint8),
        confidence=np.float32(0.7),
        finder="backdrop",
        is_person=pose is not None,
        reasons=("plain backdrop", "größer"),
        pose=pose,
    )
    store, key = Store(tmp_path), stage_key("masks", 1, {})
    store.put(key, *codec.pack_subject(subject))
    back = codec.unpack_subject(store.get(key))
    np.testing.assert_array_equal(back.mask, subject.mask)
    np.testing.assert_allclose(back.alpha, subject.alpha, atol=1e-6)
    np.testing.assert_array_equal(back.foreground, subject.foreground)
    assert (back.finder, back.is_person, back.reasons) == ("backdrop", pose is not None, subject.reasons)
    assert back.confidence == pytest.approx(0.7)
    assert (back.pose is None) == (pose is None)
    if pose:
        np.testing.assert_array_equal(back.pose.points, pose.points)
