//! Claims about every text there is.

use super::FULL;
use crate::Config;
use proptest::prelude::*;
use std::path::Path;

fn is_one_safe_line(message: &str) -> bool {
    message.starts_with("c.toml:") && !message.chars().any(char::is_control) && message.len() < 12_000
}

proptest! {
    #[test]
    fn any_bytes_are_parsed_or_refused_on_one_safe_line(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        if let Err(error) = Config::parse("c.toml", &String::from_utf8_lossy(&bytes)) {
            prop_assert!(is_one_safe_line(&error.to_string()), "{error}");
        }
    }

    #[test]
    fn a_mutated_config_is_parsed_or_refused_on_one_safe_line(
        place in 0..FULL.len(), removed in 0..20_usize, inserted in "([ -~]|\n|\u{1b}|\u{202e}|é){0,6}"
    ) {
        let end = (place + removed).min(FULL.len());
        let text = format!("{}{inserted}{}", &FULL[..place], &FULL[end..]);
        if let Err(error) = Config::parse("c.toml", &text) {
            prop_assert!(is_one_safe_line(&error.to_string()), "{error}");
        }
    }

    #[test]
    fn any_value_of_any_key_is_parsed_or_refused_on_one_safe_line(
        line in 0..FULL.lines().count(), value in "(-?[0-9]{1,20}|'[^']{0,20}'|\\[('[a-z]{0,9}',?){0,3}\\]|true|1979-05-27|inf|\\{\\})"
    ) {
        let lines = FULL.lines().enumerate().map(|(number, text)| match text.split_once(" = ") {
            Some((key, _)) if number == line => format!("{key} = {value}\n"),
            _ => format!("{text}\n"),
        });
        if let Err(error) = Config::parse("c.toml", &lines.collect::<String>()) {
            prop_assert!(is_one_safe_line(&error.to_string()), "{error}");
        }
    }

    #[test]
    fn no_accepted_paths_let_what_is_confined_write_a_program_or_a_grant(
        dirs in prop::collection::vec("(/|\\./|)((a|b|\\.\\.|\\.)/){0,3}(a|b)", 4)
    ) {
        let text = format!(
            "state_dir = '{}'\ngrants_file = '{}'\n[modules]\nmodules_dir = '{}'\ndata_dir = '{}'",
            dirs[0], dirs[3], dirs[1], dirs[2]
        );
        let resolved = Config::parse("c.toml", &text).map(|config| config.resolve_paths(Path::new("/x/y/z/u")));
        if let Ok(Ok(config)) = resolved {
            let [programs, data] = [&config.modules.modules_dir, &config.modules.data_dir].map(|dir| walked(dir));
            prop_assert!(!programs.starts_with(&data) && !data.starts_with(&programs), "{programs:?} {data:?}");
            let [grants, core] = [config.grants_file, config.state_dir.join("core")].map(|path| walked(&path));
            prop_assert!(!grants.starts_with(&data) && !grants.starts_with(&programs) && !grants.starts_with(&core));
        }
    }
}

/// The names a path leads through from the root, walked one by one.
fn walked(path: &Path) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in path.to_str().expect("from text").split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name.to_owned()),
        }
    }
    names
}
