//! F7: databases that are gone, older, cut, damaged, foreign, newer or not writable.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use hyper::Method;
use serde_json::{Value, json};
use trials::program::{Process, tail};

use crate::Trial;
use crate::disk_full::Mount;
use crate::house::{Accepted, House, callers};

pub(crate) async fn run(trial: &Trial) -> anyhow::Result<Value> {
    let mut cases = Vec::new();
    let mut house = House::start(trial).await?;
    let accepted = Accepted::default();
    callers(&house.gateway, 0..40, 4, Duration::ZERO, &accepted).await??;
    let settling = accepted.lock().clone();
    house.settled(settling.values()).await?;
    house.stop()?;
    let ledger = house.gateway.ledger();
    let kept = trial.folder.join("kept.sqlite");
    std::fs::copy(&ledger, &kept)?;

    std::fs::remove_file(&ledger)?;
    refuses(&house, "and commit").context("the file is gone")?;
    ensure!(!ledger.exists(), "an empty ledger was put in the place of one that is gone");
    cases.push("gone");
    std::fs::copy(&kept, &ledger)?;

    house.open().await?;
    callers(&house.gateway, 40..80, 4, Duration::ZERO, &accepted).await??;
    house.stop()?;
    let whole = trial.folder.join("whole.sqlite");
    std::fs::copy(&ledger, &whole)?;
    std::fs::copy(&kept, &ledger)?;
    refuses(&house, "--accept-loss").context("an older file")?;
    accepts_loss(&mut house).await?;
    cases.push("older");

    cut_log(&mut house, &accepted).await.context("a cut log")?;
    cases.push("cut log");
    for (case, expected) in
        [("foreign", "is not a Hongyan ledger"), ("newer", "has schema 99"), ("text", "cannot be opened")]
    {
        replace(&ledger, case)?;
        refuses(&house, expected).context(case)?;
        cases.push(case);
    }
    damaged_page(&house, &whole).await.context("a damaged page")?;
    cases.push("damaged page");
    read_only(trial).await.context("a read-only disk")?;
    cases.push("read-only");
    Ok(json!({ "cases": cases }))
}

/// The gateway must not start, and say why.
fn refuses(house: &House, expected: &str) -> anyhow::Result<()> {
    let mut command = house.gateway.command();
    command.arg("serve");
    let log = house.gateway.folder.join("refused.log");
    let _no_earlier_one = std::fs::remove_file(&log);
    let mut process = Process::begin(command, house.gateway.address, &log)?;
    let asked = Instant::now();
    let status = loop {
        if let Some(status) = process.ended()? {
            break status;
        }
        ensure!(asked.elapsed() < Duration::from_secs(10), "it started: {}", tail(&log));
        std::thread::sleep(Duration::from_millis(10));
    };
    let said = tail(&log);
    ensure!(!status.success() && said.contains(expected), "it says: {said}");
    Ok(())
}

async fn accepts_loss(house: &mut House) -> anyhow::Result<()> {
    let mut command = house.gateway.command();
    command.args(["serve", "--accept-loss"]);
    let gateway = &house.gateway;
    let process = Process::start(command, gateway.address, "/readyz", &gateway.log()).await?;
    process.terminate()?;
    // Once accepted, it is not asked again.
    house.open().await?;
    house.stop().map(drop)
}

/// Killed with commits in its write-ahead log only, and the log cut: what is missing is noticed.
async fn cut_log(house: &mut House, accepted: &Accepted) -> anyhow::Result<()> {
    house.open().await?;
    callers(&house.gateway, 80..120, 4, Duration::ZERO, accepted).await??;
    tokio::time::sleep(Duration::from_millis(300)).await;
    house.kill()?;
    let log = house.gateway.ledger().with_extension("sqlite-wal");
    let length = std::fs::metadata(&log)?.len();
    std::fs::OpenOptions::new().write(true).open(&log)?.set_len(length / 2)?;
    refuses(house, "--accept-loss")?;
    accepts_loss(house).await
}

/// Puts something else in the ledger's place.
fn replace(ledger: &Path, case: &str) -> anyhow::Result<()> {
    for suffix in ["", "-wal", "-shm"] {
        let path = ledger.with_extension(format!("sqlite{suffix}"));
        if path.exists() {
            std::fs::remove_file(path)?;
        }
    }
    match case {
        "foreign" => {
            let other = rusqlite::Connection::open(ledger)?;
            other.execute_batch("PRAGMA application_id = 7; CREATE TABLE theirs (x)")?;
        }
        "newer" => {
            let newer = rusqlite::Connection::open(ledger)?;
            newer.execute_batch("PRAGMA application_id = 1213817198; PRAGMA user_version = 99")?;
        }
        _ => std::fs::write(ledger, "this is no database, but a letter of some length, to whom it may concern")?,
    }
    Ok(())
}

/// One page is overwritten: either the start refuses, or readiness turns red soon.
async fn damaged_page(house: &House, whole: &Path) -> anyhow::Result<()> {
    let ledger = house.gateway.ledger();
    let mut bytes = std::fs::read(whole)?;
    let page = 4096;
    // Pages of rows, not the first, which holds the header.
    let damaged = (bytes.len() / page / 2).max(2) * page;
    bytes[damaged..damaged + page].fill(0xa5);
    std::fs::write(&ledger, bytes)?;
    let mut command = house.gateway.command();
    command.args(["serve", "--accept-loss"]);
    let mut process = Process::begin(command, house.gateway.address, &house.gateway.log())?;
    let started = Instant::now();
    let mut http = house.gateway.connection();
    loop {
        if let Some(status) = process.ended()? {
            ensure!(!status.success(), "it ended in order");
            return Ok(());
        }
        if let Ok(answer) = http.request(Method::GET, "/readyz", "").await
            && answer.status == 503
            && answer.json()["error"]["code"] == "damaged"
        {
            return Ok(());
        }
        ensure!(started.elapsed() < Duration::from_secs(20), "it is ready over a damaged database");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The disk is mounted read-only: the start refuses by name, and works again when the disk does.
async fn read_only(trial: &Trial) -> anyhow::Result<()> {
    let folder = trial.folder.join("read-only");
    let mount = Mount::small(&folder.join("data"))?;
    let mut house = House::prepare_in(trial, &folder).await?;
    house.open().await?;
    house.stop()?;
    mount.read_only(true)?;
    let refused = refuses(&house, "cannot be used");
    mount.read_only(false)?;
    refused?;
    house.open().await?;
    house.stop()?;
    drop(mount);
    Ok(())
}
