//! F6: the disk fills up and is freed, several times.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use hyper::Method;
use serde_json::{Value, json};

use crate::Trial;
use crate::house::{Accepted, House, to_member};

const FREED_WITHIN: Duration = Duration::from_secs(5);

/// A file system of its own, unmounted when dropped.
pub(crate) struct Mount(PathBuf);

impl Mount {
    /// Mounts a small one in memory.
    pub(crate) fn small(at: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(at)?;
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=6m,mode=700", "tmpfs"]).arg(at).status();
        match mounted.context("mount")?.success() {
            true => Ok(Self(at.to_owned())),
            false => bail!("a small tmpfs could not be mounted; this row needs root, as CI has it"),
        }
    }

    /// Makes it unwritable, or writable again.
    pub(crate) fn read_only(&self, read_only: bool) -> anyhow::Result<()> {
        let options = if read_only { "remount,ro" } else { "remount,rw" };
        ensure!(Command::new("mount").args(["-o", options]).arg(&self.0).status()?.success(), "remount");
        Ok(())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _best_effort = Command::new("umount").args(["--lazy"]).arg(&self.0).status();
    }
}

pub(crate) async fn run(trial: &Trial) -> anyhow::Result<Value> {
    let data = trial.folder.join("data");
    let mount = Mount::small(&data)?;
    let mut house = House::start(trial).await?;
    let accepted = Accepted::default();
    let rounds = trial.either(2, 5);
    let (mut number, mut refused, mut slowest) = (0, 0, Duration::ZERO);
    for _ in 0..rounds {
        let filler = data.join("filler");
        fill(&filler)?;
        let mut http = house.gateway.connection();
        let full = Instant::now();
        let mut refusals = 0;
        while refusals < 20 {
            let answer = http.request(Method::POST, "/v1/messages", to_member(number).to_string()).await?;
            match answer.status.as_u16() {
                202 => {
                    accepted.lock().insert(number, text_of(&answer.json()["id"]));
                }
                507 | 503 => {
                    ensure!(answer.headers.contains_key("retry-after"), "{} without Retry-After", answer.status);
                    refusals += 1;
                }
                other => bail!("{other}: {:?}", answer.body),
            }
            number += 1;
            ensure!(full.elapsed() < Duration::from_secs(60), "the disk never filled up");
        }
        refused += refusals;
        std::fs::remove_file(&filler)?;
        let freed = Instant::now();
        loop {
            let answer = http.request(Method::POST, "/v1/messages", to_member(number).to_string()).await?;
            number += 1;
            if answer.status == 202 {
                accepted.lock().insert(number - 1, text_of(&answer.json()["id"]));
                break;
            }
            ensure!(freed.elapsed() < FREED_WITHIN, "still {} after the disk was freed", answer.status);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        slowest = slowest.max(freed.elapsed());
    }
    let accepted = accepted.lock().clone();
    house.all_seen_once(&accepted).await?;
    house.stop()?;
    let found = integrity(&house.gateway.ledger())?;
    ensure!(found == "ok", "{found}");
    let canaries = crate::secrets::none_in(&data);
    drop(mount);
    canaries?;
    Ok(
        json!({ "rounds": rounds, "accepted": accepted.len(), "refused": refused, "lost": 0, "slowest_recovery_seconds": slowest.as_secs_f64() }),
    )
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Writes until nothing more fits.
fn fill(path: &Path) -> anyhow::Result<()> {
    let mut file = std::fs::File::create(path)?;
    for size in [64 * 1024, 4096, 512] {
        while std::io::Write::write_all(&mut file, &vec![0; size]).is_ok() {}
    }
    Ok(())
}

/// What SQLite says to its own integrity check.
pub(crate) fn integrity(ledger: &Path) -> anyhow::Result<String> {
    let connection = rusqlite::Connection::open(ledger)?;
    Ok(connection.query_row("PRAGMA integrity_check", [], |row| row.get(0))?)
}
