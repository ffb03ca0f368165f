//! What a refused request is answered: one envelope, a stable code, the field, the mend. The cause goes to the log only.

use std::net::IpAddr;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::{InvalidSubmission, Violation};
use pipeline::ports::{LedgerError, LedgerErrorKind};
use pipeline::telemetry::{Happening as _, MessageRefused};
use pipeline::{AcceptError, BroadcastError, RecallError, ScheduleError};
use serde::Serialize;
use utoipa::ToSchema;

/// Names one request, in its answer and in the log.
#[derive(Clone, Debug)]
pub struct RequestId(String);

impl RequestId {
    pub(super) fn fresh() -> Self {
        Self(format!("req_{:016x}", rand::random::<u64>()))
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A refused request.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    field: Option<String>,
    hint: Option<String>,
    doc: Option<String>,
    retry_after: Option<u32>,
    /// For the log, not for the caller.
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The body of every answer that is not a success.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct ErrorEnvelope {
    /// What was refused, and how to mend it.
    pub(super) error: ErrorBody,
}

/// What was refused, and how to mend it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct ErrorBody {
    /// A stable word for programs; docs/errors has a page for each.
    pub(super) code: &'static str,
    /// What happened, for people.
    pub(super) message: String,
    /// The field that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) field: Option<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hint: Option<String>,
    /// Where it is documented.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) doc: Option<String>,
    /// Names the request in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) request_id: Option<String>,
}

impl ApiError {
    /// Whether no key that works was shown.
    pub(super) fn is_unauthorised(&self) -> bool {
        self.status == StatusCode::UNAUTHORIZED
    }

    /// Refuses with a status, a code and a sentence.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            field: None,
            hint: None,
            doc: None,
            retry_after: None,
            cause: None,
        }
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// Refuses an address, and names it.
    pub(crate) fn ip_not_allowed(address: Option<IpAddr>, networks: &str) -> Self {
        let seen = address.map_or_else(|| "an unknown address".to_owned(), |address| address.to_string());
        let message = format!("IP not allowed: {seen} is in none of {networks}");
        Self::new(StatusCode::FORBIDDEN, "ip_not_allowed", message)
            .with_hint("call from one of them; behind a proxy, name it in `http.trusted_proxies`")
    }

    /// Refuses what comes too often, until a time.
    pub(crate) fn too_many_requests(message: impl Into<String>, wait: Duration) -> Self {
        let seconds = u32::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u32::MAX);
        let refused = Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", message);
        Self { retry_after: Some(seconds.max(1)), ..refused }.with_hint("send it again after Retry-After")
    }

    pub(super) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "something went wrong here; it is in the log")
            .with_hint("a message without a receipt was not accepted: send it again with the same Idempotency-Key")
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn with_field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// Names fields as parts of one that holds them.
    pub(super) fn inside(mut self, outer: &str) -> Self {
        if let Some(field) = &mut self.field {
            let whole = if field == "(body)" { outer.to_owned() } else { format!("{outer}.{field}") };
            self.message = self.message.replacen(&format!("`{field}`"), &format!("`{whole}`"), 1);
            *field = whole;
        }
        self
    }

    /// What happened, for people, as one sentence.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Counts a submission that was refused before it reached the intake.
    pub(crate) fn count(&self) {
        MessageRefused { code: self.code }.emit();
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// In how many seconds it may be asked again, if that is known.
    pub(super) fn retry_after(&self) -> Option<u32> {
        self.retry_after
    }

    pub(super) fn body(&self) -> ErrorBody {
        ErrorBody {
            code: self.code,
            message: self.message.clone(),
            field: self.field.clone(),
            hint: self.hint.clone(),
            doc: self.doc.clone(),
            request_id: None,
        }
    }
}

impl From<Violation> for ApiError {
    fn from(violation: Violation) -> Self {
        let message = format!("`{}` {}", violation.field, violation.message);
        Self {
            field: Some(violation.field),
            hint: violation.hint,
            doc: violation.doc.map(str::to_owned),
            ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, violation.code, message)
        }
    }
}

impl From<LedgerError> for ApiError {
    fn from(error: LedgerError) -> Self {
        let refused = not_stored(error.kind);
        Self { cause: Some(Box::new(error)), ..refused }
    }
}

fn not_stored(kind: LedgerErrorKind) -> ApiError {
    let (status, message) = match kind {
        LedgerErrorKind::Full => (StatusCode::INSUFFICIENT_STORAGE, "the disk is full: nothing was stored"),
        LedgerErrorKind::Unavailable | LedgerErrorKind::Corrupt => {
            (StatusCode::SERVICE_UNAVAILABLE, "the ledger is not available: nothing was stored")
        }
    };
    let refused = ApiError::new(status, "not_stored", message)
        .with_hint("send it again after Retry-After, with the same Idempotency-Key");
    ApiError { retry_after: Some(5), ..refused }
}

impl From<AcceptError> for ApiError {
    fn from(error: AcceptError) -> Self {
        let code = error.code();
        match error {
            AcceptError::Invalid(InvalidSubmission(violation)) => violation.into(),
            AcceptError::Forbidden { ref recipient } => {
                let hint = if matches!(recipient, domain::Recipient::All) {
                    "addressing everybody needs a key with the scope send:all"
                } else {
                    "use a key whose allow-lists include it"
                };
                Self::new(StatusCode::FORBIDDEN, code, error.to_string()).with_field("to").with_hint(hint)
            }
            AcceptError::ForbiddenRoute { .. } => Self::new(StatusCode::FORBIDDEN, code, error.to_string())
                .with_field("route")
                .with_hint("use a key whose allow-list of routes includes it"),
            AcceptError::ForbiddenTemplate { .. } => Self::new(StatusCode::FORBIDDEN, code, error.to_string())
                .with_field("template")
                .with_hint("use a key whose allow-list of templates includes it"),
            AcceptError::ForbiddenWebhook { .. } => Self::new(StatusCode::FORBIDDEN, code, error.to_string())
                .with_field("webhook")
                .with_hint("use a key whose allow-list of webhooks includes it"),
            AcceptError::MayNotSend => {
                Self::new(StatusCode::FORBIDDEN, code, error.to_string()).with_hint("use a key with the scope send")
            }
            AcceptError::KeyReused => Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, error.to_string())
                .with_field("Idempotency-Key")
                .with_hint("use a new key for a new request; a repeat must be byte for byte the same"),
            AcceptError::TooMany { wait } => Self::too_many_requests(error.to_string(), wait),
            AcceptError::Overloaded => {
                let refused = Self::new(StatusCode::SERVICE_UNAVAILABLE, code, error.to_string())
                    .with_hint("nothing was stored: send it again after Retry-After, with the same Idempotency-Key");
                Self { retry_after: Some(1), ..refused }
            }
            // The intake has logged why.
            AcceptError::NotStored(cause) => not_stored(cause.kind),
            _ => Self { cause: Some(Box::new(error)), ..Self::internal() },
        }
    }
}

impl From<ScheduleError> for ApiError {
    fn from(error: ScheduleError) -> Self {
        match error {
            ScheduleError::Invalid(violation) => violation.into(),
            ScheduleError::Message(error @ AcceptError::KeyReused) => error.into(),
            ScheduleError::Message(error) => Self::from(error).inside("message"),
            ScheduleError::Unknown => Self::not_found("there is no such schedule")
                .with_hint("`GET /v1/schedules` lists them; a key sees only its own caller's"),
            ScheduleError::Taken => {
                Self::new(StatusCode::CONFLICT, "name_taken", "another caller has a schedule of this name")
                    .with_field("name")
                    .with_hint("choose another name, such as one that begins with yours")
            }
            ScheduleError::Ledger(error) => error.into(),
            _ => Self { cause: Some(Box::new(error)), ..Self::internal() },
        }
    }
}

impl From<BroadcastError> for ApiError {
    fn from(error: BroadcastError) -> Self {
        match error {
            BroadcastError::Invalid(violation) => violation.into(),
            BroadcastError::Row { line, source } => Self::from(source).inside(&format!("line {line}")),
            BroadcastError::KeyReused => AcceptError::KeyReused.into(),
            BroadcastError::Unknown => Self::not_found("there is no such broadcast")
                .with_hint("`GET /v1/broadcasts` lists them; a key sees only its own caller's"),
            BroadcastError::Ended(state) => {
                let message = format!("the broadcast has ended: it is {}", state.name());
                Self::new(StatusCode::CONFLICT, "broadcast_ended", message)
                    .with_hint("begin another for those who are left; its rows say who they are")
            }
            BroadcastError::Ledger(error) => error.into(),
            _ => Self { cause: Some(Box::new(error)), ..Self::internal() },
        }
    }
}

impl From<RecallError> for ApiError {
    fn from(error: RecallError) -> Self {
        match error {
            RecallError::NotRecallable(reason) => {
                let refused = Self::new(StatusCode::CONFLICT, "not_recallable", reason.text);
                Self { hint: reason.hint, ..refused }
            }
            RecallError::Ledger(error) => error.into(),
            _ => Self::not_found("there is no such message"),
        }
    }
}

/// The part of an answer that the request's id is written into.
#[derive(Clone, Debug)]
struct Refused(ErrorBody);

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = self.body();
        if let Some(cause) = &self.cause {
            tracing::error!(code = self.code, cause = cause.as_ref() as &dyn std::error::Error, "A request failed");
        }
        let mut response = (self.status, Json(ErrorEnvelope { error: body.clone() })).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(Refused(body));
        response
    }
}

/// Writes the request's id into a refusal.
pub(super) async fn with_request_id(mut response: Response, id: &RequestId) -> Response {
    let Some(Refused(mut body)) = response.extensions_mut().remove::<Refused>() else { return response };
    body.request_id = Some(id.as_str().to_owned());
    let Ok(json) = serde_json::to_vec(&ErrorEnvelope { error: body }) else { return response };
    let (mut parts, old) = response.into_parts();
    // Small and ours: reading it to the end lets the connection be used again.
    let _replaced = to_bytes(old, 64 * 1024).await;
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(json.len()));
    Response::from_parts(parts, Body::from(json))
}
