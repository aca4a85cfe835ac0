//! `[modules]`: which modules run, what they are told and what they are allowed.

use crate::source::{key, path, value};
use crate::{LimitOverrides, limits};
use cofferdam_document::{DocumentError, Source, Spanned, quote};
use cofferdam_manifest::{CapabilitySet, ConfigKey, EventName, Manifest, ModuleName};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// The longest value of a setting, in bytes: settings are passed in the environment, and Linux gives one
/// string of it 128 KiB and all of it 2 MiB. So many values of this length are half a megabyte.
const MAX_SETTING_BYTES: usize = 4096;

/// More than the longest name of a system call has, in bytes.
const MAX_CALL_NAME_BYTES: usize = 64;

/// Which modules run, what they are told and what they are allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Modules {
    /// `enabled`: whether modules run at all. `true` unless set.
    pub enabled: bool,
    /// `modules_dir`: the directory with one directory for each module. `modules` unless set.
    pub modules_dir: PathBuf,
    /// `data_dir`: the directory in which each module gets its data directory. `data/modules` unless set.
    pub data_dir: PathBuf,
    /// `enabled_modules`: the modules that run. Empty, as it is unless set: every module that is found.
    pub enabled_modules: BTreeSet<ModuleName>,
    /// `restart`: what happens to a module that ends.
    pub restart: Restart,
    /// `[modules.module_configs.<module>]`: its settings, as it finds them in its environment under
    /// [`ConfigKey::environment_name`]. A number or a truth value stands there as `5`, `1.5` or `true`.
    pub module_configs: BTreeMap<ModuleName, BTreeMap<ConfigKey, String>>,
    /// `[modules.grants]`: what the operator allows a module at most, besides the lock file. A module that is
    /// not listed gets what its manifest declares; one listed with `[]` gets nothing.
    pub grants: BTreeMap<ModuleName, CapabilitySet>,
    /// `[modules.publish_events]`: the event types that the operator lets a module publish. A module that is not
    /// listed publishes those its manifest names.
    pub publish_events: BTreeMap<ModuleName, BTreeSet<EventName>>,
    /// `lightning`: the module that answers for Lightning and payments. None unless set.
    pub lightning: Option<ModuleName>,
    /// `[modules.refuse_calls]`: system calls that a module is refused, though the policy allows them to every module.
    pub refuse_calls: BTreeMap<ModuleName, BTreeSet<String>>,
    /// `[modules.limits.<module>]`: limits set instead of the policy's.
    pub limits: BTreeMap<ModuleName, LimitOverrides>,
}

impl Default for Modules {
    fn default() -> Self {
        Self {
            enabled: true,
            modules_dir: PathBuf::from("modules"),
            data_dir: PathBuf::from("data/modules"),
            enabled_modules: BTreeSet::new(),
            restart: Restart::default(),
            module_configs: BTreeMap::new(),
            grants: BTreeMap::new(),
            publish_events: BTreeMap::new(),
            lightning: None,
            refuse_calls: BTreeMap::new(),
            limits: BTreeMap::new(),
        }
    }
}

/// What happens to a module that ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// `"on-failure"`, the default: it starts again, after a pause, if it did not end well.
    #[default]
    OnFailure,
    /// `"never"`: it stays as it is.
    Never,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Raw {
    enabled: Option<bool>,
    pub(crate) modules_dir: Option<Spanned<String>>,
    pub(crate) data_dir: Option<Spanned<String>>,
    #[serde(default)]
    enabled_modules: Vec<Spanned<String>>,
    restart: Option<Restart>,
    #[serde(default)]
    module_configs: ByModule<BTreeMap<Spanned<String>, Spanned<Setting>>>,
    #[serde(default)]
    grants: ByModule<Vec<Spanned<String>>>,
    #[serde(default)]
    publish_events: ByModule<Vec<Spanned<String>>>,
    lightning: Option<Spanned<String>>,
    #[serde(default)]
    refuse_calls: ByModule<Vec<Spanned<String>>>,
    #[serde(default)]
    limits: ByModule<limits::Raw>,
}

type ByModule<T> = BTreeMap<Spanned<String>, T>;

/// A value that fits into an environment variable.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a string, a number, true or false")]
enum Setting {
    Text(String),
    Truth(bool),
    Whole(i64),
    Fraction(f64),
}

impl Setting {
    fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Truth(truth) => truth.to_string(),
            Self::Whole(number) => number.to_string(),
            Self::Fraction(number) => format!("{number:?}"),
        }
    }
}

impl Raw {
    pub(crate) fn check(self, source: Source<'_>) -> Result<Modules, DocumentError> {
        let default = Modules::default();
        let dir = |name, text: Option<Spanned<String>>, default| {
            text.map_or(Ok(default), |text| path(source, &key("modules", name), &text))
        };
        Ok(Modules {
            enabled: self.enabled.unwrap_or(default.enabled),
            modules_dir: dir("modules_dir", self.modules_dir, default.modules_dir)?,
            data_dir: dir("data_dir", self.data_dir, default.data_dir)?,
            enabled_modules: enabled_modules(source, &self.enabled_modules)?,
            restart: self.restart.unwrap_or(default.restart),
            module_configs: by_module(source, "modules.module_configs", self.module_configs, settings)?,
            grants: by_module(source, "modules.grants", self.grants, grant)?,
            publish_events: by_module(source, "modules.publish_events", self.publish_events, published)?,
            lightning: self.lightning.map(|text| value(source, "modules.lightning", &text)).transpose()?,
            refuse_calls: by_module(source, "modules.refuse_calls", self.refuse_calls, refused)?,
            limits: by_module(source, "modules.limits", self.limits, |source, table, raw| {
                raw.check(source, table)
            })?,
        })
    }
}

/// Checks a table that has a key for each module. `check` gets the name of the module's table.
fn by_module<R, T>(
    source: Source<'_>,
    table: &str,
    raw: ByModule<R>,
    check: impl Fn(Source<'_>, &str, R) -> Result<T, DocumentError>,
) -> Result<BTreeMap<ModuleName, T>, DocumentError> {
    let mut checked = BTreeMap::new();
    for (name, raw) in raw {
        let table = key(table, name.get_ref());
        checked.insert(value(source, &table, &name)?, check(source, &table, raw)?);
    }
    Ok(checked)
}

fn enabled_modules(
    source: Source<'_>,
    listed: &[Spanned<String>],
) -> Result<BTreeSet<ModuleName>, DocumentError> {
    let key = "modules.enabled_modules";
    let mut names = BTreeSet::new();
    for text in listed {
        if !names.insert(value(source, key, text)?) {
            return Err(twice(source, key, text));
        }
    }
    Ok(names)
}

fn grant(
    source: Source<'_>,
    table: &str,
    listed: Vec<Spanned<String>>,
) -> Result<CapabilitySet, DocumentError> {
    let mut granted = CapabilitySet::new();
    for text in &listed {
        if !granted.insert(value(source, table, text)?) {
            return Err(twice(source, table, text));
        }
    }
    Ok(granted)
}

fn published(
    source: Source<'_>,
    table: &str,
    listed: Vec<Spanned<String>>,
) -> Result<BTreeSet<EventName>, DocumentError> {
    let mut names = BTreeSet::new();
    for text in &listed {
        if !names.insert(value(source, table, text)?) {
            return Err(twice(source, table, text));
        }
    }
    Ok(names)
}

/// Names that a system call could have. Which there are, and which a module may make at all, the policy knows.
fn refused(
    source: Source<'_>,
    table: &str,
    listed: Vec<Spanned<String>>,
) -> Result<BTreeSet<String>, DocumentError> {
    let mut names = BTreeSet::new();
    for text in &listed {
        let name = text.get_ref();
        let is_name = (1..=MAX_CALL_NAME_BYTES).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        if !is_name {
            let problem = format!("{} is no name of a system call", quote(name));
            let fix = "name it as its man page does, like \"flock\"";
            return Err(source.error(text.span(), table, problem, fix));
        }
        if !names.insert(name.clone()) {
            return Err(twice(source, table, text));
        }
    }
    Ok(names)
}

fn twice(source: Source<'_>, key: &str, text: &Spanned<String>) -> DocumentError {
    let problem = format!("{} is listed twice", quote(text.get_ref()));
    source.error(text.span(), key, problem, "list it once")
}

fn settings(
    source: Source<'_>,
    table: &str,
    raw: BTreeMap<Spanned<String>, Spanned<Setting>>,
) -> Result<BTreeMap<ConfigKey, String>, DocumentError> {
    let mut settings = BTreeMap::new();
    let mut variables = BTreeSet::new();
    for (name, setting) in raw {
        let key = key(table, name.get_ref());
        let config_key: ConfigKey = value(source, &key, &name)?;
        if settings.len() == Manifest::MAX_SETTINGS {
            let problem = format!("the module has more than {} settings", Manifest::MAX_SETTINGS);
            return Err(source.error(name.span(), table, problem, "remove what is not needed"));
        }
        if !variables.insert(config_key.environment_name()) {
            let problem = format!("another setting gives the variable {} too", config_key.environment_name());
            return Err(source.error(name.span(), &key, problem, "keep one of the two"));
        }
        settings.insert(config_key, setting_text(source, &key, setting)?);
    }
    Ok(settings)
}

fn setting_text(source: Source<'_>, key: &str, setting: Spanned<Setting>) -> Result<String, DocumentError> {
    let span = setting.span();
    let text = setting.into_inner().into_text();
    if text.contains('\0') {
        let problem = "the value contains NUL, which no environment variable can carry";
        return Err(source.error(span, key, problem, "remove the NUL"));
    }
    if text.len() > MAX_SETTING_BYTES {
        let problem = format!("the value has {} bytes, the limit is {MAX_SETTING_BYTES}", text.len());
        let fix = "put long values into a file in the module's data directory";
        return Err(source.error(span, key, problem, fix));
    }
    Ok(text)
}
