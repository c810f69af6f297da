"""What else had a part in a run: pytest's other plugins, and the options that the command line does not show."""

import os
from collections.abc import Mapping
from contextlib import suppress
from importlib import metadata
from typing import Any

import pytest

LIBRARIES = ("numpy", "onnx", "onnx-ir", "onnxruntime", "opencv-python-headless", "pillow", "pycocotools", "torch")
VARIABLES = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD")


def surroundings(config: pytest.Config) -> dict[str, Any]:
    """Version of pytest, installed plugins with their versions, the words after `-p`, and the environment of pytest."""
    installed = {f"{found.project_name} {found.version}" for _, found in config.pluginmanager.list_plugin_distinfo()}
    return {
        "version": pytest.__version__,
        "plugins": sorted(installed),
        "-p": list(config.getoption("plugins", []) or []),
        "environment": {name: os.environ[name] for name in VARIABLES if name in os.environ},
    }


def versions() -> dict[str, str]:
    """Versions of the libraries on which a number may depend, as far as they are installed."""
    found = {}
    for name in LIBRARIES:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def surroundings_words(found: Mapping[str, Any]) -> list[str]:
    """The same as lines of the verdict."""
    named = "".join(f", -p {name}" for name in found["-p"])
    lines = [f"pytest     {found['version']}; plugins: {', '.join(found['plugins']) or 'none'}{named}"]
    return [*lines, *(f"{name}={value}" for name, value in found["environment"].items())]
