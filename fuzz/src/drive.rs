//! A driver for a stable compiler: alters known bytes, runs the targets on them, and keeps what was found.

use std::collections::HashSet;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::{TARGETS, Target};

/// Bytes of an input. Parsers that take a time beyond proportion to the length show it far below this.
const INPUT_BYTES_MAX: usize = 64 * 1_024;

/// Inputs that are kept to go on from.
const CORPUS_MAX: usize = 2_000;

/// An input that takes longer than this is slow, on a debug build.
const SLOW: Duration = Duration::from_millis(500);

/// Alterations of one input.
const CHANGES_MAX: u32 = 8;

/// Runs between two looks at the clock.
const RUNS_AT_ONCE: u32 = 16;

/// Run fuzz targets on altered inputs
#[derive(Debug, Parser)]
struct Options {
    /// Which targets [default: all]
    targets: Vec<String>,
    /// How long each
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Repeats a run's choices [default: a new one, which is printed]
    #[arg(long)]
    seed: Option<u64>,
    /// Run one target on one file instead
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Write what each target begins from into a directory of its name below this one instead, for `cargo fuzz`
    #[arg(long, value_name = "DIRECTORY", conflicts_with = "input")]
    beginnings: Option<PathBuf>,
}

/// All targets, or those that are named.
#[must_use]
pub fn main() -> ExitCode {
    exit(run(&Options::parse()))
}

/// One target.
#[must_use]
pub fn main_of(name: &str) -> ExitCode {
    let mut options = Options::parse();
    options.targets = vec![name.to_owned()];
    exit(run(&options))
}

fn exit(result: Result<bool>) -> ExitCode {
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<bool> {
    let targets = chosen(&options.targets)?;
    if let Some(file) = &options.input {
        let bytes = fs::read(file).with_context(|| format!("read {}", file.display()))?;
        for target in targets {
            println!("{}: {}", target.name, (target.run)(&bytes));
        }
        return Ok(true);
    }
    if let Some(directory) = &options.beginnings {
        targets.into_iter().try_for_each(|target| write_beginnings(target, &directory.join(target.name)))?;
        return Ok(true);
    }
    let seed = options.seed.unwrap_or_else(|| rand::rng().random());
    println!("seed {seed}");
    let mut is_good = true;
    for target in targets {
        is_good &= fuzz(target, Duration::from_secs(options.seconds), seed)?;
    }
    Ok(is_good)
}

fn write_beginnings(target: &Target, directory: &Path) -> Result<()> {
    fs::create_dir_all(directory).with_context(|| format!("make {}", directory.display()))?;
    for (number, input) in (target.corpus)().iter().enumerate() {
        let file = directory.join(format!("known-{number}"));
        fs::write(&file, input).with_context(|| format!("write {}", file.display()))?;
    }
    Ok(())
}

fn chosen(names: &[String]) -> Result<Vec<&'static Target>> {
    let unknown = names.iter().find(|name| TARGETS.iter().all(|target| target.name != **name));
    if let Some(unknown) = unknown {
        let known: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        bail!("there is no target {unknown:?}; there are {}", known.join(", "));
    }
    let is_chosen = |target: &&Target| names.is_empty() || names.iter().any(|name| name == target.name);
    Ok(TARGETS.iter().filter(is_chosen).collect())
}

/// Runs one target for `lasting`; whether nothing was found.
fn fuzz(target: &Target, lasting: Duration, seed: u64) -> Result<bool> {
    let mut finds = Finds::open(target)?;
    let mut corpus = (target.corpus)();
    let mut outcomes: HashSet<String> = HashSet::new();
    let mut rng = StdRng::seed_from_u64(seed);
    let (began, mut runs, mut slowest) = (Instant::now(), 0_u64, Duration::ZERO);
    let beginnings = corpus.clone();
    let mut next = beginnings.into_iter();
    while began.elapsed() < lasting {
        for _ in 0..RUNS_AT_ONCE {
            // First the corpus as it is.
            let input = next.next().unwrap_or_else(|| altered(&corpus, &mut rng));
            finds.begin(&input)?;
            let (outcome, took) = timed(target, &input);
            runs += 1;
            slowest = slowest.max(took);
            match outcome {
                None => finds.keep("crash", &input)?,
                Some(_) if took > SLOW && is_slow(target, &input) => finds.keep("slow", &input)?,
                Some(outcome) => {
                    if outcomes.insert(outcome) && corpus.len() < CORPUS_MAX {
                        corpus.push(input);
                    }
                }
            }
            if finds.count >= FINDS_MAX {
                return finds.close(target);
            }
        }
    }
    println!(
        "{:<10} {runs:>9} runs, {:>7.0}/s, {:>4} outcomes, the slowest {:.1} ms",
        target.name,
        runs as f64 / began.elapsed().as_secs_f64(),
        outcomes.len(),
        slowest.as_secs_f64() * 1_000.0
    );
    finds.close(target)
}

/// What came of it, unless it panicked, and how long it took.
fn timed(target: &Target, input: &[u8]) -> (Option<String>, Duration) {
    let began = Instant::now();
    let outcome = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    (outcome.ok(), began.elapsed())
}

/// Whether it takes the processor that long, and was not just held up by others.
fn is_slow(target: &Target, input: &[u8]) -> bool {
    let before = processor_time();
    let (_, took) = timed(target, input);
    let taken = before.zip(processor_time()).map(|(before, after)| after.saturating_sub(before));
    taken.unwrap_or(took) > SLOW
}

/// How long this thread has had a processor, where Linux tells.
fn processor_time() -> Option<Duration> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

/// Words that parsers look for.
const WORDS: &[&[u8]] = &[
    b"\"",
    b"\\u0000",
    b"\\ud800",
    b"{",
    b"}",
    b"[",
    b"]",
    b"null",
    b"true",
    b"-1",
    b"1e999",
    b"18446744073709551616",
    b"\"type\":",
    b"\"data\":",
    b"\"event\":",
    b"\"id\":\"\"",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"&amp;",
    b"&x;",
    b"<!DOCTYPE a [<!ENTITY x \"y\">]>",
    b"<![CDATA[",
    b"<entry>",
    b"</entry>",
    b"xmlns=",
    b"<?xml",
    b"%",
    b"%00",
    b"payload=",
    b"&",
    b"=",
    b",",
    b".",
    b"..",
    b"*",
    b"$regex",
    b"$and",
    b"$not",
    b"{json:a.b}",
    b"{{",
    b"\n\n",
    b": ",
    b"sha256=",
    b"v1,",
    b"t=",
    b"eyJ",
    b"==",
    b"\"alg\":\"none\"",
    b"any_of",
    b"template",
    b"prefix",
    b"encoding",
];

/// One input of `corpus`, changed in a few places.
fn altered(corpus: &[Vec<u8>], rng: &mut StdRng) -> Vec<u8> {
    let mut input = corpus[rng.random_range(0..corpus.len())].clone();
    for _ in 0..rng.random_range(1..=CHANGES_MAX) {
        change(&mut input, corpus, rng);
    }
    input.truncate(INPUT_BYTES_MAX);
    input
}

fn change(input: &mut Vec<u8>, corpus: &[Vec<u8>], rng: &mut StdRng) {
    let at = rng.random_range(0..=input.len());
    let end = (at + rng.random_range(0..32)).min(input.len());
    match rng.random_range(0..10) {
        0 if at < input.len() => input[at] ^= 1 << rng.random_range(0..8),
        1 if at < input.len() => input[at] = rng.random(),
        2 => drop(input.drain(at..end)),
        3 => input.truncate(at),
        4 | 5 => insert(input, at, WORDS[rng.random_range(0..WORDS.len())]),
        6 => {
            let repeated = input[at..end].repeat(rng.random_range(1..16));
            insert(input, at, &repeated);
        }
        // Many of one thing: what takes a time beyond proportion shows here, and so does a stack that is too small.
        7 if rng.random_ratio(1, 8) => {
            let word = WORDS[rng.random_range(0..WORDS.len())];
            insert(input, at, &word.repeat(rng.random_range(64..8_192)));
        }
        8 => {
            let other = &corpus[rng.random_range(0..corpus.len())];
            let from = rng.random_range(0..=other.len());
            let to = (from + rng.random_range(0..256)).min(other.len());
            insert(input, at, &other[from..to]);
        }
        _ => {
            let number: i64 = if rng.random() { rng.random() } else { rng.random_range(-2..300) };
            insert(input, at, number.to_string().as_bytes());
        }
    }
}

fn insert(input: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let room = INPUT_BYTES_MAX.saturating_sub(input.len());
    input.splice(at..at, bytes[..bytes.len().min(room)].iter().copied());
}

/// Finds of one target, after which it is left alone: they are likely one.
const FINDS_MAX: usize = 5;

/// What was found, beside the sources, for whoever mends it.
struct Finds {
    directory: PathBuf,
    /// The input under way: what there is left of an abort.
    current: File,
    count: usize,
}

impl Finds {
    fn open(target: &Target) -> Result<Self> {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("artifacts").join(target.name);
        fs::create_dir_all(&directory).with_context(|| format!("make {}", directory.display()))?;
        let current = File::create(directory.join("current"))?;
        Ok(Self { directory, current, count: 0 })
    }

    fn begin(&self, input: &[u8]) -> Result<()> {
        self.current.set_len(input.len() as u64)?;
        self.current.write_all_at(input, 0)?;
        Ok(())
    }

    fn keep(&mut self, kind: &str, input: &[u8]) -> Result<()> {
        self.count += 1;
        let digest = ring::digest::digest(&ring::digest::SHA256, input);
        let file = self.directory.join(format!("{kind}-{}", hex::encode(&digest.as_ref()[..8])));
        fs::write(&file, input)?;
        eprintln!("{kind}: {}", file.display());
        Ok(())
    }

    /// Whether nothing was found.
    fn close(self, target: &Target) -> Result<bool> {
        fs::remove_file(self.directory.join("current"))?;
        if self.count > 0 {
            eprintln!("{}: look with `cargo xtask fuzz {} --input FILE`", target.name, target.name);
        } else {
            // Empty, unless an earlier run has found something.
            let _kept = fs::remove_dir(&self.directory);
        }
        Ok(self.count == 0)
    }
}
