"""Builds of the tiny model and keys to sign them with."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from specialize.compiler.build import build
from specialize.request import BuildRequest
from tests.cli.running import CAR42, CAR43
from tests.end_to_end.tiny_model import write_tiny


@dataclass(frozen=True)
class Made:
    """Builds `car42`, `car43` and `tables` in a folder, which tests copy and do not change."""

    folder: Path

    def copy(self, name: str, target: Path) -> Path:
        """Return a copy of a build that a test may change."""
        shutil.copytree(self.folder / name, target)
        for path in target.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)
        return target


def make_builds(folder: Path) -> Made:
    """Build the tiny model for two cars, and once with tables."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPECIALIZE_STORE", str(folder / "store"))
        model = str(write_tiny(folder / "model"))
        for name, calib in (("car42", CAR42), ("car43", CAR43)):
            build(BuildRequest(calib=calib, model=model, output=folder / name, frames=1))
        tables = BuildRequest(
            calib=CAR42,
            model=model,
            output=folder / "tables",
            mode="tables",
            capacity_over=(CAR43,),
            frames=1,
        )
        build(tables)
    return Made(folder)


def write_keys(
    folder: Path, name: str = "key", password: bytes | None = None, kind: str = "P-256"
) -> tuple[Path, Path]:
    """Write a private key and its public key as PEM; return both paths."""
    curves = {
        "P-256": ec.SECP256R1(),
        "P-384": ec.SECP384R1(),
        "P-521": ec.SECP521R1(),
        "K-256": ec.SECP256K1(),
    }
    key = ec.generate_private_key(curves[kind]) if kind in curves else rsa.generate_private_key(65537, 2048)
    hidden = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    private.write_bytes(key.private_bytes(pem, pkcs8, hidden))
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    public.write_bytes(key.public_key().public_bytes(pem, spki))
    return private, public
