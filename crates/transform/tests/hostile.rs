//! What the language's own limits do not stop, through real runners.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use transform::{Failed, NotATransform, Program, Runners, Transform, Transformed};

const EVENT: &str = r#"{"id":"evt_1","type":"task.created","data":{"n":3}}"#;

/// Far more than a run may take, far less than what these sources would.
const PATIENCE: Duration = Duration::from_secs(10);

fn program() -> Program {
    Program::at(env!("CARGO_BIN_EXE_run-transforms"), [""; 0])
}

fn runners() -> &'static Runners {
    static RUNNERS: OnceLock<Runners> = OnceLock::new();
    RUNNERS.get_or_init(|| Runners::new(program(), 2))
}

fn body(text: &str) -> Result<Transformed, Failed> {
    Ok(Transformed::Request { body: text.to_owned(), headers: Vec::new() })
}

fn run(source: &str) -> Result<Transformed, Failed> {
    runners().run(&Transform::trusted(source), EVENT)
}

#[expect(clippy::disallowed_methods, reason = "that it ends in time is what is tested")]
fn within_patience<T>(source: &str, what: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let done = what();
    assert!(started.elapsed() < PATIENCE, "{source} took {:?}", started.elapsed());
    done
}

#[test]
fn a_transform_is_compiled_and_run() {
    let transform =
        runners().compile("({ type }) => ({ body: { type }, headers: { 'X-Kind': 'task' } })").unwrap();
    let made = runners().run(&transform, EVENT).unwrap();
    let headers = vec![("X-Kind".to_owned(), "task".to_owned())];
    assert_eq!(made, Transformed::Request { body: r#"{"type":"task.created"}"#.to_owned(), headers });
    assert_eq!(run("() => null"), Ok(Transformed::Skip));
    assert!(matches!(runners().compile("(event) =>"), Err(NotATransform::Syntax { line: 1, .. })));
    assert_eq!(runners().compile(&"x".repeat(70_000)), Err(NotATransform::TooLarge(70_000)));
    assert!(!format!("{transform:?}").contains("X-Kind"));
}

#[test]
fn a_single_step_that_takes_long_ends_the_runner_and_not_us() {
    for source in [
        "() => new Array(1e9).join('')",
        "() => { for (;;) 'x'.repeat(8e6) }",
        "() => { const a = 1n << 500000n; for (;;) a * a }",
        "() => { const a = 'x'.repeat(4e6), b = 'x'.repeat(4e6); for (;;) a === b }",
        "() => Array.prototype.reverse.call({ length: 2 ** 53 - 1 })",
        "() => Array.prototype.sort.call({ length: 2 ** 53 - 1 })",
        "() => new Array(2 ** 32 - 1).slice(0).length",
        "() => ({ toJSON: () => new Array(1e9).join('') })",
        "() => { throw { toString: () => new Array(1e9).join('') } }",
        "() => JSON.stringify(new Array(1e9))",
        "() => new Uint8Array(8e6).map((_, i) => i).sort((a, b) => b - a)",
    ] {
        let failed = within_patience(source, || run(source)).expect_err(source);
        assert!(matches!(failed, Failed::TooSlow | Failed::TooMuchMemory), "{source}: {failed:?}");
        assert_eq!(run("() => 'next'"), body("next"));
    }
    let source = "(() => { new Array(1e9).join(''); return (event) => event })()";
    let refused = within_patience(source, || runners().compile(source));
    assert_eq!(refused, Err(NotATransform::Failed(Failed::TooSlow)));
}

#[test]
fn many_may_ask_at_once() {
    let runners = Runners::new(program(), 2);
    std::thread::scope(|scope| {
        for asker in 0..8 {
            let runners = &runners;
            scope.spawn(move || {
                for round in 0..20 {
                    let transform = Transform::trusted(format!("() => '{asker}.{round}'"));
                    assert_eq!(runners.run(&transform, EVENT), body(&format!("{asker}.{round}")));
                }
            });
        }
    });
}

#[test]
fn a_runner_knows_nothing_of_our_environment_and_has_its_own_time_zone() {
    let runners = Runners::new(program(), 1);
    let transform = Transform::trusted("() => new Date(0).getTimezoneOffset() + ''");
    assert_eq!(runners.run(&transform, EVENT), body("0"));
    assert!(std::fs::read_to_string(process_of(&runners, "environ")).unwrap() == "TZ=UTC\0");
}

/// A file about the only process of `runners`, which its `Debug` names.
fn process_of(runners: &Runners, file: &str) -> String {
    let shown = format!("{runners:?}");
    let (_, id) = shown.split_once("process ").unwrap();
    format!("/proc/{}/{file}", id.split_once(')').unwrap().0)
}

#[test]
fn a_runner_that_has_died_is_replaced() {
    let runners = Runners::new(program(), 1);
    let transform = Transform::trusted("() => 'here'");
    assert_eq!(runners.run(&transform, EVENT), body("here"));
    let first = process_of(&runners, "stat");
    let killed = Command::new("kill").args(["-KILL", first.split('/').nth(2).unwrap()]).status().unwrap();
    assert!(killed.success());
    // It is gone when its pipes are closed, which the next question may still overtake.
    let asked_again =
        (0..100).map(|_| runners.run(&transform, EVENT)).find(|answer| answer != &Err(Failed::Crashed));
    assert_eq!(asked_again, Some(body("here")));
    assert_ne!(process_of(&runners, "stat"), first);
}

#[test]
fn a_program_that_runs_nothing_is_told_so() {
    let transform = Transform::trusted("() => 'here'");
    let gone = Runners::new(Program::at("/bin/true", [""; 0]), 1);
    assert!(matches!(gone.run(&transform, EVENT), Err(Failed::Crashed | Failed::Unavailable(_))));
    let mute = Runners::new(Program::at("/bin/echo", ["not an answer, and long enough to have a length"]), 1);
    assert!(matches!(mute.run(&transform, EVENT), Err(Failed::Crashed | Failed::Unavailable(_))));
    let missing = Runners::new(Program::at("/no/such/program", [""; 0]), 1);
    assert!(matches!(missing.run(&transform, EVENT), Err(Failed::Unavailable(_))));
}

#[test]
fn ten_thousand_runs_leave_nothing_behind() {
    let runners = Runners::new(program(), 1);
    let sources = [
        "(event) => ({ text: event.type, list: Array.from({ length: 100 }, (_, i) => ({ i })) })",
        "(event) => { const a = { event }; a.a = a; globalThis.kept = [a, () => a, new Map([[a, a]])]; return 'cycle' }",
        "(event) => { throw new Error('x'.repeat(1000)) }",
        "(event) => { Promise.resolve(event).then(() => event); return { body: 'x', headers: { A: 'b' } } }",
        "(event) => 'x'.repeat(1 << 16) + /(.)\\1/.exec('aabb')",
    ];
    let run = |count: usize| {
        for source in sources.iter().cycle().take(count) {
            let _ = runners.run(&Transform::trusted(*source), EVENT);
        }
        resident_kib(&runners)
    };
    let before = run(1_000);
    let after = run(9_000);
    assert!(after < before + 2_048, "{before} KiB grew to {after} KiB");
}

fn resident_kib(runners: &Runners) -> u64 {
    let status = std::fs::read_to_string(process_of(runners, "status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
