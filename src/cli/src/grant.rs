//! `cofferdam grant`: shows what differs between the modules as they lie there and what the operator has granted, asks,
//! and writes the lock file. What was shown is what is granted, whatever happens to the files meanwhile: the manifest
//! and the program were read once.
//!
//! It starts nothing and verifies signatures as the launcher does. It writes no other file: the launcher tells the audit
//! log of every change of the lock file, however it was made, before anything starts by it.

mod proposal;

use std::collections::BTreeSet;
use std::io::{BufRead, IsTerminal, Write};

use anyhow::{Context, anyhow, bail};
use clap::Args;
use cofferdam_grants::{Editor, Lock};
use cofferdam_installation::Installation;
use cofferdam_manifest::ModuleName;
use serde::Serialize;

use crate::answer::{Answer, Outcome};
use crate::arguments::{Form, Place};
use proposal::{Choice, Proposal};

const STATUS: &str = "\
Exit status:
  0  what was named is granted as it lies there (or revoked); with --show: nothing needs a grant
  1  something is not granted: the answer was no, or it cannot be granted; with --show: something needs a grant
  2  the command line is wrong, or the config, the lock file or a manifest is; nothing was changed

A grant holds from the next start of cofferdam. One that is taken back keeps the module from starting again at once,
and ends with the module that runs by it. What was withheld once stays withheld until --with names it.";

/// What is to be granted.
#[derive(Debug, Args)]
#[command(after_help = STATUS)]
pub(crate) struct Asked {
    /// Installed modules; none: every one that differs from its grant
    #[arg(value_name = "MODULE")]
    modules: Vec<String>,
    /// Grant without asking
    #[arg(long)]
    yes: bool,
    /// Only show what differs
    #[arg(long, conflicts_with_all = ["yes", "revoke"])]
    show: bool,
    /// Take back what was granted; the modules need not be installed any more
    #[arg(long, requires = "modules", conflicts_with_all = ["without", "with", "json"])]
    revoke: bool,
    /// Grant all but this capability or event type
    #[arg(long, value_name = "NAME", requires = "modules")]
    without: Vec<String>,
    /// Grant this too, which was withheld before
    #[arg(long, value_name = "NAME", requires = "modules")]
    with: Vec<String>,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    form: Form,
}

/// What there is to say, for programs.
#[derive(Debug, Serialize)]
struct Report<'r> {
    granted: &'r BTreeSet<String>,
    modules: &'r [Proposal],
}

pub(crate) fn grant(asked: &Asked) -> anyhow::Result<Answer> {
    if asked.form.json && !asked.show && !asked.yes {
        bail!("--json needs --show or --yes: there is nobody to ask");
    }
    let installation = Installation::read(&asked.place.config)?;
    let path = installation.config.grants_file.clone();
    if asked.show {
        return show(asked, &installation);
    }
    let somebody_sees_it = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    if !asked.yes && !somebody_sees_it {
        bail!("there is no terminal to ask at: look with --show, then grant with --yes");
    }
    // From here until the end no other command changes the file that is read again here.
    let editor = Editor::open(&path)?;
    let mut lock = cofferdam_grants::read(&path, Some(&asked.place.config))?.lock;
    if asked.revoke { revoke(asked, editor, lock) } else { propose(asked, &installation, editor, &mut lock) }
}

fn show(asked: &Asked, installation: &Installation) -> anyhow::Result<Answer> {
    let proposals = proposals(asked, installation, &installation.grants.lock)?;
    let wanting = proposals.iter().any(Proposal::needs_a_grant);
    let text = if asked.form.json {
        json(&BTreeSet::new(), &proposals)?
    } else {
        let shown: String = proposals.iter().map(Proposal::in_words).collect();
        let last = match (proposals.is_empty(), wanting) {
            (true, _) => "grant: nothing differs from what is granted\n",
            (false, false) => "grant: nothing needs a grant to start\n",
            (false, true) => "grant: something does not start until it is granted\n",
        };
        shown + last
    };
    Ok(Answer { text, outcome: if wanting { Outcome::Wanting } else { Outcome::Good } })
}

fn propose(
    asked: &Asked,
    installation: &Installation,
    editor: Editor,
    lock: &mut Lock,
) -> anyhow::Result<Answer> {
    let proposals = proposals(asked, installation, lock)?;
    let mut granted = BTreeSet::new();
    let mut refused = 0_usize;
    let mut text = String::new();
    for proposal in &proposals {
        if !asked.form.json {
            say(&proposal.in_words())?;
        }
        let Some(grant) = proposal.grant().cloned() else {
            refused = refused.saturating_add(1);
            continue;
        };
        if !asked.yes && !confirmed(&format!("grant {} this?", proposal.module()))? {
            refused = refused.saturating_add(1);
            text.push_str(&format!("{}: nothing was granted\n", proposal.module()));
            continue;
        }
        lock.modules.insert(proposal.module().clone(), grant);
        granted.insert(proposal.module().to_string());
    }
    if !granted.is_empty() {
        editor.write(lock)?;
    }
    let outcome = if refused == 0 { Outcome::Good } else { Outcome::Wanting };
    if asked.form.json {
        return Ok(Answer { text: json(&granted, &proposals)?, outcome });
    }
    text.extend(
        granted.iter().map(|name| format!("{name}: granted; it holds from the next start of cofferdam\n")),
    );
    if proposals.is_empty() {
        text.push_str("grant: nothing differs from what is granted\n");
    }
    Ok(Answer { text, outcome })
}

fn revoke(asked: &Asked, editor: Editor, mut lock: Lock) -> anyhow::Result<Answer> {
    let mut text = String::new();
    let mut revoked = BTreeSet::new();
    for name in names(&asked.modules)? {
        if lock.modules.remove(&name).is_none() {
            bail!("{name} has no grant; nothing was changed");
        }
        revoked.insert(name);
    }
    let listed: Vec<&str> = revoked.iter().map(ModuleName::as_str).collect();
    if !asked.yes && !confirmed(&format!("take back all that {} was granted?", listed.join(", ")))? {
        return Ok(Answer { text: "nothing was changed\n".to_owned(), outcome: Outcome::Wanting });
    }
    editor.write(&lock)?;
    for name in listed {
        text.push_str(&format!(
            "{name}: its grant is gone; it does not start again, and runs on if it runs now\n"
        ));
    }
    Ok(Answer::good(text))
}

/// What is proposed for each of the modules that were named, or for all that differ.
fn proposals(asked: &Asked, installation: &Installation, lock: &Lock) -> anyhow::Result<Vec<Proposal>> {
    let choice = Choice::new(&asked.without, &asked.with)?;
    let all = asked.modules.is_empty();
    let named = if all { installation.order.clone() } else { names(&asked.modules)? };
    let mut proposals = Vec::new();
    for name in named {
        let installed = installation.modules.get(&name).ok_or_else(|| not_installed(&name, installation))?;
        let proposal = Proposal::new(installation, installed, lock.modules.get(&name), &choice);
        if proposal.differs() {
            proposals.push(proposal);
        }
    }
    choice.all_used(&proposals)?;
    Ok(proposals)
}

fn names(listed: &[String]) -> anyhow::Result<Vec<ModuleName>> {
    let parsed = listed.iter().map(|name| ModuleName::new(name).map_err(|error| anyhow!("{error}")));
    parsed.collect()
}

fn not_installed(name: &ModuleName, installation: &Installation) -> anyhow::Error {
    let mut text = format!("{name} is not a module that can run here");
    for problem in &installation.problems {
        let problem = problem.to_string();
        if problem.contains(name.as_str()) {
            text.push_str(&format!("\n  {problem}"));
        }
    }
    anyhow!(text)
}

fn json(granted: &BTreeSet<String>, modules: &[Proposal]) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(&Report { granted, modules })? + "\n")
}

fn say(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("write to the terminal")
}

/// The longest answer, in bytes; what is longer is no yes.
const MAX_ANSWER_BYTES: u64 = 100;

/// Only `y` and `yes` are a yes; the end of the input is none.
fn confirmed(question: &str) -> anyhow::Result<bool> {
    say(&format!("{question} [y/n] "))?;
    let mut answer = String::new();
    let mut input = std::io::Read::take(std::io::stdin().lock(), MAX_ANSWER_BYTES);
    input.read_line(&mut answer).context("read the answer")?;
    Ok(matches!(answer.trim(), "y" | "yes"))
}
