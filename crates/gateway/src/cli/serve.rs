//! `hongyan serve`: the gateway until it is told to stop.

use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::{Context, DONE};
use crate::app::House;
use crate::config::check;
use crate::observe;

/// A key shorter than this many characters can be guessed.
const SHORT_KEY: usize = 16;

#[derive(Debug, Args)]
pub(super) struct ServeArguments {
    /// Go on with a ledger that has lost commits: what it does not hold is gone
    #[arg(long)]
    accept_loss: bool,
}

pub(super) async fn run(arguments: &ServeArguments, context: &Context) -> anyhow::Result<u8> {
    let mut loaded = context.load()?;
    loaded.config.accept_loss = arguments.accept_loss;
    observe::start_log(&loaded.config.log)?;
    for warning in check(&loaded.config)? {
        tracing::warn!("{warning}");
    }
    for name in loaded.environment.unknown() {
        tracing::warn!("{name} is set, and is not a variable of ours: a typing mistake?");
    }
    let key = match loaded.environment.is_set("HONGYAN_API_KEY") {
        // Set to nothing is not unset: it is refused.
        true => Some(loaded.environment.get("HONGYAN_API_KEY").unwrap_or_default().to_owned()),
        false => loaded.environment.secret("HONGYAN_API_KEY")?.map(|key| key.0.expose().to_owned()),
    };
    if key.as_deref().is_some_and(|key| key.len() < SHORT_KEY) {
        tracing::warn!("HONGYAN_API_KEY is short enough to be guessed; take a long random text");
    }
    // Each connection is a file; the usual limit of 1024 is for people at terminals.
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::warn!(%error, "Could not raise the limit of open files");
    }
    let address = loaded.config.listen;
    let listener =
        TcpListener::bind(address).await.with_context(|| format!("listen: could not listen on {address}"))?;
    let house = House::start(&loaded.config, key.as_deref(), listener, Arc::new(clock())).await?;
    if let Some(path) = &house.first_key.made {
        tracing::info!("Made an API key; it is in {}", path.display());
    }
    tracing::info!(origin = %house.origin(), "Hongyan listens on {}", house.origin());
    stop_signal().await?;
    tracing::info!("Stopping");
    house.stop().await;
    tracing::info!("Stopped");
    Ok(DONE)
}

#[cfg(feature = "trials")]
use crate::trials::clock;

#[cfg(not(feature = "trials"))]
fn clock() -> pipeline::ports::SystemClock {
    pipeline::ports::SystemClock::new()
}

/// Waits for Ctrl-C or SIGTERM.
pub(super) async fn stop_signal() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result,
        _ = terminate.recv() => Ok(()),
    }
}
