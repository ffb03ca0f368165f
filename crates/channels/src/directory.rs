//! The directory channel: finds the member who has a mobile number or a mail address. It sends nothing itself: whom it finds
//! goes on to the application.
//!
//! Knows nothing about what is remembered of earlier answers.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use domain::{
    Attempt, CallLimits, Content, ContentKind, FailureClass, Lane, Options, Overflow, Quota, Reason, Recipient,
    RecipientSet, Violation, Wanted,
};
use pipeline::ports::{Channel, MediaKind, MemberFinder, RecallAnswer, UploadAnswer};
use wecom::api::user::{GetUserIdByEmail, GetUserIdByMobile};
use wecom::{Client, ErrCode};

use crate::verdict;

/// Look-ups under way at once: too many misses block the company for a day (path/95402), so there is no hurry.
const CONCURRENCY: usize = 2;
/// Nobody whom the application may see has that number or address (path/95402, path/95895).
const NOBODY: ErrCode = ErrCode(46_004);
/// Mailboxes of the company, then personal ones (path/95895).
const EMAIL_TYPES: [u8; 2] = [1, 2];

/// Asks WeCom who has a mobile number or a mail address.
#[derive(Clone, Debug)]
pub struct WecomFinder {
    client: Client,
}

impl WecomFinder {
    /// Asks as the client's application.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    async fn ask(&self, wanted: &Wanted) -> Result<Option<String>, wecom::Error> {
        let known = |found: Result<wecom::api::user::FoundUserId, wecom::Error>| match found {
            Ok(found) => Ok(Some(found.userid).filter(|userid| !userid.is_empty())),
            Err(error) if error.errcode() == Some(NOBODY) => Ok(None),
            Err(error) => Err(error),
        };
        match wanted {
            Wanted::Mobile(mobile) => known(self.client.send(GetUserIdByMobile { mobile: mobile.clone() }).await),
            Wanted::Email(email) => {
                for kind in EMAIL_TYPES {
                    let asked = GetUserIdByEmail { email: email.clone(), email_type: Some(kind) };
                    if let Some(userid) = known(self.client.send(asked).await)? {
                        return Ok(Some(userid));
                    }
                }
                Ok(None)
            }
        }
    }
}

#[async_trait]
impl MemberFinder for WecomFinder {
    async fn find(&self, wanted: &Wanted) -> Result<Option<String>, Attempt> {
        self.ask(wanted).await.map_err(|error| match verdict::of(&error) {
            // A question that was not answered left nothing behind.
            Attempt::Uncertain { reason } => {
                Attempt::Deferred { class: FailureClass::Unreachable, reason, retry_after: None }
            }
            other => other,
        })
    }
}

/// Finds members for an application.
#[derive(Debug)]
pub struct DirectoryLookup {
    lane: Lane,
    app: Arc<dyn Channel>,
    finder: WecomFinder,
    quota: Option<Quota>,
}

impl DirectoryLookup {
    /// Finds members for the application configured as `name`; `quota` is what WeCom allows of one API.
    pub fn new(name: &str, app: Arc<dyn Channel>, finder: WecomFinder, quota: Option<Quota>) -> Self {
        // An address may take two questions.
        let quota = quota.map(|quota| Quota { limit: (quota.limit / 2).max(1), ..quota });
        Self { lane: Lane::new("directory", name), app, finder, quota }
    }
}

#[async_trait]
impl Channel for DirectoryLookup {
    fn lane(&self) -> &Lane {
        &self.lane
    }

    fn concurrency(&self) -> usize {
        CONCURRENCY
    }

    fn quota(&self) -> Option<Quota> {
        self.quota
    }

    fn call_limits(&self) -> Option<CallLimits> {
        // Whoever is no member, department or tag is a call of their own.
        Some(CallLimits { users: 1, parties: 1, tags: 1 })
    }

    fn duplicate_check(&self) -> Option<Duration> {
        None
    }

    fn parts(&self, content: &Content, options: &Options) -> Result<Vec<Content>, Vec<Violation>> {
        // Divided is what the application sends; here it is only known that it can be.
        self.app.parts(content, options).map(|_| vec![content.clone()])
    }

    fn exceeds(&self, content: &Content, file_size: Option<u64>) -> bool {
        self.app.exceeds(content, file_size)
    }

    fn longest(&self, _kind: ContentKind) -> Option<usize> {
        None
    }

    fn render(
        &self,
        content: &Content,
        options: &Options,
        recipients: &RecipientSet,
        _duplicate_check: bool,
    ) -> Result<Bytes, Vec<Violation>> {
        // What the application could not send is refused while the caller listens.
        let anybody = RecipientSet::new([Recipient::User("somebody".to_owned())]);
        let parts = match options.overflow {
            Overflow::Reject => vec![content.clone()],
            _ => self.app.parts(content, options)?,
        };
        for part in parts {
            self.app.render(&part, options, &anybody, false)?;
        }
        Ok(Bytes::from(recipients.to_stored()))
    }

    async fn attempt(&self, _body: Bytes, recipients: &RecipientSet, _address: Option<&str>) -> Attempt {
        let wanted = match recipients.iter().next() {
            Some(Recipient::Person(entry)) => Wanted::of(entry),
            _ => None,
        };
        let nobody = |text: String, hint: &str| Attempt::Refused {
            class: FailureClass::Rejected,
            reason: Reason::new("no_such_person", text).with_hint(hint),
        };
        let Some(wanted) = wanted else {
            return nobody("it names neither a mobile number nor an address".to_owned(), "name one of these");
        };
        match self.finder.find(&wanted).await {
            Ok(Some(userid)) => {
                let note = Some(format!("userid {userid}"));
                Attempt::Sent { refused: Vec::new(), handle: Some(userid), note }
            }
            Ok(None) => nobody(
                "WeCom knows nobody by it whom the application may see".to_owned(),
                "check the number or address; or an administrator adds the member to the application's visible range (可见范围)",
            ),
            Err(attempt) => attempt,
        }
    }

    fn media_scope(&self) -> Option<String> {
        None
    }

    async fn upload(&self, _kind: MediaKind, _file_name: &str, _content: Bytes) -> UploadAnswer {
        let reason = Reason::new("internal", "a look-up uploads nothing");
        UploadAnswer::Failed(Attempt::Refused { class: FailureClass::Internal, reason })
    }

    async fn recall(&self, _handle: &str) -> Option<RecallAnswer> {
        None
    }

    fn can_recall(&self) -> bool {
        false
    }
}
