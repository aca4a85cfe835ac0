//! What a module that may write files can fill, on a file system with quotas: measured from outside, exactly what its
//! page says. Needs root, mke2fs, loop devices and the quotas of ext4 (CONFIG_QFMT_V2); vm-tests runs it on kernels that
//! have them.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod rig;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::mount::{MntFlags, umount2};
use rig::{As, Plan, Rig};

const MEBIBYTE: u64 = 1024 * 1024;
const DISK_BYTES: u64 = 16 * MEBIBYTE;
const DISK_FILES: u64 = 60;
/// The first that a module gets: src/config/src/sandbox.rs.
const UID: u32 = 1_879_048_192 + 65_536;
const LIMITS: &str = "disk_bytes = 16777216\ndisk_files = 60\n";

/// An ext4 that counts what projects have, at the place of the modules' data directories. Unmounted when dropped.
struct Mounted(PathBuf);

impl Mounted {
    /// Only with the option `prjquota` it limits them too.
    fn at(path: &Path, option: &str) -> Self {
        let image = path.with_extension("ext4");
        fs::create_dir(path).unwrap();
        fs::File::create(&image).unwrap().set_len(128 * MEBIBYTE).unwrap();
        let made = Command::new("mke2fs")
            .args(["-q", "-F", "-t", "ext4", "-O", "quota,project", "-E", "quotatype=prjquota"])
            .arg(&image)
            .status();
        assert!(made.expect("there is mke2fs").success());
        let options = format!("loop,{option}");
        let mounted =
            Command::new("mount").args(["-t", "ext4", "-o", &options]).arg(&image).arg(path).output();
        let mounted = mounted.expect("there is mount");
        assert!(
            mounted.status.success(),
            "ext4 with {options}: {}",
            String::from_utf8_lossy(&mounted.stderr)
        );
        Self(path.to_owned())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _already_gone = umount2(&self.0, MntFlags::MNT_DETACH);
    }
}

/// The module that does `act`, within quotas.
fn glutton(act: &str, setting: &str) -> (Mounted, Rig) {
    let plan = Plan::new(As::Root).glutton("glutton", act, setting).with_quotas();
    let plan = plan.config(&format!("[modules.limits.glutton]\n{LIMITS}"));
    (Mounted::at(&plan.path().join("data"), "prjquota"), plan.start())
}

/// What there is in a module's data directory: bytes in whole blocks, and files.
fn used(rig: &Rig, module: &str) -> (u64, u64) {
    let folder = rig.path().join("data/modules").join(module);
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().metadata().unwrap());
    files.fold((0, 0), |(bytes, count), file| (bytes + file.blocks() * 512, count + 1))
}

#[test]
fn a_module_fills_its_quota_of_bytes_and_no_more() {
    let (_mounted, mut rig) = glutton("disk", "bytes = 134217728");
    rig.wait_for(&["Z glutton ", "started: ", "; disk 16 MiB, 60 files; "]);
    rig.wait_for(&["Z glutton ", "full: Disk quota exceeded (os error 122)"]);
    let (bytes, _) = used(&rig, "glutton");
    assert!((DISK_BYTES * 95 / 100..=DISK_BYTES).contains(&bytes), "{bytes} of {DISK_BYTES}");
    assert!(rig.interrupt().success());
}

/// What the core writes for a module is the core's, and the module may add to it: it counts all the same.
#[test]
fn files_that_the_core_made_for_a_module_are_no_way_around_its_quota() {
    let (_mounted, mut rig) = glutton("borrowed", "count = 8");
    rig.wait_for(&["Z glutton ", "borrowed: 8"]);
    rig.wait_for(&["Z glutton ", "full: Disk quota exceeded (os error 122)"]);
    let (bytes, files) = used(&rig, "glutton");
    assert!((DISK_BYTES * 95 / 100..=DISK_BYTES).contains(&bytes), "{bytes} of {DISK_BYTES}");
    let of_core = fs::metadata(rig.path().join("data/modules/glutton/file-0")).unwrap();
    let own = fs::metadata(rig.path().join("data/modules/glutton")).unwrap().uid();
    assert!(files >= 8 && of_core.uid() != own && of_core.len() > MEBIBYTE, "{files} files, {of_core:?}");
    assert!(rig.interrupt().success());
}

/// What was there before there was a quota counts too.
#[test]
fn what_a_data_directory_held_before_counts() {
    let plan = Plan::new(As::Root).glutton("glutton", "names", "count = 1000").with_quotas();
    let plan = plan.config(&format!("[modules.limits.glutton]\n{LIMITS}"));
    let _mounted = Mounted::at(&plan.path().join("data"), "prjquota");
    let own = plan.path().join("data/modules/glutton");
    let before = own.join("deep/deeper");
    fs::create_dir_all(&before).unwrap();
    (0..10).for_each(|number| fs::write(before.join(number.to_string()), "x").unwrap());
    std::os::unix::fs::chown(&own, Some(UID), Some(UID)).unwrap();
    let mut rig = plan.start();
    rig.wait_for(&["Z glutton ", "full: Disk quota exceeded"]);
    // Two directories and ten files below, of which one is beside what it made itself.
    assert_eq!(used(&rig, "glutton").1, DISK_FILES - 12 + 1);
    assert!(rig.interrupt().success());
}

#[test]
fn a_module_makes_its_quota_of_files_and_no_more() {
    let (_mounted, mut rig) = glutton("names", "count = 1000");
    rig.wait_for(&["Z glutton ", "full: Disk quota exceeded (os error 122)"]);
    assert_eq!(used(&rig, "glutton").1, DISK_FILES);
    assert!(rig.interrupt().success());
}

/// The control: it is the quota that stops it, and nothing else.
#[test]
fn a_module_that_nothing_limits_writes_all_that_it_wants() {
    for (act, setting) in [("disk", "bytes = 67108864"), ("names", "count = 1000")] {
        let plan = Plan::new(As::Root).glutton("glutton", act, setting);
        let plan = plan.config(&format!("[modules.limits.glutton]\n{LIMITS}"));
        let _mounted = Mounted::at(&plan.path().join("data"), "noatime");
        let mut rig = plan.start();
        // The kernel counts, and holds nobody to anything.
        rig.wait_for(&[
            "Z launcher ",
            "WEAKENED, as the config allows: no disk_quota for glutton: ",
            "holds no project",
        ]);
        rig.wait_for(&["Z glutton ", "started: ", "; NO disk quota; "]);
        rig.wait_for(&["Z glutton ", "full: all of it"]);
        assert!(rig.interrupt().success());
    }
}

#[test]
fn a_module_whose_quota_is_full_takes_nothing_from_another() {
    let plan = Plan::new(As::Root).glutton("first", "disk", "bytes = 134217728").with_quotas();
    let plan = plan.glutton("second", "disk", "bytes = 8388608");
    let plan = plan.config(&format!("[modules.limits.first]\n{LIMITS}[modules.limits.second]\n{LIMITS}"));
    let _mounted = Mounted::at(&plan.path().join("data"), "prjquota");
    let mut rig = plan.start();
    rig.wait_for(&["Z first ", "full: Disk quota exceeded"]);
    rig.wait_for(&["Z second ", "full: all of it"]);
    assert_eq!(used(&rig, "second").0, 8 * MEBIBYTE);
    assert!(rig.interrupt().success());
}

/// What is full stays full: the second start finds the same limit, and its files.
#[test]
fn a_quota_holds_over_a_restart() {
    let (mounted, mut rig) = glutton("names", "count = 1000");
    rig.wait_for(&["Z glutton ", "full: "]);
    assert!(rig.interrupt().success());
    let mut rig = rig.start_again();
    rig.wait_for(&["Z glutton ", "full: Disk quota exceeded"]);
    assert_eq!(used(&rig, "glutton").1, DISK_FILES);
    assert!(rig.interrupt().success());
    drop(mounted);
}

#[test]
fn the_audit_log_the_page_the_probe_and_doctor_agree_that_it_is_in_force() {
    let (_mounted, mut rig) = glutton("disk", "bytes = 0");
    rig.wait_for(&["Z glutton ", "full: all of it"]);
    assert!(rig.interrupt().success());
    // A kernel that lacks layers of its own says so besides.
    assert!(!rig.lines().iter().any(|line| line.contains("WEAKENED") && line.contains("disk_quota")));
    let log = fs::read_to_string(rig.path().join("state/audit/log.jsonl")).unwrap();
    let of_module =
        log.lines().find(|line| line.contains("\"launch\"") && line.contains("\"glutton\"")).unwrap();
    let launch: serde_json::Value = serde_json::from_str(of_module).unwrap();
    let names_it = |list: &serde_json::Value| list.to_string().contains("\"disk_quota\"");
    let [in_force, missing] =
        ["layers", "weakened_by"].map(|key| find(&launch, key).expect("a list of the record's"));
    assert!(names_it(in_force) && !names_it(missing), "{of_module}");

    let config = rig.path().join("cofferdam.toml");
    let tool = |arguments: &[&str]| {
        let mut command = Command::new(rig::binary("cofferdam"));
        let output = command.args(arguments).arg("--config").arg(&config).output().unwrap();
        let text =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.code(), text)
    };
    let (_, page) = tool(&["audit", "glutton"]);
    assert!(page.contains("  disk        16 MiB") && page.contains("60 files"), "{page}");
    let (status, verified) = tool(&["audit", "--verify", "--json", "glutton"]);
    assert_eq!(status, Some(0), "{verified}");
    let names =
        fs::read_dir(rig.path().join("data/modules")).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(names.collect::<Vec<_>>(), ["glutton"], "the probe's directory is gone");
    let (_, doctor) = tool(&["doctor"]);
    let line = doctor.lines().find(|line| line.contains("disk_quota")).expect("a line of doctor's");
    assert!(line.contains("projects are held to quotas; needed by glutton"), "{doctor}");
    let (_, checked) = tool(&["check"]);
    assert!(checked.contains("ok       disk_quota: ") && checked.contains("ext4 with prjquota"), "{checked}");
}

/// The value of a key, wherever it stands.
fn find<'v>(value: &'v serde_json::Value, key: &str) -> Option<&'v serde_json::Value> {
    let fields = value.as_object()?;
    fields.get(key).or_else(|| fields.values().find_map(|inner| find(inner, key)))
}
