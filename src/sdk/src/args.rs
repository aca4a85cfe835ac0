//! The arguments and the configuration that Cofferdam gives to a module it starts.
//!
//! Only three arguments exist, so that no parser library is linked into every module. An argument that is not
//! known is an error, never ignored.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

/// What the environment variables of a module's configuration begin with.
const CONFIG_PREFIX: &str = "MODULE_CONFIG_";

/// What every message about arguments ends with: most of them come from a start by hand.
const HINT: &str = "this program is a module and is started by Cofferdam with \
     --module-id <id> --socket-path <fd:3 or path> --data-dir <directory>; see `cofferdam run`";

/// The arguments of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Args {
    /// The id to give to [`ModuleIntegration::connect`](crate::ModuleIntegration::connect).
    pub module_id: Option<String>,
    /// The socket to the host: `fd:3` in the sandbox, a path in a test.
    pub socket_path: PathBuf,
    /// The one directory that is the module's own. Read-only, unless the module was granted `write_filesystem`; then it may
    /// fill as much of the disk as its audit page says.
    pub data_dir: PathBuf,
}

/// Why the arguments are not those of a module.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArgsError {
    /// An argument that does not exist.
    #[error("unknown argument `{0}`; {HINT}")]
    Unknown(String),
    /// An argument without its value.
    #[error("{0} needs a value; {HINT}")]
    NoValue(&'static str),
    /// An argument that was given twice.
    #[error("{0} is given twice; {HINT}")]
    Twice(&'static str),
    /// An argument that must be there is not.
    #[error("{0} is missing; {HINT}")]
    Missing(&'static str),
    /// The module id is not text.
    #[error("--module-id is not valid UTF-8; {HINT}")]
    NotText,
}

impl Args {
    /// Reads the arguments of this process. If they are not those of a module, says why on standard error and
    /// ends the process with status 2.
    ///
    /// ```no_run
    /// let args = cofferdam_sdk::Args::parse();
    /// println!("files go to {}", args.data_dir.display());
    /// ```
    #[must_use]
    pub fn parse() -> Self {
        match Self::from_args(std::env::args_os().skip(1)) {
            Ok(args) => args,
            Err(error) => {
                eprintln!("{error}");
                std::process::exit(2)
            }
        }
    }

    /// Reads arguments, without the program's name in front.
    ///
    /// ```
    /// use cofferdam_sdk::Args;
    ///
    /// let args = Args::from_args(["--socket-path=fd:3", "--data-dir", "/data"])?;
    /// assert_eq!(args.data_dir.to_str(), Some("/data"));
    /// # Ok::<(), cofferdam_sdk::ArgsError>(())
    /// ```
    ///
    /// # Errors
    /// [`ArgsError`] if one is unknown, incomplete, missing or given twice.
    pub fn from_args<A: Into<OsString>>(args: impl IntoIterator<Item = A>) -> Result<Self, ArgsError> {
        let mut args = args.into_iter().map(Into::into);
        let (mut module_id, mut socket_path, mut data_dir) = (None, None, None);
        while let Some(arg) = args.next() {
            let (name, inline) = split_at_equals(&arg);
            let (name, slot) = match name.as_str() {
                "--module-id" => ("--module-id", &mut module_id),
                "--socket-path" => ("--socket-path", &mut socket_path),
                "--data-dir" => ("--data-dir", &mut data_dir),
                _ => return Err(ArgsError::Unknown(name)),
            };
            let value = inline.or_else(|| args.next()).filter(|value| !value.is_empty());
            if slot.replace(value.ok_or(ArgsError::NoValue(name))?).is_some() {
                return Err(ArgsError::Twice(name));
            }
        }
        Ok(Self {
            module_id: module_id.map(OsString::into_string).transpose().map_err(|_| ArgsError::NotText)?,
            socket_path: socket_path.ok_or(ArgsError::Missing("--socket-path"))?.into(),
            data_dir: data_dir.ok_or(ArgsError::Missing("--data-dir"))?.into(),
        })
    }
}

/// `--x=v` to `--x` and `v`; paths need not be text, so the split is made on the encoded bytes.
fn split_at_equals(arg: &OsString) -> (String, Option<OsString>) {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let bytes = arg.as_bytes();
    let mut parts = bytes.splitn(2, |byte| *byte == b'=');
    let name = parts.next().unwrap_or_default();
    (String::from_utf8_lossy(name).into_owned(), parts.next().map(|value| OsString::from_vec(value.to_vec())))
}

/// The module's configuration: every `MODULE_CONFIG_*` variable, with its key in lower case.
///
/// `poll_interval = "5"` under the module's section of the operator's configuration is found under
/// `poll_interval`. Values that are not UTF-8 have their bad bytes replaced.
///
/// ```
/// let config = cofferdam_sdk::module_config();
/// let keep: usize = config.get("keep").map_or(Ok(1000), |text| text.parse())?;
/// # Ok::<(), std::num::ParseIntError>(())
/// ```
#[must_use]
pub fn module_config() -> BTreeMap<String, String> {
    config_from(std::env::vars_os())
}

fn config_from(variables: impl Iterator<Item = (OsString, OsString)>) -> BTreeMap<String, String> {
    variables
        .filter_map(|(name, value)| {
            let key = name.to_str()?.strip_prefix(CONFIG_PREFIX)?.to_ascii_lowercase();
            Some((key, value.to_string_lossy().into_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_to_write_a_value_are_read() {
        let args = Args::from_args(["--module-id=a", "--socket-path", "fd:3", "--data-dir=/d=e"]).unwrap();
        assert_eq!(args.module_id.as_deref(), Some("a"));
        assert_eq!(args.socket_path.to_str(), Some("fd:3"));
        assert_eq!(args.data_dir.to_str(), Some("/d=e"));
    }

    #[test]
    fn a_missing_argument_is_named_and_the_way_to_start_a_module_is_told() {
        let error = Args::from_args(["--data-dir", "/d"]).unwrap_err();
        assert_eq!(error, ArgsError::Missing("--socket-path"));
        assert!(error.to_string().contains("started by Cofferdam"));
    }

    #[test]
    fn an_unknown_argument_is_an_error() {
        assert_eq!(Args::from_args(["--sockt=x"]).unwrap_err(), ArgsError::Unknown("--sockt".to_owned()));
    }

    #[test]
    fn an_argument_without_value_is_an_error() {
        assert_eq!(Args::from_args(["--data-dir"]).unwrap_err(), ArgsError::NoValue("--data-dir"));
        assert_eq!(Args::from_args(["--data-dir="]).unwrap_err(), ArgsError::NoValue("--data-dir"));
    }

    #[test]
    fn an_argument_given_twice_is_an_error() {
        let error = Args::from_args(["--data-dir=/a", "--data-dir=/b"]).unwrap_err();
        assert_eq!(error, ArgsError::Twice("--data-dir"));
    }

    #[test]
    fn configuration_keys_are_lower_cased_and_other_variables_are_left_out() {
        let variables = [("MODULE_CONFIG_POLL_INTERVAL", "5"), ("HOME", "/root")];
        let config = config_from(variables.into_iter().map(|(name, value)| (name.into(), value.into())));
        assert_eq!(config, BTreeMap::from([("poll_interval".to_owned(), "5".to_owned())]));
    }
}
