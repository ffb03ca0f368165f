//! An answer that grows. WeCom ends a stream some minutes after it began: shortly before, it is finished with what there
//! is, and what comes later is a message of its own.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::{Conversation, LongConnectionError, Sender, Told};
use crate::smart_robot::reply::CONTENT_BYTES;
use crate::smart_robot::{ChatType, Reply, StreamReply};

/// What stands below a text that goes on elsewhere.
const CONTINUED: &str = "\n\n…";

/// An answer that grows; made by [`Sender::stream`].
///
/// Dropped without [`Self::finish`], it is finished at its limit with the last state.
#[derive(Debug)]
pub struct Stream {
    state: Arc<Mutex<State>>,
    limit: Duration,
    guard: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct State {
    sender: Sender,
    told: Told,
    id: String,
    content: String,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Growing,
    /// The limit came: what comes now is a message of its own.
    CutOff,
    Finished,
}

impl Stream {
    pub(super) fn new(sender: Sender, told: Told, limit: Duration) -> Self {
        let id = format!("stream_{:032x}", rand::random::<u128>());
        let state = State { sender, told, id, content: String::new(), phase: Phase::Growing };
        Self { state: Arc::new(Mutex::new(state)), limit, guard: None }
    }

    /// Shows the text as it is now; it replaces what was shown. Once the stream was cut off, nothing is shown until
    /// [`Self::finish`].
    ///
    /// # Errors
    /// [`LongConnectionError`].
    pub async fn show(&mut self, content: impl Into<String>) -> Result<(), LongConnectionError> {
        let mut state = self.state.lock().await;
        state.content = content.into();
        if state.phase != Phase::Growing {
            return Ok(());
        }
        if self.guard.is_none() {
            self.guard = Some(tokio::spawn(cut_off(self.state.clone(), self.limit)));
        }
        state.send(false).await
    }

    /// Shows the text for good: in the stream, or as a message of its own if the stream was cut off. If that fails, the
    /// stream is still finished at its limit.
    ///
    /// # Errors
    /// [`LongConnectionError`].
    pub async fn finish(mut self, content: impl Into<String>) -> Result<(), LongConnectionError> {
        let mut state = self.state.lock().await;
        state.content = content.into();
        let result = if state.phase == Phase::CutOff { state.push().await } else { state.send(true).await };
        if result.is_ok() {
            state.phase = Phase::Finished;
            drop(state);
            if let Some(guard) = self.guard.take() {
                guard.abort();
            }
        }
        result
    }
}

impl State {
    async fn send(&self, finish: bool) -> Result<(), LongConnectionError> {
        let stream =
            StreamReply { id: self.id.clone(), finish, content: self.content.clone(), ..StreamReply::default() };
        self.sender.reply(&self.told, &Reply::Stream(stream)).await
    }

    async fn push(&self) -> Result<(), LongConnectionError> {
        let id = self.told.callback.conversation().to_owned();
        let to = match self.told.callback.chat_type {
            ChatType::Single => Conversation::Member(id),
            ChatType::Group => Conversation::Group(id),
        };
        self.sender.push(&to, &Reply::Markdown(self.content.clone())).await
    }
}

/// Finishes a stream shortly before WeCom would.
async fn cut_off(state: Arc<Mutex<State>>, limit: Duration) {
    tokio::time::sleep(limit).await;
    let mut state = state.lock().await;
    if state.phase != Phase::Growing {
        return;
    }
    state.phase = Phase::CutOff;
    let shown = std::mem::take(&mut state.content);
    let room = shown.floor_char_boundary(CONTENT_BYTES - CONTINUED.len());
    state.content = format!("{}{CONTINUED}", &shown[..room]);
    if let Err(error) = state.send(true).await {
        tracing::warn!(%error, "Could not finish a stream at its limit");
    }
    state.content = shown;
}
