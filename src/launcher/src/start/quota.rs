//! The quota of a subject, as far as its start is concerned.

use std::os::fd::OwnedFd;

use cofferdam_config::Layer;
use cofferdam_policy::profile::Profile;

use super::{Launcher, Loaded};
use crate::disk::{self, DiskQuota};
use crate::error::Error;
use crate::log;
use crate::namespaces::OutsideId;

impl Launcher {
    /// Limits what a subject may fill, if it may write at all.
    ///
    /// # Errors
    /// [`Error::LayerMissing`] where that cannot be had and the config does not allow it to be missing.
    pub(super) fn limit_disk(
        &self,
        profile: &Profile,
        data: &OwnedFd,
        outside: OutsideId,
    ) -> Result<DiskQuota, Error> {
        let Some(limits) = &profile.limits.disk else { return Ok(DiskQuota::NotNeeded) };
        let Err(why) = disk::limit(self.host.privilege, data, outside.uid, limits) else {
            return Ok(DiskQuota::InForce);
        };
        let subject = profile.subject.label();
        let told = format!("{subject} may write files, and nothing limits them: {why}");
        self.layers.require_missing(Layer::DiskQuota, &told)?;
        log::line("launcher", &format!("WEAKENED, as the config allows: no disk_quota for {subject}: {why}"));
        Ok(DiskQuota::Missing)
    }

    /// Sets the limits once more before a start, if there were any: whoever else may set quotas may have done so since.
    ///
    /// # Errors
    /// [`Error::Prepare`].
    pub(super) fn limit_disk_again(&self, loaded: &Loaded) -> Result<(), Error> {
        let limits = loaded.profile.limits.disk.as_ref().filter(|_| loaded.disk == DiskQuota::InForce);
        let Some(limits) = limits else { return Ok(()) };
        disk::limit(self.host.privilege, &loaded.data, loaded.outside.uid, limits).map_err(|cause| {
            Error::Prepare {
                subject: loaded.profile.subject.label().to_owned(),
                doing: "limit what it may fill".to_owned(),
                cause,
                remedy: "it was possible when Cofferdam started",
            }
        })
    }
}

impl Loaded {
    /// Whether something limits what it may fill.
    pub(crate) fn disk(&self) -> DiskQuota {
        self.disk
    }

    /// Takes its limits away, when its directory goes.
    pub(crate) fn forget_disk(&self) {
        if self.disk == DiskQuota::InForce {
            disk::forget(&self.data, self.outside.uid);
        }
    }

    /// What the kernel holds it to of its file system, bytes and files, if something limits it.
    pub(crate) fn disk_in_force(&self) -> Option<Result<(u64, u64), String>> {
        (self.disk == DiskQuota::InForce).then(|| disk::in_force(&self.data, self.outside.uid))
    }
}
