//! What comes with a module to prove who made it, and the operator's lock file.

use std::sync::LazyLock;

use cofferdam_grants::Lock;
use cofferdam_signature::{Expected, Files, Hash, TrustedKey, verify};

use crate::documents::is_bounded_and_plain;

/// What minisign signed; `src/signature/fixtures` has the signature.
const SIGNED: &[u8] = include_bytes!("../../../src/signature/fixtures/module.sum");
const MANIFEST: &[u8] = b"name = \"m\"\nversion = \"1.0.0\"\nentry_point = \"bin/m\"\n";
const PROGRAM: &[u8] = b"a program\n";

static KEYS: LazyLock<Vec<TrustedKey>> = LazyLock::new(|| {
    let key = "RWTs7C9XZsX4LsQhACbEHg0C9QgO3xwiC70BRPKavj8tuhy6y0gMY4PR";
    vec![TrustedKey::new("alice", key).expect("a key of minisign's")]
});

/// A list of hashes, a NUL, and its signature, both by somebody whom nobody trusts. Nothing verifies but what the key
/// has signed, byte by byte.
pub(crate) fn signature(input: &[u8]) {
    let mut parts = input.splitn(2, |byte| *byte == 0);
    let (sums, signature) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let expected =
        Expected { manifest: Hash::of(MANIFEST), entry_point: "bin/m", program: Hash::of(PROGRAM) };
    match verify(Files { sums, signature }, &KEYS, expected) {
        Ok(signer) => {
            assert_eq!(sums, SIGNED);
            assert_eq!((signer.name.as_str(), signer.comment.as_str()), ("alice", "m 1.0.0"));
        }
        Err(error) => is_bounded_and_plain(&error),
    }
    assert!(verify(Files { sums, signature }, &[], expected).is_err());
}

/// A lock file. The operator is trusted, a slip of the pen is not; what is read is written again as the same grants.
pub(crate) fn grants(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match Lock::parse("grants.lock", text) {
        Ok(lock) => assert_eq!(Lock::parse("grants.lock", &lock.render()).as_ref(), Ok(&lock)),
        Err(error) => is_bounded_and_plain(&error),
    }
}
