"""Make statements about a build for others: in-toto statements and a model signature, derived from its manifest.

Statements and manifests need only the standard library; `signing` alone calls the package `model-signing`.
"""

from specialize.attest.checking import Attested, check_attested
from specialize.attest.making import Attestation, attest_build

__all__ = ["Attestation", "Attested", "attest_build", "check_attested"]
