//! `hongyan backup`: a whole copy of the ledger, made while the gateway runs or rests.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use serde_json::json;

use super::{Context, DONE, print};

#[derive(Debug, Args)]
pub(super) struct BackupArguments {
    /// The file to write; it must not exist yet
    to: PathBuf,
}

pub(super) fn run(arguments: &BackupArguments, context: &Context) -> anyhow::Result<u8> {
    let data_dir = context.load()?.config.data_dir;
    let started = Instant::now();
    let bytes = backends::back_up(&data_dir, &arguments.to)?;
    let (to, seconds) = (arguments.to.display(), started.elapsed().as_secs_f64());
    if context.json {
        print(&json!({ "file": to.to_string(), "bytes": bytes, "seconds": seconds }).to_string());
    } else {
        context.say(
            format!("Wrote {to}: {bytes} bytes, checked, in {seconds:.1} s. To restore, stop the gateway and put it in the place of {0}, beside which no {0}-wal, {0}-shm or ledger.commits must be.", data_dir.join("ledger.sqlite").display()),
            format!("已写入 {to}：{bytes} 字节，已校验，用时 {seconds:.1} 秒。恢复时先停止网关，再用它替换 {0}，旁边不要留下 {0}-wal、{0}-shm 和 ledger.commits。", data_dir.join("ledger.sqlite").display()),
        );
    }
    Ok(DONE)
}
