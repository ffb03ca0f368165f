//! `faults`: what becomes of the gateway under trouble. Real processes, killed, stopped, starved and lied to; one line of
//! JSON a row, and a failure for every miss.

mod backlog;
mod backup;
mod bad_answers;
mod bad_input;
mod bombs;
mod callbacks;
mod canaries;
mod clients;
mod clock;
mod damage;
mod disk_full;
mod fairness;
mod house;
mod kills;
mod lanes;
mod lock;
mod paused;
mod points;
mod poison;
mod poisoned_others;
mod records;
mod routes;
mod secrets;
mod webhooks;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, bail};
use futures::future::LocalBoxFuture;
use serde_json::{Value, json};
use trials::say;

/// What every row is given.
pub(crate) struct Trial {
    /// The gateway, built with the feature `trials`.
    pub(crate) binary: PathBuf,
    /// A folder of its own.
    pub(crate) folder: PathBuf,
    /// The short form, for every change; the long one is for the night.
    pub(crate) short: bool,
}

impl Trial {
    /// Chooses between the short and the long form.
    pub(crate) fn either<T>(&self, short: T, long: T) -> T {
        if self.short { short } else { long }
    }
}

/// A row's name in reliability, what it shows, and how.
type Row = (&'static str, &'static str, fn(&Trial) -> LocalBoxFuture<'_, anyhow::Result<Value>>);

macro_rules! row {
    ($name:literal, $what:literal, $run:path) => {
        ($name, $what, |trial| Box::pin($run(trial)))
    };
}

const ROWS: &[Row] = &[
    row!("F1", "kill -9 at random moments loses nothing", kills::run),
    row!(
        "F1-routes",
        "kill -9 loses nothing with fallback, digests, mail and escalation in the traffic",
        routes::kills
    ),
    row!("F3", "death at every named point loses nothing", points::run),
    row!("F6", "a full disk is answered, and got over without a restart", disk_full::run),
    row!("F7", "a damaged, foreign or older database is refused", damage::run),
    row!("F8", "another process that holds the database's lock only delays", lock::run),
    row!("F12", "clock jumps cause no storm and shorten nothing", clock::jumps),
    row!("F14", "an upstream that is busy, throttles or is crowded is left alone, then served", lanes::throttled),
    row!("F16", "a wrong secret closes the lane and is not hammered", lanes::wrong_secret),
    row!("F20", "idempotency keys outlive restarts, and end as documented", clock::idempotency),
    row!("F22", "a paused process makes nobody send twice", paused::run),
    row!("F24", "poison rows delay nobody", poison::run),
    row!("F25", "no quota is ever exceeded, and all of it is used", fairness::quota),
    row!("F27", "urgent passes a hundred thousand bulk", fairness::priority),
    row!("F28", "a noisy caller does not delay another", fairness::callers),
    row!("F29", "a large backlog weighs nothing", backlog::run),
    row!("F31", "throughput, every id verified", records::throughput),
    row!("F33", "templates that would never end or grow without end are stopped, and told where", bombs::run),
    row!("F34", "JSON that is too deep, too large or ambiguous is refused at once, and weighs nothing", bad_input::run),
    row!("F35", "callbacks that are bombs or forgeries are refused, and a repeat has no second effect", callbacks::run),
    row!("F39", "a backup of a busy gateway is whole, and starts elsewhere", backup::run),
    row!(
        "F40",
        "a business system that fails, is slow or redirects hears all in order, and slows nobody",
        webhooks::run
    ),
    row!("F46", "idle and slow clients do not delay good ones", clients::run),
    row!("F47", "the records equal the calls", records::equality),
    row!("F48", "no secret is in a log, a file, a backup or an answer", canaries::run),
    row!("upstream", "one bad answer in ten, of every kind, loses nothing", bad_answers::run),
];

const HELP: &str = "cargo xtask faults [--short] [--only F1,F3,…]";

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [command, rest @ ..] = &arguments[..]
        && command == lock::HOLDER
    {
        return lock::hold(rest);
    }
    match run(&arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("faults: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &[String]) -> anyhow::Result<()> {
    let (mut binary, mut short, mut only) = (PathBuf::new(), false, Vec::new());
    let mut arguments = arguments.iter();
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{name} needs a value\n{HELP}"));
        match name.as_str() {
            "--short" => short = true,
            "--binary" => binary = value()?.into(),
            "--only" => only = value()?.split(',').map(str::to_owned).collect(),
            _ => bail!("there is no option `{name}`\n{HELP}"),
        }
    }
    for name in &only {
        if !ROWS.iter().any(|(row, ..)| row == name) {
            let rows: Vec<&str> = ROWS.iter().map(|(row, ..)| *row).collect();
            bail!("there is no row `{name}`; there are {}", rows.join(", "));
        }
    }
    let mut missed = Vec::new();
    for row in ROWS.iter().filter(|(name, ..)| only.is_empty() || only.iter().any(|wanted| wanted == name)) {
        if !try_row(row, &binary, short).await? {
            missed.push(row.0);
        }
    }
    if missed.is_empty() { Ok(()) } else { bail!("missed: {}", missed.join(", ")) }
}

/// Runs a row, looks for secrets in what it left behind, and says its line.
async fn try_row((name, what, run): &Row, binary: &Path, short: bool) -> anyhow::Result<bool> {
    let folder = tempfile::tempdir()?;
    let trial = Trial { binary: binary.to_owned(), folder: folder.path().to_owned(), short };
    let started = Instant::now();
    let outcome = run(&trial).await;
    // F48, over every row.
    let outcome = outcome.and_then(|figures| secrets::none_in(folder.path()).map(|()| figures));
    let mut line = json!({ "fault": name, "what": what, "short": short, "pass": outcome.is_ok() });
    match &outcome {
        Ok(figures) => line["figures"] = figures.clone(),
        Err(error) => line["missed"] = format!("{error:#}").into(),
    }
    line["seconds"] = json!((started.elapsed().as_secs_f64() * 10.0).round() / 10.0);
    say(&line.to_string());
    Ok(outcome.is_ok())
}
