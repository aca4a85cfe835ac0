//! The operator's grants while the launcher runs. They are looked at again before every start, so that what was revoked
//! does not start again, and every change is in the audit log before anything starts by it, whoever made it and how.
//!
//! What the log tells already is kept in a file of the launcher's own. It decides nothing: without it, grants are told
//! once more.

use std::path::PathBuf;

use cofferdam_grants::{Change, Editor, Lock, Stamp, Stamped, read};
use cofferdam_installation::{Admission, Installation, NotAdmitted, grant_command};
use cofferdam_manifest::ModuleName;
use cofferdam_policy::Profile;

use crate::audit::Audit;
use crate::error::Error;
use crate::log;

/// What the log tells of, in the state directory.
const RECORDED: &str = "grants.recorded";

/// The grants as the launcher knows them.
pub(crate) struct Grants {
    file: PathBuf,
    config: PathBuf,
    current: Stamped,
    recorded: Lock,
    recorded_file: PathBuf,
}

impl Grants {
    /// Takes over what was read with the config.
    pub(crate) fn new(installation: &Installation) -> Self {
        let recorded_file = installation.config.state_dir.join(RECORDED);
        let recorded = read(&recorded_file, None).unwrap_or_else(|error| {
            log::line("launcher", &format!("note: {error}; the audit log tells all grants once more"));
            Stamped::default()
        });
        Self {
            file: installation.config.grants_file.clone(),
            config: installation.named.clone(),
            current: installation.grants.clone(),
            recorded: recorded.lock,
            recorded_file,
        }
    }

    /// Writes to the log what it does not tell yet.
    ///
    /// # Errors
    /// When that cannot be written: then nothing may start by it.
    pub(crate) fn record(&mut self, audit: &mut Audit) -> Result<(), Error> {
        let changes = self.current.lock.changes_since(&self.recorded);
        if changes.is_empty() {
            return Ok(());
        }
        for Change { module, added, removed } in changes {
            log::line(module.as_str(), &format!("grant: {}", in_words(&added, &removed)));
            audit.grant(&module, added, removed)?;
        }
        // On the disk before the launcher takes it for told.
        audit.settle()?;
        self.recorded = self.current.lock.clone();
        let kept = Editor::open(&self.recorded_file).and_then(|editor| editor.write(&self.recorded));
        if let Err(error) = kept {
            log::line("launcher", &format!("error: {error}; the audit log will tell these grants once more"));
        }
        Ok(())
    }

    /// Reads the lock file again if it has changed, and writes to the log what has.
    ///
    /// # Errors
    /// When it cannot be read or is wrong, and when the log cannot be written.
    pub(crate) fn look_again(&mut self, audit: &mut Audit) -> Result<(), Error> {
        if Stamp::now(&self.file).map_err(Error::grants)? != self.current.stamp {
            self.current = read(&self.file, Some(&self.config)).map_err(Error::grants)?;
        }
        self.record(audit)
    }

    /// Whether a module that was admitted may start now, with this profile.
    ///
    /// # Errors
    /// When its grant was taken away or narrowed since, or cannot be read.
    pub(crate) fn allow(
        &mut self,
        module: &ModuleName,
        admitted: &Admission,
        profile: &Profile,
        audit: &mut Audit,
    ) -> Result<(), Error> {
        self.look_again(audit)?;
        let grant = self.current.lock.covers(module, &admitted.asked).map_err(|shortfall| {
            let shortfall = Box::new(shortfall);
            let command = grant_command(module, &self.config);
            Error::NotAdmitted(Box::new(NotAdmitted::Grant { module: module.clone(), shortfall, command }))
        })?;
        // The profile is made once, and so is what the core was told of it.
        let holds = profile.granted.is_subset(&grant.capabilities)
            && profile.publishes.is_subset(&grant.publish_events);
        if holds { Ok(()) } else { Err(Error::Narrowed { module: module.to_string() }) }
    }
}

/// For the operator's terminal; the audit log has the hashes in full.
fn in_words(added: &[String], removed: &[String]) -> String {
    let shorter = |word: &String| match word.split_once(' ') {
        Some((what @ ("manifest" | "program"), hash)) => format!("{what} {}", hash.get(..16).unwrap_or(hash)),
        Some(_) | None => word.clone(),
    };
    let part = |what: &str, words: &[String]| {
        let words: Vec<String> = words.iter().map(shorter).collect();
        if words.is_empty() { None } else { Some(format!("{what} {}", words.join(", "))) }
    };
    [part("added", added), part("removed", removed)].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::in_words;

    #[test]
    fn a_change_is_told_by_what_it_adds_and_removes() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert_eq!(in_words(&words(&["a", "b"]), &words(&["c"])), "added a, b; removed c");
        assert_eq!(in_words(&[], &words(&["c"])), "removed c");
    }
}
