//! The mail channel: one mail server, over STARTTLS or TLS, with connections kept open.
//!
//! `250` means that the server took the mail; what it does with it is not known here. A `4xx` may go later, a `5xx` never,
//! unless it is about the account.

mod render;
mod server;

use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use domain::{
    Attempt, CallLimits, Content, ContentKind, FailureClass, Lane, Options, Overflow, Quota, Reason, RecipientSet,
    Violation,
};
use lettre::transport::smtp::Error as SmtpError;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use parking_lot::Mutex;
use pipeline::ports::{Channel, MediaKind, RecallAnswer, UploadAnswer};

use crate::fit::is_file;
use crate::notice;

pub use self::server::{MailServer, MailServerError};

/// Replies that are about the account and not about the mail: it must log in, or its password is wrong (RFC 4954).
const ACCOUNT_CODES: &[&str] = &["530", "534", "535", "538"];

/// Sends through one mail server.
#[derive(Debug)]
pub struct Email {
    lane: Lane,
    server: MailServer,
    transport: Mutex<AsyncSmtpTransport<Tokio1Executor>>,
    from: lettre::message::Mailbox,
    concurrency: usize,
    quota: Quota,
    patience: Duration,
}

impl Email {
    /// Makes the channel of the mail server configured as `name`. Needs a runtime: idle connections are looked after.
    ///
    /// # Errors
    /// [`MailServerError`] names what cannot be used.
    pub fn new(
        name: &str,
        server: &MailServer,
        (concurrency, quota, patience): (usize, Quota, Duration),
    ) -> Result<Self, MailServerError> {
        let transport = Mutex::new(server.connect(concurrency, patience)?);
        let (lane, from, server) = (Lane::new("email", name), server.from()?, server.clone());
        Ok(Self { lane, server, transport, from, concurrency, quota, patience })
    }

    /// Tries whether the server can be reached and lets us in.
    ///
    /// # Errors
    /// The reason, and what to do.
    pub async fn probe(&self) -> Result<(), Reason> {
        let transport = self.transport.lock().clone();
        match tokio::time::timeout(self.patience, transport.test_connection()).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err(Reason::new("unreachable", "the mail server closed the connection")),
            Ok(Err(error)) => Err(match met(&error) {
                Attempt::Deferred { reason, .. } | Attempt::Refused { reason, .. } | Attempt::Uncertain { reason } => {
                    reason
                }
                _ => Reason::new("unreachable", error.to_string()),
            }),
            Err(_) => Err(no_answer(self.patience)),
        }
    }

    async fn send(&self, message: Message) -> Attempt {
        let transport = self.transport.lock().clone();
        match tokio::time::timeout(self.patience, transport.send(message)).await {
            Ok(Ok(answer)) => {
                let said = answer.message().collect::<Vec<_>>().join(" ");
                Attempt::Sent { refused: Vec::new(), handle: None, note: Some(said).filter(|said| !said.is_empty()) }
            }
            Ok(Err(error)) => met(&error),
            Err(_) => {
                // The connection stands in the middle of a mail: none of its pool is used again.
                if let Ok(fresh) = self.server.connect(self.concurrency, self.patience) {
                    *self.transport.lock() = fresh;
                }
                Attempt::Uncertain { reason: no_answer(self.patience) }
            }
        }
    }
}

fn no_answer(patience: Duration) -> Reason {
    Reason::new("no_answer", format!("the mail server did not answer within {patience:?}"))
}

/// What an error of the dialogue means.
fn met(error: &SmtpError) -> Attempt {
    let text = std::error::Error::source(error).map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"));
    let deferred = |class, reason| Attempt::Deferred { class, reason, retry_after: None };
    if let Some(code) = error.status().map(|code| code.to_string()) {
        let reason = Reason::new(code.clone(), format!("the mail server answered {code}: {text}"));
        return if ACCOUNT_CODES.contains(&code.as_str()) {
            let hint =
                "check user and password of the mail server; many want an app password (授权码) instead of one's own";
            deferred(FailureClass::Misconfigured, reason.with_hint(hint))
        } else if error.is_permanent() {
            Attempt::Refused { class: FailureClass::Rejected, reason }
        } else {
            deferred(FailureClass::Busy, reason)
        };
    }
    if error.is_tls() {
        let hint = "check that the server speaks TLS on this port, and that its certificate is one the machine trusts";
        return deferred(FailureClass::Misconfigured, Reason::new("tls", text).with_hint(hint));
    }
    if error.is_client() {
        let hint = "the server offers no STARTTLS, or no way to log in that is known here";
        return deferred(FailureClass::Misconfigured, Reason::new("smtp", text).with_hint(hint));
    }
    // Only what failed while connecting is known not to have been written.
    if text.starts_with("Connection error") {
        return deferred(FailureClass::Unreachable, Reason::new("unreachable", text));
    }
    Attempt::Uncertain { reason: Reason::new("no_answer", text) }
}

#[async_trait]
impl Channel for Email {
    fn lane(&self) -> &Lane {
        &self.lane
    }

    fn concurrency(&self) -> usize {
        self.concurrency
    }

    fn quota(&self) -> Option<Quota> {
        Some(self.quota)
    }

    fn call_limits(&self) -> Option<CallLimits> {
        None
    }

    fn duplicate_check(&self) -> Option<Duration> {
        None
    }

    fn parts(&self, content: &Content, options: &Options) -> Result<Vec<Content>, Vec<Violation>> {
        Ok(vec![match (options.overflow, content.link()) {
            // A mail says everything, and holds what servers take.
            (Overflow::Link, Some(link)) if self.exceeds(content, Some(link.size)) => {
                notice::of(content, link, &[ContentKind::Markdown])
            }
            _ => content.clone(),
        }])
    }

    fn exceeds(&self, content: &Content, file_size: Option<u64>) -> bool {
        is_file(content.kind()) && file_size.is_some_and(|size| size > render::MOST_FILE_BYTES as u64)
    }

    fn longest(&self, _kind: ContentKind) -> Option<usize> {
        None
    }

    fn render(
        &self,
        content: &Content,
        _options: &Options,
        recipients: &RecipientSet,
        _duplicate_check: bool,
    ) -> Result<Bytes, Vec<Violation>> {
        render::render(content, recipients)
    }

    async fn attempt(&self, body: Bytes, _recipients: &RecipientSet, address: Option<&str>) -> Attempt {
        match render::message(&body, &self.from, address.unwrap_or_default()) {
            Ok(message) => self.send(message).await,
            Err(reason) => Attempt::Refused { class: FailureClass::Rejected, reason },
        }
    }

    fn media_scope(&self) -> Option<String> {
        Some(self.lane.as_str().to_owned())
    }

    async fn upload(&self, kind: MediaKind, file_name: &str, content: Bytes) -> UploadAnswer {
        let file = render::File {
            name: file_name.to_owned(),
            base64: STANDARD.encode(&content),
            is_image: kind == MediaKind::Image,
        };
        match serde_json::to_string(&file) {
            Ok(object) => UploadAnswer::Inline(object),
            Err(error) => {
                let reason = Reason::new("internal", error.to_string());
                UploadAnswer::Failed(Attempt::Refused { class: FailureClass::Internal, reason })
            }
        }
    }

    async fn recall(&self, _handle: &str) -> Option<RecallAnswer> {
        None
    }

    fn can_recall(&self) -> bool {
        false
    }
}
