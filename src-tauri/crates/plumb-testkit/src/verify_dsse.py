"""Verifies a DSSE envelope without any code of ours: python3-cryptography and the standard library.

usage: verify.py ENVELOPE PUBLIC_KEY.pem

Prints the statement and ends with 0 when the key made a signature of the envelope; else ends with 1.
"""

import base64
import json
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519


def pae(payload_type, payload):
    """Pre-authentication encoding, version 1 of the DSSE protocol."""
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def made_by(key, message, signature):
    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, message)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
        else:
            sys.exit("neither an Ed25519 nor an ECDSA key")
    except InvalidSignature:
        return False
    return True


def main():
    with open(sys.argv[1], "rb") as file:
        envelope = json.load(file)
    with open(sys.argv[2], "rb") as file:
        key = serialization.load_pem_public_key(file.read())
    payload = base64.b64decode(envelope["payload"], validate=True)
    message = pae(envelope["payloadType"], payload)
    signatures = [base64.b64decode(one["sig"], validate=True) for one in envelope["signatures"]]
    if not any(made_by(key, message, signature) for signature in signatures):
        sys.exit("no signature of this envelope was made by this key")
    statement = json.loads(payload)
    print(json.dumps(statement, sort_keys=True, separators=(",", ":")))


if __name__ == "__main__":
    main()
