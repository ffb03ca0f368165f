//! Who is in front of a page: OAuth2 in WeCom, and the login page elsewhere. <https://developer.work.weixin.qq.com/document/path/91020>

mod get_tfa_info;
mod get_user_detail;
mod get_user_info;
mod tfa_succ;

pub use get_tfa_info::{GetTfaInfo, TfaInfo};
pub use get_user_detail::{GetUserDetail, UserDetail};
pub use get_user_info::{GetUserInfo, UserInfo};
pub use tfa_succ::ConfirmTfa;

use url::form_urlencoded::Serializer;

use crate::{AgentId, CorpId};

/// What a page asks to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The userid, without asking the member.
    Base,
    /// More, with the member's consent ([`GetUserDetail`]).
    PrivateInfo,
}

/// Returns where to send a member in WeCom, to come back with a code (path/91022).
///
/// The redirect's host must be a trusted domain of the application (50001). `state`: at most 128 letters and digits.
pub fn authorize_url(corp: &CorpId, agent: AgentId, redirect_uri: &str, scope: Scope, state: &str) -> String {
    let scope = match scope {
        Scope::Base => "snsapi_base",
        Scope::PrivateInfo => "snsapi_privateinfo",
    };
    let query = Serializer::new(String::new())
        .append_pair("appid", corp.as_str())
        .append_pair("redirect_uri", redirect_uri)
        .append_pair("response_type", "code")
        .append_pair("scope", scope)
        .append_pair("state", state)
        .append_pair("agentid", &agent.to_string())
        .finish();
    format!("https://open.weixin.qq.com/connect/oauth2/authorize?{query}#wechat_redirect")
}

/// Returns the page on which a member logs in outside WeCom (path/98152).
pub fn login_url(corp: &CorpId, agent: AgentId, redirect_uri: &str, state: &str) -> String {
    let query = Serializer::new(String::new())
        .append_pair("login_type", "CorpApp")
        .append_pair("appid", corp.as_str())
        .append_pair("agentid", &agent.to_string())
        .append_pair("redirect_uri", redirect_uri)
        .append_pair("state", state)
        .finish();
    format!("https://login.work.weixin.qq.com/wwlogin/sso/login?{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_are_where_the_documents_say() {
        let url = authorize_url(&"ww1".into(), AgentId(2), "https://a.example/b?c=1&d", Scope::PrivateInfo, "S");
        assert_eq!(
            url,
            "https://open.weixin.qq.com/connect/oauth2/authorize?appid=ww1&redirect_uri=https%3A%2F%2Fa.example%2Fb%3Fc%3D1%26d&response_type=code&scope=snsapi_privateinfo&state=S&agentid=2#wechat_redirect"
        );
        assert!(login_url(&"ww1".into(), AgentId(2), "https://a.example", "S").ends_with("state=S"));
    }
}
