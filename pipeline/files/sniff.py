"""Say what a file is that is not a picture we read, so that the error names the way out."""

from __future__ import annotations

import zlib

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "is a ZIP archive (or an Office file), not a picture; unpack it first"),
    (b"%PDF", "is a PDF; export its pages as JPEG or PNG"),
    (b"%!PS", "is PostScript; export it as JPEG, PNG or TIFF"),
    (b"8BPS", "is a Photoshop file; save it as TIFF, PNG or JPEG"),
    (b"\x1aE\xdf\xa3", "is a video; name a still picture"),
    (b"RIFF", "is a RIFF file but no WebP that can be read (damaged, or audio or video); save it as JPEG or PNG"),
    (b"\x1f\x8b", "is compressed with gzip; unpack it first"),
    (b"\x00\x00\x00\x0cJXL ", "is JPEG XL, which cannot be read yet; save it as JPEG or PNG"),
    (b"\xff\x0a", "is JPEG XL, which cannot be read yet; save it as JPEG or PNG"),
    (b"\xff\xd8\xff", "begins like a JPEG but is damaged or cut short; copy it again"),
    (b"\x89PNG", "begins like a PNG but is damaged or cut short; copy it again"),
    (b"GIF8", "begins like a GIF but is damaged or cut short; copy it again"),
    (b"II*\x00", "is a TIFF (or camera raw) of a kind that cannot be read; save it as 8 or 16 bit RGB"),
    (b"MM\x00*", "is a TIFF (or camera raw) of a kind that cannot be read; save it as 8 or 16 bit RGB"),
    (b"BM", "begins like a BMP but cannot be read; save it as PNG or JPEG"),
)
_HEIF = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")


def describe(data: bytes) -> str:
    """What ``data`` is and what to do, as the end of a sentence that begins with the file's name."""
    if data[4:8] == b"ftyp":
        if data[8:12] in _HEIF:
            return "is HEIC/HEIF, which cannot be read here; export it as JPEG (on a phone: Most Compatible)"
        if data[8:12] in (b"avif", b"avis"):
            return "begins like an AVIF but is damaged or cut short; copy it again"
        return "is a video (MP4 or MOV); name a still picture"
    for magic, sentence in _MAGIC:
        if data.startswith(magic):
            return sentence
    return _describe_text(data[:4096]) or "is not a picture that can be read; save it as JPEG, PNG, WebP, TIFF or AVIF"


def _describe_text(head: bytes) -> str | None:
    lower = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in lower:
        return "is an SVG drawing; export it as PNG at the size you need"
    if lower.startswith((b"<!doctype html", b"<html")) or b"<html" in lower:
        return "is a web page, probably an error page saved under a picture's name; download the photo again"
    if b"git-lfs" in lower:
        return "is a Git LFS pointer; run `git lfs pull`"
    if not head.strip(b"\0"):
        return "holds only zero bytes; copy the photo again"
    if b"\0" not in head and sum(byte < 9 for byte in head) == 0:
        try:
            head.decode(errors="strict")
        except UnicodeDecodeError as error:
            if error.start < len(head) - 4:
                return None
        return "is text, not a picture; correct the catalog's photo address"
    return None


def png_damage(data: bytes) -> str | None:
    """What is wrong with a PNG's chunks: a checksum of a critical chunk, or no end chunk. None if nothing is."""
    at = 8
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        kind, end = data[at + 4 : at + 8], at + 8 + length
        stored = data[end : end + 4]
        if len(stored) < 4:
            break
        if kind[:1].isupper() and zlib.crc32(data[at + 4 : end]) != int.from_bytes(stored, "big"):
            return f"the {kind.decode('latin-1')} chunk has a wrong checksum"
        if kind == b"IEND":
            return None
        at = end + 4
    return "image file is truncated: it has no end chunk"
