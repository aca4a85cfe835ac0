//! Facts as lines, and their way to `cofferdam`: this process becomes it, with the lines at its standard input, so
//! that no second process was in the launcher's cgroup meanwhile. It never writes to the operator's terminal.

use std::convert::Infallible;
use std::ffi::OsString;
use std::fs::File;
use std::io::{Seek, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::memfd::{MFdFlags, memfd_create};

use super::Fact;
use crate::error::{Error, file, system};

/// The longest line, in characters: an error's text may name a path of any length.
const MAX_TEXT: usize = 1000;

/// A fact as one line: `NAME<tab>ok<tab>TEXT`, or `no`. Nothing in it can end the line or a field.
pub(crate) fn line(fact: &Fact) -> String {
    let (verdict, text) = match &fact.found {
        Ok(text) => ("ok", text),
        Err(text) => ("no", text),
    };
    format!("{}\t{verdict}\t{}", clean(&fact.name), clean(text))
}

fn clean(text: &str) -> String {
    text.chars().take(MAX_TEXT).map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// Becomes `tool`, with the lines at its standard input.
///
/// # Errors
/// When it cannot be executed.
pub(crate) fn hand_over(tool: &Path, arguments: &[OsString], lines: &[String]) -> Result<Infallible, Error> {
    // A pipe could be too small for all of them, and nobody reads until this process is gone.
    let made = memfd_create("facts", MFdFlags::MFD_CLOEXEC).map_err(system("memfd_create"))?;
    let mut facts = File::from(made);
    let mut text = lines.join("\n");
    text.push('\n');
    facts.write_all(text.as_bytes()).map_err(file("write to", "a memory file", "is there memory?"))?;
    facts.rewind().map_err(file("rewind", "a memory file", ""))?;
    let refused = Command::new(tool).args(arguments).stdin(Stdio::from(facts)).exec();
    Err(file("execute", tool, "cofferdam and cofferdam-launcher belong in one folder")(refused))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_of_a_fact_ends_its_line_or_adds_a_field() {
        let fact = Fact { name: "a\nb".to_owned(), found: Err("x\ty\nz\u{1b}[2J".to_owned()) };
        assert_eq!(line(&fact), "a b\tno\tx y z [2J");
    }

    #[test]
    fn a_fact_is_not_longer_than_its_bound() {
        let fact = Fact { name: "a".to_owned(), found: Ok("x".repeat(MAX_TEXT * 2)) };
        assert_eq!(line(&fact).len(), MAX_TEXT + "a\tok\t".len());
    }
}
