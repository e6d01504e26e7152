"""Writes ../jwcrypto.json: a token for each algorithm that PyPI's jwcrypto supports, with new keys.

python3 -m venv venv
venv/bin/pip install --require-hashes -r requirements.txt
venv/bin/python jwcrypto_vectors.py
"""

import importlib.metadata
import itertools
import json
import pathlib
import re

from jwcrypto import jwe, jwk, jws

CLAIMS = '{"iss":"jwcrypto","sub":"vector","n":1.50,"list":["a",2]}'
keys = []
tokens = []


def new_key(kid, **options):
    key = jwk.JWK.generate(kid=kid, **options)
    keys.append(key)
    return key


def sign(alg, key):
    token = jws.JWS(CLAIMS)
    token.allowed_algs = [alg]
    header = json.dumps({"alg": alg, "kid": key["kid"], "typ": "JWT"})
    token.add_signature(key, alg, header)
    tokens.append({"alg": alg, "token": token.serialize(compact=True)})


def encrypt(alg, enc, key, **header):
    header = json.dumps({"alg": alg, "enc": enc, "kid": key["kid"], **header})
    token = jwe.JWE(CLAIMS, header, algs=[alg, enc])
    token.add_recipient(key)
    tokens.append({"alg": alg, "enc": enc, "token": token.serialize(compact=True)})


rsa = new_key("rsa", kty="RSA", size=2048)
for bits, curve in ((256, "P-256"), (384, "P-384"), (512, "P-521")):
    sign(f"HS{bits}", new_key(f"secret-{bits}", kty="oct", size=bits))
    sign(f"RS{bits}", rsa)
    sign(f"PS{bits}", rsa)
    sign(f"ES{bits}", new_key(f"ec-{bits}", kty="EC", crv=curve))
sign("ES256K", new_key("ec-256k", kty="EC", crv="secp256k1"))
for bits in (44, 65, 87):
    sign(f"ML-DSA-{bits}", new_key(f"ml-dsa-{bits}", kty="AKP", alg=f"ML-DSA-{bits}"))
for curve in ("Ed25519", "Ed448"):
    key = new_key(curve.lower(), kty="OKP", crv=curve)
    sign("EdDSA", key)
    sign(curve, key)

ENCRYPTIONS = {
    "A128CBC-HS256": 256, "A192CBC-HS384": 384, "A256CBC-HS512": 512, "A128GCM": 128, "A192GCM": 192, "A256GCM": 256,
}
wrappings = {bits: new_key(f"aes-{bits}", kty="oct", size=bits) for bits in (128, 192, 256)}
curves = [new_key(crv, kty="EC", crv=crv) for crv in ("P-256", "P-384", "P-521")]
curves += [new_key(crv, kty="OKP", crv=crv) for crv in ("X25519", "X448")]
# Four algorithms for each content encryption, so that each of the five curves meets each algorithm.
curves = itertools.cycle(curves)
parties = itertools.cycle([{}, {"apu": "QWxpY2U", "apv": "Qm9i"}, {"apv": "AA"}])
for enc, bits in ENCRYPTIONS.items():
    encrypt("dir", enc, new_key(f"dir-{enc}", kty="oct", size=bits))
    for alg in ("RSA-OAEP", "RSA-OAEP-256"):
        encrypt(alg, enc, rsa)
    for bits, key in wrappings.items():
        encrypt(f"A{bits}KW", enc, key)
        encrypt(f"A{bits}GCMKW", enc, key)
    for alg in ("ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A192KW", "ECDH-ES+A256KW"):
        encrypt(alg, enc, next(curves), **next(parties))
    encrypt("A128KW", enc, wrappings[128], zip="DEF")

library = f"PyPI jwcrypto {importlib.metadata.version('jwcrypto')}"
exported = [json.loads(key.export()) for key in keys]
file = {"library": library, "claims": CLAIMS, "keys": exported, "tokens": tokens}
text = json.dumps(file, separators=(",", ":"))
text = re.sub(r'(?=\{"(?:alg|k|kty|n|crv|d)":)', "\n", text)
pathlib.Path(__file__).parent.joinpath("../jwcrypto.json").write_text(text + "\n")
