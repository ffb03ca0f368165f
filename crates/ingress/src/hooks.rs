//! `POST /hooks/{source}/{name}`: what monitoring, CI and code systems post → messages.
//!
//! A hook is configured by name: which source, its secret, where its messages go. The source proves itself by a bearer
//! token, a token or signature header of its own, or, where it can do neither, by the secret in the path. What it posts
//! becomes notices, a template makes markdown of each, and the source is answered once they are on disk: until then it
//! may post again, and what it tells twice is told once.

mod proof;
pub(crate) mod source;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use domain::{
    CallerId, Dedupe, DedupeBy, Grant, Mention, Options, Overflow, Priority, RecipientSet, RouteChoice, Scope,
    Submission, SubmissionContent, Template, TemplateUse,
};
use ipnet::IpNet;
use pipeline::Receipt;
use pipeline::ports::Clock;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use wecom::Secret;

use self::proof::Doorkeeper;
use self::source::{Notice, Posted, SOURCES, Source};
use crate::http::{Api, ApiError, MAX_BODY, read_body, request_address};

/// The names of every source there is.
pub fn sources() -> Vec<&'static str> {
    SOURCES.iter().map(|source| source.name()).collect()
}

/// The templates that hooks use unless the configuration names others; one kept under the same name takes its place.
pub fn templates() -> Vec<Template> {
    let built_in = SOURCES.iter().filter_map(|source| {
        let name = template_name(source.name());
        Some(Template {
            name,
            version: 0,
            makes: domain::Makes::Markdown,
            source: source.template()?.to_owned(),
            variables: Vec::new(),
            lenient: true,
            track_clicks: false,
        })
    });
    built_in.collect()
}

pub(crate) fn template_name(source: &str) -> String {
    format!("hooks.{source}")
}

/// A hook, as it is configured.
#[derive(Clone, Debug)]
pub struct HookConfig {
    /// One of [`sources`].
    pub source: String,
    /// What the source proves itself by.
    pub secret: Secret,
    /// Whose messages these are.
    pub caller: CallerId,
    /// For whom; a route may say it instead.
    pub to: RecipientSet,
    /// Which way they go; absent: as the rules say.
    pub route: Option<String>,
    /// The application that members are addressed through; absent: the default one.
    pub app: Option<String>,
    /// The template; absent: the built-in one.
    pub template: Option<String>,
    /// Absent: as urgent as the source says.
    pub priority: Option<Priority>,
    /// Tags besides those of the source.
    pub tags: Vec<String>,
    /// Networks that it may be called from; empty: any.
    pub networks: Vec<IpNet>,
    /// How long the same notice is a repeat.
    pub repeats: Duration,
    /// Whether its messages may call members of a group by name.
    pub to_group: bool,
}

/// The hooks, by name.
pub struct Hooks {
    by_name: BTreeMap<String, Hook>,
}

struct Hook {
    source: &'static dyn Source,
    config: HookConfig,
    grant: Grant,
    doorkeeper: Doorkeeper,
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.by_name.keys()).finish()
    }
}

impl Hooks {
    /// Collects hooks; those of an unknown source are left out, which the configuration's check refuses.
    pub fn new(configured: impl IntoIterator<Item = (String, HookConfig)>, clock: &Arc<dyn Clock>) -> Self {
        let hook = |(name, config): (String, HookConfig)| {
            let source = SOURCES.iter().copied().find(|source| source.name() == config.source)?;
            let grant = Grant::new(config.caller.clone(), [Scope::Send]);
            let doorkeeper = Doorkeeper::new(config.secret.clone(), source.proof(), clock.clone());
            Some((name, Hook { source, config, grant, doorkeeper }))
        };
        Self { by_name: configured.into_iter().filter_map(hook).collect() }
    }

    fn find(&self, source: &str, name: &str) -> Result<&Hook, ApiError> {
        let found = self.by_name.get(name).filter(|hook| hook.source.name() == source);
        found.ok_or_else(|| {
            ApiError::not_found("there is no such hook")
                .with_hint("the path is /hooks/SOURCE/NAME, as in [hooks.NAME] with source = \"SOURCE\"")
        })
    }
}

pub(crate) fn router() -> Router<Arc<Api>> {
    Router::new()
        .route("/hooks/{source}/{name}", post(by_header))
        .route("/hooks/{source}/{name}/{secret}", post(by_path))
}

async fn by_header(
    state: State<Arc<Api>>,
    Path((source, name)): Path<(String, String)>,
    request: Request,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    take(state, (&source, &name), None, request).await
}

async fn by_path(
    state: State<Arc<Api>>,
    Path((source, name, secret)): Path<(String, String, String)>,
    request: Request,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    take(state, (&source, &name), Some(secret.into()), request).await
}

async fn take(
    State(api): State<Arc<Api>>,
    (source, name): (&str, &str),
    in_path: Option<Secret>,
    request: Request,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let hook = api.hooks.find(source, name)?;
    let address = request_address(&api, &request);
    hook.let_in(address)?;
    let (parts, body): (_, Body) = request.into_parts();
    let body = read_body(&State(api.clone()), body, MAX_BODY).await?;
    let posted = Posted { headers: &parts.headers, body: &body };
    hook.doorkeeper.check(name, address, &posted, in_path.as_ref())?;
    let notices = hook.source.read(&posted).map_err(ApiError::from).inspect_err(ApiError::count)?;
    if notices.is_empty() {
        return Ok((StatusCode::OK, Json(json!({ "messages": [], "note": "there was nothing to tell" }))));
    }
    let submissions = notices.into_iter().map(|notice| hook.submission(name, notice)).collect();
    let mut receipts = Vec::new();
    for accepted in api.intake.accept_all(&hook.grant, submissions).await {
        receipts.push(receipt(&accepted?));
    }
    Ok((StatusCode::ACCEPTED, Json(json!({ "messages": receipts }))))
}

fn receipt(receipt: &Receipt) -> Value {
    json!({ "id": receipt.id.to_string(), "state": receipt.state.name() })
}

impl Hook {
    fn let_in(&self, address: Option<IpAddr>) -> Result<(), ApiError> {
        let networks = &self.config.networks;
        if networks.is_empty() || address.is_some_and(|address| networks.iter().any(|net| net.contains(&address))) {
            return Ok(());
        }
        Err(ApiError::ip_not_allowed(address, "this hook's networks"))
    }

    fn submission(&self, name: &str, notice: Notice) -> Submission {
        let config = &self.config;
        let template = config.template.clone().unwrap_or_else(|| template_name(&config.source));
        let mut tags = config.tags.clone();
        tags.extend(notice.tags.into_iter().filter(|tag| !config.tags.contains(tag)));
        // A key of the source's may be longer than one of ours; and what two hooks are told is told twice.
        let key = hex::encode(Sha256::digest(format!("{name}\0{}", notice.key)));
        let content =
            SubmissionContent::Templated(TemplateUse { name: template, version: None, variables: notice.variables });
        Submission {
            to: config.to.clone(),
            app: config.app.clone(),
            route: config.route.clone().map(RouteChoice::Named),
            overflow: Some(Overflow::Split),
            options: Options {
                mention: if config.to_group { notice.mention } else { Mention::default() },
                ..Options::default()
            },
            priority: config.priority.unwrap_or(notice.priority),
            dedupe: Some(Dedupe { by: DedupeBy::Key(key), window: config.repeats }),
            tags,
            ..Submission::new(content)
        }
    }
}
