//! Boots Debian kernels in virtual machines and runs Cofferdam's own test programs on each, as root and as an ordinary
//! user. It installs nothing, and leaves behind only what it caches and what it reports.

mod expectations;
mod fetched;
mod guest;
mod image;
mod interrupt;
mod machine;
mod plan;
mod programs;
mod summary;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;

use expectations::{Choice, Expectations, Kernel};
use image::Image;
use machine::{Accelerator, Machine};
use plan::{Hierarchy, Plan, Report, Session, SessionName, Test};
use programs::{Program, Workspace};
use verdict::{Judgement, Verdict};

/// How long one test may take in a guest whose processors are translated.
const TEST_TIMEOUT: Duration = Duration::from_secs(1200);
/// How long the rig waits there for what must happen; less than a test's time, so that it can say what did not.
const RIG_PATIENCE: Duration = Duration::from_secs(240);

/// Runs Cofferdam's tests on the kernels of vm-tests/kernels.toml.
#[derive(Debug, Parser)]
struct Arguments {
    /// A kernel of kernels.toml; may be given several times. Without it: those that run by default
    #[arg(long = "kernel", value_name = "NAME")]
    kernels: Vec<String>,
    /// Every kernel of kernels.toml
    #[arg(long, conflicts_with = "kernels")]
    all: bool,
    /// Programs that nobody here wrote, instead of Cofferdam's own tests; see vm-tests/checkers
    #[arg(long, conflicts_with = "all")]
    checkers: bool,
    /// Only tests with this text in `package::program::name`
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Lets the host's kernel run the guest's code, where that works
    #[arg(long)]
    kvm: bool,
}

/// What is the same for all kernels of a run.
struct Run {
    expectations: Expectations,
    choice: Choice,
    programs: BTreeMap<String, Program>,
    image: Image,
    filter: Option<String>,
    accelerator: Accelerator,
    /// For what is removed at the end.
    work: tempfile::TempDir,
    /// For consoles and JUnit's file.
    output: PathBuf,
}

fn main() -> ExitCode {
    if std::env::args_os().next().is_some_and(|program| program == guest::INIT) {
        guest::main();
    }
    match run(&Arguments::parse()) {
        Ok(verdicts) if verdicts.iter().any(Verdict::is_failure) => ExitCode::FAILURE,
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vm-tests: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<Vec<Verdict>> {
    interrupt::watch()?;
    let run = Run::prepare(arguments)?;
    let mut verdicts = Vec::new();
    for kernel in run.expectations.kernels(&run.choice)? {
        verdicts.extend(run.kernel(kernel)?);
    }
    let junit = run.output.join("junit.xml");
    fs::write(&junit, summary::junit(&verdicts)?).with_context(|| junit.display().to_string())?;
    println!("\n{}\n{}\n{}", junit.display(), summary::table(&verdicts), summary::last_line(&verdicts));
    Ok(verdicts)
}

fn choice(arguments: &Arguments) -> Choice {
    if arguments.checkers {
        Choice::Checkers(arguments.kernels.clone())
    } else if arguments.all {
        Choice::All
    } else if arguments.kernels.is_empty() {
        Choice::Default
    } else {
        Choice::Named(arguments.kernels.clone())
    }
}

impl Run {
    fn prepare(arguments: &Arguments) -> Result<Self> {
        let workspace = Workspace::find()?;
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels.toml");
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let expectations = Expectations::parse(&text).with_context(|| path.display().to_string())?;
        let tests = workspace.integration_tests();
        let unlisted = expectations.unlisted(&tests);
        ensure!(unlisted.is_empty(), "kernels.toml neither lists nor leaves out: {}", unlisted.join(", "));
        let choice = choice(arguments);
        let mut names = BTreeSet::new();
        for kernel in expectations.kernels(&choice)? {
            names.extend(
                expectations.listed(kernel, &choice)?.iter().map(|entry| expectations::program(entry)),
            );
        }
        let mut built = workspace.programs()?;
        let programs = workspace.test_programs(&names)?;
        check_stated(&expectations, &programs)?;
        let work = tempfile::Builder::new().prefix("cofferdam-vm-tests-").tempdir()?;
        let init = built.iter().find(|program| program.ends_with(env!("CARGO_BIN_NAME")));
        let mut image = Image::new(init.context("cargo did not build this program")?, work.path())?;
        built.extend(programs.values().map(|program| program.path.clone()));
        for program in &built {
            image.add_program(program, program, work.path())?;
        }
        image.add_data(workspace.root())?;
        let output = workspace.target().join("vm-tests");
        fs::create_dir_all(&output).with_context(|| output.display().to_string())?;
        let accelerator = if arguments.kvm { Accelerator::Kvm } else { Accelerator::Tcg };
        Ok(Self {
            expectations,
            choice,
            programs,
            image,
            filter: arguments.filter.clone(),
            accelerator,
            work,
            output,
        })
    }

    /// Boots a kernel as often as its sessions need.
    fn kernel(&self, kernel: &Kernel) -> Result<Vec<Verdict>> {
        let tests = self.tests(kernel)?;
        ensure!(!tests.is_empty(), "kernel {}: no test has the filter's text in its name", kernel.name);
        let fetched = fetched::kernel(kernel)?;
        let mut image = self.image.clone();
        image.add_modules(&fetched.join("modules"))?;
        if matches!(self.choice, Choice::Checkers(_)) {
            fetched::checkers(kernel)?.iter().try_for_each(|tree| image.add_tree(tree))?;
        }
        let mut boots: BTreeMap<Hierarchy, Vec<SessionName>> = BTreeMap::new();
        for session in Expectations::sessions(kernel, &self.choice) {
            boots.entry(session.hierarchy()).or_default().push(session);
        }
        let mut verdicts = Vec::new();
        for (hierarchy, sessions) in boots {
            let boot = match hierarchy {
                Hierarchy::V1 => "cgroup-v1",
                Hierarchy::V2 => "cgroup-v2",
            };
            verdicts.extend(self.boot(kernel, (&fetched, &image), boot, &sessions, &tests)?);
            if interrupt::requested() {
                bail!("interrupted");
            }
        }
        Ok(verdicts)
    }

    fn boot(
        &self,
        kernel: &Kernel,
        (fetched, image): (&Path, &Image),
        boot: &str,
        sessions: &[SessionName],
        tests: &[Test],
    ) -> Result<Vec<Verdict>> {
        let plan = Plan {
            sessions: sessions.iter().map(|session| environment(kernel, *session)).collect(),
            tests: tests.to_vec(),
            test_timeout_s: TEST_TIMEOUT.as_secs(),
        };
        let initial_files = self.work.path().join("initial-files");
        image.write(&plan, &initial_files).context("the guest's files")?;
        let machine = Machine {
            accelerator: self.accelerator,
            kernel: fetched.join("vmlinuz"),
            parameters: kernel.parameters.clone(),
            initial_files,
            console: machine::console_path(&self.output, &kernel.name, boot),
            test_timeout: TEST_TIMEOUT,
        };
        let mut verdicts = Vec::new();
        let mut tell = |verdict: Verdict| {
            println!("{verdict}");
            verdicts.push(verdict);
        };
        let begun = Instant::now();
        let mut running = BTreeSet::new();
        let ended = machine.run(|report| {
            if let Report::Started { session, test } = report {
                running.insert((*session, test.clone()));
            }
            if let Some(verdict) = verdict::judge(&self.expectations, kernel, report) {
                tell(verdict);
            }
        });
        let judgement = match ended {
            Ok(()) => Judgement::Passed,
            Err(error) => Judgement::Failed(format!("{error:#}")),
        };
        let mut whole = verdict::about(kernel, &format!("boots with {boot} and runs to the end"), judgement);
        whole.seconds = begun.elapsed().as_secs_f64();
        tell(whole);
        let missing = verdict::not_run(kernel, sessions, tests, &verdicts, &running);
        for verdict in missing {
            println!("{verdict}");
            verdicts.push(verdict);
        }
        Ok(verdicts)
    }

    fn tests(&self, kernel: &Kernel) -> Result<Vec<Test>> {
        let all: Vec<_> = self.programs.values().flat_map(|program| &program.tests).collect();
        let mut tests = Vec::new();
        for entry in self.expectations.listed(kernel, &self.choice)? {
            let meant = || all.iter().copied().filter(|test| expectations::means(entry, &test.id));
            ensure!(meant().next().is_some(), "kernels.toml: no test is meant by {entry:?}");
            tests.extend(meant().cloned());
        }
        for test in &tests {
            if let Some(why) = self.expectations.left_out(&test.id) {
                println!("LEFT OUT {} {}: {why}", kernel.name, test.id);
            }
        }
        tests.retain(|test| self.expectations.left_out(&test.id).is_none());
        tests.retain(|test| self.filter.as_ref().is_none_or(|text| test.id.contains(text)));
        Ok(tests)
    }
}

/// What is stated of a test that is gone would hide nothing and say something wrong.
fn check_stated(expectations: &Expectations, programs: &BTreeMap<String, Program>) -> Result<()> {
    let names = programs.keys().map(String::as_str).collect();
    let tests = programs.values().flat_map(|program| &program.tests).map(|test| test.id.as_str()).collect();
    let unknown = expectations.unknown(&names, &tests);
    ensure!(unknown.is_empty(), "kernels.toml states something of these, and they are no tests: {unknown:?}");
    Ok(())
}

/// What the tests of a session are told of their kernel; tests/rig/mod.rs reads it.
fn environment(kernel: &Kernel, session: SessionName) -> Session {
    let missing: Vec<&str> = kernel.missing.iter().map(String::as_str).collect();
    let environment = BTreeMap::from([
        ("REQUIRE_KERNEL".to_owned(), "1".to_owned()),
        (plan::DYNAMIC_SETTING.to_owned(), plan::DYNAMIC.to_owned()),
        ("COFFERDAM_TEST_PATIENCE_S".to_owned(), RIG_PATIENCE.as_secs().to_string()),
        ("COFFERDAM_TEST_ALLOW_MISSING".to_owned(), missing.join(",")),
    ]);
    Session { name: session, environment }
}
