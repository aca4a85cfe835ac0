//! The room on the disk with the core's state. Looks at the file system, and never at what is on it.

use std::path::Path;
use std::time::Duration;

use cofferdam_protocol::EventPayload;
use rustix::fs::statvfs;
use tokio::time::Instant;

use super::{every, ticks};
use crate::events::Hub;

/// More room than this is enough on any disk.
const ENOUGH_BYTES: u64 = 5 * 1024 * 1024 * 1024;

/// How often it is told as long as it lasts, for whoever did not hear it the first time.
const AGAIN_AFTER: Duration = Duration::from_secs(600);

/// Tells that the disk is nearly full: when it is so first, and from time to time as long as it is.
pub(super) async fn look(hub: &Hub, state_dir: &Path) {
    let mut ticks = ticks(every::DISK);
    let mut told: Option<Instant> = None;
    loop {
        ticks.tick().await;
        let Some((free_bytes, total_bytes)) = room(state_dir).await else { continue };
        if !is_low(free_bytes, total_bytes) {
            told = None;
        } else if told.is_none_or(|told| told.elapsed() >= AGAIN_AFTER) {
            told = Some(Instant::now());
            hub.publish(EventPayload::DiskSpaceLow { free_bytes, total_bytes });
        }
    }
}

/// What is left for this user, and the size. On a thread that may block: the disk may be a network's.
async fn room(state_dir: &Path) -> Option<(u64, u64)> {
    let state_dir = state_dir.to_owned();
    let asked = tokio::task::spawn_blocking(move || statvfs(&state_dir)).await.ok()?;
    let asked =
        asked.inspect_err(|error| tracing::debug!("the room on the disk is not known: {error}")).ok()?;
    Some((asked.f_bavail.saturating_mul(asked.f_frsize), asked.f_blocks.saturating_mul(asked.f_frsize)))
}

/// Less than a twentieth, and less than is enough on any disk.
fn is_low(free_bytes: u64, total_bytes: u64) -> bool {
    free_bytes < (total_bytes / 20).min(ENOUGH_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_low_below_a_twentieth_and_a_large_one_later() {
        const GIB: u64 = 1024 * 1024 * 1024;
        assert!(is_low(4 * GIB, 100 * GIB) && !is_low(6 * GIB, 100 * GIB));
        assert!(is_low(4 * GIB, 4000 * GIB) && !is_low(6 * GIB, 4000 * GIB));
        assert!(is_low(0, GIB) && !is_low(0, 0));
    }

    #[tokio::test]
    async fn a_file_system_says_its_room() {
        let dir = tempfile::tempdir().unwrap();
        let (free, total) = room(dir.path()).await.unwrap();
        assert!(free <= total && total > 0);
        assert_eq!(room(Path::new("/no/such/directory")).await, None);
    }
}
