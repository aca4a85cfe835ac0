//! The lock file's text, read and written.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::str::FromStr;

use cofferdam_document::{DocumentError, Source, Spanned, quote};
use cofferdam_manifest::{Capability, CapabilitySet, EventName, ModuleName, ValueError};
use cofferdam_signature::{Hash, TrustedKey};
use serde::Deserialize;

use crate::{Grant, Lock};

/// The only form of the file so far.
const FORMAT: u32 = 1;

const HEADER: &str = "\
# The operator's grants: as what each module may run, and what it may do at most. `cofferdam grant` writes this file.
# A module that is not here, whose program is another, or that asks for more, does not start.
# Keep it with the config, where only the operator can write. `withheld` is what was asked for and not granted.
";

/// What to do about a value that is no hash or no key.
const REMEDY: &str =
    "write it as `cofferdam grant` does, or remove the module's table and grant the module anew";

impl Lock {
    /// Reads the text of a lock file. `file` is only a name, for the message.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line, column and key, and what to do.
    pub fn parse(file: &str, text: &str) -> Result<Self, DocumentError> {
        let source = Source { file, text };
        let raw: Raw = source.read()?;
        source.in_range("format", &raw.format, FORMAT..=FORMAT, "this cofferdam knows no other form")?;
        let mut modules = BTreeMap::new();
        for (name, raw) in raw.modules {
            let table = format!("modules.{}", name.get_ref());
            let name = checked(source, &table, &name)?;
            modules.insert(name, raw.check(source, &table)?);
        }
        Ok(Self { modules })
    }

    /// The text of a lock file, the same for the same grants.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = format!("{HEADER}\nformat = {FORMAT}\n");
        for (name, grant) in &self.modules {
            text.push_str(&table(name, grant));
        }
        text
    }
}

/// No value needs to be escaped: each was checked by its type to hold letters, digits and a few signs.
fn table(name: &ModuleName, grant: &Grant) -> String {
    let mut text = format!("\n[modules.{name}]\n");
    let mut line = |key: &str, value: String| text.push_str(&format!("{key} = {value}\n"));
    line("version", string(&grant.version));
    line("manifest_sha256", string(grant.manifest));
    line("program_sha256", string(grant.program));
    line("capabilities", array(&grant.capabilities));
    for (key, value, empty) in [
        ("withheld", array(&grant.withheld), grant.withheld.is_empty()),
        ("publish_events", array(&grant.publish_events), grant.publish_events.is_empty()),
        ("withheld_events", array(&grant.withheld_events), grant.withheld_events.is_empty()),
    ] {
        if !empty {
            line(key, value);
        }
    }
    if let Some(key) = &grant.signed_by {
        line("signed_by", string(key));
    }
    text
}

fn string(value: impl Display) -> String {
    format!("\"{value}\"")
}

fn array<T: Display>(values: impl IntoIterator<Item = T>) -> String {
    let values: Vec<String> = values.into_iter().map(string).collect();
    format!("[{}]", values.join(", "))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    format: Spanned<u32>,
    #[serde(default)]
    modules: BTreeMap<Spanned<String>, RawGrant>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawGrant {
    version: Spanned<String>,
    manifest_sha256: Spanned<String>,
    program_sha256: Spanned<String>,
    capabilities: Vec<Spanned<String>>,
    #[serde(default)]
    withheld: Vec<Spanned<String>>,
    #[serde(default)]
    publish_events: Vec<Spanned<String>>,
    #[serde(default)]
    withheld_events: Vec<Spanned<String>>,
    signed_by: Option<Spanned<String>>,
}

impl RawGrant {
    fn check(self, source: Source<'_>, table: &str) -> Result<Grant, DocumentError> {
        let key = |name: &str| format!("{table}.{name}");
        let mut capabilities = BTreeSet::<Capability>::new();
        let mut events = BTreeSet::<EventName>::new();
        let granted = each(source, &key("capabilities"), &self.capabilities, &mut capabilities)?;
        let withheld = each(source, &key("withheld"), &self.withheld, &mut capabilities)?;
        let publish_events = each(source, &key("publish_events"), &self.publish_events, &mut events)?;
        let withheld_events = each(source, &key("withheld_events"), &self.withheld_events, &mut events)?;
        Ok(Grant {
            version: checked(source, &key("version"), &self.version)?,
            manifest: hash(source, &key("manifest_sha256"), &self.manifest_sha256)?,
            program: hash(source, &key("program_sha256"), &self.program_sha256)?,
            capabilities: granted.into_iter().collect::<CapabilitySet>(),
            withheld: withheld.into_iter().collect(),
            publish_events: publish_events.into_iter().collect(),
            withheld_events: withheld_events.into_iter().collect(),
            signed_by: self.signed_by.map(|text| signer(source, &key("signed_by"), &text)).transpose()?,
        })
    }
}

fn checked<T: FromStr<Err = ValueError>>(
    source: Source<'_>,
    key: &str,
    text: &Spanned<String>,
) -> Result<T, DocumentError> {
    let refused = |error: ValueError| source.error(text.span(), key, error.problem(), error.fix());
    text.get_ref().parse().map_err(refused)
}

fn hash(source: Source<'_>, key: &str, text: &Spanned<String>) -> Result<Hash, DocumentError> {
    let refused = |error| source.error(text.span(), key, format!("{error}"), REMEDY);
    text.get_ref().parse().map_err(refused)
}

fn signer(source: Source<'_>, key: &str, text: &Spanned<String>) -> Result<String, DocumentError> {
    match TrustedKey::new("", text.get_ref()) {
        Ok(known) => Ok(known.text().to_owned()),
        Err(error) => Err(source.error(text.span(), key, error.to_string(), REMEDY)),
    }
}

/// The values of a list, none of which was `seen`, in this list or in its counterpart: what is both granted and
/// withheld would be a matter of taste.
fn each<T: FromStr<Err = ValueError> + Ord + Clone>(
    source: Source<'_>,
    key: &str,
    listed: &[Spanned<String>],
    seen: &mut BTreeSet<T>,
) -> Result<Vec<T>, DocumentError> {
    let mut values = Vec::new();
    for text in listed {
        let value: T = checked(source, key, text)?;
        if !seen.insert(value.clone()) {
            let problem = format!("{} is listed twice, or both granted and withheld", quote(text.get_ref()));
            return Err(source.error(text.span(), key, problem, "list it once"));
        }
        values.push(value);
    }
    Ok(values)
}
