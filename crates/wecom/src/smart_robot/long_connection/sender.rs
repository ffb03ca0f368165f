//! Answers and writes over a connection.

use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use md5::{Digest as _, Md5};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use super::connection::{Command, new_req_id};
use super::stream::Stream;
use super::{LongConnectionError, Told};
use crate::MediaId;
use crate::smart_robot::{Reply, RobotContent, RobotEvent};

/// Bytes of one chunk of an upload (path/101463).
const CHUNK: usize = 512 * 1024;
/// Chunks of one upload (path/101463).
const CHUNKS: usize = 100;
/// Bytes of a file's name (path/101463).
const FILE_NAME: usize = 256;
/// The fewest bytes of a file (path/101463).
const LEAST: usize = 5;

/// Whom a robot writes to first; the member must have written to it there before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conversation {
    /// A member, by userid.
    Member(String),
    /// A group, by chatid.
    Group(String),
}

/// What is uploaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaKind {
    /// At most 20 MB.
    File,
    /// At most 10 MB.
    Image,
    /// AMR, at most 2 MB.
    Voice,
    /// MP4, at most 10 MB.
    Video,
}

impl MediaKind {
    fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Image => "image",
            Self::Voice => "voice",
            Self::Video => "video",
        }
    }

    fn most(self) -> usize {
        let megabytes = match self {
            Self::File => 20,
            Self::Image | Self::Video => 10,
            Self::Voice => 2,
        };
        megabytes * 1024 * 1024
    }
}

/// Answers and writes. Cheap to clone; what belongs to one conversation goes out in order, whoever sends it.
#[derive(Clone, Debug)]
pub struct Sender {
    commands: mpsc::Sender<Command>,
    stream_limit: Duration,
}

impl Sender {
    pub(super) fn new(commands: mpsc::Sender<Command>, stream_limit: Duration) -> Self {
        Self { commands, stream_limit }
    }

    /// Answers what the robot was told: a message within 24 hours, entering a chat or a press within 5 seconds.
    ///
    /// # Errors
    /// [`LongConnectionError`]; [`LongConnectionError::Invalid`] for what WeCom takes elsewhere only; errcode 846605 where the connection was made anew meanwhile.
    pub async fn reply(&self, told: &Told, reply: &Reply) -> Result<(), LongConnectionError> {
        let cmd = match &told.callback.content {
            RobotContent::Event(RobotEvent::EnterChat) => "aibot_respond_welcome_msg",
            RobotContent::Event(RobotEvent::TemplateCard(_)) => "aibot_respond_update_msg",
            _ => "aibot_respond_msg",
        };
        if !reply.fits(&told.callback, false) {
            return Err(LongConnectionError::Invalid("this does not answer what the robot was told".to_owned()));
        }
        check(reply)?;
        let conversation = told.callback.conversation().to_owned();
        self.command(conversation, cmd, told.req_id.clone(), reply.to_json()).await.map(drop)
    }

    /// Begins an answer that grows.
    pub fn stream(&self, told: &Told) -> Stream {
        Stream::new(self.clone(), told.clone(), self.stream_limit)
    }

    /// Writes first: markdown, a card, or an uploaded file. At most 30 a minute and 1000 an hour in one conversation.
    ///
    /// # Errors
    /// [`LongConnectionError`].
    pub async fn push(&self, to: &Conversation, message: &Reply) -> Result<(), LongConnectionError> {
        if !message.stands_alone(false) {
            return Err(LongConnectionError::Invalid("markdown, cards and files are written first".to_owned()));
        }
        check(message)?;
        let (id, chat_type) = match to {
            Conversation::Member(userid) => (userid, 1),
            Conversation::Group(chatid) => (chatid, 2),
        };
        let mut body = message.to_json();
        body["chatid"] = id.clone().into();
        body["chat_type"] = chat_type.into();
        self.command(id.clone(), "aibot_send_msg", new_req_id("aibot_send_msg"), body).await.map(drop)
    }

    /// Uploads a file in chunks; its id is good for 3 days.
    ///
    /// # Errors
    /// [`LongConnectionError::Invalid`] if the file breaks a rule of its kind; otherwise as everywhere.
    pub async fn upload(
        &self,
        kind: MediaKind,
        file_name: &str,
        content: Bytes,
    ) -> Result<MediaId, LongConnectionError> {
        let size = content.len();
        if size < LEAST || size > kind.most() || file_name.len() > FILE_NAME {
            let rule = format!("a {} has 5 to {} bytes, and a name of at most {FILE_NAME}", kind.name(), kind.most());
            return Err(LongConnectionError::Invalid(rule));
        }
        let chunks: Vec<&[u8]> = content.chunks(CHUNK).collect();
        debug_assert!(chunks.len() <= CHUNKS, "the largest file has 40");
        // An order of its own: conversations do not wait for a file.
        let queue = new_req_id("upload");
        let ask = |cmd: &'static str, body: Value| self.command(queue.clone(), cmd, new_req_id(cmd), body);
        let begun = ask(
            "aibot_upload_media_init",
            json!({
                "type": kind.name(), "filename": file_name, "total_size": size, "total_chunks": chunks.len(),
                "md5": hex::encode(Md5::digest(&content)),
            }),
        );
        let begun = begun.await?;
        let upload_id = answered(&begun, "upload_id")?;
        for (index, chunk) in chunks.into_iter().enumerate() {
            let data = base64::engine::general_purpose::STANDARD.encode(chunk);
            // Counted from 0, as Tencent's own client does; the page's sample begins with 1.
            let body = json!({ "upload_id": upload_id, "chunk_index": index, "base64_data": data });
            ask("aibot_upload_media_chunk", body).await?;
        }
        let finished = ask("aibot_upload_media_finish", json!({ "upload_id": upload_id })).await?;
        answered(&finished, "media_id").map(MediaId::new)
    }

    async fn command(
        &self,
        conversation: String,
        cmd: &'static str,
        req_id: String,
        body: Value,
    ) -> Result<Value, LongConnectionError> {
        let (acknowledged, answer) = oneshot::channel();
        let command = Command { conversation, cmd, req_id, body, acknowledged };
        self.commands.send(command).await.map_err(|_| LongConnectionError::Ended)?;
        answer.await.unwrap_or(Err(LongConnectionError::Ended))
    }
}

/// What an acknowledgement must hold.
fn answered<'a>(body: &'a Value, name: &str) -> Result<&'a str, LongConnectionError> {
    let missing = || LongConnectionError::Invalid(format!("WeCom acknowledged an upload without {name}"));
    body.get(name).and_then(Value::as_str).filter(|id| !id.is_empty()).ok_or_else(missing)
}

fn check(reply: &Reply) -> Result<(), LongConnectionError> {
    match reply.check().first() {
        None => Ok(()),
        Some(broken) => Err(LongConnectionError::Invalid(format!("{} {}", broken.field, broken.message))),
    }
}
