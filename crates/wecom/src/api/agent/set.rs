//! POST /cgi-bin/agent/set: an application's settings.
//! <https://developer.work.weixin.qq.com/document/path/90228>

use serde::Serialize;

use crate::api::Done;
use crate::{AgentId, MediaId};

/// Changes the application's settings: only what is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SetAgent {
    /// The application; default: the client's.
    pub agentid: Option<AgentId>,
    /// 1: it is told where members are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report_location_flag: Option<u8>,
    /// Its picture, uploaded before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logo_mediaid: Option<MediaId>,
    /// At most 32 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// 4 to 120 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its trusted domain, verified before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirect_domain: Option<String>,
    /// 1: it is told when a member opens it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isreportenter: Option<u8>,
    /// Its page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub home_url: Option<String>,
}

endpoint!(SetAgent: Post "/cgi-bin/agent/set" => Done, "https://developer.work.weixin.qq.com/document/path/90228", of agentid);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::sends(
            &SetAgent {
                agentid: Some(AgentId(1_000_005)),
                report_location_flag: Some(0),
                logo_mediaid: Some("j5Y8X5yocspvBHcgXMSS6z1Cn9RQKREEJr4ecgLHi4YHOYP-plvom-yD9zNI0vEl".into()),
                name: Some("财经助手".into()),
                description: Some("内部财经服务平台".into()),
                redirect_domain: Some("open.work.weixin.qq.com".into()),
                isreportenter: Some(0),
                home_url: Some("https://open.work.weixin.qq.com".into()),
            },
            "agent/set",
        );
        fixture::answers::<SetAgent>("agent/set");
    }
}
