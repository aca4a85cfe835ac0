//! How full the modules' data directories are: modules also write to them without asking the core. Only the number and
//! the room of files are looked at, never what is in them.

use std::time::Duration;

use tokio::time::timeout;

use super::{every, ticks};
use crate::events::Hub;
use crate::files::DataDirectories;
use crate::quotas::Quotas;

/// How long one directory may take; the next is looked at then, and this one again the next time.
const DEADLINE: Duration = Duration::from_secs(5);

/// Notes how full each is, and tells of those that are nearly full.
pub(super) async fn look(hub: &Hub, files: &DataDirectories, quotas: &Quotas) {
    let mut ticks = ticks(every::FILES);
    loop {
        ticks.tick().await;
        for module in files.modules() {
            let counted = timeout(DEADLINE, files.with(module, |directory| directory.usage())).await;
            // One that cannot be counted says why to its module, when that writes to it.
            let Ok(Ok(usage)) = counted else { continue };
            for warning in quotas.note(module, files.fills(module, usage)) {
                let _ = hub.publish(warning);
            }
        }
    }
}
