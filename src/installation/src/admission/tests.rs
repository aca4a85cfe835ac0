//! Claims about who is admitted. The signatures were made by Debian's minisign 0.11.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;

const MANIFEST: &str = "name = \"m\"\nversion = \"1.0.0\"\nentry_point = \"bin/m\"\n";
const PROGRAM: &[u8] = b"a program\n";
const SUMS: &str = include_str!("../../../signature/fixtures/module.sum");
const BY_ALICE: &str = include_str!("../../../signature/fixtures/module.sum.minisig");
const BY_MALLORY: &str = include_str!("../../../signature/fixtures/mallory.minisig");
const ALICE: &str =
    "[signatures.trusted_keys]\nalice = \"RWTs7C9XZsX4LsQhACbEHg0C9QgO3xwiC70BRPKavj8tuhy6y0gMY4PR\"\n";
const UNSIGNED: &str = "[signatures]\nunsigned = [\"m\"]\n";

/// An installation of one module, granted, with this config and these files besides.
struct Case {
    folder: tempfile::TempDir,
}

impl Case {
    fn new(config: &str, files: &[(&str, &str)]) -> Self {
        let case = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir_all(case.module().join("bin")).unwrap();
        fs::write(case.config(), config).unwrap();
        fs::write(case.module().join("module.toml"), MANIFEST).unwrap();
        fs::write(case.module().join("bin/m"), PROGRAM).unwrap();
        for (name, text) in files {
            fs::write(case.module().join(name), text).unwrap();
        }
        let lock = format!(
            "format = 1\n[modules.m]\nversion = \"1.0.0\"\nmanifest_sha256 = \"{}\"\nprogram_sha256 = \"{}\"\n\
             capabilities = []\n",
            Hash::of(MANIFEST.as_bytes()),
            Hash::of(PROGRAM)
        );
        fs::write(case.folder.path().join("grants.lock"), lock).unwrap();
        case
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("cofferdam.toml")
    }

    fn module(&self) -> PathBuf {
        self.folder.path().join("modules/m")
    }

    fn admit(&self, program: &[u8]) -> Result<Admission, NotAdmitted> {
        let installation = Installation::read(&self.config()).unwrap();
        installation.admit(&installation.modules["m"], Hash::of(program))
    }

    fn refused(&self, program: &[u8]) -> String {
        self.admit(program).unwrap_err().to_string()
    }
}

#[test]
fn an_unsigned_module_is_admitted_only_where_it_is_named() {
    assert_eq!(Case::new(UNSIGNED, &[]).admit(PROGRAM).unwrap().signer, None);
    let refused = Case::new("", &[]).refused(PROGRAM);
    assert!(refused.contains("m is not signed") && refused.contains("unsigned = [\"m\"]"), "{refused}");
    assert!(Case::new(&UNSIGNED.replace("\"m\"", "\"n\""), &[]).admit(PROGRAM).is_err());
}

#[test]
fn a_signed_module_is_admitted_by_a_trusted_key_and_by_no_other() {
    let files = |signature| [("module.sum", SUMS), ("module.sum.minisig", signature)];
    let signer = Case::new(ALICE, &files(BY_ALICE)).admit(PROGRAM).unwrap().signer.unwrap();
    assert_eq!((signer.name.as_str(), signer.comment.as_str()), ("alice", "m 1.0.0"));
    assert!(Case::new(ALICE, &files(BY_MALLORY)).refused(PROGRAM).contains("none of the keys"));
    assert!(Case::new("", &files(BY_ALICE)).refused(PROGRAM).contains("none of the keys"));
}

#[test]
fn the_program_that_would_run_decides_and_not_the_one_that_lies_there() {
    let case = Case::new(ALICE, &[("module.sum", SUMS), ("module.sum.minisig", BY_ALICE)]);
    assert!(case.admit(PROGRAM).is_ok(), "the control");
    assert!(case.refused(b"another").contains("the program is not the one that alice signed"));
    let unsigned = Case::new(UNSIGNED, &[]);
    assert!(unsigned.refused(b"another").contains("its program was changed"));
}

#[test]
fn what_is_left_of_a_signature_is_never_taken_for_none() {
    for files in [
        [("module.sum", SUMS)].as_slice(),
        &[("module.sum.minisig", BY_ALICE)],
        &[("module.sum", SUMS), ("module.sum.minisig", "")],
        &[("module.sum", ""), ("module.sum.minisig", BY_ALICE)],
        &[("module.sum", SUMS), ("module.sum.minisig", BY_MALLORY)],
    ] {
        let refused = Case::new(&format!("{UNSIGNED}{ALICE}"), files).refused(PROGRAM);
        assert!(refused.starts_with("the signature of m "), "{refused}");
    }
}

#[test]
fn a_signature_that_is_a_link_or_a_pipe_is_refused_without_waiting() {
    let case = Case::new(&format!("{UNSIGNED}{ALICE}"), &[("module.sum", SUMS)]);
    let path = case.module().join("module.sum.minisig");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(case.refused(PROGRAM).contains("is not a regular file"));
    fs::remove_file(&path).unwrap();
    fs::write(case.folder.path().join("elsewhere"), BY_ALICE).unwrap();
    std::os::unix::fs::symlink("../../elsewhere", &path).unwrap();
    assert!(case.refused(PROGRAM).contains("cannot be read"));
    fs::remove_file(&path).unwrap();
    fs::write(&path, BY_ALICE).unwrap();
    assert!(case.admit(PROGRAM).is_ok(), "the control");
}

#[test]
fn without_a_lock_file_nothing_is_granted_and_a_broken_one_is_an_error() {
    let case = Case::new(UNSIGNED, &[]);
    let lock = case.folder.path().join("grants.lock");
    fs::write(&lock, "format = ").unwrap();
    let error = Installation::read(&case.config()).unwrap_err().to_string();
    assert!(error.contains("grants.lock:1:") && error.contains("nothing starts"), "{error}");
    fs::remove_file(&lock).unwrap();
    let refused = case.refused(PROGRAM);
    assert!(refused.contains("m is not granted: it has no grant"), "{refused}");
}

#[test]
fn the_command_that_is_named_is_one_that_a_shell_understands() {
    let m: ModuleName = "m".parse().unwrap();
    let command = |place: &str| grant_command(&m, Path::new(place));
    assert_eq!(command("cofferdam.toml"), "cofferdam grant m");
    assert_eq!(command("/etc/cofferdam.toml"), "cofferdam grant m --config /etc/cofferdam.toml");
    assert_eq!(command("my config"), "cofferdam grant m --config 'my config'");
    assert_eq!(command("it's; rm"), "cofferdam grant m --config 'it'\\''s; rm'");
}

#[test]
fn the_hash_of_a_program_is_that_of_its_bytes_and_not_of_what_a_link_leads_to() {
    let case = Case::new(UNSIGNED, &[]);
    let installed = Installation::read(&case.config()).unwrap().modules.remove("m").unwrap();
    assert_eq!(program_hash(&installed), Ok(Hash::of(PROGRAM)));
    let path = case.module().join("bin/m");
    fs::rename(&path, case.module().join("bin/n")).unwrap();
    std::os::unix::fs::symlink("n", &path).unwrap();
    assert!(program_hash(&installed).is_err());
    fs::remove_file(&path).unwrap();
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(program_hash(&installed).unwrap_err().contains("it is not a regular file"));
}
