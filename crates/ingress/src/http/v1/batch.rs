//! `POST /v1/messages/batch`: NDJSON, one submission a line, one result a line, few commits.

use std::sync::Arc;

use axum::body::{Body, HttpBody as _};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use bytes::{Bytes, BytesMut};
use domain::Submission;
use futures::StreamExt as _;
use serde::Serialize;
use utoipa::ToSchema;

use super::submission::SubmissionBody;
use super::submit::hash_of;
use super::view::ReceiptView;
use crate::http::error::{ErrorBody, ErrorEnvelope};
use crate::http::{Api, ApiError, Caller, MAX_BATCH, MAX_BODY};

/// Lines that go to the ledger together.
const TOGETHER: usize = 500;
/// Bytes that go to the ledger together.
const TOGETHER_BYTES: usize = 4 * 1024 * 1024;
/// The most lines of a batch.
const MAX_LINES: usize = 100_000;

/// The result of one line.
#[derive(Serialize, ToSchema)]
pub(super) struct LineResult {
    /// Which line, counted from 1.
    line: usize,
    /// The status it would have had alone.
    status: u16,
    /// Its receipt, if it was accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<ReceiptView>,
    /// Whether the receipt was given before, for the same request.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    replayed: bool,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorBody>,
    /// In how many seconds it may be sent again: what Retry-After would have said alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u32>,
}

/// Accepts many messages.
///
/// One submission a line (at most 1 MiB a line, 64 MiB and 100 000 lines in all), each on its own: one never fails
/// another. Empty lines are passed over. A line may carry `idempotency_key`.
#[utoipa::path(
    post,
    path = "/v1/messages/batch",
    tag = "messages",
    request_body(content = String, content_type = "application/x-ndjson"),
    responses(
        (status = 200, description = "One result a line", body = LineResult, content_type = "application/x-ndjson"),
        (status = 401, description = "No key that works", body = ErrorEnvelope),
        (status = 413, description = "Over 64 MiB before anything was accepted; later, a last result says so", body = ErrorEnvelope),
    )
)]
pub(super) async fn submit_batch(
    state: State<Arc<Api>>,
    caller: Caller,
    body: Body,
) -> Result<impl IntoResponse, ApiError> {
    let mut batch = Batch { api: state.0, caller, line: 0, pending: Vec::new(), pending_bytes: 0, results: Vec::new() };
    let ended = batch.read(body).await;
    batch.flush().await;
    match ended {
        // Nothing was accepted: the request as a whole is refused.
        Err(error) if batch.results.is_empty() => return Err(error),
        // What was accepted is said line by line, and that it ended early last.
        Err(error) => batch.refuse(batch.line + 1, &error),
        Ok(()) => {}
    }
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], batch.results))
}

struct Batch {
    api: Arc<Api>,
    caller: Caller,
    line: usize,
    pending: Vec<(usize, Submission)>,
    pending_bytes: usize,
    results: Vec<u8>,
}

impl Batch {
    async fn read(&mut self, body: Body) -> Result<(), ApiError> {
        let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        let mut parts = body.into_data_stream();
        // As much memory as the longest line may take, at once.
        let mut buffer = BytesMut::with_capacity(announced.min(MAX_BODY));
        let mut received = 0;
        // The rest of a line that was refused for its size.
        let mut skipping = false;
        loop {
            let next = tokio::time::timeout(self.api.config.body_timeout, parts.next()).await.map_err(|_| {
                ApiError::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", "the body took too long to arrive")
            })?;
            let Some(part) = next else { break };
            let part = part.map_err(|_| ApiError::new(StatusCode::BAD_REQUEST, "body_broken", "the body broke off"))?;
            received += part.len();
            if received > MAX_BATCH {
                let message = format!("the batch is larger than {MAX_BATCH} bytes");
                return Err(
                    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message).with_hint("divide it")
                );
            }
            buffer.extend_from_slice(&part);
            while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
                let line = buffer.split_to(end + 1).freeze();
                if !std::mem::take(&mut skipping) {
                    self.take(line).await;
                }
            }
            if !skipping && buffer.len() > MAX_BODY {
                skipping = true;
                self.take(buffer.split().freeze()).await;
            }
            if skipping {
                buffer.clear();
            }
        }
        if !skipping {
            self.take(buffer.freeze()).await;
        }
        Ok(())
    }

    async fn take(&mut self, line: Bytes) {
        self.line += 1;
        if line.trim_ascii().is_empty() {
            return;
        }
        match self.parse(line.trim_ascii()) {
            Ok(submission) => {
                self.pending.push((self.line, submission));
                self.pending_bytes += line.len();
            }
            Err(error) => {
                error.count();
                // Results stay in the order of the lines.
                self.flush().await;
                self.refuse(self.line, &error);
            }
        }
        if self.pending.len() >= TOGETHER || self.pending_bytes >= TOGETHER_BYTES {
            self.flush().await;
        }
    }

    fn parse(&self, line: &[u8]) -> Result<Submission, ApiError> {
        if self.line > MAX_LINES {
            let message = format!("the batch has more than {MAX_LINES} lines");
            return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_many_lines", message).with_hint("divide it"));
        }
        if line.len() > MAX_BODY {
            return Err(ApiError::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "body_too_large",
                "the line is larger than 1 MiB",
            ));
        }
        SubmissionBody::parse(line)?.into_submission(None, || hash_of("POST", "/v1/messages/batch", line), true)
    }

    async fn flush(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        self.pending_bytes = 0;
        let (lines, submissions): (Vec<_>, Vec<_>) = self.pending.drain(..).unzip();
        for (line, result) in lines.into_iter().zip(self.api.intake.accept_all(&self.caller, submissions).await) {
            match result {
                Ok(receipt) => {
                    let view = Some(ReceiptView::from(&receipt));
                    self.write(&LineResult {
                        line,
                        status: 202,
                        receipt: view,
                        replayed: receipt.replayed,
                        error: None,
                        retry_after: None,
                    });
                }
                Err(error) => self.refuse(line, &error.into()),
            }
        }
    }

    fn refuse(&mut self, line: usize, error: &ApiError) {
        let status = error.status().as_u16();
        let retry_after = error.retry_after();
        self.write(&LineResult {
            line,
            status,
            receipt: None,
            replayed: false,
            error: Some(error.body()),
            retry_after,
        });
    }

    fn write(&mut self, result: &LineResult) {
        if serde_json::to_writer(&mut self.results, result).is_ok() {
            self.results.push(b'\n');
        }
    }
}
