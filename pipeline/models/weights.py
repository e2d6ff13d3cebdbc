"""Weights on disk: find them offline, fetch them, verify them and fingerprint them.

Places are looked at in this order: the address itself if it is a local file or folder, the mirror folder
(``SEAMLINE_WEIGHTS``), the hub's cache (``HF_HOME``, ``HF_HUB_CACHE``). Nothing but ``fetch`` uses the network.
An address ``package:pipeline.embedded/weights/sam-tiny`` lies inside an installed package.
"""

from __future__ import annotations

import contextlib
import fnmatch
import hashlib
import importlib.util
import io
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import ModelError, WeightsMissing
from pipeline.models.checkpoints import FOLDER_PATTERNS, Checkpoint, checkpoint

MIRROR = "SEAMLINE_WEIGHTS"
"""Environment variable that names a folder of weights: `<folder>/<id>`, `<folder>/<owner>/<name>` or a bare file."""
IN_PACKAGE = "package:"
"""How an address inside an installed package begins."""
WEIGHTS = (".safetensors", ".gguf", ".bin")
"""How names of weights end in a folder's patterns."""

Progress = Callable[[int, int], None]
"""Called with bytes done and bytes in all."""


def locate(row: Checkpoint, *, mirror: Path | None = None) -> Path:
    """The file, or the folder, of a checkpoint on this machine. Never uses the network.

    Args:
        row: the checkpoint.
        mirror: folder of weights; ``SEAMLINE_WEIGHTS`` by default.

    Raises:
        WeightsMissing: nowhere on this machine; the message says how to get them.
    """
    for place in _places(row, mirror):
        if _is_complete(row, place) if row.file is None else place.is_file():
            return place
    raise WeightsMissing(_how_to_get(row))


def _places(row: Checkpoint, mirror: Path | None) -> Iterable[Path]:
    local = _local_path(row.address)
    if row.file is None:
        yield local
        if local.is_file():  # the address is itself the single file
            yield local.parent
    else:
        yield local / row.file
    folder = mirror or (Path(os.environ[MIRROR]) if os.environ.get(MIRROR) else None)
    if folder is not None:
        for base in (folder / row.id, folder / row.address):
            yield base if row.file is None else base / row.file
        if row.file is not None:
            yield folder / row.id / Path(row.file).name
            yield folder / Path(row.file).name
    if not _is_local(row):
        yield from _cached(row)


def _local_path(address: str) -> Path:
    """An address as a path: inside a package (``package:a.b/c/d``), or as it stands."""
    if not address.startswith(IN_PACKAGE):
        return Path(address).expanduser()
    package, _, inside = address.removeprefix(IN_PACKAGE).partition("/")
    spec = None
    with contextlib.suppress(ModuleNotFoundError):  # raised where the package around it is missing
        spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModelError(f"The address {address!r} names no package that is installed; correct the checkpoint's row")
    return Path(spec.submodule_search_locations[0]) / inside


def _is_complete(row: Checkpoint, folder: Path) -> bool:
    """Whether a folder holds the whole checkpoint: a broken-off download leaves some of the files."""
    if not folder.is_dir():
        return False
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    plain = [pattern for pattern in row.patterns if not any(sign in pattern for sign in "*?[")]
    if any(pattern not in names for pattern in plain):
        return False
    for index in folder.rglob("*.safetensors.index.json"):
        shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        if any(not (index.parent / shard).is_file() for shard in shards):
            return False
    weights = [pattern for pattern in row.patterns if Path(pattern).suffix in WEIGHTS]
    if not row.pickle and weights and not any(Path(name).suffix in WEIGHTS for name in names):
        return False
    inside = [pattern for pattern in weights if "/" in pattern]
    complete = all(any(fnmatch.fnmatch(name, pattern) for name in names) for pattern in inside)
    return complete and any(name.endswith(".json") for name in names)


def _is_local(row: Checkpoint) -> bool:
    return row.address.startswith(("/", "./", "../", "~", IN_PACKAGE)) or row.address.count("/") != 1


def _cached(row: Checkpoint) -> Iterable[Path]:
    from huggingface_hub import snapshot_download, try_to_load_from_cache
    from huggingface_hub.errors import LocalEntryNotFoundError

    if row.file is not None:
        found = try_to_load_from_cache(row.address, row.file, cache_dir=_cache_dir(), revision=row.revision)
        if isinstance(found, str):
            yield Path(found)
        return
    with contextlib.suppress(LocalEntryNotFoundError):
        folder = snapshot_download(
            row.address,
            revision=row.revision,
            cache_dir=_cache_dir(),
            local_files_only=True,
            allow_patterns=list(row.patterns),
        )
        yield Path(folder)


def _is_wanted(row: Checkpoint, name: str) -> bool:
    """Whether a file of the folder, by its path inside it, belongs to the checkpoint."""
    return any(fnmatch.fnmatch(name, pattern) for pattern in row.patterns)


def _cache_dir() -> str | None:
    """The hub's cache as the environment says now; huggingface_hub itself reads it only once, when imported."""
    if cache := os.environ.get("HF_HUB_CACHE"):
        return cache
    home = os.environ.get("HF_HOME")
    return str(Path(home).expanduser() / "hub") if home else None


def _how_to_get(row: Checkpoint) -> str:
    what = f"Weights of checkpoint {row.id!r} ({row.size_gb:g} GB) are not on this machine. "
    if _is_local(row):
        wanted = row.address if row.file is None else f"{row.address}/{row.file}"
        return what + f"Its row points to {wanted}; put them there, or correct the row's address"
    target = row.file or " ".join(f"--include '{pattern}'" for pattern in row.patterns)
    hub = f"hf download {row.address} {target} --revision {row.revision}"
    return (
        what + f"Run 'seamline checkpoints fetch {row.id}' (or '{hub}'), "
        f"or set {MIRROR} to a folder that holds them as {row.id}/"
    )


def fetch(row: Checkpoint, progress: Progress | None = None, *, mirror: Path | None = None) -> Path:
    """Get a checkpoint from the hub into its cache (or find it there) and verify its digests.

    Args:
        row: the checkpoint.
        progress: called with bytes done and bytes in all, from the downloading threads.
        mirror: folder of weights that is looked at first.

    Returns:
        The file or folder, as ``locate`` would.

    Raises:
        WeightsMissing: a local address that is not there, or the hub cannot be reached or lacks the files.
        ModelError: a file's digest differs from the row's.
    """
    try:
        found = locate(row, mirror=mirror)
    except WeightsMissing:
        if _is_local(row):
            raise
        found = _download(row, progress)
    verify(row, found)
    return found


def _download(row: Checkpoint, progress: Progress | None) -> Path:
    import httpx
    from huggingface_hub import hf_hub_download, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    common: dict[str, Any] = {
        "revision": row.revision,
        "cache_dir": _cache_dir(),
        "endpoint": os.environ.get("HF_ENDPOINT"),
        "tqdm_class": _progress_bar(progress),
    }
    try:
        if row.file is not None:
            return Path(hf_hub_download(row.address, row.file, **common))
        return Path(snapshot_download(row.address, allow_patterns=list(row.patterns), **common))
    except (HfHubHTTPError, LocalEntryNotFoundError, httpx.HTTPError, OSError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise WeightsMissing(f"{_how_to_get(row)}. The hub could not be read: {reason}") from error


def _progress_bar(progress: Progress | None) -> type[Any] | None:
    if progress is None:
        return None
    from tqdm.auto import tqdm  # type: ignore[import-untyped, unused-ignore]

    report = progress

    class Reporting(tqdm):  # type: ignore[misc, type-arg, unused-ignore]
        """A bar that draws nothing and tells its numbers to ``progress``; the hub's client takes a class."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self.counts_bytes = kwargs.get("unit") == "B"
            kwargs.pop("name", None)  # huggingface_hub's own addition to tqdm's arguments
            super().__init__(*args, **{**kwargs, "disable": False, "file": io.StringIO()})

        def update(self, n: float | None = 1) -> bool | None:
            """Count ``n`` more."""
            shown: bool | None = super().update(n)
            if self.counts_bytes:
                report(int(self.n), int(self.total or 0))
            return shown

    return Reporting


def verify(row: Checkpoint, place: Path) -> None:
    """Compare digests with those of the row.

    Raises:
        ModelError: a file differs; the message says to remove it.
    """
    for name, expected in row.sha256.items():
        path = place if row.file is not None else place / name
        if not path.is_file():
            raise ModelError(f"Checkpoint {row.id!r} lacks the file {name} in {place}; fetch it again")
        found = file_digest(path)
        if found != expected:
            raise ModelError(
                f"{path} is damaged or is another file: SHA-256 {found[:16]}…, and checkpoint {row.id!r} "
                f"says {expected[:16]}…. Remove it and run 'seamline checkpoints fetch {row.id}'"
            )


def fingerprint(row: Checkpoint, *, mirror: Path | None = None) -> str:
    """A digest of all that decides what a loaded checkpoint computes: files, family, settings, LoRAs, needs.

    Two rows with equal bytes and equal settings have equal fingerprints, wherever the files lie.

    Raises:
        WeightsMissing: the files are not on this machine.
    """
    place = locate(row, mirror=mirror)
    parts = [row.role, row.family, row.config or "", row.dtype, row.variant or "", row.quantisation or ""]
    if row.sampling is not None:
        parts.append(row.sampling.model_dump_json())
    if place.is_file():
        parts.append(file_digest(place))
        if row.config and (beside := place.parent / row.config).is_file():
            parts.append(file_digest(beside))
    else:
        files = sorted(path for path in place.rglob("*") if path.is_file())
        names = {path.relative_to(place).as_posix(): path for path in files}
        parts += [f"{name}={file_digest(path)}" for name, path in names.items() if _is_wanted(row, name)]
    for name in sorted(row.needs):
        parts.append(f"{name}={fingerprint(needed(row, name), mirror=mirror)}")
    parts += [f"lora {use.weight:g}={fingerprint(checkpoint(use.id), mirror=mirror)}" for use in row.loras]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def parts_of(row: Checkpoint) -> list[Checkpoint]:
    """The row and everything that it cannot do without: its needs and its LoRAs, each once."""
    found = {row.id: row}
    for part in [needed(row, name) for name in sorted(row.needs)] + [checkpoint(use.id) for use in row.loras]:
        found.setdefault(part.id, part)
    return list(found.values())


def needed(row: Checkpoint, name: str) -> Checkpoint:
    """The checkpoint that ``row`` needs under ``name``: another row, or a local folder named in its place.

    Raises:
        RecipeError: neither a row nor a folder.
    """
    wanted = row.needs[name]
    folder = Path(wanted).expanduser()
    if not folder.is_dir():
        return checkpoint(wanted)
    has_weights = any(folder.glob("*.safetensors"))
    patterns = FOLDER_PATTERNS if has_weights else tuple(p for p in FOLDER_PATTERNS if p != "*.safetensors")
    return row.model_copy(
        update={"id": f"{row.id}.{name}", "role": name, "address": str(folder.resolve()), "file": None,
                "config": None, "needs": {}, "sha256": {}, "patterns": patterns}
    )  # fmt: skip


def file_digest(path: Path) -> str:
    """SHA-256 of a file, remembered by its real path, size and modification time.

    Weights are gigabytes and are asked for at every start of a process, so digests are kept in
    ``$XDG_CACHE_HOME/seamline/digests.json``; a lost or damaged file of them only costs time.
    """
    real = path.resolve()
    stat = real.stat()
    key = f"{real}|{stat.st_size}|{stat.st_mtime_ns}"
    known = _read_digests()
    if key not in known:
        with real.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        known = {old: value for old, value in _read_digests().items() if not old.startswith(f"{real}|")} | {key: digest}
        _write_digests(known)
    return known[key]


def _digests_file() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "seamline" / "digests.json"


def _read_digests() -> dict[str, str]:
    try:
        loaded = json.loads(_digests_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return loaded if isinstance(loaded, dict) else {}


def _write_digests(digests: Mapping[str, str]) -> None:
    target = _digests_file()
    with contextlib.suppress(OSError):  # a read-only home costs time, not the batch
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, suffix=".tmp")
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(digests, stream)
        Path(name).replace(target)
