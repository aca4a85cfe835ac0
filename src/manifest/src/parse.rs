//! From the text of a `module.toml` to a [`Manifest`].

use crate::{
    Capability, CapabilitySet, ConfigKey, EntryPoint, EventName, ModuleName, ValueError, Version,
    VersionConstraint,
};
use cofferdam_document::{DocumentError, Source, Spanned, quote};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

/// The longest description or author, in bytes: they are one line of a page.
const MAX_LINE_BYTES: usize = 1024;

/// The most dependencies in one table: more than any module needs, and few enough that ordering a
/// directory full of manifests takes no time.
const MAX_DEPENDENCIES: usize = 64;

/// What a module says about itself, checked.
///
/// Holding one proves that every value keeps the rules of its type, that no module is a dependency twice or
/// of itself, and that no two settings share an environment variable. It proves nothing about the module's
/// program, nor that what it asks for was granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    name: ModuleName,
    version: Version,
    entry_point: EntryPoint,
    description: Option<String>,
    author: Option<String>,
    capabilities: CapabilitySet,
    publish_events: BTreeSet<EventName>,
    dependencies: BTreeMap<ModuleName, VersionConstraint>,
    optional_dependencies: BTreeMap<ModuleName, VersionConstraint>,
    config_schema: BTreeMap<ConfigKey, String>,
}

impl Manifest {
    /// The most settings a module may have: they are passed in the environment, which Linux bounds.
    pub const MAX_SETTINGS: usize = 128;

    /// Parses the text of a `module.toml`. `file` is only a name, for the message.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line, column and key, and what to write instead.
    pub fn parse(file: &str, text: &str) -> Result<Self, DocumentError> {
        let source = Source { file, text };
        let raw: Raw = source.read()?;
        let name = own_name(source, &raw.name)?;
        let dependencies = dependencies(source, "dependencies", &name, &raw.dependencies)?;
        let optional_dependencies =
            dependencies_once(source, &name, &dependencies, &raw.optional_dependencies)?;
        Ok(Self {
            version: value(source, "version", &raw.version)?,
            entry_point: value(source, "entry_point", &raw.entry_point)?,
            description: line(source, "description", raw.description.as_ref())?,
            author: line(source, "author", raw.author.as_ref())?,
            capabilities: capabilities(source, &raw.capabilities)?,
            publish_events: publish_events(source, &raw)?,
            config_schema: config_schema(source, &raw.config_schema)?,
            name,
            dependencies,
            optional_dependencies,
        })
    }

    /// The module's name.
    #[must_use]
    pub fn name(&self) -> &ModuleName {
        &self.name
    }

    /// The module's version.
    #[must_use]
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// The module's program, below the module's directory.
    #[must_use]
    pub fn entry_point(&self) -> &EntryPoint {
        &self.entry_point
    }

    /// What the module's author says it does, on one line that prints safely.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// Who says to have written it, on one line that prints safely.
    #[must_use]
    pub fn author(&self) -> Option<&str> {
        self.author.as_deref()
    }

    /// What the module asks to be allowed.
    #[must_use]
    pub fn capabilities(&self) -> &CapabilitySet {
        &self.capabilities
    }

    /// The event types it asks to publish; empty unless it asks for the capability `publish_events` too.
    #[must_use]
    pub fn publish_events(&self) -> &BTreeSet<EventName> {
        &self.publish_events
    }

    /// The modules it cannot start without.
    #[must_use]
    pub fn dependencies(&self) -> &BTreeMap<ModuleName, VersionConstraint> {
        &self.dependencies
    }

    /// The modules it uses where they are present.
    #[must_use]
    pub fn optional_dependencies(&self) -> &BTreeMap<ModuleName, VersionConstraint> {
        &self.optional_dependencies
    }

    /// The settings it understands, each with a line that describes it.
    #[must_use]
    pub fn config_schema(&self) -> &BTreeMap<ConfigKey, String> {
        &self.config_schema
    }
}

/// A `module.toml` as it is written, before its values are checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    name: Spanned<String>,
    version: Spanned<String>,
    entry_point: Spanned<String>,
    description: Option<Spanned<String>>,
    author: Option<Spanned<String>>,
    #[serde(default)]
    capabilities: Vec<Spanned<String>>,
    #[serde(default)]
    publish_events: Vec<Spanned<String>>,
    #[serde(default)]
    dependencies: RawTable,
    #[serde(default)]
    optional_dependencies: RawTable,
    #[serde(default)]
    config_schema: RawTable,
}

type RawTable = BTreeMap<Spanned<String>, Spanned<String>>;

fn value<T: FromStr<Err = ValueError>>(
    source: Source<'_>,
    key: &str,
    text: &Spanned<String>,
) -> Result<T, DocumentError> {
    text.get_ref()
        .parse()
        .map_err(|error: ValueError| source.error(text.span(), key, error.problem(), error.fix()))
}

/// Names that logs, cgroups and callers know as somebody else's, however they are written.
const RESERVED: [&str; 3] = ["core", "host", "launcher"];

/// The module's own name. A dependency cannot have a reserved one either, as no module has.
fn own_name(source: Source<'_>, text: &Spanned<String>) -> Result<ModuleName, DocumentError> {
    let name: ModuleName = value(source, "name", text)?;
    if RESERVED.iter().any(|reserved| name.as_str().eq_ignore_ascii_case(reserved)) {
        let problem = format!("{} is what Cofferdam calls a part of itself", quote(text.get_ref()));
        return Err(source.error(text.span(), "name", problem, "give the module another name"));
    }
    Ok(name)
}

fn line(
    source: Source<'_>,
    key: &str,
    text: Option<&Spanned<String>>,
) -> Result<Option<String>, DocumentError> {
    text.map(|text| source.one_line(key, text, MAX_LINE_BYTES)).transpose()
}

fn capabilities(source: Source<'_>, listed: &[Spanned<String>]) -> Result<CapabilitySet, DocumentError> {
    let mut set = CapabilitySet::new();
    for text in listed {
        if !set.insert(value(source, "capabilities", text)?) {
            let problem = format!("{} is listed twice", quote(text.get_ref()));
            return Err(source.error(text.span(), "capabilities", problem, "list it once"));
        }
    }
    Ok(set)
}

/// The most event types a module may publish: more than there are for modules.
const MAX_EVENTS: usize = 64;

fn publish_events(source: Source<'_>, raw: &Raw) -> Result<BTreeSet<EventName>, DocumentError> {
    let key = "publish_events";
    let mut names = BTreeSet::new();
    for text in &raw.publish_events {
        if names.len() == MAX_EVENTS {
            let problem = format!("more than {MAX_EVENTS} event types are listed");
            return Err(source.error(text.span(), key, problem, "list those it publishes"));
        }
        if !names.insert(value(source, key, text)?) {
            let problem = format!("{} is listed twice", quote(text.get_ref()));
            return Err(source.error(text.span(), key, problem, "list it once"));
        }
    }
    let asked = raw.capabilities.iter().any(|text| text.get_ref() == Capability::PublishEvents.as_str());
    match raw.publish_events.first() {
        Some(first) if !asked => {
            let problem = "the capability publish_events is not asked for";
            Err(source.error(first.span(), key, problem, "add \"publish_events\" to capabilities"))
        }
        _ => Ok(names),
    }
}

fn dependencies(
    source: Source<'_>,
    table: &str,
    own_name: &ModuleName,
    raw: &RawTable,
) -> Result<BTreeMap<ModuleName, VersionConstraint>, DocumentError> {
    bounded(source, table, raw, MAX_DEPENDENCIES)?;
    let mut dependencies = BTreeMap::new();
    for (name, constraint) in raw {
        let key = format!("{table}.{}", name.get_ref());
        let dependency: ModuleName = value(source, &key, name)?;
        if dependency == *own_name {
            return Err(source.error(name.span(), &key, "the module depends on itself", "remove this line"));
        }
        dependencies.insert(dependency, value(source, &key, constraint)?);
    }
    Ok(dependencies)
}

/// The optional dependencies, none of which is required as well.
fn dependencies_once(
    source: Source<'_>,
    own_name: &ModuleName,
    required: &BTreeMap<ModuleName, VersionConstraint>,
    raw: &RawTable,
) -> Result<BTreeMap<ModuleName, VersionConstraint>, DocumentError> {
    let optional = dependencies(source, "optional_dependencies", own_name, raw)?;
    match raw.keys().find(|name| required.contains_key(name.get_ref().as_str())) {
        None => Ok(optional),
        Some(name) => {
            let key = format!("optional_dependencies.{}", name.get_ref());
            let problem = "the module is listed in [dependencies] as well";
            Err(source.error(name.span(), &key, problem, "keep it in one of the two tables"))
        }
    }
}

fn config_schema(source: Source<'_>, raw: &RawTable) -> Result<BTreeMap<ConfigKey, String>, DocumentError> {
    bounded(source, "config_schema", raw, Manifest::MAX_SETTINGS)?;
    let mut schema = BTreeMap::new();
    let mut by_variable: BTreeMap<String, &Spanned<String>> = BTreeMap::new();
    for (name, description) in raw {
        let key = format!("config_schema.{}", name.get_ref());
        let setting: ConfigKey = value(source, &key, name)?;
        if let Some(other) = by_variable.insert(setting.environment_name(), name) {
            let (first, second) =
                if other.span().start < name.span().start { (other, name) } else { (name, other) };
            let key = format!("config_schema.{}", second.get_ref());
            let variable = setting.environment_name();
            let problem = format!("{} gives the variable {variable} too", quote(first.get_ref()));
            return Err(source.error(second.span(), &key, problem, "rename one of the two"));
        }
        schema.insert(setting, source.one_line(&key, description, MAX_LINE_BYTES)?);
    }
    Ok(schema)
}

fn bounded(source: Source<'_>, table: &str, raw: &RawTable, limit: usize) -> Result<(), DocumentError> {
    match raw.keys().map(Spanned::span).max_by_key(|span| span.start) {
        Some(last) if raw.len() > limit => {
            let problem = format!("the table has {} keys, the limit is {limit}", raw.len());
            Err(source.error(last, table, problem, "remove what is not needed"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
