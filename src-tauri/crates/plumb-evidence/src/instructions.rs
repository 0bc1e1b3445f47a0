//! How to check an archive by hand, with programs that are not ours.

use plumb_trust::dsse::PublicKey;

use crate::manifest::About;

/// The text that lies in the archive. Lines that begin with four spaces are for a shell.
pub(crate) fn text(about: &About, signer: &PublicKey) -> String {
    let About { fleet, environment, by, window, .. } = about;
    let fingerprint = signer.id();
    format!(
        r#"Evidence about the fleet {fleet} ({environment}), from {from} to {to},
captured by {by}.

This is how to check it without the program that made it. You need sha256sum, openssl 3 and
Python 3 with the package "cryptography". Unpack the archive, open a shell in the folder that
holds this file, and go through the steps. Lines that are indented are for the shell.

1. The files are those that were sealed.

    sha256sum --check --strict checksums.txt

   It covers every file but itself, manifest.json, manifest.dsse.json and proofs over the latter
   (manifest.dsse.tsr, manifest.dsse.sigstore.json), which are made after the seal.

2. The key is the one you expect. Ask whoever signed, by another way than the one this archive
   came by, for the fingerprint of the key. It must be

       {fingerprint}

   and so must what this prints:

    openssl pkey -pubin -in signer.pem -outform DER | sha256sum

3. The manifest was signed with that key, and lists every file as it is. The manifest is an in-toto
   statement (https://in-toto.io/Statement/v1), its signature a DSSE envelope
   (https://github.com/secure-systems-lab/dsse).

    python3 - <<'END'
    import base64, hashlib, json, pathlib
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    envelope = json.loads(pathlib.Path("manifest.dsse.json").read_bytes())
    payload = base64.b64decode(envelope["payload"], validate=True)
    kind = envelope["payloadType"].encode()
    signed = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
    key = serialization.load_pem_public_key(pathlib.Path("signer.pem").read_bytes())
    (made,) = envelope["signatures"]
    signature = base64.b64decode(made["sig"], validate=True)
    if isinstance(key, ed25519.Ed25519PublicKey):
        key.verify(signature, signed)
    else:
        key.verify(signature, signed, ec.ECDSA(hashes.SHA256()))
    assert payload == pathlib.Path("manifest.json").read_bytes(), "manifest.json is another one"

    unlisted = ("manifest.json", "manifest.dsse.json", "manifest.dsse.tsr", "manifest.dsse.sigstore.json")
    listed = {{one["name"]: one["digest"]["sha256"] for one in json.loads(payload)["subject"]}}
    here = {{
        file.as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in pathlib.Path(".").rglob("*")
        if file.is_file() and file.as_posix() not in unlisted
    }}
    assert listed == here, sorted(set(listed.items()) ^ set(here.items()))
    print("the manifest is signed, and its", len(listed), "files are here, unaltered")
    END

4. The journal of a run is a chain: each event holds the hash of the one before it.

    python3 - <<'END'
    import hashlib, json, pathlib
    for file in sorted(pathlib.Path(".").glob("runs/*/journal.jsonl")):
        before, events = "0" * 64, 0
        for line in file.read_text().splitlines():
            if not line.startswith('{{"body":'):
                continue
            body, found = line[len('{{"body":'):].rsplit(',"hash":"', 1)
            found = found[: -len('"}}')]
            assert hashlib.sha256(body.encode()).hexdigest() == found, (file, events + 1)
            read = json.loads(body)
            assert read["previous"] == before and read["seq"] == events, (file, events + 1)
            before, events = found, events + 1
        print(file, "holds:", events, "events, head", before)
    END

5. What was done stands in report.html, which opens in any browser without a network, in the plan
   of each run (runs/*/plan.json) and in its journal. What could not be collected stands in
   manifest.json under predicate.missing, with the reason. Words such as
   redacted-0123456789abcdef01234567 stand for secrets and names; the same word stands for the same
   secret in every file of this archive.

6. Where there is a manifest.dsse.tsr, a timestamp authority (RFC 3161) saw the seal; put
   the certificate of its root, as you got it from whom you trust, beside this folder.

    test ! -e manifest.dsse.tsr || openssl ts -verify -in manifest.dsse.tsr -data manifest.dsse.json -CAfile ../authority.pem

   A manifest.dsse.sigstore.json is a Sigstore bundle over manifest.dsse.json, which cosign verifies.
"#,
        from = window.from,
        to = window.to,
    )
}
