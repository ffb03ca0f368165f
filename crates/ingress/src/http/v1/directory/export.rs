//! `GET /v1/directory/export`: who is known, as a table.

#![expect(unused_qualifications, reason = "utoipa's macro qualifies what it derives")]

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use domain::{Scope, Violation};
use serde::Deserialize;
use utoipa::IntoParams;

use super::table;
use crate::http::auth::need;
use crate::http::error::ErrorEnvelope;
use crate::http::v1::bad_query;
use crate::http::{Api, ApiError, Caller};

/// How to export.
#[derive(Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http::v1) struct ExportQuery {
    /// `utf-8` (default), `utf-8-bom` or `gb18030`: the last two for spreadsheets.
    encoding: Option<String>,
}

/// Writes who is known as CSV: `userid,name,department,mobile,email,status,sync_time`.
///
/// Departments are divided by `;`, the status is WeCom's number, the time is RFC 3339. A name that a spreadsheet would take
/// for a formula begins with `'`.
#[utoipa::path(
    get,
    path = "/v1/directory/export",
    tag = "directory",
    params(ExportQuery),
    responses(
        (status = 200, description = "The table", body = String, content_type = "text/csv"),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 403, description = "Not an administrator's key", body = ErrorEnvelope),
        (status = 422, description = "No such encoding", body = ErrorEnvelope),
    )
)]
pub(in crate::http::v1) async fn export(
    State(api): State<Arc<Api>>,
    caller: Caller,
    query: Result<Query<ExportQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    need(&caller, Scope::Admin)?;
    let Query(ExportQuery { encoding }) = query.map_err(|error| bad_query(&error))?;
    let text = table::written(api.directory.book().read().people());
    let (bytes, kind) = match encoding.as_deref().unwrap_or("utf-8") {
        "utf-8" => (text.into_bytes(), "text/csv; charset=utf-8"),
        "utf-8-bom" => ([b"\xef\xbb\xbf", text.as_bytes()].concat(), "text/csv; charset=utf-8"),
        "gb18030" => (encoding_rs::GB18030.encode(&text).0.into_owned(), "text/csv; charset=gb18030"),
        other => {
            let violation = Violation::new("invalid", "encoding", format!("`{other}` is none that is written here"));
            return Err(violation.with_hint("there are utf-8, utf-8-bom and gb18030").into());
        }
    };
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static(kind))], bytes).into_response())
}
