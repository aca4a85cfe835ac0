//! Parses module.toml and core.toml: everything of a profile that does not depend on one module, except the
//! system calls.

use super::checks::{named, once, why};
use super::limits::{RawCoreLimits, RawLimits, core_limits, limit, limits, mebibytes};
use crate::profile::{
    Access, CoreLimits, Descriptor, DescriptorRule, DirectoryRule, EnvironmentRule, Limit, Limits, Namespace,
    NamespaceRule, Resource, RlimitRule,
};
use cofferdam_document::{DocumentError, Source, Spanned};
use cofferdam_manifest::Capability;
use serde::Deserialize;
use std::collections::BTreeSet;

/// What one policy file says about its subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    pub(crate) namespaces: Vec<NamespaceRule>,
    pub(crate) data: DirectoryRule,
    /// What it may do there without a capability; `None`: it needs none.
    pub(crate) data_without: Option<DataWithout>,
    pub(crate) libraries: Vec<DirectoryRule>,
    /// Where the data directories of modules are; `None`: not inside.
    pub(crate) module_files: Option<DirectoryRule>,
    pub(crate) network: Reach,
    /// Why it serves the operator's tools, where it does; `None`: it never does.
    pub(crate) interface_why: Option<String>,
    pub(crate) limits: Limits,
    /// Memory for each module's database besides its content; `None`: there are no databases.
    pub(crate) memory_per_database: Option<Limit<u64>>,
    /// What a module may take of the core; `None` for the core itself.
    pub(crate) core_limits: Option<CoreLimits>,
    pub(crate) rlimits: Vec<RlimitRule>,
    pub(crate) descriptors: Vec<DescriptorRule>,
    pub(crate) environment: Vec<EnvironmentRule>,
    /// Why settings are passed in the environment; `None`: they are not.
    pub(crate) settings_why: Option<String>,
    /// May hold `{name}`.
    pub(crate) arguments: Vec<String>,
}

/// A data directory without the capability that writing in it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DataWithout {
    pub(crate) needed: Capability,
    pub(crate) rule: DirectoryRule,
}

/// What the policy lets the subject reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reach {
    None { why: String },
    Node { why: String, without_ports: String },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    namespace: Vec<RawNamespace>,
    data: RawData,
    library: Vec<RawDirectory>,
    module_files: Option<RawDirectory>,
    network: RawNetwork,
    interface: Option<RawReason>,
    limits: RawLimits,
    core_limits: Option<RawCoreLimits>,
    rlimit: Vec<RawRlimit>,
    descriptor: Vec<RawDescriptor>,
    environment: RawEnvironment,
    settings: Option<RawReason>,
    arguments: RawArguments,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawNamespace {
    name: Spanned<String>,
    why: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDirectory {
    inside: Spanned<String>,
    access: Spanned<String>,
    why: Spanned<String>,
}

/// A [`RawDirectory`] that may be written with a capability only.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawData {
    inside: Spanned<String>,
    access: Spanned<String>,
    needs: Option<Spanned<String>>,
    why: Spanned<String>,
    without: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawNetwork {
    reach: Spanned<String>,
    why: Spanned<String>,
    without_ports: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRlimit {
    resource: Spanned<String>,
    value: u64,
    why: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDescriptor {
    number: Spanned<u8>,
    is: Spanned<String>,
    why: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEnvironment {
    variables: Vec<RawVariable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawVariable {
    name: Spanned<String>,
    value: String,
    why: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawReason {
    why: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawArguments {
    values: Vec<String>,
    why: Spanned<String>,
}

/// Parses the file.
pub(crate) fn parse(source: Source<'_>) -> Result<Template, DocumentError> {
    let raw: Raw = source.read()?;
    why(source, "arguments.why", &raw.arguments.why)?;
    let (data, data_without) = data(source, raw.data)?;
    Ok(Template {
        namespaces: namespaces(source, &raw.namespace)?,
        data,
        data_without,
        libraries: libraries(source, &raw.library)?,
        module_files: raw
            .module_files
            .map(|raw| directory(source, "module_files", &raw, Access::ReadWrite))
            .transpose()?,
        network: reach(source, &raw.network)?,
        interface_why: raw.interface.map(|raw| why(source, "interface.why", &raw.why)).transpose()?,
        memory_per_database: raw
            .limits
            .memory_mib_per_database
            .as_ref()
            .map(|raw| limit(source, "limits.memory_mib_per_database", raw).map(mebibytes))
            .transpose()?,
        limits: limits(source, &raw.limits)?,
        core_limits: raw.core_limits.map(|raw| core_limits(source, &raw)).transpose()?,
        rlimits: rlimits(source, &raw.rlimit)?,
        descriptors: descriptors(source, &raw.descriptor)?,
        environment: environment(source, &raw.environment)?,
        settings_why: raw.settings.map(|raw| why(source, "settings.why", &raw.why)).transpose()?,
        arguments: raw.arguments.values,
    })
}

fn namespaces(source: Source<'_>, raw: &[RawNamespace]) -> Result<Vec<NamespaceRule>, DocumentError> {
    let choices = Namespace::ALL.map(|namespace| (namespace.as_str(), namespace));
    let mut seen = BTreeSet::new();
    let rule = |raw: &RawNamespace| {
        let namespace = named(source, "namespace.name", &raw.name, &choices)?;
        once(source, "namespace.name", &raw.name, seen.insert(namespace))?;
        Ok(NamespaceRule { namespace, why: why(source, "namespace.why", &raw.why)? })
    };
    raw.iter().map(rule).collect()
}

fn libraries(source: Source<'_>, raw: &[RawDirectory]) -> Result<Vec<DirectoryRule>, DocumentError> {
    let mut seen = BTreeSet::new();
    let rule = |raw: &RawDirectory| {
        once(source, "library.inside", &raw.inside, seen.insert(raw.inside.get_ref().clone()))?;
        directory(source, "library", raw, Access::ReadExecute)
    };
    raw.iter().map(rule).collect()
}

/// A directory with the one kind of access that its place allows: what can be written is never executed.
fn directory(
    source: Source<'_>,
    table: &str,
    raw: &RawDirectory,
    access: Access,
) -> Result<DirectoryRule, DocumentError> {
    let name = match access {
        Access::ReadWrite => "read_write",
        Access::Read => "read",
        Access::ReadExecute => "read_execute",
    };
    let inside = raw.inside.get_ref();
    let plain = |component: &str| !component.is_empty() && component != "." && component != "..";
    if !inside.strip_prefix('/').is_some_and(|path| path.split('/').all(plain)) {
        let fix = "write an absolute path without `.`, `..` and a slash at its end";
        return Err(source.error(raw.inside.span(), &format!("{table}.inside"), "not a plain path", fix));
    }
    Ok(DirectoryRule {
        inside: inside.clone(),
        access: named(source, &format!("{table}.access"), &raw.access, &[(name, access)])?,
        why: why(source, &format!("{table}.why"), &raw.why)?,
    })
}

fn data(source: Source<'_>, raw: RawData) -> Result<(DirectoryRule, Option<DataWithout>), DocumentError> {
    let RawData { inside, access, needs, why: reason, without } = raw;
    let needs_at = needs.as_ref().map_or_else(|| inside.span(), Spanned::span);
    let directory = RawDirectory { inside, access, why: reason };
    let rule = self::directory(source, "data", &directory, Access::ReadWrite)?;
    match (needs, without) {
        (None, None) => Ok((rule, None)),
        (Some(needs), Some(without)) => {
            let names: Vec<_> =
                Capability::ALL.iter().map(|capability| (capability.as_str(), *capability)).collect();
            let needed = named(source, "data.needs", &needs, &names)?;
            let why = why(source, "data.without", &without)?;
            let rest = DirectoryRule { inside: rule.inside.clone(), access: Access::Read, why };
            Ok((rule, Some(DataWithout { needed, rule: rest })))
        }
        (Some(_), None) | (None, Some(_)) => {
            let problem = "`needs` and `without` belong together";
            Err(source.error(needs_at, "data.needs", problem, "write both or neither"))
        }
    }
}

fn reach(source: Source<'_>, raw: &RawNetwork) -> Result<Reach, DocumentError> {
    let node = named(source, "network.reach", &raw.reach, &[("none", false), ("node", true)])?;
    let reason = why(source, "network.why", &raw.why)?;
    match (node, &raw.without_ports) {
        (false, None) => Ok(Reach::None { why: reason }),
        (true, Some(text)) => {
            Ok(Reach::Node { why: reason, without_ports: why(source, "network.without_ports", text)? })
        }
        (true, None) | (false, Some(_)) => {
            let problem = "`without_ports` and `reach = \"node\"` belong together";
            Err(source.error(raw.reach.span(), "network.reach", problem, "write both or neither"))
        }
    }
}

fn rlimits(source: Source<'_>, raw: &[RawRlimit]) -> Result<Vec<RlimitRule>, DocumentError> {
    let choices = [
        ("NOFILE", Resource::Nofile),
        ("CORE", Resource::Core),
        ("FSIZE", Resource::Fsize),
        ("MEMLOCK", Resource::Memlock),
        ("MSGQUEUE", Resource::Msgqueue),
        ("SIGPENDING", Resource::Sigpending),
        ("NICE", Resource::Nice),
        ("RTPRIO", Resource::Rtprio),
    ];
    let mut seen = BTreeSet::new();
    let rule = |raw: &RawRlimit| {
        let resource = named(source, "rlimit.resource", &raw.resource, &choices)?;
        once(source, "rlimit.resource", &raw.resource, seen.insert(resource))?;
        Ok(RlimitRule { resource, value: raw.value, why: why(source, "rlimit.why", &raw.why)? })
    };
    let rules: Vec<RlimitRule> = raw.iter().map(rule).collect::<Result<_, DocumentError>>()?;
    match choices.iter().find(|(_, resource)| rules.iter().all(|rule| rule.resource != *resource)) {
        None => Ok(rules),
        Some((name, _)) => {
            let problem = format!("nothing is said about {name}");
            Err(source.error(
                0..0,
                "rlimit",
                problem,
                "add a [[rlimit]] for it: a limit left out is the host's",
            ))
        }
    }
}

fn descriptors(source: Source<'_>, raw: &[RawDescriptor]) -> Result<Vec<DescriptorRule>, DocumentError> {
    let choices = [
        ("null", Descriptor::Null),
        ("log", Descriptor::Log),
        ("ipc", Descriptor::Ipc),
        ("control", Descriptor::Control),
    ];
    let rule = |(expected, raw): (u8, &RawDescriptor)| {
        let why = why(source, "descriptor.why", &raw.why)?;
        let what = named(source, "descriptor.is", &raw.is, &choices)?;
        let why_range = "descriptors are listed from 0, none left out";
        let number = source.in_range("descriptor.number", &raw.number, expected..=expected, why_range)?;
        Ok(DescriptorRule { number, what, why })
    };
    (0..=u8::MAX).zip(raw).map(rule).collect()
}

fn environment(source: Source<'_>, raw: &RawEnvironment) -> Result<Vec<EnvironmentRule>, DocumentError> {
    let mut seen = BTreeSet::new();
    let rule = |raw: &RawVariable| {
        let key = "environment.variables";
        once(source, key, &raw.name, seen.insert(raw.name.get_ref().clone()))?;
        let reason = why(source, key, &raw.why)?;
        Ok(EnvironmentRule { name: raw.name.get_ref().clone(), value: raw.value.clone(), why: reason })
    };
    raw.variables.iter().map(rule).collect()
}
