//! One bad answer in ten, of every kind: nothing is lost, nothing is falsely called delivered, nobody sees anything twice.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use crate::Trial;
use crate::house::{Accepted, House, callers};

pub(crate) async fn run(trial: &Trial) -> anyhow::Result<Value> {
    let messages = trial.either(60, 1000);
    let kinds = [
        ("errcode -1", json!({ "kind": "errcode", "errcode": -1 })),
        ("errcode 45009", json!({ "kind": "errcode", "errcode": 45009 })),
        ("HTTP 500", json!({ "kind": "status", "status": 500 })),
        ("reset before", json!({ "kind": "reset_before" })),
        ("reset after", json!({ "kind": "reset_after" })),
        ("HTML page", json!({ "kind": "html" })),
        ("half an answer", json!({ "kind": "half" })),
        ("a hang", json!({ "kind": "hang" })),
    ];
    let mut figures = Vec::new();
    for (name, trouble) in kinds {
        let folder = trial.folder.join(name.replace(' ', "-"));
        std::fs::create_dir(&folder)?;
        let mut house = House::prepare_in(trial, &folder).await?;
        house.simulator.fault(json!({ "path": "message/send", "one_in": 10, "trouble": trouble })).await?;
        house.open().await?;
        let accepted = Accepted::default();
        callers(&house.gateway, 0..messages, 8, Duration::from_millis(2), &accepted).await??;
        let accepted = accepted.lock().clone();
        ensure!(accepted.len() as u64 == messages, "{} were accepted", accepted.len());
        // Delivered, by all records; and all that is delivered was seen, once.
        let redelivered = house.all_seen_once(&accepted).await.context(name)?;
        figures.push(json!({ "kind": name, "redelivered": redelivered }));
    }
    Ok(json!({ "messages_each": messages, "lost": 0, "falsely_delivered": 0, "seen_twice": 0, "each": figures }))
}
