//! The wiring: configuration → rooms → a running house, and its orderly end.

mod directory;
mod ways_in;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context as _;
use backends::Engine;
use channels::{AppConfig, Audience, ChatsConfig, MailConfig, MailServer, Quotas, RobotConfig, Via};
use domain::{BreakerPolicy, Calendar, Quota, RetryPolicy, Route};
use ingress::callback::{CallbackBook, LongConnections};
use ingress::front::FrontTokens;
use ingress::http::{Api, HttpConfig, KeyRing};
use pipeline::ports::{Channels, Clock, Ledger, LedgerErrorKind};
use pipeline::signature::Nonces;
use pipeline::{
    Allowances, Answered, Broadcaster, DirectoryKeeper, DispatchConfig, Dispatcher, Feedback, Fetch, FileLinks,
    Heartbeats, Intake, IntakeConfig, Links, Post, ReadSubmission, Routing, Scheduler, SweepConfig, Sweeper,
    TemplateBook, VariableSources, WatchConfig, Watcher, WebhookSender,
};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use wecom::{AgentId, MemoryTokenStore, TokenStore, Transport};

use crate::config::{Config, DeliveryVia, LedgerEngine, MailSection, Pii};
use crate::{first_key, observe, server};

pub(crate) use self::ways_in::callbacks as configured_callbacks;

/// How long an idempotency key is kept.
const IDEMPOTENCY_WINDOW: Duration = Duration::from_secs(24 * 3600);
/// Person-times a day that WeCom allows an application for each account of its company (path/90312).
const PERSON_TIMES_PER_ACCOUNT: u32 = 200;

/// The name of the secret that links are signed with, counted ones and those to files.
const LINKS: &str = "links";
/// How often it is written down what keys with a limit have sent.
const NOTE_USES_EVERY: Duration = Duration::from_secs(1);

/// A running gateway.
pub struct House {
    /// Where its API is.
    pub address: SocketAddr,
    /// An administrator's key.
    pub first_key: first_key::FirstKey,
    stop_serving: CancellationToken,
    stop_working: CancellationToken,
    ledger: Arc<dyn Ledger>,
    server: JoinHandle<()>,
    workers: Vec<JoinHandle<()>>,
}

impl std::fmt::Debug for House {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("House").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Builds the channels of a configuration.
///
/// # Errors
/// Names the option that cannot be used.
pub fn channels(config: &Config) -> anyhow::Result<Channels> {
    let apps = config.apps.iter().map(|(name, app)| {
        let agent_id = app.agent_id.parse().with_context(|| format!("apps.{name}.agent_id is not a number"))?;
        let secret = app.secret.clone().with_context(|| format!("apps.{name}.secret is missing"))?;
        Ok(AppConfig {
            name: name.clone(),
            corp_id: app.corp_id.trim().into(),
            agent_id: AgentId(agent_id),
            secret: secret.0.expose().trim().into(),
            readers: app.readers,
            day: app.accounts.map(|accounts| accounts.saturating_mul(PERSON_TIMES_PER_ACCOUNT)),
        })
    });
    let chats = config.chats.iter().map(|(name, chat)| ChatsConfig {
        name: name.clone(),
        app: chat.app.clone().or_else(|| default_app(config)).unwrap_or_default(),
        chatid: chat.chatid.clone(),
        title: chat.title.clone().unwrap_or_else(|| name.clone()),
        owner: chat.owner.clone(),
        members: chat.members.clone(),
    });
    let mail = config.mail.iter().map(|(name, mail)| {
        Ok(MailConfig {
            name: name.clone(),
            server: mail_server(name, mail)?,
            concurrency: mail.concurrency,
            quota: per_minute(mail.per_minute.unwrap_or(config.quota.mail_per_minute)),
            timeout: mail.timeout.0,
        })
    });
    let robots = config.robots.iter().map(|(name, robot)| {
        let key = robot.key.clone().with_context(|| format!("robots.{name}.key is missing"))?;
        Ok(RobotConfig { name: name.clone(), key: key.0 })
    });
    let built = channels::build(channels::Config {
        transport: transport(config)?,
        token_store: token_store(config),
        apps: apps.collect::<anyhow::Result<_>>()?,
        robots: robots.collect::<anyhow::Result<_>>()?,
        app_concurrency: config.dispatch.app_concurrency,
        robot_concurrency: config.dispatch.robot_concurrency,
        lookup: config.directory.lookup,
        chats: chats.collect(),
        mail: mail.collect::<anyhow::Result<_>>()?,
        quotas: Quotas {
            robot: per_minute(config.quota.robot_per_minute),
            members: vec![per_minute(config.quota.member_per_minute), per_hour(config.quota.member_per_hour)],
            chat: per_minute(config.quota.chat_per_minute),
            chats_of_company: vec![
                per_minute(config.quota.company_chat_per_minute),
                per_hour(config.quota.company_chat_per_hour),
            ],
            base: vec![per_minute(config.quota.api_per_minute), per_hour(config.quota.api_per_hour)],
            chat_creations: Quota { limit: config.quota.chat_creations_per_day, window: A_DAY },
            chat_updates: per_hour(config.quota.chat_updates_per_hour),
        },
        audience: Audience { party: config.audience.party, tag: config.audience.tag, all: config.audience.all },
        via: match config.delivery.via {
            DeliveryVia::Wecom => Via::Wecom,
            DeliveryVia::File => Via::File(config.delivery.folder.clone()),
        },
    });
    Ok(built?)
}

/// Where access tokens are kept.
fn token_store(config: &Config) -> Arc<dyn TokenStore> {
    match config.ledger.engine {
        #[cfg(feature = "trials")]
        LedgerEngine::Sqlite => Arc::new(crate::trials::MortalTokenStore::new(config.data_dir.join("tokens"))),
        #[cfg(not(feature = "trials"))]
        LedgerEngine::Sqlite => Arc::new(wecom::FileTokenStore::new(config.data_dir.join("tokens"))),
        LedgerEngine::Memory => Arc::new(MemoryTokenStore),
    }
}

/// Where a mail server is, and how it is logged in to.
///
/// # Errors
/// If it has no URL.
pub fn mail_server(name: &str, mail: &MailSection) -> anyhow::Result<MailServer> {
    let url = mail.url.clone().with_context(|| format!("mail.{name}.url is missing"))?;
    Ok(MailServer { url: url.0, from: mail.from.clone(), ca_file: mail.ca_file.clone() })
}

/// Any 24 hours: no more in them is no more in a calendar day either.
const A_DAY: Duration = Duration::from_secs(24 * 3600);

fn per_minute(limit: u32) -> Quota {
    Quota { limit, window: Duration::from_secs(60) }
}

fn per_hour(limit: u32) -> Quota {
    Quota { limit, window: Duration::from_secs(3600) }
}

/// The calendar of workdays.
///
/// # Errors
/// Names the file and the line.
pub fn calendar(config: &Config) -> anyhow::Result<Calendar> {
    let Some(path) = &config.calendar_file else { return Ok(Calendar::china()) };
    let text =
        std::fs::read_to_string(path).with_context(|| format!("calendar_file: could not read {}", path.display()))?;
    Calendar::parse(&text).with_context(|| format!("calendar_file: {} cannot be used", path.display()))
}

/// Which way messages go.
fn routing(config: &Config) -> anyhow::Result<Routing> {
    let named = |(name, route): (&String, &Route)| {
        (name.clone(), Arc::new(Route { name: Some(name.clone()), ..route.clone() }))
    };
    Ok(Routing {
        routes: config.routes.iter().map(named).collect(),
        rules: config.rules.clone(),
        quiet: config.quiet.clone(),
        default_quiet: config.default_quiet.clone(),
        calendar: calendar(config)?,
        webhooks: config.webhooks.keys().cloned().collect(),
        default_app: default_app(config),
        default_mail: default_mail(config),
    })
}

/// Makes the connection to WeCom.
///
/// # Errors
/// Names the option that cannot be used.
pub fn transport(config: &Config) -> anyhow::Result<Transport> {
    let section = &config.wecom;
    let mut builder = Transport::builder()
        .origin(&section.api_base)
        .allow_http(section.allow_http)
        .timeout(section.timeout.0)
        .connect_timeout(section.connect_timeout.0)
        .connections(section.connections);
    if let Some(proxy) = &section.proxy {
        builder = builder.proxy(proxy.0.expose());
    }
    builder.build().context("wecom.api_base (WECHAT_API_BASE) or wecom.proxy cannot be used")
}

/// Opens the ledger of a configuration.
///
/// # Errors
/// Names the file that cannot be used.
pub async fn open_ledger(config: &Config, clock: Arc<dyn Clock>) -> anyhow::Result<backends::Backends> {
    let engine = match config.ledger.engine {
        LedgerEngine::Sqlite => Engine::Sqlite,
        LedgerEngine::Memory => Engine::Memory,
    };
    Ok(backends::open(
        &backends::Config {
            engine,
            data_dir: config.data_dir.clone(),
            key_file: config.encryption.key_file.clone(),
            pii: match config.encryption.pii {
                Pii::Plain => backends::Pii::Plain,
                Pii::Sealed => backends::Pii::Sealed,
            },
            accept_loss: config.accept_loss,
        },
        clock,
    )
    .await?)
}

impl House {
    /// Starts the gateway on a listener that is ready.
    ///
    /// # Errors
    /// Names what cannot be used; nothing runs then.
    pub async fn start(
        config: &Config,
        key: Option<&str>,
        listener: TcpListener,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let channels = channels(config)?;
        Self::start_with(config, channels, key, listener, clock).await
    }

    /// Starts the gateway over channels of one's own.
    ///
    /// # Errors
    /// Names what cannot be used; nothing runs then.
    pub async fn start_with(
        config: &Config,
        channels: Channels,
        key: Option<&str>,
        listener: TcpListener,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let address = listener.local_addr()?;
        let backends = open_ledger(config, clock.clone()).await?;
        let first_key = first_key::FirstKey::find_or_make(key, Self::key_folder(config))?;
        let keys = Arc::new(KeyRing::open(backends.ledger.clone(), clock.clone(), first_key.text()).await?);
        let dispatch = dispatch_config(config);
        let book = directory::book(config, backends.ledger.as_ref(), &clock).await?;
        let ways = (Arc::new(routing(config)?), book.clone());
        let (keeper, directory_sync) = directory::keeper(config, backends.ledger.clone(), book, clock.clone())?;
        let templates = TemplateBook::with_built_in(ingress::hooks::templates());
        templates.refresh(backends.ledger.as_ref()).await?;
        let dispatcher = Dispatcher::new(
            backends.ledger.clone(),
            backends.doorbell,
            channels.clone(),
            clock.clone(),
            dispatch,
            ways,
        );
        let (links, file_links) = links(config, backends.ledger.as_ref()).await?;
        let intake_config = IntakeConfig {
            idempotency_window: IDEMPOTENCY_WINDOW,
            waiting: config.http.waiting,
            links: links.clone(),
            file_links: file_links.clone(),
        };
        let metrics = observe::metrics();
        let handle = dispatcher.handle();
        let recaller = handle.recaller();
        let sweeper = Sweeper::new(
            backends.ledger.clone(),
            handle.clone(),
            recaller.clone(),
            clock.clone(),
            sweep_config(config),
        );
        let (stop_serving, stop_working) = (CancellationToken::new(), CancellationToken::new());
        let stopping = stop_serving.clone();
        let (ledger, damage) = (backends.ledger.clone(), Arc::new(OnceLock::new()));
        let kept = ledger.clone();
        let fetch = Arc::new(channels::GuardedFetch { reach: config.fetch_reach });
        let variables = VariableSources {
            urls: fetch.clone(),
            files: Arc::new(channels::FolderFetch { folder: config.schedules.files.clone() }),
        };
        let allowances = Allowances::default();
        allowances.load(ledger.as_ref(), clock.now()).await?;
        let sources = (fetch as Arc<dyn Fetch>, templates.clone(), allowances.clone());
        let intake = Intake::new(backends.ledger.clone(), handle.clone(), clock.clone(), sources, intake_config);
        let intake = Arc::new(intake);
        let heartbeats = Heartbeats::expect(config.operator.heartbeats.keys(), clock.now());
        let watching = (heartbeats.clone(), watch_config(config));
        let watcher = Watcher::new(intake.clone(), backends.ledger.clone(), handle.clone(), clock.clone(), watching);
        let scheduler =
            Scheduler::new(intake.clone(), backends.ledger.clone(), clock.clone(), variables, read_submission());
        let broadcaster = Broadcaster::new(intake.clone(), backends.ledger.clone(), clock.clone(), read_submission());
        let hooks = ways_in::hooks(config, &clock);
        let front = ways_in::front(config, &channels);
        let (callbacks, feedback, webhooks) =
            what_comes_back(config, (&ledger, &intake), &clock, channels, keeper.clone()).await?;
        let robots = LongConnections::new(
            callbacks.clone(),
            (ledger.clone(), templates.clone()),
            clock.clone(),
            ways_in::connections(config)?,
        );
        let noting_clock = clock.clone();
        let front_tokens = FrontTokens::default();
        front_tokens.load(ledger.as_ref()).await?;
        let api = Api {
            hooks,
            callbacks,
            links,
            file_links,
            front,
            front_tokens,
            verify_files: config.http.verify_files.clone(),
            nonces: Nonces::default(),
            damage: damage.clone(),
            intake,
            heartbeats,
            directory: keeper,
            templates,
            scheduler: scheduler.clone(),
            broadcaster: broadcaster.clone(),
            ledger: backends.ledger,
            recaller,
            dispatcher: handle,
            clock,
            keys,
            metrics,
            stopping: Arc::new(move || stopping.is_cancelled()),
            config: http_config(config),
        };
        let limits =
            server::Limits { connections: config.http.connections, header_timeout: config.http.header_timeout.0 };
        let workers = vec![
            tokio::spawn(dispatcher.run(stop_working.clone())),
            tokio::spawn(sweeper.run(stop_working.clone())),
            tokio::spawn(webhooks.run(stop_working.clone())),
            tokio::spawn(feedback.run(stop_working.clone())),
            tokio::spawn(robots.run(stop_serving.clone())),
            tokio::spawn(directory_sync.run(stop_working.clone())),
            tokio::spawn(note_key_uses(allowances, ledger.clone(), noting_clock, stop_working.clone())),
            tokio::spawn(observe::upkeep(stop_working.clone())),
            tokio::spawn(look_for_damage(ledger, damage, stop_working.clone())),
            tokio::spawn(watcher.run(stop_working.clone())),
            tokio::spawn(scheduler.run(stop_working.clone())),
            tokio::spawn(broadcaster.run(stop_working.clone())),
            tokio::spawn(beat(config.operator.heartbeat_url.clone(), config.operator.every.0, stop_working.clone())),
        ];
        let server = tokio::spawn(server::run(listener, ingress::http::router(api), limits, stop_serving.clone()));
        Ok(Self { address, first_key, stop_serving, stop_working, ledger: kept, server, workers })
    }

    /// Returns the base URL of the API.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops in order: no new requests, no new deliveries, calls under way settled, leases given back, the ledger closed.
    pub async fn stop(self) {
        self.stop_serving.cancel();
        let _served = self.server.await;
        self.stop_working.cancel();
        for worker in self.workers {
            let _worked = worker.await;
        }
        self.ledger.close().await;
    }

    fn key_folder(config: &Config) -> Option<&Path> {
        (config.ledger.engine == LedgerEngine::Sqlite).then_some(config.data_dir.as_path())
    }
}

/// What makes and reads links to this gateway, if it can be reached.
async fn links(config: &Config, ledger: &dyn Ledger) -> anyhow::Result<(Option<Links>, Option<FileLinks>)> {
    let Some(public_url) = &config.public_url else { return Ok((None, None)) };
    let secret = ledger.own_secret(LINKS).await?;
    let life = config.media.link_life.0.min(config.retention.messages.0);
    let file_links = FileLinks::new(public_url, secret.clone().into(), life);
    Ok((Some(Links::new(public_url, secret.into())), Some(file_links)))
}

fn sweep_config(config: &Config) -> SweepConfig {
    SweepConfig {
        every: config.dispatch.sweep_every.0,
        idempotency_window: IDEMPOTENCY_WINDOW,
        keep_messages: config.retention.messages.0,
    }
}

/// What hears people, what acts on it, and what tells business systems of it.
async fn what_comes_back(
    config: &Config,
    (ledger, intake): (&Arc<dyn Ledger>, &Arc<Intake>),
    clock: &Arc<dyn Clock>,
    channels: Channels,
    keeper: DirectoryKeeper,
) -> anyhow::Result<(Arc<CallbackBook>, Arc<Feedback>, WebhookSender)> {
    let heard = Arc::new(Notify::new());
    let callbacks = ways_in::callbacks(config);
    let follows = callbacks.iter().map(|(name, callback)| (name.clone(), callback.feedback.clone())).collect();
    let callbacks = Arc::new(CallbackBook::new(callbacks, heard.clone(), config.fetch_reach));
    callbacks.load(ledger.as_ref()).await?;
    let feedback = Feedback::new(
        (ledger.clone(), intake.clone()),
        clock.clone(),
        (channels.clone(), callbacks.clone()),
        (follows, heard),
        keeper,
    );
    let feedback = Arc::new(feedback);
    let post: Arc<dyn Post> = Arc::new(channels::GuardedPost::default());
    let listening = (post, Some(feedback.clone() as Arc<dyn Answered>));
    let targets = (channels, ways_in::webhooks(config, &callbacks));
    let webhooks = WebhookSender::new(ledger.clone(), clock.clone(), listening, targets);
    Ok((callbacks, feedback, webhooks))
}

/// Writes down every second what keys with a limit have sent, and once more at the end.
async fn note_key_uses(
    allowances: Allowances,
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
    shutdown: CancellationToken,
) {
    loop {
        let stopping = tokio::select! {
            () = tokio::time::sleep(NOTE_USES_EVERY) => false,
            () = shutdown.cancelled() => true,
        };
        if let Err(error) = allowances.note(ledger.as_ref(), clock.now()).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "Could not note what keys have sent");
        }
        if stopping {
            return;
        }
    }
}

/// Messages that are kept to be sent later are read as `POST /v1/messages` reads them.
fn read_submission() -> Box<ReadSubmission> {
    Box::new(|body| ingress::http::parse_submission(body).map_err(|error| error.message().to_owned()))
}

/// Looks through the whole database once, while it is already in use; what is found turns readiness red.
async fn look_for_damage(ledger: Arc<dyn Ledger>, damage: Arc<OnceLock<String>>, shutdown: CancellationToken) {
    let found = tokio::select! {
        found = ledger.find_damage() => found,
        () = shutdown.cancelled() => return,
    };
    let found = match found {
        Ok(None) => return,
        Ok(Some(found)) => found,
        Err(error) if error.kind == LedgerErrorKind::Corrupt => error.to_string(),
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "Could not look whether the ledger is whole");
            return;
        }
    };
    tracing::error!(found, "The ledger is damaged: stop the gateway, and put the last backup in its place");
    let _first = damage.set(found);
}

/// The application that members are addressed through: the one named, else `default`, else the only one.
pub fn default_app(config: &Config) -> Option<String> {
    default_of(config.default_app.as_ref(), config.apps.keys())
}

/// The mail server that is meant when none is named: by the same order.
pub fn default_mail(config: &Config) -> Option<String> {
    default_of(config.default_mail.as_ref(), config.mail.keys())
}

fn default_of<'a>(named: Option<&String>, names: impl ExactSizeIterator<Item = &'a String> + Clone) -> Option<String> {
    let conventional = || names.clone().find(|name| *name == "default").cloned();
    let only = || if names.len() == 1 { names.clone().next().cloned() } else { None };
    named.cloned().or_else(conventional).or_else(only)
}

/// The retry policy of a configuration.
pub fn retry_policy(config: &Config) -> RetryPolicy {
    let retry = &config.retry;
    RetryPolicy {
        attempts: retry.attempts,
        base: retry.base.0,
        factor: retry.factor,
        cap: retry.cap.0,
        jitter: retry.jitter,
        deadline: retry.deadline.0,
    }
}

fn dispatch_config(config: &Config) -> DispatchConfig {
    let breaker = &config.circuit_breaker;
    DispatchConfig {
        retry: retry_policy(config),
        breaker: BreakerPolicy {
            failures: breaker.failures,
            probe_every: breaker.probe_every.0,
            throttled_for: breaker.throttled_for.0,
            misconfigured_for: breaker.misconfigured_for.0,
        },
        stop_within: config.dispatch.stop_within.0,
        longest_call: config.wecom.timeout.0,
        uncertain: config.delivery.uncertain,
        ..DispatchConfig::default()
    }
}

fn watch_config(config: &Config) -> WatchConfig {
    let operator = &config.operator;
    WatchConfig {
        route: operator.route.clone(),
        quota_percent: operator.quota_percent,
        dead_letters: operator.dead_letters,
        every: operator.every.0,
        heartbeats: operator.heartbeats.iter().map(|(name, span)| (name.clone(), span.0)).collect(),
    }
}

/// Says elsewhere that the gateway lives.
async fn beat(url: Option<String>, every: Duration, shutdown: CancellationToken) {
    let Some(url) = url else { return };
    let http = match reqwest::Client::builder().timeout(Duration::from_secs(10)).build() {
        Ok(http) => http,
        Err(error) => {
            tracing::error!(%error, "Heartbeats cannot be sent");
            return;
        }
    };
    loop {
        let beaten = http.get(&url).send().await.and_then(reqwest::Response::error_for_status);
        if let Err(error) = beaten {
            // The URL may hold a key: it is not repeated.
            tracing::warn!(error = %error.without_url(), "A heartbeat was not taken");
        }
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            () = shutdown.cancelled() => return,
        }
    }
}

fn http_config(config: &Config) -> HttpConfig {
    HttpConfig {
        metrics_open: config.metrics.open,
        loopback_hosts_only: config.loopback_hosts_only,
        trusted_proxies: config.http.trusted_proxies.clone(),
        simple_signatures: config.http.simple_signatures,
        body_timeout: config.http.body_timeout.0,
        largest_file: config.media.largest_mib * 1024 * 1024,
        retry_deadline: config.retry.deadline.0,
    }
}
