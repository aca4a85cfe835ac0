//! Builds the workspace's programs and test programs, and lists the tests in them. What it names is where cargo put it:
//! those paths are compiled into the tests, so the guest has them too. It runs no test.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use cargo_metadata::{Artifact, Message, Metadata, MetadataCommand, Package, TargetKind};

use crate::plan::Test;

/// The workspace, as cargo knows it.
pub(crate) struct Workspace {
    metadata: Metadata,
}

/// One test program and the tests in it.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    pub(crate) tests: Vec<Test>,
}

/// Which test program of a package: `--test NAME`, or that of its library.
#[derive(Debug, PartialEq, Eq)]
enum Target<'n> {
    Integration(&'n str),
    Library,
}

impl Workspace {
    /// Asks cargo about the workspace that this program was built in.
    pub(crate) fn find() -> Result<Self> {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let mut command = MetadataCommand::new();
        command.manifest_path(manifest).no_deps().other_options(["--locked".to_owned()]);
        Ok(Self { metadata: command.exec().context("cargo metadata")? })
    }

    pub(crate) fn root(&self) -> &Path {
        self.metadata.workspace_root.as_std_path()
    }

    pub(crate) fn target(&self) -> &Path {
        self.metadata.target_directory.as_std_path()
    }

    /// Every test program of the workspace that has a file of its own, as `package::program`.
    pub(crate) fn integration_tests(&self) -> BTreeSet<String> {
        let of = |package: &Package| {
            let tests = package.targets.iter().filter(|target| target.is_kind(TargetKind::Test));
            tests.map(|target| format!("{}::{}", package.name, target.name)).collect::<Vec<_>>()
        };
        self.metadata.packages.iter().flat_map(of).collect()
    }

    /// Builds every program of the workspace and returns where they are.
    pub(crate) fn programs(&self) -> Result<BTreeSet<PathBuf>> {
        let artifacts = self.cargo(&["build", "--workspace", "--bins"])?;
        Ok(artifacts.into_iter().filter_map(|built| built.executable).map(Into::into).collect())
    }

    /// Builds the test programs of these names, and lists their tests. All of the workspace are built together, as
    /// `scripts/test.sh` builds them: nothing is compiled twice.
    pub(crate) fn test_programs(&self, names: &BTreeSet<&str>) -> Result<BTreeMap<String, Program>> {
        const ALL: [&str; 3] = ["test", "--no-run", "--workspace"];
        let usual = self.cargo(&ALL)?;
        let mut programs = BTreeMap::new();
        for name in names {
            let target = split(name).1;
            let path = match (self.built(&usual, name), target) {
                (None, Target::Integration(test)) => {
                    // One that is built only when it is named.
                    let named = self.cargo(&[&ALL[..], &["--test", test]].concat())?;
                    self.built(&named, name)
                }
                (path, _) => path,
            };
            let path = path.with_context(|| format!("cargo built no test program {name}"))?;
            programs.insert((*name).to_owned(), self.listed(name, path)?);
        }
        Ok(programs)
    }

    /// Where the test program of this name is, if it was among what cargo built.
    fn built(&self, artifacts: &[Artifact], name: &str) -> Option<PathBuf> {
        let (package, target) = split(name);
        let package = self.package(package).ok()?;
        let of_it = |built: &&Artifact| built.package_id == package.id && is_test_program(built, &target);
        artifacts.iter().filter(of_it).find_map(|built| built.executable.clone()).map(Into::into)
    }

    fn listed(&self, name: &str, path: PathBuf) -> Result<Program> {
        let folder = self.package(split(name).0)?.manifest_path.parent();
        let tests = list(&path, name, folder.context("a manifest lies in a folder")?.as_std_path())?;
        ensure!(!tests.is_empty(), "{} lists no tests", path.display());
        Ok(Program { path, tests })
    }

    fn package(&self, name: &str) -> Result<&Package> {
        let found = self.metadata.packages.iter().find(|found| found.name.as_str() == name);
        found.with_context(|| format!("the workspace has no package {name}"))
    }

    fn cargo(&self, arguments: &[&str]) -> Result<Vec<Artifact>> {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(arguments).args(["--locked", "--quiet", "--message-format=json-render-diagnostics"]);
        let mut child =
            command.current_dir(self.root()).stdout(Stdio::piped()).spawn().context("start cargo")?;
        let stdout = child.stdout.take().context("cargo's output is a pipe")?;
        let mut artifacts = Vec::new();
        for message in Message::parse_stream(BufReader::new(stdout)) {
            if let Message::CompilerArtifact(artifact) = message? {
                artifacts.push(artifact);
            }
        }
        let status = child.wait()?;
        if !status.success() {
            bail!("cargo {}: {status}", arguments.join(" "));
        }
        Ok(artifacts)
    }
}

/// `package` or `package::program`.
fn split(name: &str) -> (&str, Target<'_>) {
    match name.split_once("::") {
        Some((package, test)) => (package, Target::Integration(test)),
        None => (name, Target::Library),
    }
}

fn is_test_program(built: &Artifact, target: &Target<'_>) -> bool {
    let is_meant = match target {
        Target::Integration(name) => built.target.name == *name && built.target.is_kind(TargetKind::Test),
        Target::Library => built.target.is_kind(TargetKind::Lib),
    };
    built.profile.test && is_meant
}

fn list(program: &Path, id: &str, folder: &Path) -> Result<Vec<Test>> {
    let output = Command::new(program).args(["--list", "--format", "terse"]).output();
    let output = output.with_context(|| format!("start {}", program.display()))?;
    ensure!(output.status.success(), "{} --list: {}", program.display(), output.status);
    let names = names(&String::from_utf8(output.stdout)?);
    let test = |name: String| Test {
        id: format!("{id}::{name}"),
        program: program.to_owned(),
        name,
        folder: folder.to_owned(),
    };
    Ok(names.into_iter().map(test).collect())
}

/// The tests among what libtest lists; benchmarks are none.
fn names(listed: &str) -> Vec<String> {
    listed.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_libtest_lists_the_tests_are_taken() {
        assert_eq!(names("a::b: test\nc: benchmark\nd: test\n\n2 tests, 1 benchmark\n"), ["a::b", "d"]);
    }

    #[test]
    fn a_test_program_is_named_by_package_and_file_or_by_package() {
        assert_eq!(split("cofferdam::launch"), ("cofferdam", Target::Integration("launch")));
        assert_eq!(split("cofferdam-launcher"), ("cofferdam-launcher", Target::Library));
    }
}
