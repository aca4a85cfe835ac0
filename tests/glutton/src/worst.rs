//! The worst that a module can do, in turns: to the machine, to the core, to the launcher. It never ends by itself but
//! where ending is the worst.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::net::UdpSocket;
use std::thread::Builder;
use std::time::{Duration, Instant};

use cofferdam_sdk::{EventType, NodeApi};

use crate::machine::{open_all, touch};
use crate::{Ended, connect, full, run, setting, turns};

/// How long a thread is busy before it looks whether its turn has ended.
const BUSY: Duration = Duration::from_millis(1);
/// A small stack each, so that a thread costs a task and no memory.
const STACK_BYTES: usize = 64 * 1024;
/// More than the task limit of any test.
const THREADS: usize = 300;
const CHUNK_BYTES: usize = 1024 * 1024;
/// As many calls as a module may have under way.
const CALLS: usize = 64;
/// As many of the largest frames as its memory has room for.
const FRAMES: usize = 3;
/// The longest message of a call of log that is worth its bytes.
const LINE_BYTES: usize = 16 * 1024;

/// Does what `act` names until it is killed.
pub(crate) fn does(act: &str) -> Ended {
    match act {
        "quiet" => run(quiet()),
        "burn" => beside(|| threads(THREADS, burn)),
        "thrash" => {
            let keeps = Share::of_memory(setting("BYTES")?);
            beside(move || {
                keeps.start();
            })
        }
        "starve" => starve(),
        "sync" => beside(|| {
            threads(4, sync);
        }),
        "shout" => beside(|| {
            threads(2, shout);
        }),
        "refused" => beside(|| {
            threads(8, refused);
        }),
        "crash" => crash(),
        "call" => run(call()),
        "huge" => run(huge()),
        "publish" => run(publish()),
        "deaf" => run(deaf()),
        "everything" => everything(),
        other => Err(format!("there is no act {other:?}").into()),
    }
}

/// Connects, so that the core does not stop it, and does that in threads.
fn beside(threads: impl FnOnce()) -> Ended {
    run(async {
        let _connection = connect().await?;
        threads();
        full("begins")
    })
}

async fn quiet() -> Ended {
    let _connection = connect().await?;
    full("begins")
}

/// Starts up to so many threads that do this in each turn; as many as it may have.
fn threads(count: usize, act: fn()) {
    let forever = move || {
        loop {
            turns::wait();
            act();
        }
    };
    let _started: Vec<_> =
        (0..count).map_while(|_| Builder::new().stack_size(STACK_BYTES).spawn(forever).ok()).collect();
}

fn burn() {
    let begun = Instant::now();
    while begun.elapsed() < BUSY {
        std::hint::spin_loop();
    }
}

/// More of its memory limit than there is room for beside what it keeps.
struct Share {
    keeps: usize,
    reads: usize,
}

impl Share {
    fn of_memory(limit: usize) -> Self {
        Self { keeps: limit / 2, reads: limit }
    }

    /// What it keeps, it keeps for ever; what it reads is a file for which there is no room in memory any more, so that
    /// each page is read from the disk again.
    fn start(self) {
        std::mem::forget(touch(self.keeps));
        let read_again = move || {
            let Ok(mut file) = large_file(self.reads) else { return };
            let mut chunk = vec![0; CHUNK_BYTES];
            loop {
                turns::wait();
                if !matches!(file.read(&mut chunk), Ok(count) if count > 0) && file.rewind().is_err() {
                    return;
                }
            }
        };
        let _started = std::thread::spawn(read_again);
    }
}

fn large_file(bytes: usize) -> std::io::Result<File> {
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(true).open("/data/large")?;
    let chunk = vec![7; CHUNK_BYTES];
    (0..bytes / CHUNK_BYTES).try_for_each(|_| file.write_all(&chunk))?;
    file.sync_all()?;
    Ok(file)
}

/// All of its memory at once, until it is killed; whoever starts it again has it begin again.
fn starve() -> Ended {
    run(async {
        let _connection = connect().await?;
        println!("full: begins");
        turns::wait_async().await;
        loop {
            std::mem::forget(touch(CHUNK_BYTES));
        }
    })
}

fn crash() -> Ended {
    run(async {
        let _connection = connect().await?;
        println!("full: begins");
        turns::wait_async().await;
        std::process::abort()
    })
}

/// Small writes that have to be on the disk, each before the next.
fn sync() {
    let name = format!("/data/sync-{:?}", std::thread::current().id());
    let Ok(mut file) = OpenOptions::new().append(true).create(true).open(&name) else { return };
    loop {
        turns::wait();
        let _fails_where_the_writes_do = file.set_len(0);
        while turns::is_on() && file.write_all(&[7; 4096]).and_then(|()| file.sync_all()).is_ok() {}
    }
}

fn shout() {
    let line = [&[b'a'; 200][..], b"\n"].concat().repeat(64);
    let _nobody_reads = std::io::stdout().write_all(&line);
}

/// A system call that waits for the launcher's answer.
fn refused() {
    let _refused = UdpSocket::bind("127.0.0.1:0");
}

async fn call() -> Ended {
    in_tasks(CALLS, |node| async move { node.get_block_height().await.is_ok() }).await
}

/// The largest frames that the host takes: each is read and decoded whole before it is refused.
async fn huge() -> Ended {
    in_tasks(FRAMES, |node| async move {
        let message = vec![7; 4 * CHUNK_BYTES];
        node.write_file("../refused".to_owned(), message.into()).await.is_ok()
    })
    .await
}

async fn publish() -> Ended {
    in_tasks(CALLS, |node| async move {
        node.publish_event(EventType::PaymentSettled, vec![7; LINE_BYTES].into()).await.is_ok()
    })
    .await
}

/// So many of these calls under way, in each turn. One that is refused is tried again.
async fn in_tasks<Call: Future<Output = bool> + 'static>(count: usize, call: fn(NodeApi) -> Call) -> Ended {
    let integration = connect().await?;
    println!("full: begins");
    let tasks = tokio::task::LocalSet::new();
    for _ in 0..count {
        let node = integration.node_api();
        tasks.spawn_local(async move {
            loop {
                turns::wait_async().await;
                if !call(node.clone()).await {
                    tokio::task::yield_now().await;
                }
            }
        });
    }
    tasks.await;
    Ok(())
}

/// Subscribes to everything, and never reads what comes.
async fn deaf() -> Ended {
    let mut integration = connect().await?;
    integration.subscribe_events(EventType::ALL.to_vec()).await?;
    full("begins")
}

/// All of it at the same time, until every limit of the kernel is reached at once.
fn everything() -> Ended {
    let keeps = Share::of_memory(setting("BYTES")?);
    run(async {
        let mut integration = connect().await?;
        integration.subscribe_events(EventType::ALL.to_vec()).await?;
        keeps.start();
        threads(2, sync);
        threads(2, shout);
        threads(2, refused);
        println!("full: begins");
        turns::wait_async().await;
        // Whatever needs a descriptor has it by now.
        std::thread::sleep(Duration::from_millis(500));
        std::mem::forget(open_all());
        threads(THREADS, burn);
        // Its output is cut: a line that says so would be lost. A descriptor for a moment is what it does not have.
        std::fs::rename("/data/turns", "/data/everything")?;
        let payload = vec![7; LINE_BYTES];
        loop {
            turns::wait_async().await;
            let publishes = (0..CALLS).map(|_| {
                let (node, payload) = (integration.node_api(), payload.clone());
                async move { node.publish_event(EventType::PaymentSettled, payload.into()).await }
            });
            let tasks: tokio::task::JoinSet<_> = publishes.collect();
            let _refused_or_not = tasks.join_all().await;
        }
    })
}
