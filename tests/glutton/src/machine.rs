//! Takes what the kernel gives: memory of several kinds, processor time, tasks, descriptors, a file's length, lines of
//! output. It asks the core for nothing.

use std::fs::{File, OpenOptions};
use std::hint::black_box;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::{Ended, connect, full, rest, run, setting};

/// Memory is taken in steps, so that who measures sees the last one before the limit.
const STEP_BYTES: usize = 512 * 1024;
const STEP_PAUSE: Duration = Duration::from_millis(1);
pub(crate) const PAGE_BYTES: usize = 4096;
/// More than any limit of a test.
const MOST: usize = 5000;
/// Where it writes how many bytes it has touched, for whoever looks when it was killed.
const TOUCHED: &str = "/data/touched";

/// Memory of its own, page by page, until it is killed.
pub(crate) fn memory() -> Ended {
    let touched = File::create(TOUCHED)?;
    let mut kept = Vec::new();
    for step in 1..=MOST {
        kept.push(touch(STEP_BYTES));
        touched.write_all_at(format!("{:<20}", step * STEP_BYTES).as_bytes(), 0)?;
        std::thread::sleep(STEP_PAUSE);
    }
    full(kept.len())
}

/// So many bytes, each page of which is really there.
pub(crate) fn touch(bytes: usize) -> Vec<u8> {
    let mut memory = vec![0_u8; bytes];
    memory.iter_mut().step_by(PAGE_BYTES).for_each(|byte| *byte = 1);
    black_box(memory)
}

/// Writes a file several times as large as its memory: the kernel keeps of it what it may.
pub(crate) fn cache() -> Ended {
    let bytes = 3 * setting("BYTES")?;
    let (mut file, step) = (File::create("/data/large")?, vec![7; STEP_BYTES]);
    for _ in 0..bytes / STEP_BYTES {
        file.write_all(&step)?;
        std::thread::sleep(STEP_PAUSE);
    }
    full(bytes)
}

/// Fills the buffers of pairs of sockets, which are the kernel's memory.
pub(crate) fn buffers() -> Ended {
    let mut pairs = Vec::new();
    while let Ok(pair) = UnixStream::pair() {
        for mut end in [&pair.0, &pair.1] {
            end.set_nonblocking(true)?;
            while end.write(&[7; PAGE_BYTES]).is_ok() {}
            std::thread::sleep(STEP_PAUSE);
        }
        pairs.push(pair);
    }
    full(pairs.len())
}

/// Three threads that do nothing else but run. It connects before, because it may be measured for long.
pub(crate) fn processor() -> Ended {
    run(async {
        let _connection = connect().await?;
        println!("full");
        for _ in 0..2 {
            std::thread::spawn(spin);
        }
        spin()
    })
}

fn spin() -> ! {
    let mut number = 0_u64;
    loop {
        number = black_box(number.wrapping_add(1));
    }
}

/// As many threads as can be had.
pub(crate) fn tasks() -> Ended {
    let start = || std::thread::Builder::new().stack_size(64 * 1024).spawn(|| rest());
    let kept: Vec<_> = (0..MOST).map_while(|_| start().ok()).collect();
    full(kept.len())
}

/// As many descriptors as can be had.
pub(crate) fn descriptors() -> Ended {
    full(open_all().len())
}

/// Opens its directory until no number is left.
pub(crate) fn open_all() -> Vec<File> {
    (0..MOST).map_while(|_| File::open("/data").ok()).collect()
}

/// Writes so many bytes, into files of a mebibyte, or as many as it may.
pub(crate) fn disk() -> Ended {
    let step = vec![7; STEP_BYTES];
    for number in 0..setting("BYTES")? / STEP_BYTES {
        if let Err(error) =
            File::create(format!("/data/fill-{number}")).and_then(|mut file| file.write_all(&step))
        {
            full(error);
        }
    }
    full("all of it")
}

/// Makes so many empty files, or as many as it may.
pub(crate) fn names() -> Ended {
    for number in 0..setting("COUNT")? {
        if let Err(error) = File::create(format!("/data/name-{number}")) {
            full(error);
        }
    }
    full("all of it")
}

/// Makes a file as long as it may be, and then a byte longer; it has a hole, so it takes no room.
pub(crate) fn file() -> Ended {
    let longest = u64::try_from(setting("BYTES")?)?;
    let file = OpenOptions::new().write(true).create(true).truncate(true).open("/data/long")?;
    file.write_all_at(&[1], longest - 1)?;
    println!("written: {longest}");
    let more = file.write_all_at(&[2], longest);
    println!("written one more: {more:?}");
    Ok(())
}

/// Lines without end.
pub(crate) fn output() -> Ended {
    let mut out = std::io::stdout();
    for number in 0_u64.. {
        writeln!(out, "line {number}")?;
    }
    Ok(())
}
