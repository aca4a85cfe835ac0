//! The modules' databases: one each, opened when it is first used, kept open as long as the core runs.
//!
//! A module reaches its own and no other: which one is decided by the name that the launcher gave its
//! connection. A database that fails costs its module its answers and nobody else anything. Nothing here mends
//! or deletes one: that is the operator's, who is told where it is.

pub(crate) mod disk;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cofferdam_control::{CoreLimits, RosterEntry};
use cofferdam_manifest::ModuleName;
use cofferdam_storage::{Quota, StorageError, Store, Usage};
use tokio::time::Instant;

use self::disk::{Broken, Disk, Share};
use crate::quotas::{Fill, Resource};

/// The directory of all databases, below the core's state directory.
const DIRECTORY: &str = "storage";

/// The same, as the operator's configuration names it.
const ON_HOST: &str = "<state_dir>/core/storage";

/// Trees of one module: each costs a name in memory, and lists of them stay short.
pub(crate) const MAX_TREES: u32 = 256;

/// How long a database that could not be opened is left alone: to try reads all of it, and modules may ask often.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// The databases of all modules of the roster.
#[derive(Debug)]
pub(crate) struct Stores {
    modules: HashMap<ModuleName, Arc<Slot>>,
}

/// Why a call has no answer.
#[derive(Debug)]
pub(crate) enum StoreFailure {
    /// The database answered with an error, and goes on.
    Refused(StorageError),
    /// The database cannot be used. The text is for the module's author and names the path for the operator.
    Failed(String),
    /// A mistake in the host.
    Broken(Broken),
    /// The module is not of the roster.
    Unlisted,
}

#[derive(Debug)]
struct Slot {
    module: ModuleName,
    dir: PathBuf,
    quota: Quota,
    share: Share,
    /// Held while the database is being opened, which only calls of the same module wait for.
    state: Mutex<State>,
}

enum State {
    Closed,
    Open(Store),
    Failed { since: Instant, reason: String },
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Closed => "Closed",
            Self::Open(_) => "Open",
            Self::Failed { .. } => "Failed",
        })
    }
}

impl Stores {
    /// Databases below `state_dir` for the modules of the roster. None is opened yet.
    pub(crate) fn new(state_dir: &Path, roster: &[RosterEntry], disk: &Disk) -> Self {
        let slot = |entry: &RosterEntry| Slot {
            module: entry.name.clone(),
            dir: state_dir.join(DIRECTORY).join(entry.name.as_str()),
            quota: quota(&entry.limits),
            share: disk.share(),
            state: Mutex::new(State::Closed),
        };
        let modules = roster.iter().map(|entry| (entry.name.clone(), Arc::new(slot(entry)))).collect();
        Self { modules }
    }

    /// Does something with the database of `module`, which is opened if need be.
    ///
    /// # Errors
    /// [`StoreFailure`].
    pub(crate) async fn with<T: Send + 'static>(
        &self,
        module: &ModuleName,
        work: impl FnOnce(&Store) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StoreFailure> {
        let slot = Arc::clone(self.modules.get(module).ok_or(StoreFailure::Unlisted)?);
        let share = slot.share.clone();
        let done = share.run(move || slot.run(work)).await;
        done.map_err(StoreFailure::Broken)?
    }

    /// What the database of `module` may hold.
    pub(crate) fn quota(&self, module: &ModuleName) -> Option<Quota> {
        self.modules.get(module).map(|slot| slot.quota)
    }

    /// What `usage` is of the quota of `module`.
    pub(crate) fn fills(&self, module: &ModuleName, usage: Usage) -> Vec<(Resource, Fill)> {
        let Some(quota) = self.quota(module) else { return Vec::new() };
        vec![
            (Resource::StorageBytes, Fill { used: usage.bytes, limit: quota.bytes }),
            (Resource::StorageKeys, Fill { used: usage.keys, limit: quota.keys }),
        ]
    }
}

fn quota(limits: &CoreLimits) -> Quota {
    Quota { bytes: limits.storage_bytes, keys: limits.storage_keys, trees: MAX_TREES }
}

impl Slot {
    fn run<T>(&self, work: impl FnOnce(&Store) -> Result<T, StorageError>) -> Result<T, StoreFailure> {
        let store = self.open()?;
        work(&store).map_err(|error| self.judge(error))
    }

    fn open(&self) -> Result<Store, StoreFailure> {
        let mut state = self.lock();
        match &*state {
            State::Open(store) => return Ok(store.clone()),
            State::Failed { since, reason } if since.elapsed() < TRY_AGAIN_AFTER => {
                return Err(StoreFailure::Failed(reason.clone()));
            }
            State::Closed | State::Failed { .. } => {}
        }
        let opened = make_parent(&self.dir).and_then(|()| Store::open(&self.dir, self.quota));
        match opened {
            Ok(store) => {
                *state = State::Open(store.clone());
                Ok(store)
            }
            Err(error) => Err(StoreFailure::Failed(self.fail(&mut state, &error))),
        }
    }

    /// What an error of the open database means. One that closed it has it opened again later.
    fn judge(&self, error: StorageError) -> StoreFailure {
        #[allow(clippy::wildcard_enum_match_arm, reason = "another crate's enum, open for more")]
        match error {
            StorageError::TooLong { .. }
            | StorageError::TreeName { .. }
            | StorageError::UnknownTree(_)
            | StorageError::QuotaExceeded { .. }
            | StorageError::Conflict { .. } => StoreFailure::Refused(error),
            // The others are about the database itself, as are those that later versions add.
            error => StoreFailure::Failed(self.fail(&mut self.lock(), &error)),
        }
    }

    /// Remembers and logs the failure, and gives it in words for the module.
    fn fail(&self, state: &mut State, error: &StorageError) -> String {
        if let State::Failed { since, reason } = &*state
            && since.elapsed() < TRY_AGAIN_AFTER
        {
            // Another call of the module has met and told the same.
            return reason.clone();
        }
        let place = format!("{ON_HOST}/{}", self.module);
        let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
        tracing::error!(
            subject = %self.module,
            "its database cannot be used (outside the sandbox it is {place}): {error}{cause}"
        );
        let reason = format!("{}; it is {place}, and the operator's log says more", remedy(error));
        *state = State::Failed { since: Instant::now(), reason: reason.clone() };
        reason
    }

    /// No code panics between two halves of a change of it, so a poisoned state is still whole.
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the operator can do, without a path of the sandbox.
fn remedy(error: &StorageError) -> &'static str {
    #[allow(clippy::wildcard_enum_match_arm, reason = "another crate's enum, open for more")]
    match error {
        StorageError::Corrupt { .. } => {
            "it is corrupt: the operator restores its directory from a backup, or moves it away and the module \
             begins anew"
        }
        StorageError::DiskFull { .. } => {
            "the disk is full: the operator makes room, and nothing that was acknowledged is lost"
        }
        StorageError::Locked { .. } => {
            "another process has it open: the operator ends the core that still runs"
        }
        StorageError::Stalled { .. } => {
            "the disk does not answer: whether the last write happens is not known"
        }
        _ => "reading or writing it failed: the operator looks after the disk",
    }
}

/// Makes the directory of all databases, which the first one needs.
fn make_parent(dir: &Path) -> Result<(), StorageError> {
    let Some(parent) = dir.parent() else { return Ok(()) };
    std::fs::create_dir_all(parent).map_err(|source| StorageError::Io {
        path: parent.to_owned(),
        action: "make the directory of the modules' databases",
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use cofferdam_log::captured::Captured;

    fn slot(dir: &Path) -> Slot {
        Slot {
            module: "wallet".parse().unwrap(),
            dir: dir.join(DIRECTORY).join("wallet"),
            quota: Quota { bytes: 1 << 20, keys: 100, trees: 2 },
            share: Disk::new().share(),
            state: Mutex::new(State::Closed),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_database_that_cannot_be_opened_is_told_once_and_tried_again_later() {
        let (log, _guard) = Captured::start();
        let dir = tempfile::tempdir().unwrap();
        let slot = slot(dir.path());
        std::fs::write(dir.path().join(DIRECTORY), "a file in its way").unwrap();
        for _ in 0..3 {
            assert!(matches!(slot.run(Store::usage), Err(StoreFailure::Failed(_))));
        }
        assert_eq!(log.text().matches("<state_dir>/core/storage/wallet").count(), 1, "{}", log.text());
        std::fs::remove_file(dir.path().join(DIRECTORY)).unwrap();
        assert!(slot.run(Store::usage).is_err(), "it is left alone for a while");
        tokio::time::advance(TRY_AGAIN_AFTER).await;
        assert_eq!(slot.run(Store::usage).unwrap().keys, 0);
    }

    #[test]
    fn an_error_that_is_the_modules_own_does_not_close_its_database() {
        let dir = tempfile::tempdir().unwrap();
        let slot = slot(dir.path());
        let tree = slot.run(|store| store.open_tree("a")).unwrap();
        let unknown = slot.run(|store| store.get(cofferdam_storage::TreeId(77), b"k"));
        assert!(matches!(unknown, Err(StoreFailure::Refused(StorageError::UnknownTree(77)))));
        assert_eq!(slot.run(|store| store.get(tree, b"k")).unwrap(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_database_that_failed_while_it_was_open_is_opened_again_later() {
        let dir = tempfile::tempdir().unwrap();
        let slot = slot(dir.path());
        slot.run(|store| store.open_tree("a")).unwrap();
        let full = StorageError::DiskFull { dir: slot.dir.clone() };
        let failed = slot.run(|_| Err::<(), _>(full));
        let Err(StoreFailure::Failed(reason)) = failed else { panic!("{failed:?}") };
        assert!(reason.contains("the disk is full") && !reason.contains(dir.path().to_str().unwrap()));
        assert!(slot.run(Store::usage).is_err(), "it is left alone for a while");
        tokio::time::advance(TRY_AGAIN_AFTER).await;
        assert_eq!(slot.run(Store::usage).unwrap().trees, 1);
    }
}
