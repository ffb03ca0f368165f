//! The wiring of the directory: configuration → whom WeCom is asked through, and how often.

use std::sync::Arc;

use anyhow::Context as _;
use channels::{AppDirectory, ContactsDirectory, WecomFinder};
use pipeline::ports::{Clock, DirectorySource, Ledger, MemberFinder};
use pipeline::{DirectoryBook, DirectoryKeeper, DirectorySync};
use wecom::{AgentId, Client};

use super::{token_store, transport};
use crate::config::{Config, DeliveryVia, SyncMode, directory_app};

/// Makes the book: what is known is read, and stays at hand.
pub(super) async fn book(
    config: &Config,
    ledger: &dyn Ledger,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<DirectoryBook> {
    let looks_up = config.directory.lookup && config.delivery.via == DeliveryVia::Wecom;
    let book = DirectoryBook::new(looks_up);
    book.open(ledger, clock.now()).await?;
    Ok(book)
}

/// Makes who changes the directory, and who brings it up to date.
pub(super) fn keeper(
    config: &Config,
    ledger: Arc<dyn Ledger>,
    book: DirectoryBook,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<(DirectoryKeeper, DirectorySync)> {
    let section = &config.directory;
    let app = match directory_app(config) {
        Some(name) if config.apps.contains_key(&name) => Some(app_client(config, &name)?),
        _ => None,
    };
    let source: Option<Arc<dyn DirectorySource>> = match section.sync {
        None => None,
        Some(SyncMode::App) => {
            let client = app.clone().context("directory.sync = \"app\" needs an application")?;
            Some(Arc::new(AppDirectory::new(client)))
        }
        Some(SyncMode::Contacts) => Some(Arc::new(ContactsDirectory::new(contacts_client(config)?))),
    };
    let finder = app.map(|client| Arc::new(WecomFinder::new(client)) as Arc<dyn MemberFinder>);
    let keeper = DirectoryKeeper::new(ledger, book, clock, source, finder);
    let sync = DirectorySync::new(keeper.clone(), section.every.0, section.at_start);
    Ok((keeper, sync))
}

fn app_client(config: &Config, name: &str) -> anyhow::Result<Client> {
    let app = config.apps.get(name).with_context(|| format!("apps.{name} is not configured"))?;
    let agent = app.agent_id.parse().with_context(|| format!("apps.{name}.agent_id is not a number"))?;
    let secret = app.secret.clone().with_context(|| format!("apps.{name}.secret is missing"))?;
    let client = Client::builder(transport(config)?, app.corp_id.trim(), secret.0.expose().trim());
    Ok(client.agent(AgentId(agent)).token_store(token_store(config)).build())
}

fn contacts_client(config: &Config) -> anyhow::Result<Client> {
    let section = &config.directory;
    let of_app = || Some(config.apps.get(&directory_app(config)?)?.corp_id.clone());
    let corp_id = section.corp_id.clone().or_else(of_app).context("directory.corp_id is missing")?;
    let secret = section.contacts_secret.clone().context("directory.contacts_secret is missing")?;
    let client = Client::builder(transport(config)?, corp_id.trim(), secret.0.expose().trim());
    Ok(client.token_store(token_store(config)).build())
}
