"""What a build says to others: in-toto statements and a model signature, made from its manifest and checked against it.

Statements and manifests need the standard library; `signing` alone calls the package `model-signing`.
"""

from specialize.attest.checking import Attested, check_attested
from specialize.attest.making import Attestation, attest_build

__all__ = ["Attestation", "Attested", "attest_build", "check_attested"]
