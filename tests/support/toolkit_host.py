"""A host as the search for the vendor's tools sees it."""

from pathlib import Path

import pytest

from rfcn_lib.ascend import toolkit


@pytest.fixture
def host(tmp_path, monkeypatch) -> Path:
    """A host with nothing of the vendor's; its folder `bin` is first on PATH."""
    for name in ("ASCEND_TOOLKIT_HOME", "ASCEND_HOME_PATH", "PYTHONPATH"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setattr(toolkit, "INSTALL_FOLDERS", (f"{tmp_path}/Ascend",))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def executable(path: Path, text: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path
