//! Work of modules that waits for the disk: on threads for that, few for each module and bounded in all.
//!
//! It never runs such work on a thread that serves, and never breaks it off: a call whose session has ended is
//! carried out to its end, so that nothing is left half done.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// Works of one module at once. A database syncs for all who wait at the same time, so more than one is faster;
/// four that hang leave the others theirs.
const OF_MODULE: usize = 4;

/// Works of all modules at once: sixteen modules whose disk hangs make the next ones wait.
pub(crate) const IN_ALL: usize = 64;

/// The places of all modules.
#[derive(Debug, Clone)]
pub(crate) struct Disk(Arc<Semaphore>);

/// The places of one module.
#[derive(Debug, Clone)]
pub(crate) struct Share {
    of_module: Arc<Semaphore>,
    of_all: Disk,
}

/// The work ended by a mistake in the host.
#[derive(Debug, thiserror::Error)]
#[error("work on the disk ended: {0}")]
pub(crate) struct Broken(String);

impl Disk {
    /// Places that nobody has taken.
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(IN_ALL)))
    }

    /// The share of one module.
    pub(crate) fn share(&self) -> Share {
        Share { of_module: Arc::new(Semaphore::new(OF_MODULE)), of_all: self.clone() }
    }
}

impl Share {
    /// Runs `work` when there is a place. Once it has begun it runs to its end, and keeps its place until then,
    /// whether or not somebody still waits for it.
    ///
    /// # Errors
    /// [`Broken`] if it panicked.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Broken> {
        let broken = |error: &dyn std::fmt::Display| Broken(error.to_string());
        // The module's own place comes first, so that it queues for the others' with no more than its share.
        let own = Arc::clone(&self.of_module).acquire_owned().await.map_err(|error| broken(&error))?;
        let common = Arc::clone(&self.of_all.0).acquire_owned().await.map_err(|error| broken(&error))?;
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop((own, common));
            done
        });
        done.await.map_err(|error| broken(&error))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    fn hanging(share: &Share, until: Receiver<()>) -> tokio::task::JoinHandle<()> {
        let share = share.clone();
        tokio::spawn(async move { share.run(move || until.recv().unwrap_or_default()).await.unwrap() })
    }

    #[tokio::test]
    async fn a_module_whose_disk_hangs_leaves_the_others_theirs() {
        let disk = Disk::new();
        let (hung, other) = (disk.share(), disk.share());
        let (ends, begun): (Vec<Sender<()>>, Vec<_>) = (0..OF_MODULE + 3)
            .map(|_| {
                let (end, until) = channel();
                (end, hanging(&hung, until))
            })
            .unzip();
        tokio::task::yield_now().await;
        assert_eq!(other.run(|| 7).await.unwrap(), 7);
        drop(ends);
        for work in begun {
            work.await.unwrap();
        }
    }

    #[tokio::test]
    async fn work_whose_caller_is_gone_runs_to_its_end() {
        let share = Disk::new().share();
        let (begun, has_begun) = channel();
        let (go_on, may_go_on) = channel();
        let (done, is_done) = channel();
        let call = tokio::spawn(async move {
            share
                .run(move || {
                    begun.send(()).unwrap();
                    let _ = may_go_on.recv();
                    done.send(()).unwrap();
                })
                .await
        });
        let has_begun = tokio::task::spawn_blocking(move || has_begun.recv());
        has_begun.await.unwrap().unwrap();
        call.abort();
        assert!(call.await.is_err());
        drop::<Sender<()>>(go_on);
        tokio::task::spawn_blocking(move || is_done.recv()).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn work_that_panics_is_an_error_and_gives_its_place_back() {
        let share = Disk::new().share();
        for _ in 0..OF_MODULE {
            assert!(share.run(|| panic!("on purpose")).await.is_err());
        }
        assert_eq!(share.run(|| 1).await.unwrap(), 1);
    }
}
