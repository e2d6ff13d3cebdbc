"""Any colour space to sRGB, by the embedded ICC profile where there is one (Little CMS through PIL.ImageCms)."""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from PIL import Image as PilImage
from PIL import ImageCms

from pipeline.files.encode import srgb_profile

_SPACES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB"}
"""ICC colour spaces and the Pillow modes that hold them."""

SAME_COLOUR_LEVELS = 1
"""A profile that moves no colour by more than this is sRGB under another name: the pixels are left untouched."""

SAME_AS_SRGB = "sRGB"


def profile_kind(profile: bytes) -> str:
    """What an embedded profile is, for people: `SAME_AS_SRGB` if it moves no colour, its name, or "unreadable"."""
    try:
        space, label = _inspect(profile)
        same = space == "RGB" and _transform(profile, "RGB") is None
        return SAME_AS_SRGB if same or (space == "GRAY" and _transform(profile, "L") is None) else label
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return "an unreadable profile"


def to_srgb(pixels: PilImage.Image, profile: bytes | None, notes: list[str]) -> PilImage.Image:
    """Convert 8-bit ``pixels`` without alpha to RGB in sRGB; what was done is added to ``notes``.

    Perceptual intent with black point compensation. A profile that is damaged, or made for another colour space than
    the picture's, is noted and left out: RGB and grey then count as sRGB, CMYK is converted by the plain formula.
    """
    if not profile:
        return _without_profile(pixels, notes)
    try:
        space, label = _inspect(profile)
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError) as error:
        notes.append(f"ICC profile unreadable ({str(error)[:60]}): taken as sRGB")
        return _without_profile(pixels, notes)
    mode = _SPACES.get(space)
    suited = _in_mode(pixels, mode)
    if mode is None or suited is None:
        notes.append(f"ICC profile {label} is for {space}, the picture is {pixels.mode}: profile left out")
        return _without_profile(pixels, notes)
    try:
        transform = _transform(profile, mode)
        converted = None if transform is None else ImageCms.applyTransform(suited, transform)
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError) as error:
        notes.append(f"ICC profile {label} cannot be applied ({str(error)[:60]}): taken as sRGB")
        return _without_profile(pixels, notes)
    if converted is None:
        return suited.convert("RGB")
    notes.append(f"{label} to sRGB")
    return converted


def _without_profile(pixels: PilImage.Image, notes: list[str]) -> PilImage.Image:
    if pixels.mode == "CMYK":
        notes.append("CMYK without a usable profile: colours by the plain formula, check them")
    elif pixels.mode == "LAB":
        notes.append("Lab to sRGB")
        lab = ImageCms.createProfile("LAB")
        return ImageCms.profileToProfile(pixels, lab, _srgb(), outputMode="RGB") or pixels.convert("RGB")
    elif pixels.mode == "YCbCr":
        notes.append("YCbCr to RGB")
    elif pixels.mode == "L":
        notes.append("grey to RGB")
    return pixels.convert("RGB")


def _in_mode(pixels: PilImage.Image, mode: str | None) -> PilImage.Image | None:
    """``pixels`` in the mode that the profile is made for, None where that would be a guess."""
    if pixels.mode == mode:
        return pixels
    if mode == "RGB" and pixels.mode in ("L", "RGBX", "YCbCr"):
        return pixels.convert("RGB")
    return None


@lru_cache(maxsize=32)
def _inspect(profile: bytes) -> tuple[str, str]:
    opened = ImageCms.ImageCmsProfile(io.BytesIO(profile)).profile
    label = (opened.profile_description or "unnamed profile").strip("\0 \n") or "unnamed profile"
    return opened.xcolor_space.strip(), label[:60]


@lru_cache(maxsize=32)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The transform to sRGB, None where it would change no colour."""
    opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    transform = ImageCms.buildTransform(
        opened,
        _srgb(),
        mode,
        "RGB",
        renderingIntent=ImageCms.Intent.PERCEPTUAL,
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    if mode not in ("RGB", "L"):
        return transform
    probe = _probe(mode)
    moved = np.asarray(ImageCms.applyTransform(probe, transform)).astype(int) - np.asarray(probe.convert("RGB"))
    return None if np.abs(moved).max() <= SAME_COLOUR_LEVELS else transform


def _probe(mode: str) -> PilImage.Image:
    if mode == "L":
        return PilImage.fromarray(np.arange(256, dtype=np.uint8)[None])
    steps = np.linspace(0, 255, 9).astype(np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(27, 27, 3)
    return PilImage.fromarray(grid)


def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(io.BytesIO(srgb_profile()))
