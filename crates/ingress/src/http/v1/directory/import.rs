//! `POST /v1/directory/import`: people from a file, all or nothing, tried first if that is wanted.

#![expect(unused_qualifications, reason = "utoipa's macro qualifies what it derives")]

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use domain::{InvalidPerson, PersonChange, Scope, Violation};
use pipeline::Put;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::table::{self, COLUMNS, Column};
use super::{PersonBody, checked};
use crate::http::auth::need;
use crate::http::error::ErrorEnvelope;
use crate::http::v1::{audit, bad_query, csv, read_body};
use crate::http::{Api, ApiError, Caller};

/// The largest file, in bytes.
const MAX_FILE: usize = 32 * 1024 * 1024;
/// The most people of one file.
const MAX_PEOPLE: usize = 200_000;

/// How to import.
#[derive(Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http::v1) struct ImportQuery {
    /// Only says what would be kept.
    dry_run: bool,
    /// Keeps what can be kept; default: nothing, if one line is refused.
    partial: bool,
}

/// What became of a file.
#[derive(Serialize, ToSchema)]
pub(in crate::http::v1) struct ImportView {
    /// Whether anything may be kept.
    dry_run: bool,
    /// Whether what is not refused is kept.
    kept: bool,
    /// How many were not known.
    added: usize,
    /// Of how many something else was known.
    changed: usize,
    /// Of how many it was known.
    unchanged: usize,
    /// How many lines cannot be kept.
    refused: usize,
    /// Each line.
    lines: Vec<LineView>,
}

/// What became of a line.
#[derive(Serialize, ToSchema)]
struct LineView {
    /// Its number in the file; of JSON, the place in the list, from 1.
    line: usize,
    /// Whom it is about.
    userid: String,
    /// `added`, `changed`, `unchanged` or `refused`.
    result: &'static str,
    /// Why it is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// A line as it was read.
type Line = (usize, String, Result<PersonChange, InvalidPerson>);

/// Imports people from a file: CSV with a heading, or a JSON list of what `PUT /v1/directory/people` takes.
///
/// CSV may be UTF-8 or GB18030. Its columns are `userid`, `name`, `department` (several divided by `;`), `mobile`, `email`,
/// `status`, `identities` (`emp:1001;login:zs`) and `identity:KIND`; `sync_time` is passed over. An empty cell says nothing.
/// If a line is refused nothing is kept (`kept` is false), unless `partial` is set.
#[utoipa::path(
    post,
    path = "/v1/directory/import",
    tag = "directory",
    params(ImportQuery),
    request_body(content = String, description = "The file", content_type = "text/csv"),
    responses(
        (status = 200, description = "What became of each line", body = ImportView),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 403, description = "Not an administrator's key", body = ErrorEnvelope),
        (status = 413, description = "Over 32 MiB", body = ErrorEnvelope),
        (status = 422, description = "It is no such file", body = ErrorEnvelope),
    )
)]
pub(in crate::http::v1) async fn import(
    state: State<Arc<Api>>,
    caller: Caller,
    query: Result<Query<ImportQuery>, QueryRejection>,
    body: Body,
) -> Result<Json<ImportView>, ApiError> {
    need(&caller, Scope::Admin)?;
    let Query(ImportQuery { dry_run, partial }) = query.map_err(|error| bad_query(&error))?;
    let bytes = read_body(&state, body, MAX_FILE).await?;
    let mut lines = read(&bytes)?;
    if lines.len() > MAX_PEOPLE {
        let message = format!("has {} lines; the limit is {MAX_PEOPLE}", lines.len());
        return Err(Violation::new("too_many", "(file)", message).with_hint("divide it").into());
    }
    refuse_repeats(&mut lines);
    let said: Vec<PersonChange> = lines.iter().filter_map(|(.., change)| change.as_ref().ok().cloned()).collect();
    let refused = lines.len() - said.len();
    let kept = !dry_run && (refused == 0 || partial);
    let mut results = state.directory.put(&said, !kept).await?.into_iter();
    let mut view = ImportView { dry_run, kept, added: 0, changed: 0, unchanged: 0, refused, lines: Vec::new() };
    for (line, userid, change) in lines {
        let (result, reason) = match change {
            Err(wrong) => ("refused", Some(wrong.to_string())),
            Ok(_) => match results.next() {
                Some(Put::Added) => ("added", None),
                Some(Put::Changed) => ("changed", None),
                Some(Put::Unchanged) | None => ("unchanged", None),
            },
        };
        match result {
            "added" => view.added += 1,
            "changed" => view.changed += 1,
            "unchanged" => view.unchanged += 1,
            _ => {}
        }
        view.lines.push(LineView { line, userid, result, reason });
    }
    if kept {
        let counts = json!({ "added": view.added, "changed": view.changed });
        audit::note(&state, &caller, ("directory.import", ""), None, Some(counts)).await;
    }
    Ok(Json(view))
}

pub(super) fn read(bytes: &[u8]) -> Result<Vec<Line>, ApiError> {
    let wrong =
        |message: String, hint: String| ApiError::from(Violation::new("invalid", "(file)", message).with_hint(hint));
    let text = csv::decoded(bytes)
        .ok_or_else(|| wrong("is neither UTF-8 nor GB18030".into(), "save it as CSV in one of these".into()))?;
    if text.trim_start().starts_with(['[', '{']) {
        let people: Vec<Value> = crate::json::read(text.as_bytes())
            .map_err(|error| wrong(format!("cannot be read: {error}"), "give a list: [{\"userid\": …}, …]".into()))?;
        return Ok(people.into_iter().enumerate().map(|(i, person)| from_json(i + 1, person)).collect());
    }
    let rows = csv::rows(&text)
        .map_err(|line| wrong(format!("has a quote in line {line} that never ends"), "write `\"\"` for one".into()))?;
    let mut rows = rows.into_iter();
    let Some((_, headings)) = rows.next() else {
        return Err(wrong("is empty".into(), format!("its first line names the columns: {}", COLUMNS.join(","))));
    };
    let mut columns = Vec::with_capacity(headings.len());
    for heading in &headings {
        let known = || format!("columns are {}, identities and identity:KIND", COLUMNS.join(", "));
        let column = Column::of(heading);
        columns.push(column.ok_or_else(|| wrong(format!("has a column `{}`", heading.trim()), known()))?);
    }
    if !columns.contains(&Column::Userid) {
        return Err(wrong("has no column userid".into(), "it says whom a line is about; 账号 is taken, too".into()));
    }
    let line = |(line, cells): (usize, Vec<String>)| {
        let at = columns.iter().position(|column| *column == Column::Userid).unwrap_or_default();
        let userid = cells.get(at).map(|cell| cell.trim().to_owned()).unwrap_or_default();
        (line, userid, table::person(&columns, &cells).and_then(checked))
    };
    Ok(rows.map(line).collect())
}

fn from_json(place: usize, person: Value) -> Line {
    let userid = person["userid"].as_str().unwrap_or_default().to_owned();
    let change = match serde_json::from_value::<PersonBody>(person) {
        Ok(body) => body.into_change(),
        Err(error) => {
            Err(InvalidPerson { field: "userid", message: format!("stands in what cannot be read: {error}") })
        }
    };
    (place, userid, change)
}

/// Two lines about the same member contradict each other, or say it twice: whoever made the file should know.
fn refuse_repeats(lines: &mut [Line]) {
    let mut first: HashMap<String, usize> = HashMap::new();
    for (line, userid, change) in lines {
        if change.is_err() {
            continue;
        }
        if let Some(before) = first.get(&userid.to_ascii_lowercase()) {
            let message = format!("`{userid}` stands in line {before} already");
            *change = Err(InvalidPerson { field: "userid", message });
        } else {
            first.insert(userid.to_ascii_lowercase(), *line);
        }
    }
}
