//! What would be granted to one module, and how that differs from what it was granted before.

use anyhow::{anyhow, bail};
use cofferdam_grants::{Asked, Grant, Without};
use cofferdam_installation::{Installation, Installed, program_hash};
use cofferdam_manifest::{Capability, EventName, ModuleName};
use cofferdam_policy::compare::compare;
use cofferdam_policy::profile::{Linkage, Profile};
use cofferdam_signature::Hash;
use serde::Serialize;

use crate::admission::SignedBy;
use crate::audit::{Subject, default_profile};
use crate::diff::{Explained, explain, in_words};

/// What the operator wants otherwise than asked for.
#[derive(Debug, Default)]
pub(super) struct Choice {
    without: Without,
    with: Without,
}

impl Choice {
    pub(super) fn new(without: &[String], with: &[String]) -> anyhow::Result<Self> {
        let choice = Self { without: named(without)?, with: named(with)? };
        for name in with {
            if without.contains(name) {
                bail!("{name} is named by --with and by --without: name it once");
            }
        }
        Ok(choice)
    }

    /// A name that no module asks for is a mistake, not a decision.
    pub(super) fn all_used(&self, proposals: &[Proposal]) -> anyhow::Result<()> {
        for part in [&self.without, &self.with] {
            for capability in &part.capabilities {
                let asked = proposals.iter().any(|proposal| proposal.asks_for(capability));
                if !asked {
                    bail!("{capability} is not asked for by what is to be granted; nothing was changed");
                }
            }
            for event in &part.events {
                if !proposals.iter().any(|proposal| proposal.publishes(event)) {
                    bail!("{event} is not asked for by what is to be granted; nothing was changed");
                }
            }
        }
        Ok(())
    }

    /// What is left out of a grant: what was before, less what is wanted now, and what is asked for and not wanted now.
    fn left_out(&self, asked: &Asked, before: Option<&Grant>) -> Without {
        let mut left_out = Without {
            capabilities: asked.capabilities.intersection(&self.without.capabilities),
            events: asked.publish_events.intersection(&self.without.events).cloned().collect(),
        };
        for capability in before.iter().flat_map(|grant| grant.withheld.iter()) {
            if !self.with.capabilities.contains(capability) {
                left_out.capabilities.insert(capability);
            }
        }
        for event in before.iter().flat_map(|grant| grant.withheld_events.iter()) {
            if !self.with.events.contains(event) {
                left_out.events.insert(event.clone());
            }
        }
        left_out
    }
}

/// Capabilities and event types by their names: the ones begin with a small letter, the others with a capital.
fn named(names: &[String]) -> anyhow::Result<Without> {
    let mut without = Without::default();
    for name in names {
        if name.starts_with(|first: char| first.is_ascii_uppercase()) {
            without.events.insert(name.parse::<EventName>().map_err(|error| anyhow!("{error}"))?);
        } else {
            without.capabilities.insert(name.parse::<Capability>().map_err(|error| anyhow!("{error}"))?);
        }
    }
    Ok(without)
}

/// What would be granted to one module.
#[derive(Debug, Serialize)]
pub(super) struct Proposal {
    module: ModuleName,
    version: String,
    granted_version: Option<String>,
    /// What keeps it from starting, of what a grant can mend.
    needs: Option<String>,
    /// What keeps it from being granted at all.
    problem: Option<String>,
    manifest: Hashes,
    program: Hashes,
    signed_by: Option<SignedBy>,
    changes: Vec<Explained>,
    #[serde(skip)]
    asked: Option<Asked>,
    #[serde(skip)]
    before: Option<Grant>,
    #[serde(skip)]
    grant: Option<Grant>,
}

/// The hash that was granted, and that of what is there.
#[derive(Debug, Default, Serialize)]
struct Hashes {
    granted: Option<String>,
    found: Option<String>,
}

impl Proposal {
    /// Reads the program, once. A module that cannot be granted is a proposal too: of nothing, with the reason.
    pub(super) fn new(
        installation: &Installation,
        installed: &Installed,
        before: Option<&Grant>,
        choice: &Choice,
    ) -> Self {
        let mut proposal = Self {
            module: installed.manifest.name().clone(),
            version: installed.manifest.version().to_string(),
            granted_version: before.map(|grant| grant.version.to_string()),
            needs: None,
            problem: None,
            manifest: Hashes::new(before.map(|grant| grant.manifest), Some(installed.manifest_hash)),
            program: Hashes::new(before.map(|grant| grant.program), None),
            signed_by: None,
            changes: Vec::new(),
            asked: None,
            before: before.cloned(),
            grant: None,
        };
        if let Err(problem) = proposal.fill(installation, installed, choice) {
            proposal.problem = Some(problem);
        }
        proposal
    }

    fn fill(
        &mut self,
        installation: &Installation,
        installed: &Installed,
        choice: &Choice,
    ) -> Result<(), String> {
        let program = program_hash(installed)?;
        self.program.found = Some(program.to_string());
        let signer = installation.signer(installed, program).map_err(|error| error.to_string())?;
        let key = signer.as_ref().map(|signer| signer.key.clone());
        self.signed_by = signer.map(SignedBy::from);
        let asked = installation.asked(installed, program);
        let covered = self.before.as_ref().map(|grant| grant.covers(&asked));
        self.needs = match covered {
            Some(Ok(())) => None,
            Some(Err(shortfall)) => Some(shortfall.to_string()),
            None => Some(cofferdam_grants::Shortfall::NoGrant.to_string()),
        };
        let grant = Grant::new(&asked, &choice.left_out(&asked, self.before.as_ref()), key);
        let profile = default_profile(Subject::Module(&installed.manifest), Linkage::Static);
        let [old, new] = [self.before.as_ref(), Some(&grant)].map(|grant| bounded(&profile, grant));
        self.changes = explain(compare(&old, &new));
        self.asked = Some(asked);
        self.grant = Some(grant);
        Ok(())
    }

    pub(super) fn module(&self) -> &ModuleName {
        &self.module
    }

    /// What would be granted; nothing where that is not possible.
    pub(super) fn grant(&self) -> Option<&Grant> {
        self.grant.as_ref()
    }

    /// Whether the lock file would be another with it, or the module cannot be granted.
    pub(super) fn differs(&self) -> bool {
        self.problem.is_some() || self.grant != self.before
    }

    /// Whether the module does not start as it is.
    pub(super) fn needs_a_grant(&self) -> bool {
        self.problem.is_some() || self.needs.is_some()
    }

    /// Who signed what was granted, where that is somebody else than who signed what is there.
    fn signed_otherwise_before(&self) -> Option<String> {
        let (before, after) = (self.before.as_ref()?, self.grant.as_ref()?);
        let by =
            before.signed_by.as_ref().map_or("nobody signed".to_owned(), |key| format!("signed by {key}"));
        (before.signed_by != after.signed_by).then_some(by)
    }

    fn asks_for(&self, capability: Capability) -> bool {
        self.asked.as_ref().is_some_and(|asked| asked.capabilities.contains(capability))
    }

    fn publishes(&self, event: &EventName) -> bool {
        self.asked.as_ref().is_some_and(|asked| asked.publish_events.contains(event))
    }

    /// All that the operator should know before the answer.
    pub(super) fn in_words(&self) -> String {
        let version = match &self.granted_version {
            Some(granted) if *granted != self.version => format!("{}, granted was {granted}", self.version),
            Some(_) | None => self.version.clone(),
        };
        let mut text = format!("MODULE {} {version}\n", self.module);
        let mut line = |name: &str, value: &str| text.push_str(&format!("  {name:<10} {value}\n"));
        line("program", &self.program.in_words());
        line("manifest", &self.manifest.in_words());
        match &self.signed_by {
            Some(signer) => line("signed by", &signer.in_words()),
            None if self.problem.is_none() => line("signed by", "nobody; the config allows that"),
            None => {}
        }
        if let Some(before) = self.signed_otherwise_before() {
            line("", &format!("CHANGED: granted was one {before}"));
        }
        if let Some(grant) = self.grant.as_ref().filter(|grant| !withheld(grant).is_empty()) {
            line("withheld", &withheld(grant).join(", "));
        }
        match (&self.problem, &self.needs) {
            (Some(problem), _) => line("REFUSED", problem),
            (None, Some(needs)) => line("needs", &format!("a grant: {needs}")),
            (None, None) => {
                line("needs", "nothing: it starts as it is, and asks for no more than was granted")
            }
        }
        text.push('\n');
        text.push_str(&in_words(&self.changes));
        text
    }
}

fn withheld(grant: &Grant) -> Vec<String> {
    let capabilities = grant.withheld.iter().map(|capability| capability.to_string());
    capabilities.chain(grant.withheld_events.iter().map(ToString::to_string)).collect()
}

impl Hashes {
    fn new(granted: Option<Hash>, found: Option<Hash>) -> Self {
        let text = |hash: Option<Hash>| hash.map(|hash| hash.to_string());
        Self { granted: text(granted), found: text(found) }
    }

    fn in_words(&self) -> String {
        match (&self.granted, &self.found) {
            (Some(granted), Some(found)) if granted == found => format!("as granted, sha256 {found}"),
            (Some(granted), Some(found)) => {
                format!("CHANGED to sha256 {found}\n{:13}granted was sha256 {granted}", "")
            }
            (None, Some(found)) => format!("sha256 {found}"),
            (_, None) => "not there".to_owned(),
        }
    }
}

/// The profile of a module with this grant; with none it may do nothing, since it does not start. The walls around it
/// are the same for every module, and no grant moves them.
fn bounded(profile: &Profile, grant: Option<&Grant>) -> Profile {
    let mut bounded = profile.clone();
    bounded.granted = grant.map(|grant| grant.capabilities.clone()).unwrap_or_default();
    bounded.withheld = grant.map(|grant| grant.withheld.clone()).unwrap_or_default();
    let may_publish = bounded.granted.contains(Capability::PublishEvents);
    let events = grant.filter(|_| may_publish).map(|grant| grant.publish_events.clone());
    bounded.publishes = events.unwrap_or_default();
    bounded
}
