"""The sections of a recipe that are about generated pixels: how, around which garment, and how they are enlarged."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from pipeline.files.recipe_controls import ControlKind, Controls, ControlUse, drawn_by
from pipeline.files.recipe_fields import Address, CheckpointId, ModelId, Section


class GenerateSection(Section):
    """How pixels are generated; read where something is."""

    checkpoint: CheckpointId = "inpaint-embedded"
    """Row of configs/checkpoints.yaml that generates; the default comes with Seamline and needs no download."""
    steps: Annotated[int, Field(ge=1, le=200)] | None = None
    """Sampling steps; the checkpoint's own number by default."""
    guidance: Annotated[float, Field(ge=0, le=50)] | None = None
    """How strictly the prompt is followed; the checkpoint's own number by default."""
    scheduler: Annotated[str, Field(pattern=r"^[A-Z][A-Za-z0-9]{2,60}$")] | None = None
    """One of diffusers' scheduler classes that the checkpoint's row lists; its own by default."""
    negative_prompt: Annotated[str, Field(max_length=2000)] = ""
    """What should not be there; read at a guidance above 1 only."""
    reference: Address | None = None
    """A picture whose look is followed beside the words: a face, a garment, a place. Its row needs an IP-Adapter."""
    reference_scale: Annotated[float, Field(ge=0, le=1)] = 0.6
    """How strongly the reference is followed; 0 is not at all."""
    batch: Annotated[int, Field(ge=1, le=32)] = 1
    """Pictures of different items in one call of the model, at most; each as it would be alone, but for rounding."""
    compile: bool = False
    """Compile the denoiser and the ControlNets for each size of picture (torch.compile); the first of a size waits."""


def phrase_and_photo(value: str) -> tuple[str, str]:
    """The two parts of an entry of `worn_with`."""
    phrase, _, photo = value.partition("=")
    return phrase.strip(), photo.strip()


def _with_both(value: str) -> str:
    if not all(phrase_and_photo(value)):
        raise ValueError(
            f"{value!r} does not say what it shows: write trousers=photos/navy.jpg, the phrase before the ="
        )
    return value


Companion = Annotated[Address, AfterValidator(_with_both), Field(examples=["trousers=photos/navy.jpg"])]


class GarmentSection(Section):
    """How a garment is restaged; read by `kind: garment`. The place is `background.prompt`."""

    mode: Literal["keep", "place", "restyle"] = "keep"
    """`keep` and `place` (flat or hollow) carry its pixels onto a generated person; `restyle` exchanges it."""
    person: Annotated[str, Field(max_length=1000)] = "a model"
    """Who wears it, in words: `a model with tan skin and long black hair`."""
    model: ModelId | None = None
    """A named model of configs/models.yaml, in place of `person`: the same one in every picture."""
    mix: dict[ModelId, Annotated[float, Field(gt=0, le=1e6)]] = {}
    """Named models and their shares of the catalog, `{amara: 2, kofi: 1}`; rows that name a model keep it."""
    group: Annotated[str, Field(max_length=200)] = ""
    """What shares model, light and place; the SKU by default, or what a row says in the column `group`."""
    wearing: Annotated[str, Field(max_length=1000)] = ""
    """What the person wears, in words; the phrases of `subject` by default. The new garment for `mode: restyle`."""
    worn_with: Annotated[list[Companion], Field(max_length=3)] = []
    """Photos of further garments of the same look in `mode: place`, each after its phrase: `[trousers=navy.jpg]`."""
    repaint: Literal["everything", "figure"] = "everything"
    """`everything` but the garment, or only the old `figure`, before the backdrop that the photo has."""
    controls: Controls = ["pose", "canny"]
    """Control maps, or `{kind: pose, scale: 0.8, by: openpose}`; those without a ControlNet in the row are left out."""
    soft_edge: Annotated[float, Field(ge=0, le=0.1)] = 0.0
    """Width in which repainting fades out towards a place that is kept, as a share of the photo's longer side."""
    candidates: Annotated[int, Field(ge=1, le=32)] = 3
    """Pictures that are generated and measured for each item; the best one is taken."""
    rounds: Annotated[int, Field(ge=1, le=10)] = 2
    """How often new candidates are generated while none passes the checks; then the item is parked."""

    @field_validator("controls")
    @classmethod
    def _pose_of_somebody(
        cls, value: list[ControlKind | ControlUse], info: ValidationInfo
    ) -> list[ControlKind | ControlUse]:  # fmt: skip
        if info.data.get("mode") == "place" and "pose" in drawn_by(value):
            raise ValueError("mode: place has nobody whose pose could be read; write pose without by.")
        return value

    @field_validator("worn_with")
    @classmethod
    def _is_placed(cls, value: list[str], info: ValidationInfo) -> list[str]:
        if value and info.data.get("mode", "place") != "place":
            raise ValueError("only mode place puts several garments on: write mode: place, or leave it out")
        return value

    @property
    def companions(self) -> tuple[tuple[str, str], ...]:
        """Phrase and photo's address of each garment of `worn_with`."""
        return tuple(phrase_and_photo(one) for one in self.worn_with)


def _off_or_enough(value: float) -> float:
    if 0 < value < 0.05:
        raise ValueError(f"{value:g} would change nothing that is seen: write 0 for none, or a number from 0.05 to 0.5")
    return value


RefineStrength = Annotated[float, Field(ge=0, le=0.5), AfterValidator(_off_or_enough)]


class UpscaleSection(Section):
    """Enlarging what is too small for the marketplace or was generated small, and drawing its generated detail anew."""

    model: (
        Literal["auto", "realesrgan-x4plus", "realesr-compact", "lanczos"]
        | Annotated[str, Field(pattern=r"\.(pth|safetensors)$", examples=["weights/4x.safetensors"])]
    ) = "auto"
    """`auto`: Real-ESRGAN where the product must grow more than `lanczos_until`, Lanczos otherwise; or a model file."""
    lanczos_until: Annotated[float, Field(ge=1, le=4)] = 1.3
    """Growth up to which Lanczos is good enough for `auto`."""
    max_growth: Annotated[float, Field(ge=1, le=8)] = 4.0
    """Items that would have to grow more are exported smaller, with a note, rather than inflated."""
    tile_px: Annotated[int, Field(ge=64, le=2048)] = 256
    """Side of the square tiles that the model sees."""
    refine: RefineStrength = 0.0
    """Strength, from 0.05, at which the detail of enlarged generated areas is drawn anew in tiles; 0 is not at all."""
    refine_faces: RefineStrength = 0.0
    """Strength at which generated faces are drawn anew at the checkpoint's own size."""
    refine_hands: RefineStrength = 0.0
    """Strength at which generated hands are drawn anew at the checkpoint's own size."""
