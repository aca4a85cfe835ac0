//! `cofferdam learn` with real modules on the real kernel: what it proposes is true and enough, and nothing that is refused
//! becomes possible while it watches.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod rig;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rig::{As, Plan, binary, eventually};
use serde_json::Value;

/// A watch that does not end by itself is a failure. In seconds.
const AT_MOST_S: &str = "150";

/// tip-log works.
const BLOCK: [&str; 2] = ["Z core ", "tip-log: says (info): block 3"];
/// tip-log is refused what it asks for first.
const REFUSED: [&str; 3] = ["Z core ", "tip-log", "refused subscribe_events"];

/// An installation in which modules can be watched again and again.
struct Laid {
    folder: tempfile::TempDir,
    who: As,
}

impl Laid {
    fn new(plan: Plan, who: As) -> Self {
        Self { folder: plan.lay_out().0, who }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("timeout");
        command
            .arg("--foreground")
            .arg(AT_MOST_S)
            .arg(binary("cofferdam"))
            .args(arguments)
            .current_dir(self.folder.path());
        command.stdin(Stdio::null());
        if self.who == As::User && rig::is_root() {
            command.uid(rig::USER).gid(rig::USER);
        }
        command
    }

    fn learn(&self, module: &str, time: &str) -> Learnt {
        Learnt::from(self.command(&["learn", "--json", "--for", time, module]).output().unwrap())
    }

    /// Runs a command until a line of the log has all these texts, and interrupts it as Ctrl-C does.
    fn until(&self, arguments: &[&str], texts: &[&str]) -> Output {
        let mut command = self.command(arguments);
        command.stdout(Stdio::piped()).stderr(fs::File::create(self.folder.path().join("log")).unwrap());
        let child = command.spawn().unwrap();
        let is_there = || self.log().lines().any(|line| texts.iter().all(|text| line.contains(text)));
        eventually(&format!("no line with {texts:?}"), is_there, || self.log());
        // `timeout` hands the signal on.
        kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGINT).unwrap();
        child.wait_with_output().unwrap()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    fn learn_until(&self, module: &str, texts: &[&str]) -> Learnt {
        let learnt = Learnt::from(self.until(&["learn", "--json", module], texts));
        Learnt { log: self.log(), ..learnt }
    }

    fn manifest(&self, module: &str) -> String {
        fs::read_to_string(self.folder.path().join("modules").join(module).join("module.toml")).unwrap()
    }

    /// Applies what was proposed, and grants it where it is more.
    fn apply(&self, learnt: &Learnt) {
        for diff in learnt.diffs() {
            let mut patch = Command::new("patch");
            patch.arg("-p0").current_dir(self.folder.path()).stdin(Stdio::piped()).stdout(Stdio::null());
            let mut patch = patch.spawn().unwrap();
            std::io::Write::write_all(&mut patch.stdin.take().unwrap(), diff.as_bytes()).unwrap();
            assert!(patch.wait().unwrap().success(), "{diff}");
        }
        assert!(self.command(&["grant", "--yes"]).output().unwrap().status.success());
    }
}

/// What a watch has told.
struct Learnt {
    status: Option<i32>,
    report: Value,
    log: String,
}

impl From<Output> for Learnt {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code(),
            report: serde_json::from_slice(&output.stdout).unwrap_or_default(),
            log: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Learnt {
    fn names(&self, path: &str) -> Vec<String> {
        let list = self.report.pointer(path).and_then(Value::as_array);
        let list = list.unwrap_or_else(|| panic!("no {path} in {}\n{}", self.report, self.log));
        list.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    }

    fn used(&self) -> Vec<String> {
        self.names("/system_calls/used")
    }

    fn unseen(&self) -> Vec<String> {
        self.names("/system_calls/unseen")
    }

    fn state(&self, capability: &str) -> Option<String> {
        let lines = self.report["capabilities"].as_array()?;
        let line = lines.iter().find(|line| line["capability"] == capability)?;
        Some(line["state"].as_str()?.to_owned())
    }

    fn diffs(&self) -> Vec<&str> {
        self.report["diffs"].as_array().unwrap().iter().map(|diff| diff["diff"].as_str().unwrap()).collect()
    }

    fn diff_of(&self, file: &str) -> Option<&str> {
        let diffs = self.report["diffs"].as_array()?;
        diffs.iter().find(|diff| diff["file"].as_str().unwrap().ends_with(file))?["diff"].as_str()
    }

    fn has_line(&self, texts: &[&str]) -> bool {
        self.log.lines().any(|line| texts.iter().all(|text| line.contains(text)))
    }

    /// The directories of cgroups that the launcher said it made, and that are still there.
    fn cgroups_left(&self) -> Vec<&str> {
        let all = self.log.lines().filter_map(|line| Some(line.split_once("cgroups below ")?.1));
        all.filter(|path| Path::new(path).exists()).collect()
    }
}

#[test]
fn what_a_module_never_used_is_proposed_to_go_and_without_it_the_module_works_and_nothing_more_is_proposed() {
    let plan = Plan::new(As::Root).module("tip-log").manifest(
        "tip-log",
        "capabilities = [\n",
        "capabilities = [\n    \"read_utxo\",   # not used\n",
    );
    let laid = Laid::new(plan, As::Root);
    let first = laid.learn_until("tip-log", &BLOCK);
    assert_eq!(first.status, Some(1), "{}", first.log);
    assert_eq!(
        (first.state("read_utxo").as_deref(), first.state("subscribe_events").as_deref()),
        (Some("unused"), Some("used"))
    );
    let diff = first.diff_of("tip-log/module.toml").unwrap();
    assert!(diff.contains("\n-    \"read_utxo\",   # not used\n") && !diff.contains("\n+ "), "{diff}");
    assert!(first.unseen().contains(&"flock".to_owned()) && first.used().contains(&"recvfrom".to_owned()));

    laid.apply(&first);
    assert!(!laid.manifest("tip-log").contains("read_utxo"));
    let second = laid.learn_until("tip-log", &BLOCK);
    assert!(!second.has_line(&["Z tip-log ", "denied: "]), "{}", second.log);
    assert_eq!((second.status, second.diffs()), (Some(0), Vec::new()), "{}", second.report);
    assert_eq!(second.unseen(), Vec::<String>::new());
    let allowed = |learnt: &Learnt| learnt.report["system_calls"]["allowed"].as_u64().unwrap();
    assert!(allowed(&second) < allowed(&first) / 2 + 10);
}

#[test]
fn a_capability_that_a_module_is_refused_is_wanted_with_the_count_and_with_it_the_module_works() {
    let plan = Plan::new(As::Root).module("tip-log").manifest("tip-log", "\"subscribe_events\",", "");
    let laid = Laid::new(plan, As::Root);
    let first = laid.learn_until("tip-log", &REFUSED);
    assert_eq!(first.status, Some(1), "{}", first.log);
    let line = &first.report["capabilities"][0];
    assert_eq!(
        (line["capability"].as_str(), line["state"].as_str()),
        (Some("subscribe_events"), Some("wanted"))
    );
    assert!(line["calls"]["subscribe_events"].as_u64() >= Some(1) && line["risk"].is_string(), "{line}");
    assert!(!first.has_line(&["tip-log: says (info): block "]), "it was refused while it was watched");
    let diff = first.diff_of("tip-log/module.toml").unwrap();
    assert!(diff.contains("\n+    \"subscribe_events\",\n"), "{diff}");

    laid.apply(&first);
    let second = laid.learn_until("tip-log", &BLOCK);
    assert_eq!(second.state("subscribe_events").as_deref(), Some("used"));
}

#[test]
fn what_the_operator_withholds_is_told_and_not_proposed() {
    let plan = Plan::new(As::Root).module("tip-log").config("[modules.grants]\ntip-log = []\n");
    let learnt = Laid::new(plan, As::Root).learn_until("tip-log", &REFUSED);
    assert_eq!(learnt.state("subscribe_events").as_deref(), Some("withheld"), "{}", learnt.log);
    assert_eq!(learnt.diff_of("module.toml"), None);
}

/// How the probe's manifest lets it write files.
const NOTHING_WRITTEN: &str = "capabilities = [";
const WRITTEN: &str = "capabilities = [\"write_filesystem\", ";

#[test]
fn what_a_module_writes_itself_is_a_use_of_its_capability_and_a_wish_for_it_where_it_has_none() {
    let learnt = |plan: Plan| Laid::new(plan, As::Root).learn_until("probe", &["Z probe ", "locked "]);
    let with = learnt(Plan::new(As::Root).probe("lock").manifest("probe", NOTHING_WRITTEN, WRITTEN));
    assert!(with.has_line(&["Z probe ", "locked Ok(())"]), "{}", with.log);
    assert_eq!(with.state("write_filesystem").as_deref(), Some("used"), "{}", with.log);
    let without = learnt(Plan::new(As::Root).probe("lock"));
    assert!(without.has_line(&["Z probe ", "locked Err", "ReadOnlyFilesystem"]), "{}", without.log);
    assert_eq!(without.state("write_filesystem").as_deref(), Some("wanted"), "{}", without.log);
}

#[test]
fn a_system_call_is_listed_as_made_if_and_only_if_it_was() {
    let learnt = |act: &str| {
        Laid::new(Plan::new(As::Root).probe(act).manifest("probe", NOTHING_WRITTEN, WRITTEN), As::Root)
            .learn_until("probe", &["Z core ", "probe: connected"])
    };
    let (with, without) = (learnt("lock"), learnt(""));
    assert!(with.has_line(&["Z probe ", "locked Ok(())"]), "{}", with.log);
    assert!(with.used().contains(&"flock".to_owned()) && !with.unseen().contains(&"flock".to_owned()));
    assert!(!without.used().contains(&"flock".to_owned()) && without.unseen().contains(&"flock".to_owned()));
    for call in ["execve", "socket", "openat", "recvfrom"] {
        assert_eq!(with.used().contains(&call.to_owned()), ["openat", "recvfrom"].contains(&call), "{call}");
    }
    // Why it is not flock alone that differs between them: it makes a file to lock.
    let more: Vec<String> = with.used().into_iter().filter(|call| !without.used().contains(call)).collect();
    assert!(more.iter().all(|call| ["flock", "close", "open", "statx"].contains(&call.as_str())), "{more:?}");
}

/// The hostile module, something of the operator's to steal, and another module to rob.
fn attack(who: As, settings: &str) -> Laid {
    let plan = Plan::new(who).module("block-watch").module("escape-artist");
    let secret = plan.path().join("operator-secret");
    fs::write(&secret, "the operator's").unwrap();
    let other = plan.path().join("data/modules/block-watch");
    let config = format!(
        "[modules]\nrestart = \"never\"\n[modules.module_configs.escape-artist]\noperator_file = {secret:?}\n\
         other_data = {other:?}\n{settings}"
    );
    Laid::new(plan.config(&config), who)
}

/// What it has met so far, by the names of its attempts.
fn met(laid: &Laid) -> BTreeMap<String, String> {
    let report = laid.folder.path().join("data/modules/escape-artist/report.tsv");
    let text = fs::read_to_string(report).unwrap_or_default();
    let row = |line: &str| {
        let mut cells = line.split('\t');
        (cells.next().unwrap().to_owned(), cells.take(2).collect::<Vec<_>>().join(" "))
    };
    text.lines().map(row).collect()
}

/// It makes every attempt that it survives, and the first of the others ends it.
const ALL_MADE: [&str; 2] = ["Z escape-artist ", "killed: it "];

fn every_attempt_meets_the_same(who: As) {
    let (unwatched, watched) = (attack(who, ""), attack(who, ""));
    unwatched.until(&["run"], &ALL_MADE);
    watched.learn_until("escape-artist", &ALL_MADE);
    let log = watched.log();
    assert!(log.contains(" calls, watched") && !unwatched.log().contains("watched"), "{log}");
    let (expected, met) = (met(&unwatched), met(&watched));
    let different: Vec<_> =
        expected.iter().filter(|(name, met_else)| met.get(*name) != Some(met_else)).collect();
    assert_eq!(different, Vec::<(&String, &String)>::new(), "{log}");
    assert_eq!(expected.len(), met.len());
    assert!(met.len() > 40 && met.values().filter(|met| met.contains("EPERM")).count() > 10, "{met:?}");
}

#[test]
fn nothing_that_is_refused_becomes_possible_under_watch() {
    if !rig::root_for("what a watched module of root's launcher meets") {
        return;
    }
    every_attempt_meets_the_same(As::Root);
}

#[test]
fn nothing_that_is_refused_becomes_possible_under_the_watch_of_an_ordinary_user() {
    every_attempt_meets_the_same(As::User);
}

#[test]
fn what_kills_a_module_kills_a_watched_one() {
    let laid = attack(As::Root, "attempt = \"trace-other\"\n");
    let learnt = laid.learn_until("escape-artist", &ALL_MADE);
    assert_eq!(met(&laid).get("trace-other").map(|met| met.trim()), Some("started"), "{}", learnt.log);
    assert!(learnt.has_line(&["Z escape-artist ", "denied: ptrace(", "): killed"]), "{}", learnt.log);
}

#[test]
fn a_module_that_calls_for_ever_from_many_threads_delays_neither_the_end_nor_the_others() {
    let laid = Laid::new(Plan::new(As::Root).probe("call-for-ever").module("tip-log"), As::Root);
    let learnt = laid.learn("probe", "8s");
    assert_eq!(learnt.status, Some(1), "{}", learnt.log);
    assert!(learnt.has_line(&["tip-log: says (info): block "]), "{}", learnt.log);
    let calls = learnt.report["system_calls"]["used"].as_array().unwrap();
    let getppid = calls.iter().find(|call| call["name"] == "getppid").unwrap()["times"].as_u64().unwrap();
    assert!(getppid > 100, "{getppid}");
    assert_eq!(learnt.cgroups_left(), Vec::<&str>::new());
}

#[test]
fn a_module_that_dies_before_it_connects_teaches_nothing_and_that_is_an_error() {
    let laid = Laid::new(Plan::new(As::Root).probe("abort"), As::Root);
    let learnt = laid.learn("probe", "4s");
    assert_eq!((learnt.status, learnt.report.is_null()), (Some(2), true), "{}", learnt.log);
    assert!(learnt.has_line(&["the core tells of no session of probe", "signal"]), "{}", learnt.log);
    assert_eq!(learnt.cgroups_left(), Vec::<&str>::new());
}

#[test]
fn a_program_that_the_kernel_does_not_execute_holds_nobody_up() {
    let plan = Plan::new(As::Root).probe("");
    let program = plan.path().join("modules/probe/probe");
    let source = plan.path().join("main.c");
    fs::write(&source, "int main(void) { return 0; }\n").unwrap();
    let mut cc = Command::new("cc");
    cc.arg("-Wl,--dynamic-linker=/lib64/there-is-no-such-loader").arg("-o").arg(&program).arg(&source);
    assert!(cc.status().unwrap().success());
    let learnt = Laid::new(plan, As::Root).learn("probe", "3s");
    assert!(learnt.has_line(&["Z probe ", "error: start probe: step "]), "{}", learnt.log);
    assert_eq!(learnt.status, Some(2));
    assert!(learnt.has_line(&["nothing was seen: it was not started"]), "{}", learnt.log);
}

#[test]
fn the_log_of_a_watched_start_says_so_and_that_of_another_does_not() {
    let laid = Laid::new(Plan::new(As::Root).module("tip-log").module("block-watch"), As::Root);
    let learnt = laid.learn_until("tip-log", &BLOCK);
    assert!(learnt.has_line(&["Z tip-log ", "started: ", " calls, watched"]), "{}", learnt.log);
    assert!(!learnt.has_line(&["Z block-watch ", "watched"]) && !learnt.has_line(&["Z core ", "watched"]));
    let log = fs::read_to_string(laid.folder.path().join("state/audit/log.jsonl")).unwrap();
    let launches = |subject: &str, watched: bool| {
        let of = format!("\"subject\":\"{subject}\"");
        let lines = log.lines().filter(|line| line.contains("\"launch\"") && line.contains(&of));
        lines.filter(|line| line.contains(" calls, watched") == watched).count()
    };
    assert_eq!((launches("tip-log", true), launches("tip-log", false)), (1, 0), "{log}");
    assert_eq!((launches("block-watch", true), launches("block-watch", false)), (0, 1), "{log}");
}

#[test]
fn a_time_or_a_module_that_makes_no_sense_is_an_error_with_its_own_status() {
    let laid = Laid::new(Plan::new(As::Root).module("tip-log"), As::Root);
    for (module, time) in [("nobody", "1s"), ("tip-log", "0s"), ("tip-log", "soon"), ("../x", "1s")] {
        let learnt = laid.learn(module, time);
        assert_eq!((learnt.status, learnt.report), (Some(2), Value::Null), "{module} {time}");
        assert!(!learnt.log.contains("started: "), "{}", learnt.log);
    }
}

#[test]
fn a_call_that_the_config_refuses_fails_and_is_logged_and_a_name_that_no_call_has_is_told() {
    let started = |refused: &str| {
        let config = format!("[modules.refuse_calls]\nprobe = {refused}\n");
        Plan::new(As::Root).probe("lock").manifest("probe", NOTHING_WRITTEN, WRITTEN).config(&config).start()
    };
    let mut control = started("[]");
    control.wait_for(&["Z probe ", "locked Ok(())"]);
    control.interrupt();
    let mut rig = started("[\"flock\", \"flokc\"]");
    rig.wait_for(&["Z launcher ", "modules.refuse_calls refuses probe flokc, which no module may make"]);
    rig.wait_for(&["Z probe ", "denied: flock(", "EPERM"]);
    rig.wait_for(&["Z probe ", "locked Err(PermissionDenied)"]);
    rig.wait_for(&["Z core ", "probe: connected"]);
    rig.interrupt();
}
