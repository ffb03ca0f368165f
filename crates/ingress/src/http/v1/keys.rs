//! `/v1/keys`: making, listing and revoking API keys, for administrators.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use domain::{AllowList, ApiKeyRecord, CallerId, Grant, KeyKind, Limits, Scope, Scopes, Timestamp, Violation};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{audit, read_json};
use crate::http::auth::{need, new_key};
use crate::http::error::ErrorEnvelope;
use crate::http::{Api, ApiError, Caller};

/// A key to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyBody {
    /// Whose messages it sends and sees.
    caller: String,
    /// Of `send`, `send:all`, `read`, `admin`; default `send` and `read`.
    scopes: Option<Vec<String>>,
    /// When it stops to work, RFC 3339.
    expires_at: Option<String>,
    /// Applications it may use; absent: all.
    apps: Option<Vec<String>>,
    /// Robots it may use; absent: all.
    robots: Option<Vec<String>>,
    /// Departments it may address; absent: all.
    parties: Option<Vec<String>>,
    /// Tags it may address; absent: all.
    tags: Option<Vec<String>>,
    /// Group chats it may use; absent: all.
    chats: Option<Vec<String>>,
    /// Domains of mail addresses it may address; absent: all.
    mail_domains: Option<Vec<String>>,
    /// Routes it may take; absent: all.
    routes: Option<Vec<String>>,
    /// Templates it may use, and then nothing else; absent: all.
    templates: Option<Vec<String>>,
    /// Webhooks it may name; absent: all.
    webhooks: Option<Vec<String>>,
    /// Networks that its requests may come from, such as `10.0.0.0/8`; absent: any.
    networks: Option<Vec<String>>,
    /// `bearer` (sent with each request), `signing` (requests are signed with it) or `front` (a secret or robot's key under
    /// `/cgi-bin/`); default `bearer`.
    #[serde(default)]
    #[schema(value_type = String)]
    kind: KeyKind,
    /// The webhook that hears what becomes of messages that name none.
    webhook: Option<String>,
    /// Messages in any 60 seconds; absent: as many as it likes.
    per_minute: Option<u32>,
    /// Messages a calendar day, in Asia/Shanghai; absent: as many as it likes.
    per_day: Option<u32>,
    /// For kind `front`: calls of WeCom's that are passed on, with their parameters, such as `GET /cgi-bin/user/get?userid`; absent:
    /// none.
    forwards: Option<Vec<String>>,
}

/// What is known of a key; never the key itself.
#[derive(Serialize, ToSchema)]
pub(super) struct KeyView {
    /// Its first characters.
    prefix: String,
    /// `bearer`, `signing` or `front`.
    kind: &'static str,
    /// Whose messages it sends and sees.
    caller: String,
    /// What it may do.
    scopes: String,
    /// Applications it may use; absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    apps: Option<Vec<String>>,
    /// Robots it may use; absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    robots: Option<Vec<String>>,
    /// Departments it may address; absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    parties: Option<Vec<String>>,
    /// Tags it may address; absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<Vec<String>>,
    /// Group chats it may use; absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    chats: Option<Vec<String>>,
    /// Domains of mail addresses it may address; absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    mail_domains: Option<Vec<String>>,
    /// Routes it may take; absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    routes: Option<Vec<String>>,
    /// Templates it may use, and then nothing else; absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    templates: Option<Vec<String>>,
    /// Networks that its requests may come from; absent: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    networks: Option<Vec<String>>,
    /// Webhooks it may name; absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    webhooks: Option<Vec<String>>,
    /// The webhook that hears what becomes of messages that name none.
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook: Option<String>,
    /// Messages in any 60 seconds; absent: as many as it likes.
    #[serde(skip_serializing_if = "Option::is_none")]
    per_minute: Option<u32>,
    /// Messages a day; absent: as many as it likes.
    #[serde(skip_serializing_if = "Option::is_none")]
    per_day: Option<u32>,
    /// Calls of WeCom's that are passed on.
    #[serde(skip_serializing_if = "Option::is_none")]
    forwards: Option<Vec<String>>,
    /// When it was made.
    created_at: String,
    /// When it stops to work.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    /// When it was revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<String>,
    /// When it was last used, to the minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<String>,
}

/// A key that was just made.
#[derive(Serialize, ToSchema)]
pub(super) struct NewKeyView {
    /// The key. It is shown this once.
    key: String,
    #[serde(flatten)]
    about: KeyView,
}

impl From<&ApiKeyRecord> for KeyView {
    fn from(key: &ApiKeyRecord) -> Self {
        let shown = |time: Option<Timestamp>| time.map(|time| time.to_string());
        Self {
            prefix: key.prefix.clone(),
            kind: key.kind.name(),
            webhooks: key.grant.allow.webhooks.clone(),
            webhook: key.grant.webhook.clone(),
            per_minute: key.grant.limits.per_minute,
            per_day: key.grant.limits.per_day,
            forwards: key.grant.allow.forwards.clone(),
            caller: key.grant.caller.to_string(),
            scopes: key.grant.scopes.to_string(),
            apps: key.grant.allow.apps.clone(),
            robots: key.grant.allow.robots.clone(),
            parties: key.grant.allow.parties.clone(),
            tags: key.grant.allow.tags.clone(),
            chats: key.grant.allow.chats.clone(),
            mail_domains: key.grant.allow.mail_domains.clone(),
            routes: key.grant.allow.routes.clone(),
            templates: key.grant.allow.templates.clone(),
            networks: key.grant.allow.networks.as_ref().map(|all| all.iter().map(ToString::to_string).collect()),
            created_at: key.created_at.to_string(),
            expires_at: shown(key.expires_at),
            revoked_at: shown(key.revoked_at),
            last_used_at: shown(key.last_used_at),
        }
    }
}

/// Lists the keys.
#[utoipa::path(
    get,
    path = "/v1/keys",
    tag = "keys",
    responses(
        (status = 200, description = "The keys", body = Vec<KeyView>),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 403, description = "Not an administrator's key", body = ErrorEnvelope),
    )
)]
pub(super) async fn list(State(api): State<Arc<Api>>, caller: Caller) -> Result<Json<Vec<KeyView>>, ApiError> {
    need(&caller, Scope::Admin)?;
    Ok(Json(api.keys.list().iter().map(KeyView::from).collect()))
}

/// Makes a key.
#[utoipa::path(
    post,
    path = "/v1/keys",
    tag = "keys",
    request_body = KeyBody,
    responses(
        (status = 201, description = "The key, shown this once", body = NewKeyView),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 403, description = "Not an administrator's key", body = ErrorEnvelope),
        (status = 422, description = "A rule is broken, by field", body = ErrorEnvelope),
    )
)]
pub(super) async fn create(
    state: State<Arc<Api>>,
    caller: Caller,
    body: Body,
) -> Result<(StatusCode, Json<NewKeyView>), ApiError> {
    need(&caller, Scope::Admin)?;
    let body: KeyBody = read_json(&state, body).await?;
    if body.caller.trim().is_empty() {
        return Err(Violation::new("missing", "caller", "is empty").into());
    }
    let scopes = body.scopes.unwrap_or_else(|| vec!["send".to_owned(), "read".to_owned()]);
    let scopes: Scopes = scopes.join(",").parse().map_err(|error: domain::UnknownScope| {
        ApiError::from(Violation::new("invalid", "scopes", error.to_string()))
    })?;
    let expires_at = body.expires_at.map(|text| text.parse::<Timestamp>()).transpose();
    let expires_at =
        expires_at.map_err(|error| ApiError::from(Violation::new("invalid", "expires_at", error.to_string())))?;
    let now = state.clock.now();
    if expires_at.is_some_and(|end| end <= now) {
        return Err(Violation::new("invalid", "expires_at", "has passed").into());
    }
    let allow = AllowList {
        apps: body.apps,
        robots: body.robots,
        parties: body.parties,
        tags: body.tags,
        chats: body.chats,
        mail_domains: body.mail_domains,
        routes: body.routes,
        templates: body.templates,
        webhooks: body.webhooks,
        networks: body.networks.map(networks).transpose()?,
        forwards: body.forwards.map(|calls| forwards(body.kind, calls)).transpose()?,
    };
    for (field, limit) in [("per_minute", body.per_minute), ("per_day", body.per_day)] {
        if limit == Some(0) {
            return Err(Violation::new("invalid", field, "is 0: such a key could send nothing")
                .with_hint("leave the scope `send` out instead")
                .into());
        }
    }
    let grant = Grant {
        scopes,
        allow,
        webhook: body.webhook,
        limits: Limits { per_minute: body.per_minute, per_day: body.per_day },
        ..Grant::new(CallerId::new(body.caller), [])
    };
    let key = new_key(body.kind, grant, now, expires_at);
    state.keys.add(key.record.clone()).await?;
    audit::note(&state, &caller, ("key.create", &key.record.prefix), None, shown(&key.record)).await;
    Ok((StatusCode::CREATED, Json(NewKeyView { key: key.text, about: KeyView::from(&key.record) })))
}

/// A key as it is recorded: what is shown of it.
fn shown(key: &ApiKeyRecord) -> Option<serde_json::Value> {
    serde_json::to_value(KeyView::from(key)).ok()
}

/// Calls that a key of the drop-in front may pass on: exact method and path.
fn forwards(kind: KeyKind, given: Vec<String>) -> Result<Vec<String>, ApiError> {
    if kind != KeyKind::Front {
        return Err(Violation::new("invalid", "forwards", "is for keys of the kind `front`").into());
    }
    for (i, call) in given.iter().enumerate() {
        let is_call = call.split_once(' ').is_some_and(|(method, path)| {
            matches!(method, "GET" | "POST") && path.starts_with("/cgi-bin/") && !path.contains(['*', ' ', '='])
        });
        if !is_call {
            let violation = Violation::new("invalid", format!("forwards[{i}]"), format!("`{call}` is no call"));
            return Err(violation
                .with_hint("give method, path and parameters, such as `GET /cgi-bin/user/get?userid`")
                .into());
        }
    }
    Ok(given)
}

fn networks(given: Vec<String>) -> Result<Vec<IpNet>, ApiError> {
    let read = |(i, text): (usize, &String)| {
        // One address is a network of one.
        let network = text.parse().or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from));
        network.map_err(|_| {
            let violation = Violation::new("invalid", format!("networks[{i}]"), format!("`{text}` is no network"));
            ApiError::from(violation.with_hint("give one such as 10.0.0.0/8, 2001:db8::/32 or 192.0.2.7"))
        })
    };
    given.iter().enumerate().map(read).collect()
}

/// Revokes a key at once.
#[utoipa::path(
    delete,
    path = "/v1/keys/{prefix}",
    tag = "keys",
    params(("prefix" = String, Path, description = "The key's first characters, as listed")),
    responses(
        (status = 204, description = "It no longer works"),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 403, description = "Not an administrator's key", body = ErrorEnvelope),
        (status = 404, description = "No such key that works", body = ErrorEnvelope),
    )
)]
pub(super) async fn revoke(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(prefix): Path<String>,
) -> Result<StatusCode, ApiError> {
    need(&caller, Scope::Admin)?;
    let before = api.keys.list().iter().find(|key| key.prefix == prefix).and_then(shown);
    let revoked = api.keys.revoke(&prefix).await?;
    if revoked > 0 {
        audit::note(&api, &caller, ("key.revoke", &prefix), before, None).await;
    }
    match revoked {
        0 => Err(ApiError::not_found("there is no such key that works").with_hint(
            "the first key is not listed: it is changed in HONGYAN_API_KEY or in the data directory's api-key",
        )),
        _ => Ok(StatusCode::NO_CONTENT),
    }
}
