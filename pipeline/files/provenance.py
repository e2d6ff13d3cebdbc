"""What a finished picture says about itself: an XMP packet with IPTC's digital source type and our own record.

Marketplaces and the EU AI Act ask for a machine-readable mark on generated pixels. The IPTC Photo Metadata Standard
defines it: ``Iptc4xmpExt:DigitalSourceType`` holds a full URI of the Digital Source Type NewsCodes
(http://cv.iptc.org/newscodes/digitalsourcetype/). Keywords go to ``dc:subject``. What Seamline itself wants to know
again (recipe, checkpoint, seed, mask revision, batch) stands in a namespace of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args
from xml.etree import ElementTree

from pipeline.files.opening import DECODER_ERRORS, hearing, open_header

DigitalSource = Literal[
    "trainedAlgorithmicMedia",
    "compositeWithTrainedAlgorithmicMedia",
    "compositeSynthetic",
    "compositeCapture",
    "composite",
    "algorithmicMedia",
    "algorithmicallyEnhanced",
    "digitalCreation",
    "humanEdits",
    "digitalCapture",
]
"""Terms of IPTC's vocabulary that fit a catalog picture, the most synthetic first.

- ``trainedAlgorithmicMedia``: made by a generative model from nothing but a prompt.
- ``compositeWithTrainedAlgorithmicMedia``: a photo with in- or outpainted parts. **What diffusion recipes write.**
- ``compositeSynthetic``: a composite with at least one generated element.
- ``compositeCapture``: several photographs in one (product on a photographed backdrop).
- ``composite``: photographs and drawn elements in one.
- ``algorithmicMedia``: drawn by an algorithm that learnt from nothing.
- ``algorithmicallyEnhanced``: a photo altered by software that generates nothing (cut out, set on white, enlarged).
- ``digitalCreation``, ``humanEdits``, ``digitalCapture``: drawn by a person, retouched by a person, straight from the
  camera.
"""

TERMS: tuple[str, ...] = get_args(DigitalSource)
VOCABULARY = "http://cv.iptc.org/newscodes/digitalsourcetype/"
GENERATED = frozenset({"trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia", "compositeSynthetic"})
"""Terms that say that a generative model made pixels of the picture."""

NAMESPACES = {
    "x": "adobe:ns:meta/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "dc": "http://purl.org/dc/elements/1.1/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "seamline": "urn:seamline:xmp:1.0#",
}
CREATOR_TOOL = "Seamline"

_HEAD = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
_TAIL = '\n<?xpacket end="r"?>'
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # outside XML 1.0's Char
_MAX_XMP = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where a picture comes from.

    ``digital_source`` is a term of `DigitalSource`, or None where nothing is claimed. ``keywords`` become
    ``dc:subject``. ``generated_person`` says that a photoreal person was made by a model; the export adds the keyword
    that its marketplace asks for. The rest is Seamline's own record: names, ids and digests, never a path.
    """

    digital_source: str | None = None
    keywords: tuple[str, ...] = ()
    generated_person: bool = False
    sku: str = ""
    view: str = ""
    recipe: str = ""
    batch: str = ""
    checkpoint: str = ""
    seed: int | None = None
    mask_revision: str = ""
    seamline_version: str = ""
    source_digest: str = ""

    def __post_init__(self) -> None:
        """Refuse a source that could not be part of the vocabulary's URI."""
        if self.digital_source is not None and not re.fullmatch(r"[A-Za-z]{1,64}", self.digital_source):
            raise ValueError(f"{self.digital_source!r} is no term of {VOCABULARY}; use one of {', '.join(TERMS)}")

    @property
    def is_generated(self) -> bool:
        """Whether a generative model made pixels of this picture, as far as the record says."""
        return self.digital_source in GENERATED or self.generated_person or bool(self.checkpoint)


_OWN = tuple(field.name for field in fields(Provenance) if field.name not in {"digital_source", "keywords"})


def combined_source(source: str | None, ours: str | None) -> str | None:
    """The digital source of a picture that was made from a photo which already claims one.

    The more synthetic claim wins: a generated photo that is cut out stays a generated photo, since Google Merchant
    and the vocabulary forbid to drop the mark. An unknown term counts as the least synthetic.
    """
    if source is None or ours is None:
        return ours if source is None else source
    if source == "trainedAlgorithmicMedia" and ours == "compositeWithTrainedAlgorithmicMedia":
        return source
    rank = {term: place for place, term in enumerate(TERMS)}
    return min((ours, source), key=lambda term: rank.get(term, len(rank)))


def xmp_packet(provenance: Provenance) -> bytes:
    """The XMP packet (UTF-8, RDF/XML) of ``provenance``. The same record gives the same bytes."""
    for prefix, uri in NAMESPACES.items():
        ElementTree.register_namespace(prefix, uri)
    meta = ElementTree.Element(_tag("x", "xmpmeta"))
    description = ElementTree.SubElement(ElementTree.SubElement(meta, _tag("rdf", "RDF")), _tag("rdf", "Description"))
    description.set(_tag("rdf", "about"), "")
    _property(description, "xmp", "CreatorTool", f"{CREATOR_TOOL} {provenance.seamline_version}".strip())
    if provenance.digital_source:
        _property(description, "Iptc4xmpExt", "DigitalSourceType", VOCABULARY + provenance.digital_source)
    if provenance.keywords:
        bag = ElementTree.SubElement(ElementTree.SubElement(description, _tag("dc", "subject")), _tag("rdf", "Bag"))
        for keyword in provenance.keywords:
            _property(bag, "rdf", "li", keyword)
    for name in _OWN:
        value = getattr(provenance, name)
        if value not in ("", None) and value is not False:  # a seed of 0 equals False, and is a seed
            _property(description, "seamline", name, str(value))
    return (_HEAD + ElementTree.tostring(meta, encoding="unicode") + _TAIL).encode()


def parse_xmp(packet: bytes) -> Provenance | None:
    """Read a packet written by `xmp_packet`, or the digital source and keywords of anybody's.

    None where it says nothing that we know. The packet is untrusted: one that is not UTF-8, is larger than 1 MB,
    declares a document type or entities (entity expansion), or is not well-formed, counts as none.
    """
    root = _parse(packet)
    if root is None:
        return None
    values = dict(_simple_properties(root))
    source = values.get(_tag("Iptc4xmpExt", "DigitalSourceType"), "").rstrip("/").rpartition("/")[2]
    own: dict[str, Any] = {name: values[_tag("seamline", name)] for name in _OWN if _tag("seamline", name) in values}
    keywords = tuple(
        item.text or "" for bag in root.iter(_tag("dc", "subject")) for item in bag.iter(_tag("rdf", "li"))
    )
    known = source if re.fullmatch(r"[A-Za-z]{1,64}", source) else None
    if not (known or own or keywords):
        return None
    seed, person = own.pop("seed", ""), own.pop("generated_person", "")
    provenance = Provenance(digital_source=known, keywords=keywords, generated_person=person == "True", **own)
    return replace(provenance, seed=int(seed)) if re.fullmatch(r"-?\d{1,30}", seed) else provenance


def read_provenance(data: bytes) -> Provenance | None:
    """The provenance that a picture file carries (JPEG, PNG, WebP, TIFF or AVIF bytes), None if it carries none."""
    try:
        with hearing(), open_header(data) as opened:
            packet = opened.info.get("xmp")
            if packet is None and opened.format == "PNG":  # the chunk may stand behind the pixels
                opened.load()
                packet = opened.info.get("xmp")
    except DECODER_ERRORS:
        return None
    return parse_xmp(packet.encode() if isinstance(packet, str) else packet) if packet else None


def _parse(packet: bytes) -> ElementTree.Element | None:
    try:
        text = packet.rstrip(b"\0").decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    # No document type, so no entity can be declared and none can expand: what defusedxml does, in one line.
    if len(packet) > _MAX_XMP or re.search(r"<!\s*(DOCTYPE|ENTITY)", text, re.IGNORECASE):
        return None
    try:
        return ElementTree.fromstring(text.strip())  # noqa: S314  # document types are refused above
    except ElementTree.ParseError:
        return None


def _simple_properties(root: ElementTree.Element) -> Iterator[tuple[str, str]]:
    """Name and text of each simple property, in both of RDF's spellings: element and attribute."""
    for description in root.iter(_tag("rdf", "Description")):
        yield from description.attrib.items()
        for child in description:
            yield child.tag, (child.text or child.get(_tag("rdf", "resource")) or "").strip()


def _property(parent: ElementTree.Element, prefix: str, name: str, text: str) -> None:
    ElementTree.SubElement(parent, _tag(prefix, name)).text = _FORBIDDEN.sub("\ufffd", text)


def _tag(prefix: str, name: str) -> str:
    return f"{{{NAMESPACES[prefix]}}}{name}"
