//! Parses layers.toml and capabilities.toml: what the auditor's page says about things that other files allow.

use super::checks::{named, once, why};
use cofferdam_document::{DocumentError, Source, Spanned};
use cofferdam_manifest::Capability;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// What an auditor should know about a capability besides what it lets a module do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapabilityNote {
    /// What can go wrong when a hostile module has it; begins with how bad that is.
    pub risk: String,
    /// What honest modules need it for.
    pub why: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLayers {
    layer: Vec<RawLayer>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLayer {
    name: Spanned<String>,
    consequence: Spanned<String>,
    why: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCapabilities {
    capability: Vec<RawCapability>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCapability {
    name: Spanned<String>,
    risk: Spanned<String>,
    why: Spanned<String>,
}

/// The layers that may be missing, each with what a module can do then.
pub(crate) fn layers(source: Source<'_>) -> Result<BTreeMap<String, String>, DocumentError> {
    let raw: RawLayers = source.read()?;
    let mut seen = BTreeSet::new();
    let entry = |raw: &RawLayer| {
        let name = raw.name.get_ref();
        once(source, "layer.name", &raw.name, seen.insert(name.clone()))?;
        why(source, "layer.why", &raw.why)?;
        Ok((name.clone(), why(source, "layer.consequence", &raw.consequence)?))
    };
    raw.layer.iter().map(entry).collect()
}

/// A note for every capability there is.
pub(crate) fn capabilities(
    source: Source<'_>,
) -> Result<BTreeMap<Capability, CapabilityNote>, DocumentError> {
    let raw: RawCapabilities = source.read()?;
    let choices: Vec<(&str, Capability)> =
        Capability::ALL.iter().map(|capability| (capability.as_str(), *capability)).collect();
    let mut seen = BTreeSet::new();
    let entry = |raw: &RawCapability| {
        let capability = named(source, "capability.name", &raw.name, &choices)?;
        once(source, "capability.name", &raw.name, seen.insert(capability))?;
        let risk = why(source, "capability.risk", &raw.risk)?;
        Ok((capability, CapabilityNote { risk, why: why(source, "capability.why", &raw.why)? }))
    };
    let notes: BTreeMap<_, _> = raw.capability.iter().map(entry).collect::<Result<_, DocumentError>>()?;
    match Capability::ALL.iter().find(|capability| !notes.contains_key(*capability)) {
        None => Ok(notes),
        Some(missing) => {
            let problem = format!("nothing is said about {missing}");
            Err(source.error(0..0, "capability", problem, "add a [[capability]] with name, risk and why"))
        }
    }
}
