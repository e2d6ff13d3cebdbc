"""The command line as a user meets it: words, exit codes, and no traceback for what a user can cause."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from flows.dashboard import free_port
from tests.flows.conftest import draw_product


@pytest.fixture
def seamline(tmp_path: Path) -> object:
    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        root = Path(__file__).parents[2]
        environment = {**os.environ, "PYTHONPATH": str(root), "SEAMLINE_WORKERS": "0", "COLUMNS": "200"}
        # Nobody listens there, so no server of this machine takes part.
        environment["PREFECT_API_URL"] = f"http://127.0.0.1:{free_port()}/api"
        command = [sys.executable, "-m", "flows.cli", *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=240)

    return call


def test_a_recipe_is_run_and_the_last_lines_tell_where_everything_is(seamline, recipe_file: Path, photos: Path) -> None:  # type: ignore[no-untyped-def]
    (photos / "broken.jpg").write_bytes(b"no picture")
    first = seamline("run", str(recipe_file))
    assert first.returncode == 3, first.stderr
    assert "in 4 = finished 3 + parked 0 + failed 1" in first.stdout
    told = dict(
        line.split(maxsplit=1) for line in first.stdout.splitlines() if line.startswith(("pictures", "records"))
    )
    assert len(list(Path(told["pictures"]).iterdir())) == 3
    lines = [json.loads(line) for line in Path(told["records"]).read_text().splitlines()]
    assert [line["state"] for line in lines].count("failed") == 1
    second = seamline("run", str(recipe_file))
    assert "nothing to do" in second.stdout
    assert second.returncode == 3
    status = seamline("status", "--runs", str(recipe_file.parent / "runs"))
    assert "finished 3 + parked 0 + failed 1" in status.stdout
    (photos / "broken.jpg").unlink()
    assert seamline("run", str(recipe_file), "--limit", "1").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "nothing.yaml"), "nothing.yaml"),
        (("run", "{recipe}", "--set", "shadow.strenght=1"), "strength"),
        (("run", "{recipe}", "--set", "catalog.address=/nowhere"), "/nowhere"),
        (("check", "{recipe}", "--set", "export.marketplace=amazn"), "amazon"),
    ],
)
def test_wrong_input_is_one_message_and_code_2(  # type: ignore[no-untyped-def]
    seamline, recipe_file: Path, arguments: tuple[str, ...], words: str
) -> None:
    done = seamline(*(argument.format(recipe=recipe_file) for argument in arguments))
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_server_deploy_says_how_to_start_one(seamline, recipe_file: Path) -> None:  # type: ignore[no-untyped-def]
    done = seamline("deploy", str(recipe_file))
    assert done.returncode == 1
    assert "make dashboard" in done.stderr
    assert "Traceback" not in done.stderr


def test_check_lists_bad_rows_and_runs_nothing(seamline, recipe_file: Path, photos: Path) -> None:  # type: ignore[no-untyped-def]
    assert seamline("check", str(recipe_file)).returncode == 0
    table = recipe_file.parent / "catalog.csv"
    table.write_text("sku,photo\na,shoe0.png\nb,missing.png\n")
    over = ("--set", f"catalog.address={table}", "--set", f"catalog.photo_root={photos}")
    done = seamline("check", str(recipe_file), *over)
    assert done.returncode == 2
    assert "missing.png" in done.stdout
    assert "1 items" in done.stdout
    assert not (recipe_file.parent / "runs").exists()


def test_schema_clean_and_lint(seamline, recipe_file: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    assert json.loads(seamline("schema").stdout)["title"] == "Seamline recipe"
    runs = str(tmp_path / "runs")
    assert "removed 0 of 0 results" in seamline("clean", "--budget", "1GB", "--runs", runs).stdout
    assert "not a size" in seamline("clean", "--budget", "much", "--runs", runs).stderr
    draw_product(tmp_path / "finished" / "a.png", 1)
    done = seamline("lint-pictures", str(tmp_path / "finished"), "--marketplace", "amazon")
    assert done.returncode == 3
    assert "a.png: error: too-small" in done.stdout
    assert "1 pictures, 1 with errors" in done.stdout


def test_help_and_version_import_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys; from flows.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    print(end.code)\n"
        "heavy = {'prefect', 'torch', 'cv2', 'numpy', 'pyarrow', 'sqlalchemy', 'pydantic', 'PIL'} & set(sys.modules)\n"
        "print('heavy:', sorted(heavy))"
    )
    for option, words in (("--help", "lint-pictures"), ("--version", "seamline 0.")):
        done = subprocess.run([sys.executable, "-c", code, option], capture_output=True, text=True, timeout=60)
        assert words in done.stdout
        assert "heavy: []" in done.stdout
