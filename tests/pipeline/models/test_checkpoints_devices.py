"""Devices: choice, number formats, out of memory, which models stay loaded."""

from __future__ import annotations

import threading

import pytest
import torch

from pipeline.errors import ModelError, OutOfMemory
from pipeline.models.devices import (
    MEMORY,
    LoadedModels,
    choose_device,
    choose_dtype,
    has_bfloat16,
    memory_budget_gb,
    out_of_memory_named,
)


def test_a_device_that_is_not_there_is_refused() -> None:
    assert choose_device("cpu") == "cpu"
    assert choose_device("auto") in {"cpu", "cuda", "mps"}
    with pytest.raises(ModelError, match="no device 'tpu'"):
        choose_device("tpu")


@pytest.mark.parametrize("native", [True, False])
def test_number_formats(native: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": native, "avx2": True})
    has_bfloat16.cache_clear()
    small = "bfloat16" if native else "float32"
    assert choose_dtype("auto", "cpu") == "float32"
    assert choose_dtype("float32", "cpu") == "float32"
    assert choose_dtype("float16", "cpu") == small
    assert choose_dtype("bfloat16", "cpu") == small
    has_bfloat16.cache_clear()
    assert choose_dtype("float16", "cuda:1") == "float16"
    with pytest.raises(ModelError, match="No number format"):
        choose_dtype("int3", "cpu")


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_running_out_of_memory_gets_its_own_error(error: Exception) -> None:
    with pytest.raises(OutOfMemory, match="while drawing"), out_of_memory_named("drawing"):
        raise error


def test_other_errors_pass_through() -> None:
    with pytest.raises(RuntimeError, match="shapes"), out_of_memory_named("drawing"):
        raise RuntimeError("shapes differ")


def test_models_load_once_and_the_least_used_leave_first() -> None:
    models, loads = LoadedModels(budget_gb=2.5), []

    def get(name: str, size: float = 1.0) -> str:
        return str(models.get(name, size, lambda: loads.append(name) or name.upper()))

    assert [get("a"), get("b"), get("a")] == ["A", "B", "A"]
    assert get("c") == "C"
    assert loads == ["a", "b", "c"]
    assert ["a" in models, "b" in models, "c" in models] == [True, False, True]
    get("huge", 9.0)  # larger than the budget: alone, but there
    assert ["a" in models, "huge" in models] == [False, True]


def test_two_threads_load_a_model_once() -> None:
    models, loads, gate = LoadedModels(), [], threading.Barrier(2)

    def ask() -> None:
        gate.wait()
        models.get("a", 1.0, lambda: loads.append(1))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loads == [1]


def test_a_load_that_fails_leaves_nothing_behind() -> None:
    models = LoadedModels()
    with pytest.raises(ValueError, match="broken"):
        models.get("a", 1.0, lambda: (_ for _ in ()).throw(ValueError("broken")))
    assert models.get("a", 1.0, lambda: "fine") == "fine"


def test_a_model_that_is_larger_than_its_file_makes_room_when_it_is_there() -> None:
    models = LoadedModels(budget_gb=3)
    models.get("a", 1, lambda: "A")
    models.get("b", 1, lambda: "B", measure=lambda _: 2.5)
    assert ["a" in models, "b" in models] == [False, True]
    models.get("c", 0.1, lambda: "C", measure=lambda _: 9)  # larger than the budget: alone, but there
    assert ["b" in models, "c" in models] == [False, True]


def test_the_budget_follows_the_machine_or_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MEMORY, raising=False)
    assert memory_budget_gb() > 0.1
    monkeypatch.setenv(MEMORY, "6.5")
    assert memory_budget_gb() == 6.5
    for wrong in ("much", "-1"):
        monkeypatch.setenv(MEMORY, wrong)
        with pytest.raises(ModelError, match=f"{MEMORY} is '{wrong}'"):
            memory_budget_gb()
