//! The report in the module's data directory: what every attempt met, on disk before the next one is made.
//!
//! An attempt is written down before it is made. One that is killed has a line `started` and no other; that is
//! how a killed attempt is told from one that was never made, also by the next start of this program.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::attempt::Met;

/// The report's name in the data directory.
pub(crate) const FILE_NAME: &str = "report.tsv";
/// The word for an attempt that is about to be made.
const STARTED: &str = "started";

/// A report, open for more lines: name, kind and detail, separated by tabs.
#[derive(Debug)]
pub(crate) struct Report {
    file: File,
    path: PathBuf,
}

impl Report {
    /// Opens or creates the report in a directory.
    ///
    /// # Errors
    /// What the kernel says about the file.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::options().append(true).create(true).open(path)?;
        Ok(Self { file, path: path.to_owned() })
    }

    /// The names of the attempts that were ever started.
    ///
    /// # Errors
    /// What the kernel says about the file.
    pub(crate) fn started(&self) -> io::Result<BTreeSet<String>> {
        let text = fs::read_to_string(&self.path)?;
        Ok(text.lines().filter_map(|line| line.split('\t').next()).map(str::to_owned).collect())
    }

    /// Writes that an attempt is about to be made.
    ///
    /// # Errors
    /// What the kernel says about the file.
    pub(crate) fn start(&mut self, name: &str) -> io::Result<()> {
        self.write(name, STARTED, "")
    }

    /// Writes what an attempt met.
    ///
    /// # Errors
    /// What the kernel says about the file.
    pub(crate) fn finish(&mut self, name: &str, met: &Met) -> io::Result<()> {
        self.write(name, met.kind(), &met.detail())
    }

    /// The whole line goes out in one write and to the disk, so that no kill leaves half of it.
    fn write(&mut self, name: &str, kind: &str, detail: &str) -> io::Result<()> {
        let separator = if detail.is_empty() { "" } else { "\t" };
        let detail = detail.replace(['\t', '\n'], " ");
        self.file.write_all(format!("{name}\t{kind}{separator}{detail}\n").as_bytes())?;
        self.file.sync_data()
    }
}

/// What a report says about an attempt in the end: its kind and its detail, `None` if it has only started.
///
/// # Errors
/// What the kernel says about the file.
pub(crate) fn outcome(path: &Path, name: &str) -> io::Result<Option<(String, String)>> {
    let text = fs::read_to_string(path)?;
    let mut outcomes = text.lines().filter_map(|line| {
        let mut fields = line.split('\t');
        let (line_name, kind) = (fields.next()?, fields.next()?);
        let is_outcome = line_name == name && kind != STARTED;
        is_outcome.then(|| (kind.to_owned(), fields.next().unwrap_or_default().to_owned()))
    });
    Ok(outcomes.next_back())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_that_was_killed_is_started_and_has_no_outcome() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE_NAME);
        Report::open(&path).unwrap().start("mount").unwrap();

        assert_eq!(Report::open(&path).unwrap().started().unwrap(), BTreeSet::from(["mount".to_owned()]));
        assert_eq!(outcome(&path, "mount").unwrap(), None);
    }

    #[test]
    fn a_detail_cannot_begin_a_line_or_a_field_of_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE_NAME);
        let met = Met::Nothing("a\nb\tsucceeded".to_owned());
        Report::open(&path).unwrap().finish("list-dev", &met).unwrap();

        assert_eq!(fs::read_to_string(&path).unwrap(), "list-dev\tnothing\ta b succeeded\n");
    }
}
