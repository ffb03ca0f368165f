//! The robot channel: a group.

mod render;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use domain::{
    Attempt, CallLimits, Content, ContentKind, FailureClass, Lane, Options, Quota, Reason, RecipientSet, Violation,
};
use pipeline::ports::{Api, ApiCall, Channel, MediaKind, RecallAnswer, UploadAnswer};
use pipeline::telemetry::{Happening as _, UnknownAnswer};
use wecom::api::media::UploadMedia;
use wecom::api::robot::{RobotImage, RobotMessage, RobotUploadKind};
use wecom::{RobotClient, limits};

use crate::fit::{Carries, largest_upload};
use crate::verdict;

/// Sends as one robot.
#[derive(Debug)]
pub struct WecomRobot {
    lane: Lane,
    client: RobotClient,
    concurrency: usize,
    quota: Quota,
}

/// What a robot takes (path/99110).
const CARRIES: Carries = Carries {
    kinds: &[
        ContentKind::Text,
        ContentKind::Markdown,
        ContentKind::MarkdownV2,
        ContentKind::Image,
        ContentKind::News,
        ContentKind::File,
        ContentKind::Voice,
        ContentKind::TemplateCard,
    ],
    longest,
    largest,
    name: "a robot",
};

fn longest(kind: ContentKind) -> Option<usize> {
    match kind {
        ContentKind::Text => Some(limits::ROBOT_TEXT_BYTES),
        ContentKind::Markdown | ContentKind::MarkdownV2 => Some(limits::ROBOT_MARKDOWN_BYTES),
        _ => None,
    }
}

/// A picture stands in the message, and may be no larger than that (path/99110).
fn largest(kind: ContentKind) -> Option<u64> {
    match kind {
        ContentKind::Image => Some(limits::ROBOT_IMAGE_BYTES as u64),
        _ => largest_upload(kind),
    }
}

impl WecomRobot {
    /// Makes the channel of the robot configured as `name`.
    pub fn new(name: &str, client: RobotClient, concurrency: usize, quota: Quota) -> Self {
        Self { lane: Lane::new("wecom_robot", name), client, concurrency, quota }
    }
}

#[async_trait]
impl Channel for WecomRobot {
    fn lane(&self) -> &Lane {
        &self.lane
    }

    fn concurrency(&self) -> usize {
        self.concurrency
    }

    fn quota(&self) -> Option<Quota> {
        Some(self.quota)
    }

    fn api(&self, call: ApiCall) -> Option<Api> {
        // A picture stands in the message. No figure for uploads is published: they are kept to that of messages.
        let uploads = matches!(call, ApiCall::Upload(kind) if kind != MediaKind::Image);
        uploads.then(|| Api { name: format!("{}/upload_media", self.lane), quotas: vec![self.quota] })
    }

    fn call_limits(&self) -> Option<CallLimits> {
        None
    }

    fn parts(&self, content: &Content, options: &Options) -> Result<Vec<Content>, Vec<Violation>> {
        CARRIES.parts(&render::plain_card(content), options)
    }

    fn exceeds(&self, content: &Content, file_size: Option<u64>) -> bool {
        CARRIES.exceeds(content, file_size)
    }

    fn longest(&self, kind: ContentKind) -> Option<usize> {
        longest(kind)
    }

    fn duplicate_check(&self) -> Option<Duration> {
        None
    }

    fn render(
        &self,
        content: &Content,
        options: &Options,
        recipients: &RecipientSet,
        _duplicate_check: bool,
    ) -> Result<Bytes, Vec<Violation>> {
        render::render(&*CARRIES.fit(&render::plain_card(content))?, options, recipients)
    }

    fn media_scope(&self) -> Option<String> {
        // A robot's uploads are its own (path/99110).
        Some(self.lane.as_str().to_owned())
    }

    async fn upload(&self, kind: MediaKind, file_name: &str, content: Bytes) -> UploadAnswer {
        let kind = match kind {
            MediaKind::Image => return inline_image(&content),
            MediaKind::Voice => RobotUploadKind::Voice,
            MediaKind::Video | MediaKind::File => RobotUploadKind::File,
        };
        match self.client.upload(kind, UploadMedia::bytes(file_name, content)).await {
            Ok(uploaded) => UploadAnswer::Uploaded(uploaded.media_id.to_string()),
            Err(error) => UploadAnswer::Failed(verdict::of(&error)),
        }
    }

    async fn attempt(&self, body: Bytes, _recipients: &RecipientSet, _address: Option<&str>) -> Attempt {
        match self.client.send_encoded::<RobotMessage>(body).await {
            Ok(answer) => {
                for field in answer.unknown.keys() {
                    UnknownAnswer::Field(field).emit();
                }
                let note = answer.errmsg.filter(|errmsg| errmsg.contains("Warning"));
                Attempt::Sent { refused: Vec::new(), handle: None, note }
            }
            Err(error) => verdict::of(&error),
        }
    }

    async fn recall(&self, _handle: &str) -> Option<RecallAnswer> {
        None
    }

    fn can_recall(&self) -> bool {
        false
    }
}

/// A robot's picture stands in the message itself (path/99110).
fn inline_image(content: &[u8]) -> UploadAnswer {
    if content.len() > limits::ROBOT_IMAGE_BYTES {
        let text = format!("the picture has {} bytes; a robot takes {}", content.len(), limits::ROBOT_IMAGE_BYTES);
        let reason = Reason::new("too_long", text)
            .with_hint("send a smaller one, send it as a file, or by `overflow = \"link\"`");
        return UploadAnswer::Failed(Attempt::Refused { class: FailureClass::Rejected, reason });
    }
    match serde_json::to_string(&RobotImage::of(content)) {
        Ok(object) => UploadAnswer::Inline(object),
        Err(error) => {
            let reason = Reason::new("internal", error.to_string());
            UploadAnswer::Failed(Attempt::Refused { class: FailureClass::Internal, reason })
        }
    }
}
