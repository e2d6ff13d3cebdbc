"""XMP written and read back, in every format; other people's packets; hostile ones."""

from __future__ import annotations

import string

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ItemError
from pipeline.files.encode import FILE_FORMATS, LOSSY, encode_picture, srgb_profile
from pipeline.files.picture import decode_picture
from pipeline.files.provenance import (
    TERMS,
    VOCABULARY,
    Provenance,
    combined_source,
    parse_xmp,
    read_provenance,
    xmp_packet,
)
from tests.bad_files import product, saved

IMAGE = product(np.random.default_rng(2))
RECORD = Provenance(
    digital_source="compositeWithTrainedAlgorithmicMedia",
    keywords=("contains-synthetic-performer", 'a & <b> "c"'),
    generated_person=True,
    sku="SKU/1 ä",
    view="front",
    recipe="garment",
    batch="garment-2026",
    checkpoint="sd15-inpaint",
    seed=2**63,
    mask_revision="3",
    seamline_version="0.1.0",
    source_digest="ab" * 32,
)
XML_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"))


@pytest.mark.parametrize("file_format", FILE_FORMATS)
def test_written_and_read_back(file_format: str) -> None:
    data = encode_picture(IMAGE, file_format=file_format, provenance=RECORD)
    assert read_provenance(data) == RECORD
    assert (VOCABULARY + "compositeWithTrainedAlgorithmicMedia").encode() in data
    assert b"Iptc4xmpExt:DigitalSourceType" in data, "the prefix that readers grep for"


@pytest.mark.parametrize("file_format", FILE_FORMATS)
def test_pixels_alpha_and_profile_survive(file_format: str) -> None:
    from PIL import Image as PilImage

    alpha = None if file_format == "jpeg" else np.linspace(0, 1, IMAGE[..., 0].size, dtype=np.float32)
    alpha = None if alpha is None else alpha.reshape(IMAGE.shape[:2])
    data = encode_picture(IMAGE, alpha=alpha, file_format=file_format, quality=95, provenance=RECORD)
    picture = decode_picture(data, "x")
    error = np.abs(picture.image.astype(int) - IMAGE)
    assert error.max() == 0 if file_format not in LOSSY else error.mean() < 3
    if alpha is not None:
        assert picture.alpha is not None
        assert np.abs(picture.alpha - alpha).max() < 0.02
    import io

    with PilImage.open(io.BytesIO(data)) as opened:
        assert opened.info["icc_profile"] == srgb_profile()


@pytest.mark.parametrize("file_format", FILE_FORMATS)
def test_the_same_picture_gives_the_same_bytes(file_format: str) -> None:
    first, second = (encode_picture(IMAGE.copy(), file_format=file_format, provenance=RECORD) for _ in range(2))
    assert first == second


def test_the_profile_holds_no_time_of_day() -> None:
    assert srgb_profile()[24:36] == bytes.fromhex("07e400010001000000000000")


def test_red_on_white_keeps_its_edge_in_jpeg() -> None:
    stripes = np.full((64, 64, 3), 255, np.uint8)
    stripes[:, 1::2] = (220, 0, 0)
    decoded = decode_picture(encode_picture(stripes, quality=92), "x").image.astype(int)
    assert np.abs(decoded - stripes).mean() < 12, "chroma at half resolution would smear to 50 and more"


def test_a_white_canvas_stays_white_in_every_format() -> None:
    canvas = np.full((64, 64, 3), 255, np.uint8)
    for file_format in FILE_FORMATS:
        assert decode_picture(encode_picture(canvas, file_format=file_format), "x").image.min() == 255, file_format


def test_what_cannot_be_written_is_an_item_error() -> None:
    with pytest.raises(ItemError, match="choose one of"):
        encode_picture(IMAGE, file_format="gif")
    with pytest.raises(ItemError, match="transparency"):
        encode_picture(IMAGE, alpha=np.ones(IMAGE.shape[:2], np.float32), file_format="jpeg")
    with pytest.raises(ItemError, match="longest_px"):
        encode_picture(np.zeros((1, 17_000, 3), np.uint8), file_format="webp")


def test_a_seed_of_nought_is_kept() -> None:
    assert parse_xmp(xmp_packet(Provenance(seed=0))) == Provenance(seed=0)


@given(st.builds(
    Provenance,
    digital_source=st.none() | st.sampled_from(TERMS),
    keywords=st.lists(XML_TEXT.filter(bool), max_size=4).map(tuple),
    generated_person=st.booleans(),
    sku=XML_TEXT.map(str.strip),
    recipe=st.text(string.printable).map(lambda text: " ".join(text.split())),
    seed=st.none() | st.integers(0, 2**64),
))  # fmt: skip
def test_any_record_round_trips(record: Provenance) -> None:
    expected = None if record == Provenance() else record
    assert parse_xmp(xmp_packet(record)) == expected


def test_characters_that_xml_forbids_are_replaced() -> None:
    read = parse_xmp(xmp_packet(Provenance(sku="a\0b\x1f", recipe="r")))
    assert read is not None
    assert read.sku == "a\ufffdb\ufffd"


def test_a_term_outside_the_vocabulary_is_refused() -> None:
    with pytest.raises(ValueError, match="no term"):
        Provenance(digital_source="http://evil/#x")


def rdf(inner: str, head: str = "") -> bytes:
    return (
        f'{head}<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" '
        f'xmlns:e="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">{inner}</rdf:RDF></x:xmpmeta>'
    ).encode()


@pytest.mark.parametrize(
    "inner",
    [
        f'<rdf:Description rdf:about="" e:DigitalSourceType="{VOCABULARY}trainedAlgorithmicMedia"/>',
        f"<rdf:Description><e:DigitalSourceType>{VOCABULARY}trainedAlgorithmicMedia</e:DigitalSourceType></rdf:Description>",
        f'<rdf:Description><e:DigitalSourceType rdf:resource="{VOCABULARY}trainedAlgorithmicMedia"/></rdf:Description>',
    ],
)
def test_reads_the_mark_of_other_tools(inner: str) -> None:
    read = parse_xmp(rdf(inner))
    assert read is not None
    assert read.digital_source == "trainedAlgorithmicMedia"
    assert read.is_generated


BOMB = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"not xml",
        b"\xff\xfe" + "<x/>".encode("utf-16-le"),
        rdf(f'<rdf:Description e:DigitalSourceType="{VOCABULARY}trainedAlgorithmicMedia">&b;</rdf:Description>', BOMB),
        rdf(f'<rdf:Description e:DigitalSourceType="{VOCABULARY}trainedAlgorithmicMedia"/>', "<!doctype x>"),
        rdf(f'<rdf:Description e:DigitalSourceType="{VOCABULARY}trainedAlgorithmicMedia"/>' + " " * 1_000_000),
        rdf("<rdf:Description/>"),
    ],
)
def test_hostile_or_empty_packets_say_nothing(packet: bytes) -> None:
    assert parse_xmp(packet) is None


def test_files_without_a_packet_say_nothing() -> None:
    assert read_provenance(saved(IMAGE, "JPEG")) is None
    assert read_provenance(b"no picture") is None


def test_a_generated_source_stays_generated() -> None:
    assert combined_source("trainedAlgorithmicMedia", "algorithmicallyEnhanced") == "trainedAlgorithmicMedia"
    assert combined_source("digitalCapture", "compositeCapture") == "compositeCapture"
    assert combined_source("digitalCapture", "compositeWithTrainedAlgorithmicMedia").startswith("compositeWith")  # type: ignore[union-attr]
    assert combined_source(None, "algorithmicallyEnhanced") == "algorithmicallyEnhanced"
    assert combined_source("someFutureTerm", None) == "someFutureTerm"
