"""Tensors of weights files: pickles only when allowed and never run, misfits refused."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from pipeline.errors import ModelError
from pipeline.models.tensors import load_strictly, read_state


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("this must never run",))


def test_safetensors_are_read(tmp_path: Path) -> None:
    save_file({"a": torch.ones(2)}, tmp_path / "w.safetensors")
    assert read_state(tmp_path / "w.safetensors")["a"].tolist() == [1, 1]


@pytest.mark.parametrize("table", ["model", "state_dict"])
def test_a_pickle_needs_the_rows_word(table: str, tmp_path: Path) -> None:
    torch.save({"epoch": 3, table: {"module.a": torch.ones(2)}}, tmp_path / "w.pth")
    with pytest.raises(ModelError, match="pickle: true"):
        read_state(tmp_path / "w.pth")
    assert list(read_state(tmp_path / "w.pth", pickle=True)) == ["a"]


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"model": {"a": Bomb()}}, tmp_path / "w.pth")
    (tmp_path / "old.pth").write_bytes(pickle.dumps({"a": Bomb()}))
    for name in ("w.pth", "old.pth"):
        with pytest.raises(ModelError, match="was refused"):
            read_state(tmp_path / name, pickle=True)
    assert "never run" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_a_damaged_file_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"not weights at all")
    with pytest.raises(ModelError, match=name):
        read_state(tmp_path / name, pickle=True)


def test_a_pickle_of_something_else_is_refused(tmp_path: Path) -> None:
    torch.save([torch.ones(1)], tmp_path / "w.pth")
    with pytest.raises(ModelError, match="no table of tensors"):
        read_state(tmp_path / "w.pth", pickle=True)


def test_missing_unknown_and_misshapen_names_are_refused_and_nothing_is_loaded() -> None:
    module = torch.nn.Linear(2, 3)
    before = module.weight.detach().clone()
    with pytest.raises(ModelError, match=r"1 missing \(bias\); 1 unknown \(extra\); 1 of another shape \(weight"):
        load_strictly(module, {"weight": torch.ones(3, 4), "extra": torch.ones(1)}, name="own")
    assert torch.equal(module.weight, before)


def test_names_may_be_excused_by_pattern() -> None:
    module = torch.nn.Linear(2, 3)
    load_strictly(
        module,
        {"weight": torch.ones(3, 2), "old.extra": torch.ones(1)},
        name="own",
        may_lack=["bias"],
        may_exceed=["old.*"],
    )
    assert module.weight.sum() == 6
