//! Signed modules: the launcher starts what a trusted key signed, as it is executed and as it was parsed, and nothing
//! that claims to be signed and is not. `src/signature` holds signatures that minisign itself has made; here programs
//! are signed that were just built, in the same form.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on says so"
)]

mod rig;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cofferdam_audit::{Hash, Reader, Record, location};
use ed25519_compact::{KeyPair, Seed};
use rig::{As, Plan, Rig};

/// A key of minisign's: eight bytes by which it is found, and an Ed25519 pair.
struct Key {
    number: [u8; 8],
    pair: KeyPair,
}

impl Key {
    fn new(seed: u8) -> Self {
        Self { number: [seed; 8], pair: KeyPair::from_seed(Seed::new([seed; 32])) }
    }

    /// The second line of a `minisign.pub`.
    fn public(&self) -> String {
        STANDARD.encode([b"Ed".as_slice(), &self.number, self.pair.pk.as_ref()].concat())
    }

    /// What `minisign -S -t COMMENT` writes; the format is described at https://jedisct1.github.io/minisign/.
    fn sign(&self, text: &str, comment: &str) -> String {
        let signature = self.pair.sk.sign(blake2b_simd::blake2b(text.as_bytes()).as_bytes(), None);
        let global = self.pair.sk.sign([signature.as_ref(), comment.as_bytes()].concat(), None);
        let line = STANDARD.encode([b"ED".as_slice(), &self.number, signature.as_ref()].concat());
        let last = STANDARD.encode(global.as_ref());
        format!("untrusted comment: made by a test\n{line}\ntrusted comment: {comment}\n{last}\n")
    }
}

/// The author whom the operator trusts.
fn alice() -> Key {
    Key::new(1)
}

/// A config that trusts this key and lets these modules be unsigned.
fn trusting(key: &Key, unsigned: &str) -> String {
    format!(
        "[signatures]\nunsigned = [{unsigned}]\n[signatures.trusted_keys]\nalice = \"{}\"\n",
        key.public()
    )
}

/// What `sha256sum module.toml PROGRAM` prints.
fn sums(module: &Path, program: &str) -> String {
    let line = |name: &str| format!("{}  {name}\n", Hash::of(&fs::read(module.join(name)).unwrap()));
    line("module.toml") + &line(program)
}

/// As `sha256sum module.toml PROGRAM > module.sum && minisign -Sm module.sum -t COMMENT`.
fn sign(module: &Path, program: &str, key: &Key, comment: &str) {
    let text = sums(module, program);
    fs::write(module.join("module.sum.minisig"), key.sign(&text, comment)).unwrap();
    fs::write(module.join("module.sum"), text).unwrap();
}

fn append(path: &Path, text: &str) {
    fs::OpenOptions::new().append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

fn tool(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cofferdam"));
    command.args(arguments).arg("--config").arg(folder.join("cofferdam.toml")).output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn last_launch(folder: &Path) -> Option<Record> {
    let records = Reader::open(&location(&folder.join("state"))).unwrap().map(|entry| entry.unwrap().record);
    let of_module =
        |record: &Record| matches!(record, Record::Launch { subject, .. } if subject.as_str() == "tip-log");
    records.filter(of_module).last()
}

/// A Cofferdam that trusts the key, whose tip-log is signed by it, granted, and has run once.
fn signed(key: &Key, unsigned: &str) -> Rig {
    let plan = Plan::new(As::Root).module("tip-log").config(&trusting(key, unsigned));
    sign(&plan.path().join("modules/tip-log"), "tip-log", key, "tip-log 0.1.0");
    let mut rig = plan.start();
    rig.started("tip-log", 1);
    assert!(rig.interrupt().success());
    rig
}

fn does_not_start(rig: Rig, why: &str) -> Rig {
    let mut rig = rig.start_again();
    rig.wait_for(&["Z tip-log ", "error: ", why]);
    assert!(rig.interrupt().success());
    assert!(!rig.lines().iter().any(|line| line.contains("Z tip-log ") && line.contains("started: pid ")));
    // The operator cannot grant it either, as it would not start.
    let granted = tool(rig.path(), &["grant", "--yes", "tip-log"]);
    assert!(granted.status.code() == Some(1) && said(&granted).contains(why), "{granted:?}");
    rig
}

#[test]
fn a_signed_module_starts_and_log_page_and_check_name_the_signer() {
    let key = alice();
    let rig = signed(&key, "");
    let Some(Record::Launch { signed_by: Some(signer), .. }) = last_launch(rig.path()) else {
        panic!("{:#?}", last_launch(rig.path()));
    };
    assert_eq!(signer.name.as_str(), "alice");
    assert_eq!(signer.key.as_str(), key.public());
    assert_eq!(signer.comment.as_str(), "tip-log 0.1.0");
    let expected = format!("signed by  alice ({}): tip-log 0.1.0", key.public());
    for command in [&["check"][..], &["audit", "tip-log"]] {
        let told = said(&tool(rig.path(), command));
        assert!(told.contains(&expected), "{told}");
    }
}

#[test]
fn a_module_that_is_not_signed_starts_only_if_it_is_named() {
    let key = alice();
    let rig = signed(&key, "");
    for file in ["module.sum", "module.sum.minisig"] {
        fs::remove_file(rig.path().join("modules/tip-log").join(file)).unwrap();
    }
    let rig = does_not_start(rig, "tip-log is not signed");
    let config = rig.path().join("cofferdam.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("unsigned = []", "unsigned = [\"tip-log\"]")).unwrap();
    let mut rig = rig.start_again();
    rig.started("tip-log", 1);
    assert!(rig.interrupt().success());
    assert!(matches!(last_launch(rig.path()), Some(Record::Launch { signed_by: None, .. })));
}

/// Even one that needs no signature: what has one that does not hold was changed by somebody.
#[test]
fn a_signature_that_does_not_hold_keeps_also_a_module_that_may_be_unsigned_from_starting() {
    let key = alice();
    let mut rig = signed(&key, "\"tip-log\"");
    let module = rig.path().join("modules/tip-log");
    let other = Key::new(2);
    let (list, signature) = (module.join("module.sum"), module.join("module.sum.minisig"));
    let spoils: [(&dyn Fn(), &str); 5] = [
        (&|| sign(&module, "tip-log", &other, "by alice"), "none of the keys"),
        (&|| fs::write(&signature, "nonsense").unwrap(), "is not a signature of minisign"),
        (&|| fs::remove_file(&signature).unwrap(), "is there and module.sum.minisig is not"),
        (&|| fs::remove_file(&list).unwrap(), "is there and module.sum is not"),
        (&|| append(&list, "\n"), "is not what alice signed"),
    ];
    for (spoil, why) in spoils {
        sign(&module, "tip-log", &key, "tip-log 0.1.0");
        spoil();
        rig = does_not_start(rig, why);
    }
    // The control: the same files, signed again.
    sign(&module, "tip-log", &key, "tip-log 0.1.0");
    let mut rig = rig.start_again();
    rig.started("tip-log", 1);
    assert!(rig.interrupt().success());
}

#[test]
fn the_manifest_of_one_version_with_the_program_of_another_does_not_start() {
    let key = alice();
    let rig = signed(&key, "");
    let module = rig.path().join("modules/tip-log");
    let read = |name: &str| fs::read(module.join(name)).unwrap();
    let files = ["module.toml", "tip-log", "module.sum", "module.sum.minisig"];
    let first = files.map(read);
    // The second version, as its author ships it: another program that asks for more, and signed.
    let manifest = String::from_utf8(first[0].clone()).unwrap();
    let manifest = manifest
        .replace("0.1.0", "0.2.0")
        .replace("\"subscribe_events\"", "\"subscribe_events\", \"call_module\"");
    fs::write(module.join("module.toml"), manifest).unwrap();
    append(&module.join("tip-log"), "\0");
    sign(&module, "tip-log", &key, "tip-log 0.2.0");
    let second = files.map(read);
    assert!(
        tool(rig.path(), &["grant", "--yes", "tip-log"]).status.success(),
        "the control: the second is whole"
    );

    // Its manifest with the first one's program, by either signature, and the reverse.
    let mut rig = rig;
    for (manifest, program, signature, why) in [
        (&second, &first, &second, "the program is not the one that alice signed"),
        (&second, &first, &first, "module.toml is not the one that alice signed"),
        (&first, &second, &first, "the program is not the one that alice signed"),
        (&first, &second, &second, "module.toml is not the one that alice signed"),
    ] {
        for (name, bytes) in files.iter().zip([&manifest[0], &program[1], &signature[2], &signature[3]]) {
            fs::write(module.join(name), bytes).unwrap();
        }
        rig = does_not_start(rig, why);
    }

    // The first version is signed as well as ever. That it is not what was granted keeps it from coming back.
    for (name, bytes) in files.iter().zip(&first) {
        fs::write(module.join(name), bytes).unwrap();
    }
    let mut rig = rig.start_again();
    rig.wait_for(&["Z tip-log ", "error: ", "is not granted: its program was changed"]);
    assert!(rig.interrupt().success());
}

#[test]
fn grant_tells_that_somebody_else_signed_than_who_signed_what_was_granted() {
    let (alice, bob) = (alice(), Key::new(2));
    let config = format!("{}bob = \"{}\"\n", trusting(&alice, "\"tip-log\""), bob.public());
    let plan = Plan::new(As::Root).module("tip-log").config(&config);
    let module = plan.path().join("modules").join("tip-log");
    sign(&module, "tip-log", &alice, "one");
    let (folder, _config) = plan.lay_out();
    let shown = || said(&tool(folder.path(), &["grant", "--show"]));
    let changed = format!("CHANGED: granted was one signed by {}", alice.public());
    sign(&module, "tip-log", &alice, "two");
    assert!(!shown().contains("CHANGED"), "the control: {}", shown());
    sign(&module, "tip-log", &bob, "three");
    let by_bob = shown();
    assert!(by_bob.contains("signed by  bob ") && by_bob.contains(&changed), "{by_bob}");
    fs::remove_file(module.join("module.sum")).unwrap();
    fs::remove_file(module.join("module.sum.minisig")).unwrap();
    let by_nobody = shown();
    assert!(by_nobody.contains("signed by  nobody; ") && by_nobody.contains(&changed), "{by_nobody}");
}
