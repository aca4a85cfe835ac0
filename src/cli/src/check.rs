//! `cofferdam check`: what would run, what each module would get, what would not run and why, and what this
//! machine lacks. It starts nothing.

use std::fs::File;
use std::path::Path;

use cofferdam_config::{Backend, RpcAuth};
use cofferdam_installation::{Installation, Installed, Problem};
use cofferdam_manifest::CapabilitySet;
use cofferdam_policy::Tables;
use cofferdam_policy::profile::{Linkage, Profile};

use crate::admission::Standing;
use crate::answer::{Answer, Outcome};
use crate::prerequisites::{State, judge, look};
use crate::{launch, program};

pub(crate) fn check(config: &Path) -> anyhow::Result<Answer> {
    let installation = Installation::read(config)?;
    let mut report = Report::default();
    report.line(&format!("{}: valid", config.display()));
    report.node(&installation.config.node);
    report.modules(&installation);
    report.problems(&installation.problems);
    report.launcher()?;
    report.machine(&installation);
    Ok(report.finish())
}

/// The text so far, and how much in it keeps something from running.
#[derive(Default)]
struct Report {
    text: String,
    wanting: usize,
}

impl Report {
    fn line(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
    }

    fn wanting(&mut self, name: &str, why: &str, fix: &str) {
        self.wanting = self.wanting.saturating_add(1);
        self.line(&format!("  MISSING  {name}: {why}"));
        self.line(&format!("           fix: {fix}"));
    }

    fn node(&mut self, node: &Backend) {
        self.line("\nNODE");
        match node {
            Backend::Embedded(embedded) => {
                let pause = embedded.block_interval.map_or("mined on demand".to_owned(), |pause| {
                    format!("one every {} ms", pause.as_millis())
                });
                self.line(&format!("  embedded: a development chain, not Bitcoin; blocks: {pause}"));
            }
            Backend::Bitcoind(node) => {
                let zmq = node.zmq.map_or("polled".to_owned(), |zmq| format!("news from {zmq}"));
                self.line(&format!("  bitcoind at {}, chain {}, {zmq}", node.rpc, node.chain));
                let (RpcAuth::Cookie(file) | RpcAuth::Password { password_file: file, .. }) = &node.auth;
                if let Err(error) = File::open(file) {
                    let fix =
                        "start the node, or correct cookie_file or rpc_password_file in [node.bitcoind]";
                    self.wanting("credentials", &format!("{}: {error}", file.display()), fix);
                }
            }
        }
    }

    fn modules(&mut self, installation: &Installation) {
        self.line("\nMODULES, in start order");
        if installation.order.is_empty() {
            let folder = installation.config.modules.modules_dir.display();
            self.line(&format!("  none: no folder of {folder} has a module.toml that can run"));
        }
        let tables = Tables::builtin();
        for name in &installation.order {
            let Some(installed) = installation.modules.get(name) else { continue };
            let linkage = program::of_module(installed);
            let shown = linkage.as_ref().copied().unwrap_or(Linkage::Static);
            self.module(installed, &installation.profile(installed, shown, &tables));
            match linkage {
                Err(problem) => {
                    let (why, fix) = problem.split_once("; ").unwrap_or((&problem, "build the module"));
                    self.wanting(name.as_str(), why, fix);
                }
                Ok(_) => self.standing(name.as_str(), &Standing::of(installed, installation)),
            }
        }
    }

    fn module(&mut self, installed: &Installed, profile: &Profile) {
        let limits = &profile.limits;
        let linkage = match profile.linkage {
            Linkage::Static => "static",
            Linkage::Dynamic => "dynamic: its loader and libraries are the host's",
        };
        self.line(&format!("  {} {}", installed.manifest.name(), installed.manifest.version()));
        self.line(&format!("      program    {} ({linkage})", installed.manifest.entry_point()));
        self.line(&format!("      granted    {}", list(&profile.granted)));
        if !profile.withheld.is_empty() {
            self.line(&format!("      withheld   {}", list(&profile.withheld)));
        }
        self.line(&format!(
            "      limits     memory {} MiB, processor {} % of one core, {} threads",
            limits.memory_bytes.value.div_ceil(1 << 20),
            limits.cpu_percent.value,
            limits.tasks.value
        ));
        if let Some(disk) = &limits.disk {
            let (mebibytes, files) = (disk.bytes.value.div_ceil(1 << 20), disk.files.value);
            self.line(&format!("      disk       {mebibytes} MiB, {files} files"));
        }
        let settings: Vec<&str> = profile.environment.iter().map(|rule| rule.name.as_str()).collect();
        if !settings.is_empty() {
            self.line(&format!("      settings   {}", settings.join(", ")));
        }
    }

    fn standing(&mut self, name: &str, standing: &Standing) {
        match standing.does_not_start() {
            None => self.line(&format!("      signed by  {}", standing.signer())),
            Some(problem) => {
                let (why, fix) = problem.rsplit_once("; ").unwrap_or((problem, "get the module anew"));
                self.wanting(name, why, fix);
            }
        }
    }

    fn problems(&mut self, problems: &[Problem]) {
        if problems.is_empty() {
            return;
        }
        self.line("\nPROBLEMS");
        for problem in problems {
            self.line(&format!("  {problem}"));
            match problem {
                Problem::Refused(_) => self.wanting = self.wanting.saturating_add(1),
                Problem::Note(_) => {}
            }
        }
    }

    fn launcher(&mut self) -> anyhow::Result<()> {
        self.line("\nTHIS MACHINE");
        let launcher = launch::beside()?;
        if !launcher.is_file() {
            let why = format!("{} is not there", launcher.display());
            self.wanting("launcher", &why, "put cofferdam-launcher into the folder of cofferdam");
        }
        Ok(())
    }

    fn machine(&mut self, installation: &Installation) {
        let sandbox = &installation.config.sandbox;
        let tables = Tables::builtin();
        let profiles = installation.modules.values();
        // Whether it may write files is a matter of its capabilities, however it is linked.
        let mut profiles =
            profiles.map(|installed| installation.profile(installed, Linkage::Static, &tables));
        let writes = profiles.any(|profile| profile.limits.disk.is_some());
        let written = writes.then_some(installation.config.modules.data_dir.as_path());
        for finding in judge(&look(&sandbox.cgroup_root, written), &sandbox.allow_missing) {
            match finding.state {
                State::Present(seen) => self.line(&format!("  ok       {}: {seen}", finding.name)),
                State::Waived(why) => {
                    self.line(&format!("  WEAKENED {}: {why}; the config allows that", finding.name));
                }
                State::Missing { why, fix } => self.wanting(finding.name, &why, &fix),
            }
        }
    }

    fn finish(mut self) -> Answer {
        let outcome = if self.wanting == 0 { Outcome::Good } else { Outcome::Wanting };
        let verdict = match self.wanting {
            0 => "all of it can run".to_owned(),
            1 => "1 thing is wrong or missing".to_owned(),
            many => format!("{many} things are wrong or missing"),
        };
        self.line(&format!("\ncheck: {verdict}"));
        Answer { text: self.text, outcome }
    }
}

fn list(capabilities: &CapabilitySet) -> String {
    let names: Vec<&str> = capabilities.iter().map(|capability| capability.as_str()).collect();
    if names.is_empty() { "nothing but to log".to_owned() } else { names.join(", ") }
}
