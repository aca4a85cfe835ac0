//! What the launcher found out by doing, as it hands it over: one line `NAME<tab>ok|no<tab>TEXT` each. Its text is
//! the kernel's and the host's: it is shown, never obeyed.

use std::collections::BTreeMap;
use std::io::Read;

use anyhow::{Context, bail};

/// Far more than the launcher has to say.
const MAX_BYTES: u64 = 1024 * 1024;

/// What settings of the kernel are named with.
const SETTING: &str = "setting ";

/// All that was found.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    found: BTreeMap<String, Result<String, String>>,
}

impl Facts {
    /// Reads them as the launcher writes them.
    ///
    /// # Errors
    /// When a line is none of the launcher's.
    pub(crate) fn read(from: impl Read) -> anyhow::Result<Self> {
        let mut text = String::new();
        let mut limited = from.take(MAX_BYTES + 1);
        limited.read_to_string(&mut text).context("read what cofferdam-launcher found")?;
        if u64::try_from(text.len()).unwrap_or(u64::MAX) > MAX_BYTES {
            bail!("read what cofferdam-launcher found: more than {MAX_BYTES} bytes");
        }
        Self::parse(&text)
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let mut facts = Self::default();
        for (number, line) in (1..).zip(text.lines()) {
            let mut fields = line.splitn(3, '\t');
            let found = match (fields.next(), fields.next(), fields.next()) {
                (Some(name), Some("ok"), Some(text)) => (name, Ok(text.to_owned())),
                (Some(name), Some("no"), Some(text)) => (name, Err(text.to_owned())),
                _ => bail!(
                    "line {number} of the launcher's answer is no fact: {line:?}; cofferdam and \
                     cofferdam-launcher of the same version belong in one folder"
                ),
            };
            facts.found.insert(found.0.to_owned(), found.1);
        }
        Ok(facts)
    }

    /// What was found about `name`; one that the launcher says nothing of is not there.
    pub(crate) fn of(&self, name: &str) -> Result<String, String> {
        let silent = || Err("cofferdam-launcher says nothing about it: is it of another version?".to_owned());
        self.found.get(name).cloned().unwrap_or_else(silent)
    }

    /// All whose name begins with `kind`, by what follows it.
    pub(crate) fn all<'f>(
        &'f self,
        kind: &'f str,
    ) -> impl Iterator<Item = (&'f str, Result<&'f str, &'f str>)> {
        self.found.iter().filter_map(move |(name, found)| {
            let rest = name.strip_prefix(kind)?;
            Some((rest, found.as_ref().map(String::as_str).map_err(String::as_str)))
        })
    }

    /// The value of a setting that this kernel has.
    pub(crate) fn setting(&self, name: &str) -> Option<&str> {
        self.found.get(&format!("{SETTING}{name}"))?.as_ref().ok().map(String::as_str)
    }

    /// Whether the launcher ran as root.
    pub(crate) fn is_root(&self) -> bool {
        self.setting("uid") == Some("0")
    }

    /// Facts for tests.
    #[cfg(test)]
    pub(crate) fn with(mut self, name: &str, found: Result<&str, &str>) -> Self {
        self.found.insert(name.to_owned(), found.map(str::to_owned).map_err(str::to_owned));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_as_they_are_written() {
        let facts = Facts::parse("seccomp\tok\tit works\nclone3\tno\tENOSYS\nsetting uid\tok\t0\n").unwrap();
        assert_eq!(facts.of("seccomp"), Ok("it works".to_owned()));
        assert_eq!(facts.of("clone3"), Err("ENOSYS".to_owned()));
        assert!(facts.is_root());
    }

    #[test]
    fn what_the_launcher_did_not_say_is_not_there() {
        assert!(Facts::parse("").unwrap().of("seccomp").is_err());
    }

    #[test]
    fn a_line_that_is_no_fact_is_an_error_that_names_it() {
        for text in ["seccomp", "seccomp\tok", "seccomp\tperhaps\tx"] {
            let error = Facts::parse(text).unwrap_err().to_string();
            assert!(error.contains("line 1"), "{error}");
        }
    }

    #[test]
    fn an_answer_without_an_end_is_refused() {
        assert!(Facts::read(std::io::repeat(b'x')).is_err());
    }
}
