//! The modules' data directories, as far as modules ask the core to work in them: each opened when it is first
//! used. Which directory a module has is the launcher's word; no path that a module names leaves it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use cofferdam_control::{CoreLimits, RosterEntry};
use cofferdam_files::{DataDirectory, FilesError, MAX_QUOTA_FILES, Quota, Usage};
use cofferdam_manifest::ModuleName;

use crate::quotas::{Fill, Resource};
use crate::storage::disk::{Broken, Disk, Share};

/// The data directories of all modules of the roster.
#[derive(Debug)]
pub(crate) struct DataDirectories {
    modules: HashMap<ModuleName, Arc<Slot>>,
}

/// Why a call has no answer.
#[derive(Debug)]
pub(crate) enum FilesFailure {
    /// What was asked cannot be done.
    Refused(FilesError),
    /// The core was given no directory for this module.
    NoDirectory,
    /// A mistake in the host.
    Broken(Broken),
}

#[derive(Debug)]
struct Slot {
    path: PathBuf,
    quota: Quota,
    share: Share,
    open: Mutex<Option<Arc<DataDirectory>>>,
}

impl DataDirectories {
    /// The directories that the roster names. None is opened yet.
    pub(crate) fn new(roster: &[RosterEntry], disk: &Disk) -> Self {
        let slot = |entry: &RosterEntry| {
            let path = entry.files.clone()?;
            let slot =
                Slot { path, quota: quota(&entry.limits), share: disk.share(), open: Mutex::default() };
            Some((entry.name.clone(), Arc::new(slot)))
        };
        Self { modules: roster.iter().filter_map(slot).collect() }
    }

    /// Does something in the data directory of `module`, which is opened if need be.
    ///
    /// # Errors
    /// [`FilesFailure`].
    pub(crate) async fn with<T: Send + 'static>(
        &self,
        module: &ModuleName,
        work: impl FnOnce(&DataDirectory) -> Result<T, FilesError> + Send + 'static,
    ) -> Result<T, FilesFailure> {
        let slot = Arc::clone(self.modules.get(module).ok_or(FilesFailure::NoDirectory)?);
        let share = slot.share.clone();
        let done = share.run(move || work(&*slot.open()?)).await;
        done.map_err(FilesFailure::Broken)?.map_err(FilesFailure::Refused)
    }

    /// The modules that have a data directory here.
    pub(crate) fn modules(&self) -> impl Iterator<Item = &ModuleName> {
        self.modules.keys()
    }

    /// What `usage` is of the quota of `module`.
    pub(crate) fn fills(&self, module: &ModuleName, usage: Usage) -> Vec<(Resource, Fill)> {
        let Some(slot) = self.modules.get(module) else { return Vec::new() };
        vec![
            (Resource::FileBytes, Fill { used: usage.bytes, limit: slot.quota.bytes }),
            (Resource::FileCount, Fill { used: usage.files, limit: slot.quota.files }),
        ]
    }
}

fn quota(limits: &CoreLimits) -> Quota {
    Quota { bytes: limits.file_bytes, files: limits.file_count.min(MAX_QUOTA_FILES) }
}

impl Slot {
    fn open(&self) -> Result<Arc<DataDirectory>, FilesError> {
        // Holds no half-made value, so a poisoned one is whole.
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(directory) = &*open {
            return Ok(Arc::clone(directory));
        }
        let directory = Arc::new(DataDirectory::open(&self.path, self.quota)?);
        *open = Some(Arc::clone(&directory));
        Ok(directory)
    }
}
