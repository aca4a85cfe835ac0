//! The two lines that sha256sum writes for a module.

use crate::Hash;

/// The name of the manifest in the list.
pub const MANIFEST_FILE: &str = "module.toml";

/// The hashes that were signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) manifest: Hash,
    pub(crate) program: Hash,
}

/// A list that is not of the two files, or not of sha256sum's form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It is too long, or not UTF-8.
    #[error("not a short text")]
    NotText,
    /// A line is not a hash, two spaces and a name.
    #[error("line {line} is not a hash, two spaces and a name")]
    Line {
        /// Its number, from 1.
        line: usize,
    },
    /// A name that is neither the manifest's nor the program's, or one of them a second time.
    #[error("line {line} is not about {MANIFEST_FILE} or the entry point, or says so twice")]
    Name {
        /// The line's number, from 1.
        line: usize,
    },
    /// One of the two is not there.
    #[error("it does not list both {MANIFEST_FILE} and the entry point")]
    Missing,
}

impl Sums {
    /// Takes a list of exactly the manifest and the program.
    pub(crate) fn parse(text: &str, entry_point: &str) -> Result<Self, Malformed> {
        let (mut manifest, mut program) = (None, None);
        for (line, content) in (1..).zip(text.split_terminator('\n')) {
            let (hash, name) = entry(content).ok_or(Malformed::Line { line })?;
            let place = if name == MANIFEST_FILE { &mut manifest } else { &mut program };
            let known = name == MANIFEST_FILE || name == entry_point;
            if !known || place.replace(hash).is_some() {
                return Err(Malformed::Name { line });
            }
        }
        match (manifest, program) {
            (Some(manifest), Some(program)) => Ok(Self { manifest, program }),
            (None, _) | (_, None) => Err(Malformed::Missing),
        }
    }
}

/// A hash, a space, a space or (for `--binary`) an asterisk, and the name.
fn entry(line: &str) -> Option<(Hash, &str)> {
    let (hash, rest) = line.split_once(' ')?;
    let name = rest.strip_prefix([' ', '*'])?;
    Some((hash.parse().ok()?, name))
}
