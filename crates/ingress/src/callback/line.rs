//! A smart robot's connection as others see it: how it is, and what is written over it.
//!
//! Who makes and keeps it is `long_connection`.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use domain::{Content, Heard, Timestamp};
use parking_lot::Mutex;
use pipeline::ports::{ConnectionPhase, REQ_ID, RobotAnswer, SmartRobots, UpstreamError};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use wecom::ErrCode;
use wecom::smart_robot::{
    ChatType, Conversation, LongConnectionError, MixedItem, Reply, RobotCallback, RobotContent, RobotMedia, Sender,
    Told, download,
};

use super::book::{CallbackBook, LiveKeys};
use super::reply;

/// How long a later answer may wait for its acknowledgement, before it is tried again.
const PATIENCE: Duration = Duration::from_secs(15);
/// What it answers is not known any more: the connection was made anew (path/101463).
const STALE: ErrCode = ErrCode(846_605);
/// The stream has been finished: by this very answer, whose acknowledgement did not arrive.
const FINISHED: ErrCode = ErrCode(846_606);

/// How a connection is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionState {
    /// In a word.
    pub phase: ConnectionPhase,
    /// Since when; absent before anything was tried.
    pub since: Option<Timestamp>,
    /// Why, if it is not connected: WeCom's errcode, or -1, and a sentence.
    pub reason: Option<(i32, String)>,
}

/// A connection, as others see it.
#[derive(Debug, Default)]
pub(super) struct Line(Mutex<(ConnectionState, Option<Sender>)>);

impl Line {
    pub(super) fn state(&self) -> ConnectionState {
        self.0.lock().0.clone()
    }

    /// Notes how it is now; returns whether that is news.
    pub(super) fn becomes(
        &self,
        phase: ConnectionPhase,
        reason: Option<(i32, String)>,
        sender: Option<Sender>,
        now: Timestamp,
    ) -> bool {
        let mut line = self.0.lock();
        line.1 = sender;
        let same = line.0.phase == phase && line.0.since.is_some();
        let since = if same { line.0.since } else { Some(now) };
        line.0 = ConnectionState { phase, since, reason };
        !same
    }

    fn sender(&self) -> Option<Sender> {
        self.0.lock().1.clone()
    }
}

/// Answers. Where the connection was made anew meanwhile, a message is answered by a message of its own.
pub(super) async fn write(sender: &Sender, told: &Told, reply: &Reply) -> Result<(), LongConnectionError> {
    let error = match sender.reply(told, reply).await {
        Ok(()) => return Ok(()),
        Err(error) => error,
    };
    match (error.errcode(), alone(told, reply)) {
        (Some(FINISHED), _) if matches!(reply, Reply::Stream(_)) => Ok(()),
        (Some(STALE), Some(message)) => {
            let id = told.callback.conversation().to_owned();
            let to = match told.callback.chat_type {
                ChatType::Single => Conversation::Member(id),
                ChatType::Group => Conversation::Group(id),
            };
            sender.push(&to, &message).await
        }
        _ => Err(error),
    }
}

/// The same as a message of its own; `None` where nothing but the answer itself makes sense.
fn alone(told: &Told, reply: &Reply) -> Option<Reply> {
    match (&told.callback.content, reply) {
        (RobotContent::Event(_), _) => None,
        (_, Reply::Stream(stream)) => Some(Reply::Markdown(stream.content.clone())),
        (_, Reply::TemplateCard(_)) => Some(reply.clone()),
        _ => None,
    }
}

/// What answers this, written so that a repeat of it is seen to be one; `None` where WeCom takes no such answer.
pub(super) fn reply_of(content: &Content, told: &Told) -> Option<Reply> {
    let mut reply = reply::of_robot(content, &told.callback)?;
    if let Reply::Stream(stream) = &mut reply {
        let digest = Sha256::new().chain_update(told.req_id()).chain_update([0]).chain_update(&stream.content);
        stream.id = hex::encode(&digest.finalize()[..16]);
    }
    Some(reply)
}

#[async_trait]
impl SmartRobots for CallbackBook {
    async fn files(&self, heard: &Heard) -> Vec<Result<(String, Bytes), String>> {
        let callback = RobotCallback::read(Value::Object(heard.raw.clone()));
        let keys = self.keys(&heard.callback, heard.at);
        // By URL, files are sealed with the callback's key.
        let key = keys.iter().find_map(|keys| match keys {
            LiveKeys::Robot(receiver) => Some(receiver.crypto().key()),
            LiveKeys::Xml(_) => None,
        });
        let mut files = Vec::new();
        for media in media_of(&callback.content) {
            let fetched = download(media, key, self.reach).await;
            files.push(match fetched {
                Ok(file) => Ok((file.file_name.unwrap_or_else(|| heard.what.kind().to_owned()), file.content)),
                Err(error) => Err(error.to_string()),
            });
        }
        files
    }

    async fn answer(&self, callback: &str, answer: RobotAnswer) -> Result<(), UpstreamError> {
        let away = || UpstreamError::Unavailable("the smart robot is not connected".to_owned());
        let sender = self.lines.get(callback).and_then(Line::sender).ok_or_else(away)?;
        let RobotAnswer { mut told, content, users } = answer;
        let req_id = told.remove(REQ_ID);
        let req_id = req_id.as_ref().and_then(Value::as_str).unwrap_or_default();
        let told = Told::new(RobotCallback::read(Value::Object(told)), req_id);
        let mut reply = reply_of(&content, &told).ok_or_else(|| UpstreamError::Refused {
            errcode: 0,
            errmsg: "it does not answer what the robot was told".to_owned(),
        })?;
        if let Reply::UpdateTemplateCard { userids, .. } = &mut reply {
            *userids = users;
        }
        let written = tokio::time::timeout(PATIENCE, write(&sender, &told, &reply)).await;
        match written.unwrap_or(Err(LongConnectionError::NoAcknowledgement)) {
            Ok(()) => Ok(()),
            Err(LongConnectionError::Refused { errcode, errmsg }) => {
                Err(UpstreamError::Refused { errcode: errcode.0, errmsg })
            }
            Err(error @ LongConnectionError::Invalid(_)) => {
                Err(UpstreamError::Refused { errcode: 0, errmsg: error.to_string() })
            }
            Err(error) => Err(UpstreamError::Unavailable(error.to_string())),
        }
    }
}

fn media_of<'a>(content: &'a RobotContent) -> Vec<&'a RobotMedia> {
    match content {
        RobotContent::Image(media) | RobotContent::File(media) | RobotContent::Video(media) => vec![media],
        RobotContent::Mixed(items) => {
            let picture = |item: &'a MixedItem| match item {
                MixedItem::Image(media) => Some(media),
                MixedItem::Text(_) => None,
            };
            items.iter().filter_map(picture).collect()
        }
        _ => Vec::new(),
    }
}
