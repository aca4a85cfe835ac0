//! Manifests, configs and policy files: what is wrong is said in plain, bounded text, and what is right cannot draw
//! on the page that an auditor reads.

use std::fmt::Display;
use std::path::Path;
use std::sync::LazyLock;

use cofferdam_config::Config;
use cofferdam_control::is_deceptive;
use cofferdam_document::Source;
use cofferdam_manifest::{Manifest, resolve};
use cofferdam_policy::profile::Linkage;
use cofferdam_policy::{Decisions, Sources, Tables, derive, page};

static TABLES: LazyLock<Tables> = LazyLock::new(Tables::builtin);

/// A `module.toml`, by an author whom nobody trusts.
pub(crate) fn manifest(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match Manifest::parse("module.toml", text) {
        Ok(manifest) => {
            let profile = derive(&manifest, &Decisions::default(), Linkage::Static, &TABLES);
            is_plain(&page::render(&profile, &TABLES, &[], &[]));
            let resolution = resolve(std::slice::from_ref(&manifest));
            resolution.refused.values().for_each(is_bounded_and_plain);
            resolution.notes.iter().for_each(is_bounded_and_plain);
        }
        Err(error) => is_bounded_and_plain(&error),
    }
}

/// A `cofferdam.toml`. The operator is trusted, a slip of the pen is not.
pub(crate) fn config(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match Config::parse("cofferdam.toml", text).map(|config| config.resolve_paths(Path::new("/base"))) {
        Ok(Ok(config)) => assert!(config.state_dir.is_absolute() && config.modules.data_dir.is_absolute()),
        Ok(Err(overlap)) => is_bounded_and_plain(&overlap),
        Err(error) => is_bounded_and_plain(&error),
    }
}

/// One file of the policy, chosen by the first byte, in the place of the one that is compiled in.
pub(crate) fn policy(input: &[u8]) {
    let Some((choice, text)) = input.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let mut sources = Sources::BUILTIN;
    let files = [
        &mut sources.module,
        &mut sources.core,
        &mut sources.layers,
        &mut sources.capabilities,
        &mut sources.calls_kill,
        &mut sources.calls_module,
        &mut sources.calls_dynamic,
        &mut sources.calls_core,
        &mut sources.calls_core_network,
        &mut sources.calls_core_interface,
        &mut sources.calls_core_files,
    ];
    let chosen = usize::from(*choice) % files.len();
    if let Some(file) = files.into_iter().nth(chosen) {
        *file = Source { file: file.file, text };
    }
    if let Err(error) = Tables::parse(&sources) {
        is_bounded_and_plain(&error);
    }
}

/// Fits a log, and shows what it says.
pub(crate) fn is_bounded_and_plain(error: &impl Display) {
    let text = error.to_string();
    assert!(text.len() < 8192, "an error of {} bytes", text.len());
    is_plain(&text);
}

fn is_plain(text: &str) {
    let deceptive = text.chars().find(|character| *character != '\n' && is_deceptive(*character));
    assert_eq!(deceptive, None, "in {text:?}");
}
