//! The program of a subject: opened once, copied into a sealed memory file, hashed. What was looked at is what
//! runs, whatever happens to the file meanwhile.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use cofferdam_installation::{MAX_PROGRAM_BYTES, linkage};
use cofferdam_policy::profile::Linkage;
use cofferdam_signature::Hash;
use nix::fcntl::{FcntlArg, OFlag, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::stat::{Mode, fchmod};
use sha2::{Digest, Sha256};

use crate::error::{Error, system};
use crate::sys::parent;

/// All programs together, in bytes: their memory files are the launcher's memory, and nobody's cgroup limits it.
pub(crate) const MAX_ALL_PROGRAMS_BYTES: u64 = 2 * 1024 * 1024 * 1024;

/// A program, held in memory that nobody can change any more.
#[derive(Debug)]
pub struct Program {
    image: OwnedFd,
    /// How many bytes it has.
    pub size: u64,
    /// How it is linked.
    pub linkage: Linkage,
    /// The SHA-256 of the bytes that were put into the image, which nobody can change any more.
    pub hash: Hash,
}

impl Program {
    /// Opens `entry_point` below `directory`, through no symbolic link.
    ///
    /// # Errors
    /// [`Error::Program`] when it is not a regular executable file for this machine.
    pub fn open_beneath(
        directory: BorrowedFd<'_>,
        shown: &Path,
        entry_point: &Path,
        name: &str,
    ) -> Result<Self, Error> {
        let path = shown.join(entry_point);
        let opened = parent::open_beneath(directory, entry_point, OFlag::O_RDONLY | OFlag::O_NONBLOCK);
        let file = opened.map_err(|errno| Error::Program {
            path: path.clone(),
            problem: format!("cannot be opened: {errno}"),
            remedy: "entry_point names a regular file in the module's own folder; \
                     no part of the path may be a symbolic link",
        })?;
        Self::read(File::from(file), path, name)
    }

    /// Opens a program of the operator's own choice (the core).
    ///
    /// # Errors
    /// As [`Self::open_beneath`].
    pub fn open(path: &Path, name: &str) -> Result<Self, Error> {
        let file = File::open(path).map_err(|error| Error::Program {
            path: path.to_owned(),
            problem: format!("cannot be opened: {error}"),
            remedy: "cofferdam and cofferdam-launcher belong in one folder",
        })?;
        Self::read(file, path.to_owned(), name)
    }

    fn read(file: File, path: PathBuf, name: &str) -> Result<Self, Error> {
        let refuse = |problem: String, remedy| Error::Program { path: path.clone(), problem, remedy };
        let metadata = file.metadata().map_err(|error| refuse(error.to_string(), "check the file system"))?;
        if !metadata.is_file() {
            return Err(refuse("is not a regular file".to_owned(), "entry_point names the module's program"));
        }
        let mut image = new_image(name)?;
        let mut hash = Sha256::new();
        let copied = copy(&mut file.take(MAX_PROGRAM_BYTES + 1), &mut image, &mut hash)
            .map_err(|error| refuse(format!("cannot be read: {error}"), "check the file and free memory"))?;
        if copied > MAX_PROGRAM_BYTES {
            let problem = format!("is over {} MiB", MAX_PROGRAM_BYTES / (1024 * 1024));
            return Err(refuse(problem, "strip its debug information"));
        }
        let linkage = linkage(&image).map_err(|problem| {
            refuse(problem, "build the module for this machine; scripts need a compiled program")
        })?;
        // Nobody but the launcher's children sees this file; they run under other uids and must read it.
        fchmod(&image, Mode::from_bits_truncate(0o555)).map_err(system("set the program's mode"))?;
        let seals =
            SealFlag::F_SEAL_SEAL | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_WRITE;
        fcntl(&image, FcntlArg::F_ADD_SEALS(seals)).map_err(system("seal the program"))?;
        Ok(Self {
            image: image.into(),
            size: copied,
            linkage,
            hash: Hash::from(<[u8; 32]>::from(hash.finalize())),
        })
    }

    pub(crate) fn image(&self) -> BorrowedFd<'_> {
        self.image.as_fd()
    }
}

/// An empty memory file from which a program may be executed.
pub(crate) fn new_image(name: &str) -> Result<File, Error> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    // Since Linux 6.3; an older kernel does not know the flag, and needs no leave to execute.
    let executable = MFdFlags::from_bits_retain(libc::MFD_EXEC);
    let made = match memfd_create(name, flags | executable) {
        Err(nix::errno::Errno::EINVAL) => memfd_create(name, flags),
        other => other,
    };
    made.map(File::from).map_err(system("memfd_create (is vm.memfd_noexec 2?)"))
}

fn copy(from: &mut impl Read, to: &mut impl Write, hash: &mut Sha256) -> std::io::Result<u64> {
    let mut buffer = vec![0_u8; 256 * 1024];
    let mut total = 0_u64;
    loop {
        let count = from.read(&mut buffer)?;
        let Some(part) = buffer.get(..count).filter(|part| !part.is_empty()) else {
            return Ok(total);
        };
        hash.update(part);
        to.write_all(part)?;
        total = total.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
    }
}
