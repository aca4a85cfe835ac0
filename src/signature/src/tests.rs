//! Claims about signatures that Debian's minisign 0.11 made of `fixtures/module.sum`.

use super::*;
use proptest::prelude::*;

const ALICE: &str = "RWTs7C9XZsX4LsQhACbEHg0C9QgO3xwiC70BRPKavj8tuhy6y0gMY4PR";
const MALLORY: &str = "RWSQ4zfUgWw0mn2fFpqw4Q6xlnGUXInYGfnJU5me7kpU9KtOP7NQjIAT";

const SUMS: &str = include_str!("../fixtures/module.sum");
const BY_ALICE: &str = include_str!("../fixtures/module.sum.minisig");
const BY_MALLORY: &str = include_str!("../fixtures/mallory.minisig");
const LEGACY: &str = include_str!("../fixtures/legacy.minisig");

const MANIFEST: &[u8] = b"name = \"m\"\nversion = \"1.0.0\"\nentry_point = \"bin/m\"\n";
const PROGRAM: &[u8] = b"a program\n";

fn trusted(keys: &[(&str, &str)]) -> Vec<TrustedKey> {
    keys.iter().map(|(name, key)| TrustedKey::new(name, key).unwrap()).collect()
}

fn verified(sums: &str, signature: &str, manifest: &[u8], program: &[u8]) -> Result<Signer, Unverified> {
    let expected =
        Expected { manifest: Hash::of(manifest), entry_point: "bin/m", program: Hash::of(program) };
    let files = Files { sums: sums.as_bytes(), signature: signature.as_bytes() };
    verify(files, &trusted(&[("Alice", ALICE)]), expected)
}

#[test]
fn what_minisign_signed_is_signed() {
    let signer = verified(SUMS, BY_ALICE, MANIFEST, PROGRAM).unwrap();
    let expected = Signer { name: "Alice".to_owned(), key: ALICE.to_owned(), comment: "m 1.0.0".to_owned() };
    assert_eq!(signer, expected);
}

#[test]
fn another_program_or_another_manifest_is_not_what_was_signed() {
    let other = |file| Err::<Signer, _>(Unverified::OtherFile { file, key: "Alice".to_owned() });
    assert_eq!(verified(SUMS, BY_ALICE, MANIFEST, b"another program\n"), other("the program"));
    assert_eq!(verified(SUMS, BY_ALICE, b"name = \"n\"\n", PROGRAM), other("module.toml"));
}

#[test]
fn hashes_that_were_changed_after_signing_are_refused() {
    let changed = SUMS.replace(&Hash::of(PROGRAM).to_string(), &Hash::of(b"x").to_string());
    let forged = Err(Unverified::Forged { key: "Alice".to_owned() });
    assert_eq!(verified(&changed, BY_ALICE, MANIFEST, b"x"), forged);
}

#[test]
fn a_comment_that_was_changed_after_signing_is_refused() {
    let changed = BY_ALICE.replace("trusted comment: m 1.0.0", "trusted comment: m 2.0.0");
    assert_ne!(changed, BY_ALICE);
    assert_eq!(
        verified(SUMS, &changed, MANIFEST, PROGRAM),
        Err(Unverified::Forged { key: "Alice".to_owned() })
    );
}

#[test]
fn a_comment_that_is_not_trusted_proves_nothing_and_changes_nothing() {
    let changed = BY_ALICE.replacen("signature from minisign secret key", "signed by nobody", 1);
    assert_eq!(verified(SUMS, &changed, MANIFEST, PROGRAM), verified(SUMS, BY_ALICE, MANIFEST, PROGRAM));
}

#[test]
fn a_key_that_is_not_trusted_signs_nothing_whatever_its_comment_says() {
    assert_eq!(verified(SUMS, BY_MALLORY, MANIFEST, PROGRAM), Err(Unverified::UnknownKey));
}

#[test]
fn the_key_among_several_that_signed_is_named() {
    let expected =
        Expected { manifest: Hash::of(MANIFEST), entry_point: "bin/m", program: Hash::of(PROGRAM) };
    let files = Files { sums: SUMS.as_bytes(), signature: BY_MALLORY.as_bytes() };
    let signer = verify(files, &trusted(&[("a", ALICE), ("m", MALLORY)]), expected).unwrap();
    assert_eq!((signer.name.as_str(), signer.key.as_str()), ("m", MALLORY));
}

/// A signature over a hash that says so cannot be taken for one over the file, or the reverse.
#[test]
fn the_old_form_without_a_hash_is_refused_with_the_remedy() {
    let refused = verified(SUMS, LEGACY, MANIFEST, PROGRAM).unwrap_err();
    assert!(refused.to_string().contains("sign without -l"), "{refused}");
}

#[test]
fn without_trusted_keys_nothing_is_signed() {
    let expected =
        Expected { manifest: Hash::of(MANIFEST), entry_point: "bin/m", program: Hash::of(PROGRAM) };
    let files = Files { sums: SUMS.as_bytes(), signature: BY_ALICE.as_bytes() };
    assert_eq!(verify(files, &[], expected), Err(Unverified::UnknownKey));
}

#[test]
fn a_list_is_of_the_manifest_and_the_program_and_of_nothing_else() {
    let lines: Vec<&str> = SUMS.lines().collect();
    let (manifest, program) = (lines[0], lines[1]);
    let parsed = |text: &str| Sums::parse(text, "bin/m");
    let expected = Sums { manifest: Hash::of(MANIFEST), program: Hash::of(PROGRAM) };
    for text in [
        SUMS.to_owned(),
        format!("{program}\n{manifest}\n"),
        format!("{manifest}\n{program}"),
        SUMS.replace("  ", " *"),
    ] {
        assert_eq!(parsed(&text), Ok(expected), "{text}");
    }
    for (text, wrong) in [
        (String::new(), Malformed::Missing),
        (format!("{manifest}\n"), Malformed::Missing),
        (format!("{program}\n"), Malformed::Missing),
        (format!("{manifest}\n{manifest}\n{program}\n"), Malformed::Name { line: 2 }),
        (format!("{manifest}\n{program}\n{program}\n"), Malformed::Name { line: 3 }),
        (format!("{SUMS}{}  other\n", Hash::of(b"")), Malformed::Name { line: 3 }),
        (format!("{manifest}\n\n{program}\n"), Malformed::Line { line: 2 }),
        (SUMS.replace('\n', "\r\n"), Malformed::Name { line: 1 }),
        (SUMS.to_uppercase(), Malformed::Line { line: 1 }),
        (SUMS.replace("bin/m", "./bin/m"), Malformed::Name { line: 2 }),
        (format!("\\{manifest}\n{program}\n"), Malformed::Line { line: 1 }),
    ] {
        assert_eq!(parsed(&text), Err(wrong), "{text}");
    }
}

#[test]
fn a_comment_cannot_act_on_a_terminal() {
    assert_eq!(printable("m\u{1b}[2J\t\u{202e}x"), "m?[2J??x");
    assert_eq!(printable(&"x".repeat(1000)).len(), MAX_COMMENT_CHARS);
}

#[test]
fn a_file_that_is_too_long_or_no_text_is_refused() {
    let long = format!("{BY_ALICE}{}", "x".repeat(MAX_BYTES));
    assert!(matches!(verified(SUMS, &long, MANIFEST, PROGRAM), Err(Unverified::NotASignature(_))));
    let files = Files { sums: SUMS.as_bytes(), signature: b"\xff\xfe" };
    let hash = Hash::of(b"");
    let expected = Expected { manifest: hash, entry_point: "m", program: hash };
    assert!(matches!(verify(files, &[], expected), Err(Unverified::NotASignature(_))));
}

#[test]
fn a_key_is_written_as_minisign_writes_it() {
    assert_eq!(TrustedKey::new("a", ALICE).unwrap().text(), ALICE);
    for wrong in ["", "RW", "x", "untrusted comment: minisign public key 2EF8C566572FECEC", &ALICE[..55]] {
        assert_eq!(TrustedKey::new("a", wrong), Err(NotAKey), "{wrong}");
    }
}

proptest! {
    /// The control is the first test: these bytes, unchanged, verify.
    #[test]
    fn one_changed_byte_in_either_file_is_never_signed(
        at in any::<proptest::sample::Index>(), flip in 1_u8.., of_sums in any::<bool>(),
    ) {
        let (mut sums, mut signature) = (SUMS.as_bytes().to_vec(), BY_ALICE.as_bytes().to_vec());
        let untrusted = BY_ALICE.find('\n').unwrap() + 1;
        if of_sums {
            let at = at.index(sums.len());
            sums[at] ^= flip;
        } else {
            // The line before is a comment that the signature does not cover; the last byte is a line feed.
            let at = untrusted + at.index(signature.len() - untrusted - 1);
            signature[at] ^= flip;
        }
        let expected = Expected {
            manifest: Hash::of(MANIFEST), entry_point: "bin/m", program: Hash::of(PROGRAM),
        };
        let files = Files { sums: &sums, signature: &signature };
        prop_assert!(verify(files, &trusted(&[("Alice", ALICE)]), expected).is_err());
    }

    #[test]
    fn hostile_bytes_never_verify_and_never_panic(
        sums in prop::collection::vec(any::<u8>(), 0..300), signature in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let hash = Hash::of(b"");
        let expected = Expected { manifest: hash, entry_point: "m", program: hash };
        let files = Files { sums: &sums, signature: &signature };
        prop_assert!(verify(files, &trusted(&[("Alice", ALICE)]), expected).is_err());
    }

    #[test]
    fn a_list_that_is_not_refused_says_the_two_hashes(text in "([0-9a-f]{64} [ *](module.toml|m|x)\n){0,3}") {
        if let Ok(sums) = Sums::parse(&text, "m") {
            for (hash, name) in [(sums.manifest, "module.toml"), (sums.program, "m")] {
                let (text_form, binary_form) = (format!("{hash}  {name}\n"), format!("{hash} *{name}\n"));
                prop_assert!(text.contains(&text_form) || text.contains(&binary_form));
            }
        }
    }

    #[test]
    fn a_hash_is_read_as_it_is_written(bytes in any::<[u8; 32]>()) {
        let hash = Hash::from(bytes);
        prop_assert_eq!(hash.to_string().parse(), Ok(hash));
    }
}
