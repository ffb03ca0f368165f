//! POST /cgi-bin/message/recall: withdraws an application message of the last 24 hours.
//! <https://developer.work.weixin.qq.com/document/path/94867>

use serde::{Deserialize, Serialize};

use crate::{Endpoint, Method, MsgId};

/// Withdraws a message. The copy in the WeChat plugin stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RecallMessage {
    /// What `message/send` answered.
    pub msgid: MsgId,
}

/// The message is withdrawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct RecallMessageResponse {}

impl Endpoint for RecallMessage {
    const METHOD: Method = Method::Post;
    const PATH: &'static str = "/cgi-bin/message/recall";
    const DOC: &'static str = "https://developer.work.weixin.qq.com/document/path/94867";
    type Response = RecallMessageResponse;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_official_request_is_what_is_sent() {
        let fixture: serde_json::Value =
            serde_json::from_str(include_str!("../../../../../fixtures/wecom/message/recall.request.json")).unwrap();
        assert_eq!(
            serde_json::to_value(RecallMessage {
                msgid: "vcT8gGc-7dFb4bxT35ONjBDz901sLlXPZw1DAMC_Gc26qRpK-AK5sTJkkb0128t".into()
            })
            .unwrap(),
            fixture
        );
    }
}
