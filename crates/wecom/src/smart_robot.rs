//! Smart robots (智能机器人): what members tell a robot, and what it answers, by URL or over a long connection.
//! <https://developer.work.weixin.qq.com/document/path/101039>
//!
//! By URL, WeCom posts encrypted JSON ([`Receiver`]) and takes a passive reply, which it asks for again while a stream is
//! unfinished; one more answer goes to the callback's `response_url` ([`respond()`]). Over a long connection
//! ([`LongConnection`]), nothing has to be reachable from outside, and a robot can write first.

mod callback;
mod long_connection;
mod media;
mod receiver;
mod reply;
mod respond;

pub use callback::{
    CardPress, ChatType, Feedback, MixedItem, Quote, RobotCallback, RobotContent, RobotEvent, RobotMedia,
    SelectedOptions,
};
pub use long_connection::{
    ConnectionEvent, ConnectionSettings, Conversation, LongConnection, LongConnectionError, MediaKind, OFFICIAL_URL,
    Sender, Stream, Told,
};
pub use media::{MediaError, download};
pub use receiver::Receiver;
pub use reply::{MediaReply, Reply, RobotCard, StreamImage, StreamReply, VideoReply};
pub use respond::respond;
