//! F39: a backup of a busy gateway, started elsewhere.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use trials::program::Gateway;

use crate::Trial;
use crate::disk_full::integrity;
use crate::house::{Accepted, House, callers};

pub(crate) async fn run(trial: &Trial) -> anyhow::Result<Value> {
    let messages = trial.either(600, 6000);
    let mut house = House::start(trial).await?;
    let accepted = Accepted::default();
    // Ten connections with 50 ms between: about 200 a second.
    let sending = callers(&house.gateway, 0..messages, 10, Duration::from_millis(47), &accepted);
    tokio::time::sleep(Duration::from_millis(messages * 2)).await;
    let known_before = accepted.lock().clone();
    let elsewhere = trial.folder.join("elsewhere");
    std::fs::create_dir_all(elsewhere.join("data"))?;
    let copy = elsewhere.join("data/ledger.sqlite");
    let started = Instant::now();
    let mut command = house.gateway.command();
    command.arg("backup").arg(&copy);
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    let took = started.elapsed();
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    sending.await??;
    let found = integrity(&copy)?;
    ensure!(found == "ok", "{found}");
    let all = accepted.lock().clone();
    house.all_seen_once(&all).await?;
    let taken = house.simulator.taken().await?;
    // A backup is sealed: whoever restores it has the key file, too.
    std::fs::copy(house.gateway.folder.join("data/master-key"), elsewhere.join("data/master-key"))?;
    // The copy is started beside it: what it knew to be delivered stays so, what it did not is sent again.
    let copied = Gateway::new(&trial.binary, &elsewhere, house.simulated.address)?;
    let _process = copied.start().await?;
    let mut http = copied.connection();
    for id in known_before.values() {
        crate::house::read(&mut http, id).await.context("what was accepted before the backup is in it")?;
    }
    let restored = House { gateway: copied, process: None, ..house };
    restored.settled(known_before.values()).await?;
    let mut simulator = restored.simulator;
    let repeated = simulator.taken().await? - taken;
    ensure!(repeated <= messages / 2, "{repeated} were sent again");
    Ok(
        json!({ "messages": messages, "backup_seconds": took.as_secs_f64(), "integrity": "ok", "sent_again_by_the_copy": repeated }),
    )
}
