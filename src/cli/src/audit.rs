//! `cofferdam audit`: the page of one module or of the core, from the profile that the launcher enforces.

use std::path::Path;

use anyhow::{anyhow, bail};
use cofferdam_audit::Hash;
use cofferdam_config::Config;
use cofferdam_installation::{Installation, manifest_at};
use cofferdam_manifest::{Manifest, ModuleName};
use cofferdam_policy::page::{canonical, render, render_json};
use cofferdam_policy::profile::{Linkage, Profile};
use cofferdam_policy::{Decisions, Tables, derive};

use crate::admission::Standing;
use crate::answer::Answer;
use crate::arguments::Wanted;
use crate::{catalog, launch, program, verify};

/// Of whom a page can be had without an installation.
#[derive(Debug, Clone, Copy)]
pub enum Subject<'s> {
    /// A module with everything its manifest asks for.
    Module(&'s Manifest),
    /// The core with the node of this config.
    Core(&'s Config),
}

/// The page of a static program by the policy's defaults.
#[must_use]
pub fn page(subject: Subject<'_>) -> String {
    text(&default_profile(subject, Linkage::Static), Form::Text)
}

#[derive(Debug, Clone, Copy)]
enum Form {
    Text,
    Json,
}

pub(crate) fn audit(wanted: &Wanted) -> anyhow::Result<Answer> {
    if wanted.verify {
        return verify::verify(wanted, || profile(wanted));
    }
    let form = if wanted.form.json { Form::Json } else { Form::Text };
    let (profile, standing) = subject(wanted)?;
    let page = with_hash(text(&profile, form), Hash::of(canonical(&profile).as_bytes()), form)?;
    Ok(Answer::good(with_standing(page, standing.as_ref(), form)?))
}

/// The hash by which the audit log names this profile at each launch.
fn with_hash(page: String, hash: Hash, form: Form) -> anyhow::Result<String> {
    match form {
        Form::Text => {
            Ok(format!("{page}\nPROFILE\n  sha256 {hash}, as the audit log records at each launch\n"))
        }
        Form::Json => with_key(&page, "profile_sha256", hash.to_string().into()),
    }
}

/// A page with one key more.
fn with_key(page: &str, key: &str, value: serde_json::Value) -> anyhow::Result<String> {
    let mut page: serde_json::Value = serde_json::from_str(page)?;
    if let Some(page) = page.as_object_mut() {
        page.insert(key.to_owned(), value);
    }
    Ok(serde_json::to_string_pretty(&page)? + "\n")
}

fn text(profile: &Profile, form: Form) -> String {
    let (calls, events) = (catalog::call_lines(), catalog::event_names());
    match form {
        Form::Text => render(profile, &Tables::builtin(), &calls, &events),
        Form::Json => render_json(profile, &calls, &events) + "\n",
    }
}

/// A page tells of one installed module how it stands, which is no part of what confines it.
fn with_standing(page: String, standing: Option<&Standing>, form: Form) -> anyhow::Result<String> {
    let Some(standing) = standing else { return Ok(page) };
    match form {
        Form::Text => Ok(page + &standing.section()),
        Form::Json => with_key(&page, "starts", serde_json::to_value(standing)?),
    }
}

fn profile(wanted: &Wanted) -> anyhow::Result<Profile> {
    subject(wanted).map(|(profile, _)| profile)
}

/// The profile that is wanted; of an installed module, how it stands too.
fn subject(wanted: &Wanted) -> anyhow::Result<(Profile, Option<Standing>)> {
    let forced = wanted.dynamic.then_some(Linkage::Dynamic);
    if let Some(path) = &wanted.manifest {
        let manifest = manifest_at(path).map_err(|problem| anyhow!(problem))?;
        let beside = path.with_file_name(manifest.entry_point().as_str());
        let linkage = forced.map_or_else(|| looked_at(&beside), Ok)?;
        return Ok((default_profile(Subject::Module(&manifest), linkage), None));
    }
    let Some(module) = &wanted.module else {
        return core(&wanted.place.config, forced).map(|profile| (profile, None));
    };
    let installation = Installation::read(&wanted.place.config)?;
    let installed = ModuleName::new(module).ok().and_then(|name| installation.modules.get(&name));
    let Some(installed) = installed else { bail!("{}", not_running(module, &installation)) };
    let entry_point = installed.directory.join(installed.manifest.entry_point().as_str());
    let linkage = forced.map_or_else(|| looked_at(&entry_point), Ok)?;
    let standing = Standing::of(installed, &installation);
    Ok((installation.profile(installed, linkage, &Tables::builtin()), Some(standing)))
}

/// Without a config the core is that of the default one, with the embedded node.
fn core(config: &Path, forced: Option<Linkage>) -> anyhow::Result<Profile> {
    let linkage = match forced {
        Some(linkage) => linkage,
        None => looked_at(&launch::beside()?.with_file_name("cofferdam"))?,
    };
    if config == Path::new("cofferdam.toml") && !config.exists() {
        return Ok(default_profile(Subject::Core(&Config::default()), linkage));
    }
    Ok(Installation::read(config)?.core_profile(linkage, &Tables::builtin()))
}

/// How a program is linked. One that is not there yet is taken to be static, as this project builds them; a file
/// that is no program gets no page, since it would never run.
fn looked_at(program: &Path) -> anyhow::Result<Linkage> {
    if !program.exists() {
        return Ok(Linkage::Static);
    }
    program::at(program).map_err(|problem| anyhow!(problem))
}

/// The profile by the policy's defaults.
pub(crate) fn default_profile(subject: Subject<'_>, linkage: Linkage) -> Profile {
    let tables = Tables::builtin();
    match subject {
        Subject::Module(manifest) => derive(manifest, &Decisions::default(), linkage, &tables),
        Subject::Core(config) => alone(config).core_profile(linkage, &tables),
    }
}

/// A config without modules.
fn alone(config: &Config) -> Installation {
    Installation::without_modules(config.clone())
}

fn not_running(module: &str, installation: &Installation) -> String {
    let names: Vec<&str> = installation.modules.keys().map(ModuleName::as_str).collect();
    let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let mut text = format!(
        "{module:?} is not a module that runs here (these are: {names}); \
         `cofferdam audit --manifest FILE` takes one that is not installed"
    );
    for problem in
        installation.problems.iter().map(ToString::to_string).filter(|problem| problem.contains(module))
    {
        text.push_str(&format!("\n  {problem}"));
    }
    text
}
