//! What the attempts are aimed at: the module's settings, which the operator (or the unconfined run) gives.
//!
//! The same code reads them confined and unconfined, so that an attempt and its control differ in nothing but
//! the sandbox.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};

use nix::unistd::Pid;

use crate::inherited::Inherited;

/// The process that is aimed at if no setting names another: the first of the pid namespace.
const FIRST_PROCESS: i32 = 1;
/// Where Bitcoin Core listens by default.
const NODE_ADDRESS: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 8332);

/// What the attempts are aimed at.
#[derive(Debug)]
pub(crate) struct Context {
    /// The module's own directory.
    pub(crate) data_dir: PathBuf,
    /// A file that only the operator should read.
    pub(crate) operator_file: PathBuf,
    /// The data directory of another module, or a file in it.
    pub(crate) other_data: PathBuf,
    /// Another module's name.
    pub(crate) other: String,
    /// The layers that the kernel is stated to lack: some attempts meet something else without them.
    pub(crate) missing: Vec<String>,
    /// A directory beside the module's own.
    pub(crate) outside: PathBuf,
    /// A directory that something is mounted on.
    pub(crate) mount_point: PathBuf,
    /// A Unix socket that somebody listens on.
    pub(crate) socket_path: PathBuf,
    /// An abstract Unix socket that somebody listens on.
    pub(crate) abstract_socket: String,
    /// A TCP port that somebody listens on.
    pub(crate) tcp_address: SocketAddrV4,
    /// Another process.
    pub(crate) victim: Pid,
    /// Where in its memory the other process keeps [`SECRET`](crate::unconfined::SECRET).
    pub(crate) victim_address: usize,
    /// The module's connection to the core, where it has one.
    pub(crate) connection: Option<RawFd>,
    /// The descriptors that were open when this program started.
    pub(crate) inherited: Inherited,
    /// Where programs that an attempt starts write that they ran.
    pub(crate) report: PathBuf,
}

impl Context {
    /// The context of a run with these settings, under the keys of `module.toml` and those that only the
    /// unconfined run sets.
    ///
    /// # Errors
    /// A setting that does not parse, by name.
    pub(crate) fn new(
        settings: &BTreeMap<String, String>,
        data_dir: &Path,
        report: &Path,
        connection: Option<RawFd>,
        inherited: Inherited,
    ) -> Result<Self, String> {
        let path = |key: &str, default: PathBuf| settings.get(key).map_or(default, PathBuf::from);
        Ok(Self {
            data_dir: data_dir.to_owned(),
            operator_file: path("operator_file", "/etc/shadow".into()),
            other_data: path("other_data", data_dir.join("../../block-watch")),
            other: settings.get("other").cloned().unwrap_or_else(|| "block-watch".to_owned()),
            missing: settings.get("missing").map(|text| layers(text)).unwrap_or_default(),
            outside: path("outside", "/".into()),
            mount_point: path("mount_point", data_dir.to_owned()),
            socket_path: path("socket_path", "/run/dbus/system_bus_socket".into()),
            abstract_socket: settings
                .get("abstract_socket")
                .cloned()
                .unwrap_or_else(|| "cofferdam".to_owned()),
            tcp_address: parse(settings, "tcp_address", NODE_ADDRESS)?,
            victim: Pid::from_raw(parse(settings, "victim", FIRST_PROCESS)?),
            victim_address: parse(settings, "victim_address", 0)?,
            connection,
            inherited,
            report: report.to_owned(),
        })
    }
}

/// The layers of a list that is separated by commas.
pub(crate) fn layers(text: &str) -> Vec<String> {
    text.split(',').filter(|layer| !layer.is_empty()).map(str::to_owned).collect()
}

fn parse<T: std::str::FromStr>(
    settings: &BTreeMap<String, String>,
    key: &str,
    default: T,
) -> Result<T, String>
where
    T::Err: std::fmt::Display,
{
    let Some(text) = settings.get(key) else { return Ok(default) };
    text.parse().map_err(|error| format!("the setting {key} = `{text}` of this module: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_that_does_not_parse_is_named() {
        let settings = BTreeMap::from([("tcp_address".to_owned(), "localhost".to_owned())]);
        let data_dir = Path::new("/data");
        let error = Context::new(&settings, data_dir, data_dir, None, Inherited::default()).unwrap_err();
        assert!(error.starts_with("the setting tcp_address = `localhost` of this module: "), "{error}");
    }
}
