//! The whole configuration: one TOML, environment overrides, secrets from files. The only place that reads the
//! environment.

mod callbacks;
mod check;
mod directory;
mod hooks;
mod load;
mod secret;
mod webhooks;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use channels::Readers;
use domain::{Hours, Route, Rule, Uncertain};
use serde::{Deserialize, Serialize};

pub use callbacks::CallbackSection;
pub use check::{check, looks_like_corp_id};
pub(crate) use directory::app_of as directory_app;
pub use directory::{DirectorySection, SyncMode};
pub use domain::Span;
pub use hooks::HookSection;
pub use load::{Environment, Loaded, load};
pub use secret::SecretText;
pub use webhooks::WebhookSection;

/// Every option with its comment and default: what `hongyan config reference` prints.
pub const REFERENCE: &str = include_str!("config/reference.toml");

/// All settings.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the HTTP API listens.
    pub listen: SocketAddr,
    /// Where files are kept.
    pub data_dir: PathBuf,
    /// Where this gateway is reached from outside; needed to count clicks and to link to files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_url: Option<String>,
    /// Whether a proxy in front ends TLS; needed to listen beyond loopback.
    pub behind_proxy: bool,
    /// The application that members are addressed through when a message names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_app: Option<String>,
    /// The connection to WeCom.
    pub wecom: WecomSection,
    /// Applications, by name.
    pub apps: BTreeMap<String, AppSection>,
    /// Robots, by name.
    pub robots: BTreeMap<String, RobotSection>,
    /// Group chats, by name.
    pub chats: BTreeMap<String, ChatSection>,
    /// Mail servers, by name.
    pub mail: BTreeMap<String, MailSection>,
    /// The mail server that is meant when none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_mail: Option<String>,
    /// Routes, by name.
    pub routes: BTreeMap<String, Route>,
    /// Which route a message takes that names none: the first that applies.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// Quiet hours, by name.
    pub quiet: BTreeMap<String, Vec<Hours>>,
    /// The quiet hours that hold where no route names others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_quiet: Option<String>,
    /// A calendar in place of China's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calendar_file: Option<PathBuf>,
    /// What monitoring, CI and code systems post to, by name.
    pub hooks: BTreeMap<String, HookSection>,
    /// The drop-in front.
    pub front: FrontSection,
    /// What WeCom calls back, by name.
    pub callbacks: BTreeMap<String, CallbackSection>,
    /// Business systems that hear what happens, by name.
    pub webhooks: BTreeMap<String, WebhookSection>,
    /// Who is who.
    pub directory: DirectorySection,
    /// How many people departments, tags and everybody are counted as.
    pub audience: AudienceSection,
    /// Who hears of trouble.
    pub operator: OperatorSection,
    /// What WeCom allows.
    pub quota: QuotaSection,
    /// What carries the messages.
    pub delivery: DeliverySection,
    /// When retries are made.
    pub retry: RetrySection,
    /// When a lane closes.
    pub circuit_breaker: BreakerSection,
    /// How deliveries are handled.
    pub dispatch: DispatchSection,
    /// The database that is the truth.
    pub ledger: LedgerSection,
    /// Messages that the gateway sends by itself.
    pub schedules: SchedulesSection,
    /// Encryption at rest.
    pub encryption: EncryptionSection,
    /// How long things are kept.
    pub retention: RetentionSection,
    /// Files that messages carry or link to.
    pub media: MediaSection,
    /// The HTTP server.
    pub http: HttpSection,
    /// Metrics and the API's description.
    pub metrics: MetricsSection,
    /// The log.
    pub log: LogSection,
    /// Answers only loopback Host headers; the demo sets it.
    #[serde(skip)]
    pub loopback_hosts_only: bool,
    /// Which addresses files may be fetched from; tests widen it.
    #[serde(skip)]
    pub fetch_reach: wecom::fetch::Reach,
    /// Goes on with a ledger that has lost commits; the command line sets it.
    #[serde(skip)]
    pub accept_loss: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: ([127, 0, 0, 1], 8686).into(),
            data_dir: PathBuf::from("./hongyan-data"),
            public_url: None,
            behind_proxy: false,
            default_app: None,
            wecom: WecomSection::default(),
            apps: BTreeMap::new(),
            robots: BTreeMap::new(),
            chats: BTreeMap::new(),
            mail: BTreeMap::new(),
            default_mail: None,
            routes: BTreeMap::new(),
            rules: Vec::new(),
            quiet: BTreeMap::new(),
            default_quiet: None,
            calendar_file: None,
            hooks: BTreeMap::new(),
            front: FrontSection::default(),
            callbacks: BTreeMap::new(),
            webhooks: BTreeMap::new(),
            directory: DirectorySection::default(),
            audience: AudienceSection::default(),
            operator: OperatorSection::default(),
            quota: QuotaSection::default(),
            delivery: DeliverySection::default(),
            retry: RetrySection::default(),
            circuit_breaker: BreakerSection::default(),
            dispatch: DispatchSection::default(),
            ledger: LedgerSection::default(),
            schedules: SchedulesSection::default(),
            encryption: EncryptionSection::default(),
            retention: RetentionSection::default(),
            media: MediaSection::default(),
            http: HttpSection::default(),
            metrics: MetricsSection::default(),
            log: LogSection::default(),
            loopback_hosts_only: false,
            fetch_reach: wecom::fetch::Reach::Public,
            accept_loss: false,
        }
    }
}

macro_rules! section {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ty = $default:expr,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $kind,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }
    };
}

section!(
    /// `[wecom]`
    WecomSection {
        /// The base URL.
        api_base: String = wecom::OFFICIAL_ORIGIN.to_owned(),
        /// Where smart robots connect.
        smart_robot_url: String = wecom::smart_robot::OFFICIAL_URL.to_owned(),
        /// Whether plain http is allowed to hosts other than loopback.
        allow_http: bool = false,
        /// An HTTP proxy.
        #[serde(skip_serializing_if = "Option::is_none")]
        proxy: Option<SecretText> = None,
        /// The one deadline over connecting, headers and body.
        timeout: Span = Span::seconds(10),
        /// The part of it that connecting may take.
        connect_timeout: Span = Span::seconds(4),
        /// Idle connections kept.
        connections: usize = 64,
    }
);

section!(
    /// `[quota]`
    QuotaSection {
        /// A robot's messages in any 60 seconds.
        robot_per_minute: u32 = wecom::limits::ROBOT_PER_MINUTE,
        /// An application's messages to one member in any 60 seconds.
        member_per_minute: u32 = 30,
        /// The same in any hour.
        member_per_hour: u32 = 1000,
        /// Messages to one group chat in any 60 seconds.
        chat_per_minute: u32 = 200,
        /// Person-times of all group chats of a company in any 60 seconds.
        company_chat_per_minute: u32 = 20_000,
        /// The same in any hour.
        company_chat_per_hour: u32 = 150_000,
        /// Group chats that a company's applications make in any 24 hours.
        chat_creations_per_day: u32 = 1000,
        /// Changes of a company's group chats in any hour.
        chat_updates_per_hour: u32 = 1000,
        /// Calls of each other API of a company, such as uploads and recalls, in any 60 seconds.
        api_per_minute: u32 = 10_000,
        /// The same in any hour.
        api_per_hour: u32 = 150_000,
        /// Mails through one server in any 60 seconds.
        mail_per_minute: u32 = 100,
    }
);

section!(
    /// `[audience]`
    AudienceSection {
        /// People that a department is counted as.
        party: u32 = 50,
        /// People that a tag is counted as.
        tag: u32 = 50,
        /// People that everybody is counted as.
        all: u32 = 500,
    }
);

section!(
    /// `[operator]`
    OperatorSection {
        /// The route that takes word of trouble; none: it is only logged.
        #[serde(skip_serializing_if = "Option::is_none")]
        route: Option<String> = None,
        /// The share of a quota, in percent, at which it is told.
        quota_percent: u8 = 80,
        /// So many new dead letters within `every` are told.
        dead_letters: u64 = 10,
        /// How often it is looked after, and the least time between two words about the same.
        every: Span = Span::seconds(60),
        /// A URL that is fetched at every look, for a watch elsewhere.
        #[serde(skip_serializing_if = "Option::is_none")]
        heartbeat_url: Option<String> = None,
        /// How long heartbeats of others (`POST /v1/heartbeats/NAME`) may stay away before it is told.
        heartbeats: BTreeMap<String, Span> = BTreeMap::new(),
    }
);

section!(
    /// `[retry]`
    RetrySection {
        /// Tries before a delivery is dead.
        attempts: u16 = 8,
        /// The most that the first retry waits.
        base: Span = Span::seconds(2),
        /// How much longer each further retry may wait.
        factor: f64 = 2.0,
        /// The most that any retry waits.
        cap: Span = Span::seconds(300),
        /// Whether waits are drawn evenly between zero and their most.
        jitter: bool = true,
        /// How long after its due time a delivery is given up.
        deadline: Span = Span::seconds(24 * 3600),
    }
);

section!(
    /// `[circuit_breaker]`
    BreakerSection {
        /// Failures in a row that close a lane.
        failures: u32 = 3,
        /// How long a closed lane waits between probes.
        probe_every: Span = Span::seconds(10),
        /// The same after "too often" (45009).
        throttled_for: Span = Span::seconds(60),
        /// The same after a wrong secret or setting.
        misconfigured_for: Span = Span::seconds(60),
    }
);

section!(
    /// `[dispatch]`
    DispatchSection {
        /// Calls under way at once, for each application.
        app_concurrency: usize = 64,
        /// Calls under way at once, for each robot.
        robot_concurrency: usize = 4,
        /// How often the ledger is looked at for what no ring announced.
        sweep_every: Span = Span::seconds(5),
        /// How long a graceful stop waits for calls under way.
        stop_within: Span = Span::seconds(20),
    }
);

section!(
    /// `[http]`
    HttpSection {
        /// Proxies whose `X-Forwarded-For` says where a request comes from; keys may be bound to networks.
        trusted_proxies: Vec<ipnet::IpNet> = Vec::new(),
        /// Files by which WeCom sees whose a domain is: name and content, such as `WW_verify_….txt`.
        verify_files: BTreeMap<String, String> = BTreeMap::new(),
        /// Whether signatures that do not cover the request are taken: X-Timestamp, X-Nonce, X-Signature.
        simple_signatures: bool = false,
        /// How long a request's headers may take.
        header_timeout: Span = Span::seconds(10),
        /// How long each part of a request's body may take.
        body_timeout: Span = Span::seconds(30),
        /// Connections at once.
        connections: usize = 10_000,
        /// Messages that may wait to be stored at once.
        waiting: usize = 4096,
    }
);

section!(
    /// `[metrics]`
    MetricsSection {
        /// Whether /metrics, /openapi.json and /docs are open to this machine without a key.
        open: bool = false,
    }
);

section!(
    /// `[log]`
    LogSection {
        /// A level, or directives such as `info,pipeline=debug`.
        level: String = "info".to_owned(),
        /// `text` or `json`.
        format: LogFormat = LogFormat::Text,
    }
);

section!(
    /// `[ledger]`
    LedgerSection {
        /// `sqlite`, or `memory`, which forgets everything at the end.
        engine: LedgerEngine = LedgerEngine::Sqlite,
    }
);

section!(
    /// `[front]`
    FrontSection {
        /// How long an answer under /cgi-bin/ waits for the outcome of what it sends.
        wait: Span = Span::seconds(2),
    }
);

section!(
    /// `[schedules]`
    SchedulesSection {
        /// The folder below which files of variables are read; without one none is.
        #[serde(skip_serializing_if = "Option::is_none")]
        files: Option<PathBuf> = None,
    }
);

section!(
    /// `[encryption]`
    EncryptionSection {
        /// The file of master keys; default: `master-key` in the data directory.
        #[serde(skip_serializing_if = "Option::is_none")]
        key_file: Option<PathBuf> = None,
        /// Whether what names people is sealed: `plain` or `sealed`.
        pii: Pii = Pii::Plain,
    }
);

section!(
    /// `[retention]`
    RetentionSection {
        /// How long settled messages are kept.
        messages: Span = Span::seconds(90 * 24 * 3600),
    }
);

section!(
    /// `[media]`
    MediaSection {
        /// The largest file that is taken, in MiB.
        largest_mib: u64 = 20,
        /// How long links to files are good.
        link_life: Span = Span::seconds(7 * 24 * 3600),
    }
);

section!(
    /// `[delivery]`
    DeliverySection {
        /// `wecom`, or `file`: requests are written to `folder` instead of sent.
        via: DeliveryVia = DeliveryVia::Wecom,
        /// Where requests are written.
        folder: PathBuf = PathBuf::from("outbox"),
        /// What is risked where nobody knows whether a message was taken: `repeat` or `lose`.
        uncertain: Uncertain = Uncertain::Repeat,
    }
);

/// The form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// The ledger's engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LedgerEngine {
    /// One file in the data directory.
    Sqlite,
    /// Nothing survives.
    Memory,
}

/// How the ledger holds what names people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pii {
    /// As it is.
    Plain,
    /// As keyed hashes that open.
    Sealed,
}

/// What carries the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryVia {
    /// WeCom.
    Wecom,
    /// Files in a folder.
    File,
}

/// `[apps.NAME]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppSection {
    /// The company's id.
    pub corp_id: String,
    /// The application's id: a number, kept as text until it is checked, so that a swapped value can be named.
    #[serde(deserialize_with = "number_or_text")]
    pub agent_id: String,
    /// The application's secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretText>,
    /// A file that holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<PathBuf>,
    /// Where its messages are read: `wecom`, `wechat` or `both`.
    #[serde(default)]
    pub readers: Readers,
    /// The company's account limit: WeCom allows 200 person-times a day for each (path/90312). Absent: not held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accounts: Option<u32>,
}

/// `[robots.NAME]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RobotSection {
    /// The key, or the whole webhook URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<SecretText>,
    /// A file that holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
}

/// `[chats.NAME]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChatSection {
    /// The application that makes it, by its name; default: the default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// What its members see as its name; default: its name here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Its id at WeCom; default: made of its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chatid: Option<String>,
    /// Who owns it; default: whom WeCom chooses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Its members, by userid.
    pub members: Vec<String>,
}

/// `[mail.NAME]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailSection {
    /// `smtp://user:password@host:587` or `smtps://user:password@host:465`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<SecretText>,
    /// A file that holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_file: Option<PathBuf>,
    /// Whom mails come from.
    pub from: String,
    /// Certificates that are trusted besides the machine's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Mails in any 60 seconds; default: `quota.mail_per_minute`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_minute: Option<u32>,
    /// Connections at once.
    #[serde(default = "two")]
    pub concurrency: usize,
    /// How long one mail may take.
    #[serde(default = "half_a_minute")]
    pub timeout: Span,
}

fn two() -> usize {
    2
}

fn half_a_minute() -> Span {
    Span::seconds(30)
}

fn number_or_text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(i64),
        Text(String),
    }
    Ok(match Either::deserialize(deserializer)? {
        Either::Number(number) => number.to_string(),
        Either::Text(text) => text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_says_the_defaults() {
        let reference: Config = toml::from_str(REFERENCE).unwrap();
        assert_eq!(toml::to_string(&reference).unwrap(), toml::to_string(&Config::default()).unwrap());
    }

    #[test]
    fn the_reference_names_every_option() {
        fn keys(prefix: &str, table: &toml::Table, found: &mut Vec<String>) {
            for (key, value) in table {
                match value {
                    toml::Value::Table(table) => keys(key, table, found),
                    _ => found.push(format!("{prefix}/{key}")),
                }
            }
        }
        let mut wanted = Vec::new();
        keys("", &toml::Table::try_from(Config::default()).unwrap(), &mut wanted);
        let mut section = String::new();
        let mut named = Vec::new();
        for line in REFERENCE.lines() {
            if let Some(name) = line.trim_start_matches("# ").strip_prefix('[') {
                section = name.split([']', '.']).next().unwrap_or_default().to_owned();
            } else if let Some((key, _)) = line.trim_start_matches("# ").split_once(" = ") {
                named.push(format!("{section}/{key}"));
            }
        }
        for key in wanted {
            assert!(named.contains(&key), "{key} is missing from the reference");
        }
    }
}
