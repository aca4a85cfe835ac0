//! Which layers are missing on this host, and whether the operator's config allows that by name.

use std::collections::BTreeSet;

use cofferdam_config::Layer;

use crate::error::Error;
use crate::host::{Enforced, Host};
use crate::landlock::{ABI_NETWORK, ABI_SCOPE};

/// What the config allows to be missing, and what is.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    allowed: BTreeSet<Layer>,
    missing: BTreeSet<Layer>,
}

impl Layers {
    /// Compares what the host has with what the config allows.
    ///
    /// # Errors
    /// [`Error::LayerMissing`] for the first layer that is neither there nor allowed to be missing.
    pub fn settle(allowed: &BTreeSet<Layer>, host: &Host) -> Result<Self, Error> {
        let mut layers = Self { allowed: allowed.clone(), missing: BTreeSet::new() };
        let abi = host.landlock_abi;
        let found = format!("this kernel has Landlock ABI {abi}");
        if abi == 0 {
            layers.miss(Layer::Landlock, "this kernel has no Landlock")?;
        }
        if abi < ABI_NETWORK {
            layers.miss(Layer::LandlockNetwork, &found)?;
        }
        if abi < ABI_SCOPE {
            layers.miss(Layer::LandlockScope, &found)?;
        }
        if host.memory_deny_write_execute == Enforced::No {
            layers.miss(Layer::MemoryDenyWriteExecute, "this kernel has no PR_SET_MDWE")?;
        }
        Ok(layers)
    }

    /// Records that a layer is missing.
    ///
    /// # Errors
    /// [`Error::LayerMissing`] when the config does not allow it.
    pub fn miss(&mut self, layer: Layer, why: &str) -> Result<(), Error> {
        self.require_missing(layer, why)?;
        self.missing.insert(layer);
        Ok(())
    }

    /// That the config allows this layer to be missing.
    pub(crate) fn require_missing(&self, layer: Layer, why: &str) -> Result<(), Error> {
        if self.allowed.contains(&layer) {
            return Ok(());
        }
        Err(Error::LayerMissing {
            layer: layer.as_str(),
            why: why.to_owned(),
            remedy: format!(
                "{}, or allow modules to run without it: allow_missing = [\"{layer}\"] under [sandbox]",
                cure(layer)
            ),
        })
    }

    /// The layers that are missing.
    pub fn missing(&self) -> impl Iterator<Item = Layer> + '_ {
        self.missing.iter().copied()
    }
}

fn cure(layer: Layer) -> &'static str {
    match layer {
        Layer::Cgroup => {
            "run as root, or in a delegated subtree: `systemd-run --user --scope -p Delegate=yes cofferdam run`"
        }
        Layer::Landlock => "boot Linux 5.13 or newer with landlock in its lsm= list",
        Layer::LandlockNetwork => "boot Linux 6.7 or newer",
        Layer::LandlockScope => "boot Linux 6.12 or newer",
        Layer::DiskQuota => {
            "run as root with modules.data_dir on a file system with project quotas: ext4 with the features quota \
             and project (tune2fs -O quota,project -Q prjquota) mounted with prjquota, or XFS mounted with pquota; or \
             withhold write_filesystem"
        }
        Layer::MemoryDenyWriteExecute => "boot Linux 6.3 or newer",
    }
}
