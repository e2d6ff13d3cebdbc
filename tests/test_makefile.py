"""The Makefile's own logic."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).parents[1] / "Makefile"


@pytest.mark.parametrize(
    ("given", "passed"),
    [
        (None, []),
        ("export.quality=90", ["--set", "export.quality=90"]),
        (
            "schedule.cron='0 3 * * *' subject.phrases=[dress] background.color=#ffffff",
            [
                "--set",
                "schedule.cron=0 3 * * *",
                "--set",
                "subject.phrases=[dress]",
                "--set",
                "background.color=#ffffff",
            ],
        ),
    ],
)
def test_set_is_split_like_a_shell_does(tmp_path: Path, given: str | None, passed: list[str]) -> None:
    program = tmp_path / "bin" / "seamline"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    program.chmod(0o755)
    (program.parent / "pip").touch()
    (tmp_path / ".run").touch()
    words = ["make", "-s", "-f", str(MAKEFILE), "-o", f"{tmp_path}/.run", f"VENV={tmp_path}", "deploy", "CONFIG=x.yaml"]
    words += [] if given is None else [f"SET={given}"]
    told = subprocess.run(words, cwd=MAKEFILE.parent, capture_output=True, text=True, check=True).stdout
    assert told.splitlines() == ["deploy", "x.yaml", *passed]
