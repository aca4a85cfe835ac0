//! Whether an installed module may run as it is: by its signature, and by the operator's grant.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use cofferdam_grants::{Asked, Grant, Shortfall};
use cofferdam_manifest::ModuleName;
use cofferdam_policy::escape;
use cofferdam_signature::{Expected, Files, Hash, Signer, Unverified, verify};
use sha2::{Digest, Sha256};

use crate::{Attached, Installation, Installed};

/// The largest program, in bytes: a bound on the memory that a module's file can cost the launcher.
pub const MAX_PROGRAM_BYTES: u64 = 512 * 1024 * 1024;

/// A module that may run. Holding one proves that the program with this hash and the manifest that was parsed are what
/// was granted, and signed unless the config names the module as unsigned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// What was compared with the grant.
    pub asked: Asked,
    /// The grant.
    pub grant: Grant,
    /// Who signed it; none for an unsigned one.
    pub signer: Option<Signer>,
}

/// Why a module does not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAdmitted {
    /// It is not signed, and must be.
    #[error(
        "{module} is not signed; get a signed one from its author, or name it in the config: \
         [signatures] unsigned = [\"{module}\"]"
    )]
    Unsigned {
        /// The module.
        module: ModuleName,
    },
    /// It has a signature that does not count, which is worse than none.
    #[error("the signature of {module} does not hold: {why}")]
    Signature {
        /// The module.
        module: ModuleName,
        /// Why not.
        why: Unverified,
    },
    /// The files of its signature cannot be read, or one of them is missing.
    #[error(
        "the signature of {module} cannot be read: {why}; get the module anew, or remove what is left of it"
    )]
    Unreadable {
        /// The module.
        module: ModuleName,
        /// What is there.
        why: String,
    },
    /// The operator has not granted it as it is.
    #[error("{module} is not granted: {shortfall}; look at it and grant it: {command}")]
    Grant {
        /// The module.
        module: ModuleName,
        /// What is missing.
        shortfall: Box<Shortfall>,
        /// What to run.
        command: String,
    },
}

impl Installation {
    /// What a module asks for, with this program.
    #[must_use]
    pub fn asked(&self, installed: &Installed, program: Hash) -> Asked {
        Asked::of(&installed.manifest, installed.manifest_hash, program)
    }

    /// Who signed the manifest that was parsed and a program with this hash; none where the config allows that.
    ///
    /// # Errors
    /// [`NotAdmitted`], but for its last form.
    pub fn signer(&self, installed: &Installed, program: Hash) -> Result<Option<Signer>, NotAdmitted> {
        let module = installed.manifest.name().clone();
        let signatures = &self.config.signatures;
        match &installed.signature {
            Attached::None if signatures.unsigned.contains(&module) => Ok(None),
            Attached::None => Err(NotAdmitted::Unsigned { module }),
            Attached::Unreadable(why) => Err(NotAdmitted::Unreadable { module, why: why.clone() }),
            Attached::Files { sums, signature } => {
                let expected = Expected {
                    manifest: installed.manifest_hash,
                    entry_point: installed.manifest.entry_point().as_str(),
                    program,
                };
                let verified = verify(Files { sums, signature }, &signatures.trusted_keys, expected);
                verified.map(Some).map_err(|why| NotAdmitted::Signature { module, why })
            }
        }
    }

    /// Whether a module may run with the program of this hash.
    ///
    /// # Errors
    /// [`NotAdmitted`]: why not, and what to do.
    pub fn admit(&self, installed: &Installed, program: Hash) -> Result<Admission, NotAdmitted> {
        let module = installed.manifest.name();
        let signer = self.signer(installed, program)?;
        let asked = self.asked(installed, program);
        let grant =
            self.grants.lock.covers(module, &asked).cloned().map_err(|shortfall| NotAdmitted::Grant {
                module: module.clone(),
                shortfall: Box::new(shortfall),
                command: grant_command(module, &self.named),
            })?;
        Ok(Admission { asked, grant, signer })
    }
}

/// The command that shows what a module asks for, and grants it, for a shell in the folder where the operator is.
#[must_use]
pub fn grant_command(module: &ModuleName, config: &Path) -> String {
    let place = config.to_string_lossy();
    match place.as_ref() {
        "cofferdam.toml" => format!("cofferdam grant {module}"),
        place if place.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-+".contains(&byte)) => {
            format!("cofferdam grant {module} --config {place}")
        }
        place => format!("cofferdam grant {module} --config '{}'", place.replace('\'', "'\\''")),
    }
}

/// The hash of a module's program as it lies there now. It is for people to look at, and for a grant: the launcher takes
/// that of the bytes that it executes.
///
/// # Errors
/// What is wrong with the file, and what to do.
pub fn program_hash(installed: &Installed) -> Result<Hash, String> {
    let path = installed.directory.join(installed.manifest.entry_point().as_str());
    hash_of(&path).map_err(|error| {
        // The entry point is the module's choice of words.
        let shown = escape(&path.to_string_lossy());
        format!("read {shown}: {error}; build the module and put its program there")
    })
}

fn hash_of(path: &Path) -> std::io::Result<Hash> {
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(std::io::Error::other("it is not a regular file"));
    }
    // A file that has no end is nobody's program: what is longer than the launcher takes never runs.
    let mut file = file.take(MAX_PROGRAM_BYTES.saturating_add(1));
    let mut hash = Sha256::new();
    let mut buffer = vec![0_u8; 256 * 1024];
    loop {
        let count = file.read(&mut buffer)?;
        match buffer.get(..count) {
            Some(part) if !part.is_empty() => hash.update(part),
            Some(_) | None if file.limit() == 0 => return Err(std::io::Error::other("it is too long")),
            Some(_) | None => return Ok(Hash::from(<[u8; 32]>::from(hash.finalize()))),
        }
    }
}

#[cfg(test)]
mod tests;
