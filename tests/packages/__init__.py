"""Packages of plug-ins as others would write them, and how tests install them without a network."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

FOLDER = Path(__file__).resolve().parent


def metadata(name: str, version: str, groups: dict[str, dict[str, str]]) -> dict[str, str]:
    """Return the files that make a folder an installed package, and its plug-ins known."""
    points = "".join(f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in of.items()) for group, of in groups.items())
    return {
        "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        "WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "entry_points.txt": points,
    }


def wheel(source: Path, folder: Path) -> Path:
    """Build the wheel of a package of one module, as its build backend would, without having to have it."""
    project = tomllib.loads((source / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    slug = project["name"].replace("-", "_")
    info = f"{slug}-{project['version']}.dist-info"
    files = {path.name: path.read_text(encoding="utf-8") for path in sorted(source.glob("*.py"))}
    said = metadata(project["name"], project["version"], project["entry-points"])
    files |= {f"{info}/{name}": text for name, text in said.items()}
    record = ""
    for name, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record += f"{name},sha256={digest},{len(text.encode())}\n"
    path = folder / f"{slug}-{project['version']}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in (files | {f"{info}/RECORD": record + f"{info}/RECORD,,\n"}).items():
            archive.writestr(name, text)
    return path


def pip_install(source: Path, target: Path) -> None:
    """Install a package with pip into a folder, offline."""
    target.mkdir(parents=True, exist_ok=True)
    made = wheel(source, target.parent)
    options = ["--no-index", "--no-deps", "--no-input", "--disable-pip-version-check", "--quiet"]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, "--target", target, made], check=True)
