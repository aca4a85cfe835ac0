//! What a control needs around it: files of others, sockets that somebody listens on, another process.
//!
//! All of it is in a directory of its own and gone when the fixture is dropped.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use tempfile::TempDir;

use super::SECRET;
use crate::error::{Error, on, while_doing};
use crate::report::FILE_NAME;

/// A number that no descriptor of this program has by itself.
const LEAKED_FD: i32 = 100;

/// Everything around one control.
pub(super) struct Fixture {
    scratch: TempDir,
    tcp: TcpListener,
    _unix: UnixListener,
    _abstract_unix: UnixListener,
    abstract_name: String,
    victim: Victim,
}

impl Fixture {
    /// Makes it.
    ///
    /// # Errors
    /// What the kernel refused.
    pub(super) fn new() -> Result<Self, Error> {
        let scratch = tempfile::Builder::new()
            .prefix("escape-artist-")
            .tempdir()
            .map_err(while_doing("make a temporary directory"))?;
        fill(scratch.path()).map_err(on(scratch.path()))?;
        // The directory's name is random, and so nobody else's.
        let abstract_name = scratch.path().display().to_string();
        let address = SocketAddr::from_abstract_name(&abstract_name).map_err(while_doing("name a socket"))?;
        Ok(Self {
            tcp: TcpListener::bind("127.0.0.1:0").map_err(while_doing("listen on a TCP port"))?,
            _unix: UnixListener::bind(scratch.path().join("listener"))
                .map_err(while_doing("listen on a socket"))?,
            _abstract_unix: UnixListener::bind_addr(&address).map_err(while_doing("listen on a socket"))?,
            abstract_name,
            victim: Victim::start()?,
            scratch,
        })
    }

    /// The control's own directory.
    pub(super) fn data_dir(&self) -> PathBuf {
        self.scratch.path().join("data")
    }

    /// Where the control reports.
    pub(super) fn report(&self) -> PathBuf {
        self.data_dir().join(FILE_NAME)
    }

    /// A descriptor that a process started from now on inherits, until it is dropped.
    ///
    /// # Errors
    /// What the kernel refused.
    pub(super) fn leak_descriptor(&self) -> Result<OwnedFd, Error> {
        let leak = || {
            let leaked = fcntl_dupfd_cloexec(&self.tcp, LEAKED_FD)?;
            fcntl_setfd(&leaked, FdFlags::empty())?;
            Ok(leaked)
        };
        leak().map_err(|errno: rustix::io::Errno| while_doing("leave a descriptor open")(errno.into()))
    }

    /// A file for what the control writes to its standard error.
    ///
    /// # Errors
    /// What the kernel refused.
    pub(super) fn standard_error(&self) -> Result<Stdio, Error> {
        let path = self.standard_error_path();
        Ok(File::create(&path).map_err(on(&path))?.into())
    }

    /// What the control wrote to its standard error, if that is a message and not the flood of an attempt.
    pub(super) fn last_words(&self) -> String {
        let text = fs::read_to_string(self.standard_error_path()).unwrap_or_default();
        match text.lines().next() {
            Some(line) if line.starts_with("escape-artist: ") => format!(" ({line})"),
            _ => String::new(),
        }
    }

    fn standard_error_path(&self) -> PathBuf {
        self.scratch.path().join("stderr")
    }

    /// The settings that aim the control at all this.
    pub(super) fn environment(&self) -> Vec<(String, String)> {
        let path = |name: &str| self.scratch.path().join(name).display().to_string();
        let port = self.tcp.local_addr().map_or(0, |address| address.port());
        let settings = [
            ("OPERATOR_FILE", path("operator-file")),
            ("OTHER_DATA", path("other")),
            ("OUTSIDE", path("")),
            ("MOUNT_POINT", path("mount-point")),
            ("SOCKET_PATH", path("listener")),
            ("ABSTRACT_SOCKET", self.abstract_name.clone()),
            ("TCP_ADDRESS", format!("127.0.0.1:{port}")),
            ("VICTIM", self.victim.process.id().to_string()),
            ("VICTIM_ADDRESS", self.victim.address.clone()),
        ];
        settings.map(|(key, value)| (format!("MODULE_CONFIG_{key}"), value)).into()
    }
}

fn fill(scratch: &Path) -> io::Result<()> {
    for directory in ["data", "other", "mount-point"] {
        fs::create_dir(scratch.join(directory))?;
    }
    fs::write(scratch.join("other/wallet"), SECRET)?;
    fs::write(scratch.join("operator-file"), SECRET)
}

/// Another process, killed and reaped when dropped.
struct Victim {
    process: Child,
    /// Where its secret is, in decimal.
    address: String,
}

impl Victim {
    fn start() -> Result<Self, Error> {
        let process = Command::new("/proc/self/exe")
            .arg("--victim")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(while_doing("start a process to attack"))?;
        let mut victim = Self { process, address: String::new() };
        let said = victim.process.stdout.take().map(BufReader::new);
        let mut said =
            said.ok_or_else(|| Error::Setting("the process to attack has no output".to_owned()))?;
        said.read_line(&mut victim.address).map_err(while_doing("hear from the process to attack"))?;
        victim.address = victim.address.trim_end().to_owned();
        Ok(victim)
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        // It may have ended by itself; then only the reaping is left.
        let _already_dead = self.process.kill();
        let _already_reaped = self.process.wait();
    }
}
