//! Claims about grants, their text and their file.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use cofferdam_manifest::Capability;
use proptest::prelude::*;

use super::*;

const KEY: &str = "RWTs7C9XZsX4LsQhACbEHg0C9QgO3xwiC70BRPKavj8tuhy6y0gMY4PR";

fn name(text: &str) -> ModuleName {
    text.parse().unwrap()
}

fn event(text: &str) -> EventName {
    text.parse().unwrap()
}

fn events(names: &[&str]) -> BTreeSet<EventName> {
    names.iter().map(|name| event(name)).collect()
}

fn capabilities(names: &[Capability]) -> CapabilitySet {
    names.iter().copied().collect()
}

use Capability::{PublishEvents, ReadBlockchain, ReadUtxo};

fn asked(wanted: &[Capability], published: &[&str], program: &[u8]) -> Asked {
    Asked {
        version: "1.0.0".parse().unwrap(),
        manifest: Hash::of(b"manifest"),
        program: Hash::of(program),
        capabilities: capabilities(wanted),
        publish_events: events(published),
    }
}

/// Of `publish_events` and `read_utxo` with one event type, all allowed.
fn granted() -> Grant {
    Grant::new(&asked(&[PublishEvents, ReadUtxo], &["PaymentSettled"], b"program"), &Without::default(), None)
}

fn lock() -> Lock {
    Lock { modules: BTreeMap::from([(name("m"), granted())]) }
}

#[test]
fn what_was_granted_may_run_and_what_asks_for_less_too() {
    let same = asked(&[PublishEvents, ReadUtxo], &["PaymentSettled"], b"program");
    assert_eq!(granted().covers(&same), Ok(()));
    assert_eq!(granted().covers(&asked(&[ReadUtxo], &[], b"program")), Ok(()));
}

#[test]
fn another_manifest_and_another_version_may_run_as_long_as_they_ask_for_no_more() {
    let mut other = asked(&[ReadUtxo], &[], b"program");
    other.manifest = Hash::of(b"another manifest");
    other.version = "2.0.0".parse().unwrap();
    assert_eq!(granted().covers(&other), Ok(()));
}

#[test]
fn another_program_may_not_run_whatever_it_asks_for() {
    let refused = granted().covers(&asked(&[], &[], b"another")).unwrap_err();
    let programs = Some((Hash::of(b"program"), Hash::of(b"another")));
    let expected = Shortfall::Changed { programs, capabilities: CapabilitySet::new(), events: events(&[]) };
    assert_eq!(refused, expected);
    assert!(refused.to_string().starts_with("its program was changed: sha256 "), "{refused}");
}

#[test]
fn what_asks_for_more_may_not_run_and_is_told_what() {
    let more =
        asked(&[PublishEvents, ReadUtxo, ReadBlockchain], &["PaymentSettled", "PaymentVerified"], b"program");
    let refused = granted().covers(&more).unwrap_err();
    assert_eq!(refused.to_string(), "it asks for what was not granted: read_blockchain, PaymentVerified");
}

#[test]
fn what_was_withheld_may_be_asked_for_again_but_not_a_third_thing() {
    let without =
        Without { capabilities: capabilities(&[PublishEvents]), events: events(&["PaymentSettled"]) };
    let all = asked(&[PublishEvents, ReadUtxo], &["PaymentSettled"], b"program");
    let narrowed = Grant::new(&all, &without, None);
    assert_eq!(narrowed.capabilities, capabilities(&[ReadUtxo]));
    assert_eq!(narrowed.publish_events, events(&[]));
    assert_eq!(narrowed.covers(&all), Ok(()));
    let more = asked(&[PublishEvents, ReadBlockchain], &[], b"program");
    assert!(narrowed.covers(&more).is_err());
}

/// Of three versions the second asks for nothing, so that the third would ask anew.
#[test]
fn what_was_withheld_is_not_forgotten_when_it_is_not_asked_for() {
    let without =
        Without { capabilities: capabilities(&[PublishEvents]), events: events(&["PaymentSettled"]) };
    let second = Grant::new(&asked(&[ReadUtxo], &[], b"second"), &without, None);
    let third = asked(&[PublishEvents, ReadUtxo], &["PaymentSettled"], b"second");
    assert_eq!(second.covers(&third), Ok(()), "it was decided");
    assert_eq!((second.capabilities, second.publish_events), (capabilities(&[ReadUtxo]), events(&[])));
    let forgotten = Grant::new(&asked(&[ReadUtxo], &[], b"second"), &Without::default(), None);
    assert!(forgotten.covers(&third).is_err(), "the control");
}

#[test]
fn a_module_that_is_not_in_the_file_has_no_grant() {
    let asked = asked(&[], &[], b"program");
    assert!(lock().covers(&name("m"), &asked).is_ok());
    assert_eq!(lock().covers(&name("n"), &asked), Err(Shortfall::NoGrant));
}

#[test]
fn changes_name_what_came_and_what_went() {
    let (none, full) = (Lock::default(), lock());
    let came = full.changes_since(&none);
    assert_eq!(came.len(), 1);
    assert!(came[0].removed.is_empty() && came[0].added.contains(&"capability read_utxo".to_owned()));
    let went = none.changes_since(&full);
    assert_eq!((&went[0].added, &went[0].removed), (&came[0].removed, &came[0].added));
    assert_eq!(full.changes_since(&full), []);
    let mut other = lock();
    other.modules.get_mut("m").unwrap().capabilities = capabilities(&[ReadUtxo, ReadBlockchain]);
    let changed = other.changes_since(&full);
    assert_eq!(changed[0].added, ["capability read_blockchain"]);
    assert_eq!(changed[0].removed, ["capability publish_events"]);
}

const HASH: &str = "73475cb40a568e8da8a045ced110137e159f890ac4da883b6b17dc651b3a8049";

fn written(lines: &str) -> String {
    format!(
        "format = 1\n[modules.m]\nversion = \"1.0.0\"\nmanifest_sha256 = \"{HASH}\"\nprogram_sha256 = \"{HASH}\"\n{lines}"
    )
}

#[test]
fn a_file_that_is_wrong_is_an_error_with_its_place_and_a_remedy() {
    let good = written("capabilities = [\"read_utxo\"]\n");
    assert!(Lock::parse("g", &good).is_ok(), "the control");
    for (text, error) in [
        (String::new(), "g:1:1: the key `format` is missing"),
        (good.replace("format = 1", "format = 2"), "g:1:10: `format`: 2 is out of range"),
        (good.replace("[modules.m]", "[modules.\"m/m\"]"), "g:2:10: "),
        (good.replace("read_utxo", "read_utxos"), "g:6:17: "),
        (good.replacen(&HASH[..4], "zzzz", 1), "g:4:19: `modules.m.manifest_sha256`: not a SHA-256"),
        (
            good.replace("version", "varsion"),
            "g:3:1: unknown key `modules.m.varsion`; did you mean `version`?",
        ),
        (written(""), "capabilities"),
        (written("capabilities = [\"read_utxo\", \"read_utxo\"]\n"), "g:6:30: "),
        (
            written("capabilities = [\"read_utxo\"]\nwithheld = [\"read_utxo\"]\n"),
            "listed twice, or both granted and withheld",
        ),
        (written("capabilities = []\nsigned_by = \"RW\"\n"), "not a public key of minisign"),
        (format!("{good}[modules.m]\n"), "g:7:"),
        (good[..good.len() - 5].to_owned(), "g:6:"),
    ] {
        let found = Lock::parse("g", &text).expect_err(&text).to_string();
        assert!(found.contains(error), "{found}\n{text}");
    }
}

/// A folder with a lock file in it.
fn on_disk() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("grants.lock");
    Editor::open(&path).unwrap().write(&lock()).unwrap();
    (folder, path)
}

#[test]
fn what_was_written_is_read_and_no_file_is_no_grant() {
    let (folder, path) = on_disk();
    assert_eq!(read(&path, None).unwrap().lock, lock());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    assert_eq!(read(&folder.path().join("none"), None).unwrap(), Stamped::default());
}

#[test]
fn a_file_that_others_can_write_is_refused_with_the_remedy() {
    let (_folder, path) = on_disk();
    for mode in [0o664, 0o646, 0o666] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let error = read(&path, None).unwrap_err().to_string();
        assert!(
            error.contains("others than its owner may write it") && error.contains("chmod go-w"),
            "{error}"
        );
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(read(&path, None).is_ok());
}

#[test]
fn what_is_there_and_cannot_be_understood_is_never_taken_for_no_grants() {
    let (folder, path) = on_disk();
    fs::write(&path, b"\xff\xfe").unwrap();
    assert!(read(&path, None).is_err(), "not UTF-8");
    let pipe = folder.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRUSR).unwrap();
    assert!(read(&pipe, None).unwrap_err().to_string().contains("is not a regular file"));
    assert!(read(folder.path(), None).is_err(), "a folder");
}

#[test]
fn a_change_that_is_not_written_changes_nothing_and_leaves_nothing() {
    let (folder, path) = on_disk();
    drop(Editor::open(&path).unwrap());
    assert_eq!(read(&path, None).unwrap().lock, lock());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn one_change_is_made_at_a_time() {
    let (_folder, path) = on_disk();
    let first = Editor::open(&path).unwrap();
    assert!(matches!(Editor::open(&path), Err(LockError::Busy { .. })));
    first.write(&Lock::default()).unwrap();
    assert!(Editor::open(&path).is_ok());
}

/// By flock(2) a reader could keep the operator from granting for as long as it likes.
#[test]
fn the_new_file_can_be_opened_by_nobody_else_until_it_is_in_its_place_and_then_be_read() {
    let (folder, path) = on_disk();
    let editor = Editor::open(&path).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder.path().join("grants.lock.new")), 0o600);
    editor.write(&lock()).unwrap();
    assert_eq!(mode(&path), 0o644);
}

/// What a killed command left behind is no grant, and in nobody's way.
#[test]
fn a_left_over_of_a_killed_command_is_overwritten() {
    let (folder, path) = on_disk();
    fs::write(folder.path().join("grants.lock.new"), "half a fi".repeat(1000)).unwrap();
    assert_eq!(read(&path, None).unwrap().lock, lock());
    Editor::open(&path).unwrap().write(&Lock::default()).unwrap();
    assert_eq!(read(&path, None).unwrap().lock, Lock::default());
}

#[test]
fn a_link_planted_in_the_place_of_the_new_file_is_not_followed() {
    let (folder, path) = on_disk();
    let victim = folder.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    symlink(&victim, folder.path().join("grants.lock.new")).unwrap();
    assert!(Editor::open(&path).is_err());
    assert_eq!(fs::read_to_string(victim).unwrap(), "precious");
}

#[test]
fn the_operators_own_link_stays_and_what_it_leads_to_is_replaced() {
    let (folder, path) = on_disk();
    let link = folder.path().join("link");
    symlink(&path, &link).unwrap();
    Editor::open(&link).unwrap().write(&Lock::default()).unwrap();
    assert!(link.is_symlink());
    assert_eq!(read(&path, None).unwrap().lock, Lock::default());
}

#[test]
fn a_replaced_a_changed_and_a_removed_file_have_another_stamp() {
    let (_folder, path) = on_disk();
    let first = Stamp::now(&path).unwrap();
    assert_eq!(first, read(&path, None).unwrap().stamp);
    Editor::open(&path).unwrap().write(&lock()).unwrap();
    let second = Stamp::now(&path).unwrap();
    assert_ne!(first, second);
    fs::write(&path, "format = 1\n").unwrap();
    assert_ne!(second, Stamp::now(&path).unwrap());
    fs::remove_file(&path).unwrap();
    assert_eq!(Stamp::now(&path).unwrap(), None);
}

fn any_capabilities() -> impl Strategy<Value = BTreeSet<Capability>> {
    prop::collection::btree_set(prop::sample::select(Capability::ALL), 0..8)
}

fn any_events() -> impl Strategy<Value = BTreeSet<EventName>> {
    prop::collection::btree_set("[A-Z][A-Za-z0-9]{0,10}".prop_map(|name| event(&name)), 0..5)
}

prop_compose! {
    fn any_grant()(
        capabilities in any_capabilities(), withheld in any_capabilities(),
        publish_events in any_events(), withheld_events in any_events(),
        program in any::<[u8; 32]>(), signed in any::<bool>(),
    ) -> Grant {
        Grant {
            version: "1.2.3-rc.1".parse().unwrap(),
            manifest: Hash::of(&program),
            program: Hash::from(program),
            withheld: withheld.difference(&capabilities).copied().collect(),
            withheld_events: withheld_events.difference(&publish_events).cloned().collect(),
            capabilities: capabilities.into_iter().collect(),
            publish_events,
            signed_by: signed.then(|| KEY.to_owned()),
        }
    }
}

proptest! {
    #[test]
    fn a_lock_file_is_read_as_it_is_written(
        grants in prop::collection::btree_map("[A-Za-z0-9_][A-Za-z0-9_-]{0,12}", any_grant(), 0..5),
    ) {
        let modules = grants.into_iter().map(|(module, grant)| (name(&module), grant)).collect();
        let lock = Lock { modules };
        prop_assert_eq!(Lock::parse("g", &lock.render()), Ok(lock));
    }

    /// The bound itself: whatever is allowed to start gets nothing that was not granted.
    #[test]
    fn what_is_covered_asks_for_nothing_that_was_not_decided(
        grant in any_grant(), wanted in any_capabilities(), published in any_events(),
    ) {
        let asked = Asked {
            version: grant.version.clone(), manifest: grant.manifest, program: grant.program,
            capabilities: wanted.iter().copied().collect(), publish_events: published.clone(),
        };
        let decided = |capability: &Capability| {
            grant.capabilities.contains(*capability) || grant.withheld.contains(*capability)
        };
        let known = |event: &EventName| grant.publish_events.contains(event) || grant.withheld_events.contains(event);
        let expected = wanted.iter().all(decided) && published.iter().all(known);
        prop_assert_eq!(grant.covers(&asked).is_ok(), expected);
    }

    #[test]
    fn a_new_grant_covers_what_it_was_made_of(
        wanted in any_capabilities(), published in any_events(), without in any_capabilities(), unheard in any_events(),
    ) {
        let asked = Asked {
            version: "1.0.0".parse().unwrap(), manifest: Hash::of(b"m"), program: Hash::of(b"p"),
            capabilities: wanted.into_iter().collect(), publish_events: published,
        };
        let without = Without { capabilities: without.into_iter().collect(), events: unheard };
        let grant = Grant::new(&asked, &without, None);
        prop_assert_eq!(grant.covers(&asked), Ok(()));
        prop_assert!(grant.capabilities.intersection(&without.capabilities).is_empty());
        prop_assert!(grant.publish_events.is_disjoint(&without.events));
    }

    #[test]
    fn no_text_makes_the_parser_panic_or_say_more_than_a_line(text in "[a-z0-9\\[\\]=\".# \n]{0,200}") {
        if let Err(error) = Lock::parse("g", &text) {
            prop_assert!(!error.to_string().contains('\n'));
        }
    }
}
