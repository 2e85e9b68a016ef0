"""Sign a build with a private key, and check a signature with a public key, by the package `model-signing`.

This is the only module that imports the package. Any failure inside the package means that the signature is rejected.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from specialize.errors import InputError, VerificationError, missing_package
from specialize.files.scratch import temporary_folder

if TYPE_CHECKING:
    from model_signing import hashing

_KEY = "an elliptic-curve key in PEM, on P-256, P-384 or P-521"
_KEY_HINT = "`openssl ecparam -genkey -name prime256v1 -noout -out key.pem` makes one"


def signed_bundle(build: Path, key: Path) -> bytes:
    """Return the signature of all files in a build's folder, as a Sigstore bundle.

    Args:
        build: The folder.
        key: A private key in PEM, without a password.

    Raises:
        UsageError: The package is not installed.
        InputError: The key is none, or is encrypted.
    """
    _require_installed("--key")
    from model_signing import signing

    try:
        config = signing.Config().use_elliptic_key_signer(private_key=key)
    except Exception as error:
        hint = f"{_KEY_HINT}; if the key has a password, sign with model_signing itself"
        raise InputError(str(key), f"{_KEY}, private", _first_line(error), hint) from error
    with temporary_folder("sign") as folder, _quiet():
        config.set_hashing_config(_every_file()).sign(build, folder / "model.sig")
        return (folder / "model.sig").read_bytes()


def require_signed(build: Path, signature: Path, key: Path) -> None:
    """Check that a signature is by the owner of a key, and over exactly the files in a build's folder.

    Args:
        build: The folder.
        signature: The bundle.
        key: The public key in PEM.

    Raises:
        UsageError: The package is not installed.
        InputError: The key is none.
        VerificationError: The signature is by another key, of other files, or damaged.
    """
    _require_installed("--signature")
    from model_signing import verifying

    try:
        config = verifying.Config().use_elliptic_key_verifier(public_key=key)
    except Exception as error:
        raise InputError(str(key), f"{_KEY}, public", _first_line(error), _KEY_HINT) from error
    try:
        with _quiet():
            config.set_hashing_config(_every_file()).verify(build, signature)
    except Exception as error:
        hint = "use the public key of the signer; if this is that key, do not use this build"
        raise VerificationError(
            str(signature), f"a signature of {build} by the key {key}", _first_line(error), hint
        ) from error


def _every_file() -> hashing.Config:
    """Return how files are hashed: all of them, files of git as well."""
    from model_signing import hashing

    return hashing.Config().set_ignored_paths(paths=(), ignore_git_paths=False)


def _require_installed(option: str) -> None:
    try:
        import model_signing  # noqa: F401
    except ImportError as error:
        raise missing_package(option, "model-signing", "sign") from error


def _quiet() -> contextlib.redirect_stdout[TextIO]:
    """Keep stdout for results: the package prints warnings there."""
    return contextlib.redirect_stdout(sys.stderr)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [f"{type(error).__name__} without a message"])[0]
