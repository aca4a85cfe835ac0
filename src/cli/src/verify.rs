//! `cofferdam audit --verify`: compares what is really possible inside a module's sandbox with what its page claims,
//! call by call. Any difference is an error.
//!
//! The launcher finds out, with a probe in the module's place; this compares with the page, which is derived here
//! or was saved before. It never starts the module, and believes nothing that the probe says of itself alone.

mod calls;
mod sandbox;

use std::convert::Infallible;
use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, anyhow};
use cofferdam_policy::page;
use cofferdam_policy::profile::Profile;
use serde::Serialize;

use crate::answer::{Answer, Outcome};
use crate::arguments::Wanted;
use crate::facts::Facts;
use crate::launch;

/// What differs from the page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// Of what.
    pub(crate) what: String,
    /// What the page claims.
    pub(crate) claimed: String,
    /// What was found.
    pub(crate) found: String,
}

/// What was compared.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Verdict {
    /// How many facts agree with the page.
    pub(crate) agree: usize,
    /// Calls that the page allows and that no probe survives: they were not made.
    pub(crate) not_tried: Vec<String>,
    /// Calls that the kernel keeps from every filter, and that do nothing for a program.
    pub(crate) exempt: Vec<String>,
    /// What differs.
    pub(crate) differences: Vec<Finding>,
}

impl Verdict {
    /// Counts what agrees, and keeps what does not.
    pub(crate) fn compare(&mut self, what: impl Into<String>, claimed: &str, found: Result<&str, &str>) {
        if found == Ok(claimed) {
            self.agree = self.agree.saturating_add(1);
            return;
        }
        let found = found.unwrap_or_else(|why| why).to_owned();
        self.differences.push(Finding { what: what.into(), claimed: claimed.to_owned(), found });
    }
}

/// Verifies, with the page that `derived` gives where no other is named.
pub(crate) fn verify(
    wanted: &Wanted,
    derived: impl FnOnce() -> anyhow::Result<Profile>,
) -> anyhow::Result<Answer> {
    let claimed = match &wanted.page {
        Some(path) => {
            let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
            page::profile_of(&text).map_err(|error| anyhow!("{}: {error}", path.display()))?
        }
        None => derived()?,
    };
    if !wanted.found {
        return become_launcher(wanted).map(|never| match never {});
    }
    let verdict = judge(&claimed, &Facts::read(std::io::stdin().lock())?);
    let outcome = if verdict.differences.is_empty() { Outcome::Good } else { Outcome::Wanting };
    let text = if wanted.form.json { serde_json::to_string_pretty(&verdict)? + "\n" } else { text(&verdict) };
    Ok(Answer { text, outcome })
}

/// The launcher comes back as this program, with what it found.
fn become_launcher(wanted: &Wanted) -> anyhow::Result<Infallible> {
    let launcher = launch::beside()?;
    let module = wanted.module.as_deref().unwrap_or_default();
    let mut command = Command::new(&launcher);
    command.arg("examine").arg("--config").arg(&wanted.place.config).arg(module);
    command.args(["--", "audit", "--verify", "--found"]).arg("--config").arg(&wanted.place.config);
    if let Some(page) = &wanted.page {
        command.arg("--page").arg(page);
    }
    if wanted.form.json {
        command.arg("--json");
    }
    let refused = command.arg(module).exec();
    Err(anyhow!("{}: {refused}; cofferdam and cofferdam-launcher belong in one folder", launcher.display()))
}

/// Compares everything.
fn judge(claimed: &Profile, facts: &Facts) -> Verdict {
    let mut verdict = Verdict::default();
    calls::compare(&mut verdict, claimed, facts);
    sandbox::compare(&mut verdict, claimed, facts);
    verdict
}

fn text(verdict: &Verdict) -> String {
    let mut text = String::new();
    for difference in &verdict.differences {
        let Finding { what, claimed, found } = difference;
        text.push_str(&format!(
            "  DIFFERS  {what}\n           page:  {claimed}\n           found: {found}\n"
        ));
    }
    if !verdict.not_tried.is_empty() {
        text.push_str(&format!(
            "  allowed by the page, and not made, since a probe does not come back: {}\n",
            verdict.not_tried.join(", ")
        ));
    }
    if !verdict.exempt.is_empty() {
        text.push_str(&format!(
            "  passed by this kernel through every filter, and of no use to a program: {}\n",
            verdict.exempt.join(", ")
        ));
    }
    text.push_str(&match verdict.differences.len() {
        0 => format!("verify: {} facts are as the page says\n", verdict.agree),
        1 => format!("verify: 1 difference, {} facts are as the page says\n", verdict.agree),
        many => format!("verify: {many} differences, {} facts are as the page says\n", verdict.agree),
    });
    text
}

#[cfg(test)]
mod tests;
