//! `/v1/templates`: kept in versions that never change, tried before they are used, switched in one step.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use domain::{Compiled, Makes, Scope, Template, Variable, VariableKind, Violation, is_template_name};
use pipeline::ports::{TemplateFigures, TemplateRecord};
use pipeline::template_violation;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{audit, read_json};
use crate::http::auth::need;
use crate::http::error::ErrorEnvelope;
use crate::http::{Api, ApiError, Caller};

/// Of which time figures are.
const FIGURES_OF: std::time::Duration = std::time::Duration::from_secs(30 * 24 * 3600);

/// A template.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TemplateBody {
    /// `message`: JSON with `msgtype`, as WeCom writes it; or the text of a `text`, `markdown` or `markdown_v2`.
    #[schema(value_type = String, example = "markdown")]
    makes: Makes,
    /// In Jinja2's language, at most 32 KiB.
    #[schema(example = "**{{ order }}** 已发货")]
    source: String,
    /// The variables that it declares.
    #[serde(default)]
    #[schema(value_type = Vec<VariableView>)]
    variables: Vec<Variable>,
    /// Whether a missing variable is nothing instead of an error.
    #[serde(default)]
    lenient: bool,
    /// Whether clicks on its links are counted; needs `public_url`.
    #[serde(default)]
    track_clicks: bool,
    /// Whether the name stands for this version from now on; default: yes.
    #[serde(default = "yes")]
    activate: bool,
}

fn yes() -> bool {
    true
}

/// A declared variable.
#[derive(Serialize, ToSchema)]
pub(super) struct VariableView {
    /// Its name.
    name: String,
    /// `any`, `string`, `number`, `boolean`, `list` or `object`.
    #[schema(value_type = String)]
    kind: VariableKind,
    /// What stands for it where it is not given; absent: it must be given.
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<Value>,
    /// What a preview shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    example: Option<Value>,
}

/// A version of a template.
#[derive(Serialize, ToSchema)]
pub(super) struct TemplateView {
    /// Its name.
    name: String,
    /// Counted from 1; 0 is built in.
    version: u32,
    /// Whether the name stands for it.
    active: bool,
    /// What it makes.
    #[schema(value_type = String)]
    makes: Makes,
    /// Its source.
    source: String,
    /// The variables that it declares.
    variables: Vec<VariableView>,
    /// The variables that it uses, declared or not.
    uses: Vec<String>,
    /// Whether a missing variable is nothing.
    lenient: bool,
    /// Whether clicks on its links are counted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    track_clicks: bool,
    /// How often the name stands for it, beside other versions with a weight.
    #[serde(skip_serializing_if = "is_zero")]
    weight: u32,
    /// When it was kept.
    created_at: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(weight: &u32) -> bool {
    *weight == 0
}

impl From<TemplateRecord> for TemplateView {
    fn from(TemplateRecord { template, active, weight, created_at }: TemplateRecord) -> Self {
        let uses = Compiled::new(template.clone()).map(|compiled| compiled.used()).unwrap_or_default();
        let Template { name, version, makes, source, variables, lenient, track_clicks } = template;
        let view = |Variable { name, kind, default, example }| VariableView { name, kind, default, example };
        let variables = variables.into_iter().map(view).collect();
        let created_at = created_at.to_string();
        Self { name, version, active, makes, source, variables, uses, lenient, track_clicks, weight, created_at }
    }
}

/// Lists all versions of all templates, by name, the newest first.
#[utoipa::path(
    get,
    path = "/v1/templates",
    tag = "templates",
    responses(
        (status = 200, description = "The templates", body = Vec<TemplateView>),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
    )
)]
pub(super) async fn list(State(api): State<Arc<Api>>, caller: Caller) -> Result<Json<Vec<TemplateView>>, ApiError> {
    need(&caller, Scope::Read)?;
    let kept = api.ledger.templates().await?;
    let stands_alone = |template: &Template| !kept.iter().any(|record| record.template.name == template.name);
    let built_in = api.templates.built_in().into_iter().map(|template| {
        let active = stands_alone(&template);
        TemplateView::from(TemplateRecord {
            template,
            active,
            weight: 0,
            created_at: domain::Timestamp::from_millis(0),
        })
    });
    let built_in: Vec<_> = built_in.collect();
    Ok(Json(kept.into_iter().map(TemplateView::from).chain(built_in).collect()))
}

/// Keeps the next version of a template. What it is made of is checked first.
#[utoipa::path(
    put,
    path = "/v1/templates/{name}",
    tag = "templates",
    params(("name" = String, Path, description = "a-z, 0-9, `-`, `_`, `.`; at most 64")),
    request_body = TemplateBody,
    responses(
        (status = 201, description = "It is kept", body = TemplateView),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 403, description = "Not an administrator's key", body = ErrorEnvelope),
        (status = 422, description = "It cannot be used: with line and column", body = ErrorEnvelope),
    )
)]
pub(super) async fn put(
    state: State<Arc<Api>>,
    caller: Caller,
    Path(name): Path<String>,
    body: Body,
) -> Result<(StatusCode, Json<TemplateView>), ApiError> {
    need(&caller, Scope::Admin)?;
    let body: TemplateBody = read_json(&state, body).await?;
    if !is_template_name(&name) {
        return Err(Violation::new("invalid", "name", format!("`{name}` is no name for a template"))
            .with_hint("1 to 64 of a-z, 0-9, `-`, `_` and `.`")
            .into());
    }
    let TemplateBody { makes, source, variables, lenient, track_clicks, activate } = body;
    if track_clicks && state.links.is_none() {
        return Err(Violation::new("invalid", "track_clicks", "needs `public_url`, which is not configured")
            .with_hint("say in the configuration where this gateway is reached from outside")
            .into());
    }
    let template = Template { name, version: 0, makes, source, variables, lenient, track_clicks };
    Compiled::new(template.clone()).map_err(|error| template_violation(&error, "source"))?;
    let version = state.ledger.put_template(template.clone(), activate, state.clock.now()).await?;
    state.templates.refresh(state.ledger.as_ref()).await?;
    let kept = TemplateView::from(version_of(&state, &template.name, version).await?);
    audit::note(&state, &caller, ("template.put", &template.name), None, serde_json::to_value(&kept).ok()).await;
    Ok((StatusCode::CREATED, Json(kept)))
}

/// Which version.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct VersionBody {
    /// Counted from 1.
    version: u32,
}

/// Makes a version the one that the name stands for; an earlier one rolls back.
#[utoipa::path(
    post,
    path = "/v1/templates/{name}/activate",
    tag = "templates",
    params(("name" = String, Path, description = "The template")),
    request_body = VersionBody,
    responses(
        (status = 200, description = "It is active", body = TemplateView),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 403, description = "Not an administrator's key", body = ErrorEnvelope),
        (status = 404, description = "No such version", body = ErrorEnvelope),
    )
)]
pub(super) async fn activate(
    state: State<Arc<Api>>,
    caller: Caller,
    Path(name): Path<String>,
    body: Body,
) -> Result<Json<TemplateView>, ApiError> {
    need(&caller, Scope::Admin)?;
    let VersionBody { version } = read_json(&state, body).await?;
    let before = state.templates.get(&name, None).ok().map(|compiled| compiled.template().version.into());
    if !state.ledger.activate_template(&name, version).await? {
        return Err(unknown());
    }
    state.templates.refresh(state.ledger.as_ref()).await?;
    audit::note(&state, &caller, ("template.activate", &name), before, Some(version.into())).await;
    Ok(Json(version_of(&state, &name, version).await?.into()))
}

/// Which versions, and how often each.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SplitBody {
    /// At least two versions, each with a weight of 1 to 1000.
    versions: Vec<WeightBody>,
}

/// A version and its weight.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WeightBody {
    /// Counted from 1.
    version: u32,
    /// How often, beside the others.
    weight: u32,
}

/// Lets the name stand for several versions, each as often as its weight says. Activating one ends it.
#[utoipa::path(
    post,
    path = "/v1/templates/{name}/split",
    tag = "templates",
    params(("name" = String, Path, description = "The template")),
    request_body = SplitBody,
    responses(
        (status = 204, description = "It is split"),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 403, description = "Not an administrator's key", body = ErrorEnvelope),
        (status = 404, description = "No such version", body = ErrorEnvelope),
        (status = 422, description = "Fewer than two versions, or a weight out of bounds", body = ErrorEnvelope),
    )
)]
pub(super) async fn split(
    state: State<Arc<Api>>,
    caller: Caller,
    Path(name): Path<String>,
    body: Body,
) -> Result<StatusCode, ApiError> {
    need(&caller, Scope::Admin)?;
    let SplitBody { versions } = read_json(&state, body).await?;
    if versions.len() < 2 {
        return Err(Violation::new("too_few", "versions", "names fewer than two versions")
            .with_hint("activate one instead")
            .into());
    }
    if let Some(i) = versions.iter().position(|one| !(1..=1000).contains(&one.weight)) {
        return Err(Violation::new("invalid", format!("versions[{i}].weight"), "is not between 1 and 1000").into());
    }
    let weights: Vec<(u32, u32)> = versions.into_iter().map(|one| (one.version, one.weight)).collect();
    if !state.ledger.split_template(&name, weights.clone()).await? {
        return Err(unknown());
    }
    audit::note(&state, &caller, ("template.split", &name), None, Some(serde_json::json!(weights))).await;
    state.templates.refresh(state.ledger.as_ref()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a version of a template brought.
#[derive(Serialize, ToSchema)]
pub(super) struct FiguresView {
    /// Which version.
    version: u32,
    /// Messages that it made.
    messages: u64,
    /// Of them, those that were taken for somebody. Whether anybody read them nobody knows.
    delivered: u64,
    /// Clicks on their links.
    clicks: u64,
    /// Messages of which a link was clicked.
    clicked: u64,
    /// Presses of their buttons.
    presses: u64,
}

/// Compares what the versions of a template brought in the last 30 days.
#[utoipa::path(
    get,
    path = "/v1/templates/{name}/figures",
    tag = "templates",
    params(("name" = String, Path, description = "The template")),
    responses(
        (status = 200, description = "The versions that made messages", body = Vec<FiguresView>),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
    )
)]
pub(super) async fn figures(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<Vec<FiguresView>>, ApiError> {
    need(&caller, Scope::Read)?;
    let since = api.clock.now() - FIGURES_OF;
    let figures = api.ledger.template_figures(&name, caller.reads(), since).await?;
    let view = |TemplateFigures { version, messages, delivered, clicks, clicked, presses }| FiguresView {
        version,
        messages,
        delivered,
        clicks,
        clicked,
        presses,
    };
    Ok(Json(figures.into_iter().map(view).collect()))
}

/// What to try a template with.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct PreviewBody {
    /// Absent: the active one.
    version: Option<u32>,
    /// What is not given is shown as the declared examples.
    #[schema(value_type = Object)]
    variables: Map<String, Value>,
}

/// What a template makes.
#[derive(Serialize, ToSchema)]
pub(super) struct PreviewView {
    /// The version that was tried.
    version: u32,
    /// The kind of the content.
    content_type: &'static str,
    /// The content, as WeCom writes it.
    #[schema(value_type = Object)]
    content: Option<Box<RawValue>>,
}

/// Tries a template: nothing is sent.
#[utoipa::path(
    post,
    path = "/v1/templates/{name}/preview",
    tag = "templates",
    params(("name" = String, Path, description = "The template")),
    request_body = PreviewBody,
    responses(
        (status = 200, description = "What it makes", body = PreviewView),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 422, description = "It cannot be rendered: with line and column", body = ErrorEnvelope),
    )
)]
pub(super) async fn preview(
    state: State<Arc<Api>>,
    caller: Caller,
    Path(name): Path<String>,
    body: Body,
) -> Result<Json<PreviewView>, ApiError> {
    need(&caller, Scope::Read)?;
    let PreviewBody { version, mut variables } = read_json(&state, body).await?;
    let compiled = state.templates.get(&name, version)?;
    for Variable { name, example, .. } in &compiled.template().variables {
        if let (false, Some(example)) = (variables.contains_key(name), example) {
            variables.insert(name.clone(), example.clone());
        }
    }
    let content = compiled.render(&variables).map_err(|error| template_violation(&error, "variables"))?;
    Ok(Json(PreviewView {
        version: compiled.template().version,
        content_type: content.kind().name(),
        content: RawValue::from_string(content.object().to_owned()).ok(),
    }))
}

/// Forgets a template with all its versions. Messages that it made stay as they are.
#[utoipa::path(
    delete,
    path = "/v1/templates/{name}",
    tag = "templates",
    params(("name" = String, Path, description = "The template")),
    responses(
        (status = 204, description = "It is forgotten"),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 403, description = "Not an administrator's key", body = ErrorEnvelope),
        (status = 404, description = "No such template", body = ErrorEnvelope),
    )
)]
pub(super) async fn forget(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    need(&caller, Scope::Admin)?;
    let before = api.templates.get(&name, None).ok().map(|compiled| compiled.template().source.clone().into());
    if !api.ledger.forget_template(&name).await? {
        return Err(unknown());
    }
    audit::note(&api, &caller, ("template.forget", &name), before, None).await;
    api.templates.refresh(api.ledger.as_ref()).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn version_of(api: &Api, name: &str, version: u32) -> Result<TemplateRecord, ApiError> {
    let wanted = |record: &TemplateRecord| record.template.name == name && record.template.version == version;
    api.ledger.templates().await?.into_iter().find(wanted).ok_or_else(unknown)
}

fn unknown() -> ApiError {
    ApiError::not_found("there is no such template, or no such version of it")
        .with_hint("`GET /v1/templates` lists them")
}
