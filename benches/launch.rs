//! What a launch costs: from the request to the first instruction of the module's main, with every layer on, and
//! to its first answered call; interleaved with a bare spawn of the same static program, and with bubblewrap.
//!
//! Cold is a pause before each launch, as modules are launched; hot is one after the other. `cargo bench --bench
//! launch` as root. Figures are ratios within this run; nothing here fails for being slow.

#![allow(
    missing_docs,
    clippy::as_conversions,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod stage;

use std::process::{Command, Stdio};
use std::time::Duration;

use cofferdam_launcher::Running;
use stage::{Samples, Stage, binary, head, lines_of, now_ns, row};

const ROUNDS: usize = 60;
const COLD: Duration = Duration::from_millis(60);

fn main() {
    let mut stage = Stage::new();
    for (title, pause) in [("cold: 60 ms pause before each launch", COLD), ("hot: no pause", Duration::ZERO)]
    {
        to_main(&mut stage, title, pause);
    }
    to_first_answer(&mut stage);
}

fn to_main(stage: &mut Stage, title: &str, pause: Duration) {
    let loaded = stage.module(if pause.is_zero() { "hot" } else { "cold" }, "bench-main", &[]);
    let (mut bare, mut confined, mut unprepared, mut prepare, mut bubblewrap) =
        (Samples::default(), Samples::default(), Samples::default(), Samples::default(), Samples::default());
    let has_bubblewrap = Command::new("bwrap").arg("--version").stdout(Stdio::null()).status().is_ok();
    for _ in 0..ROUNDS {
        std::thread::sleep(pause);
        bare.push_ns(spawn(&mut Command::new(binary("bench-main"))));

        let before = now_ns();
        let prepared = stage.prepare(&loaded);
        prepare.push_ns(now_ns() - before);
        std::thread::sleep(pause);
        let before = now_ns();
        let running = stage.launcher.launch(prepared).unwrap();
        confined.push_ns(main_of(&running) - before);
        running.kill().unwrap();

        std::thread::sleep(pause);
        let before = now_ns();
        let prepared = stage.prepare(&loaded);
        let running = stage.launcher.launch(prepared).unwrap();
        unprepared.push_ns(main_of(&running) - before);
        running.kill().unwrap();

        if has_bubblewrap {
            std::thread::sleep(pause);
            let program = binary("bench-main");
            let mut command = Command::new("bwrap");
            command
                .args(["--unshare-all", "--die-with-parent", "--ro-bind"])
                .arg(&program)
                .args(["/program", "/program"]);
            bubblewrap.push_ns(spawn(&mut command));
        }
    }
    head(&format!("launch to main, {title}, {ROUNDS} rounds, interleaved"));
    row("bare vfork+exec", &bare, &bare);
    row("cofferdam, every layer", &confined, &bare);
    row("cofferdam, namespaces not made ahead", &unprepared, &bare);
    row("(making namespaces and cgroup ahead)", &prepare, &bare);
    if has_bubblewrap {
        row("bwrap --unshare-all (no landlock, seccomp, cgroup)", &bubblewrap, &bare);
    } else {
        println!("bwrap is not installed: not measured (apt-get install bubblewrap)");
    }
}

/// From before the spawn to the program's main.
fn spawn(command: &mut Command) -> i64 {
    command.stdin(Stdio::null()).stderr(Stdio::inherit()).env_clear().env("PATH", "/usr/bin:/bin");
    let before = now_ns();
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.strip_prefix("main").unwrap().trim().parse::<i64>().unwrap() - before
}

fn main_of(running: &Running) -> i64 {
    let [main] = lines_of(running, ["main"]);
    main.parse().unwrap()
}

/// From the core's request to the first call that the real core has answered.
fn to_first_answer(stage: &mut Stage) {
    let names: Vec<String> = (0..ROUNDS).map(|number| format!("answer-{number}")).collect();
    let modules: Vec<_> =
        names.iter().map(|name| stage.module(name, "bench-program", &[("act", "call")])).collect();
    let core = stage.core(&names);
    let (mut bare, mut main, mut answered) = (Samples::default(), Samples::default(), Samples::default());
    for _ in 0..ROUNDS {
        let name = core.next_start();
        let index = names.iter().position(|other| other == name.as_str()).unwrap();
        bare.push_ns(spawn(&mut Command::new(binary("bench-program"))));
        let prepared = stage.prepare(&modules[index]);
        std::thread::sleep(COLD);
        let before = now_ns();
        let running = stage.launcher.launch(prepared).unwrap();
        core.started(&name, &running);
        let [began, first] =
            lines_of(&running, ["main", "answered"]).map(|time| time.parse::<i64>().unwrap());
        main.push_ns(began - before);
        answered.push_ns(first - before);
        running.kill().unwrap();
    }
    core.end();
    head(&format!("launch to first answered call, cold, {ROUNDS} rounds"));
    row("bare vfork+exec, to main", &bare, &bare);
    row("cofferdam, to main", &main, &bare);
    row("cofferdam, to the first answer", &answered, &bare);
}
