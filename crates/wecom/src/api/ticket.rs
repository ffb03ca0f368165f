//! Tickets, and the signature of pages made with them (JS-SDK). <https://developer.work.weixin.qq.com/document/path/90506>

mod get_agent_ticket;
mod get_jsapi_ticket;

pub use get_agent_ticket::GetAgentTicket;
pub use get_jsapi_ticket::{GetJsapiTicket, Ticket};

/// Signs a page: SHA-1 over ticket, nonce, time and URL without its fragment, none of them encoded.
#[cfg(feature = "callback")]
pub fn sign_page(ticket: &crate::Secret, nonce: &str, timestamp: u64, url: &str) -> String {
    use sha1::{Digest as _, Sha1};

    let url = url.split('#').next().unwrap_or_default();
    let text = format!("jsapi_ticket={}&noncestr={nonce}&timestamp={timestamp}&url={url}", ticket.expose());
    hex::encode(Sha1::digest(text))
}

#[cfg(all(test, feature = "callback"))]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_signed_as_in_the_documents() {
        let ticket = "sM4AOVdWfPE4DxkXGEs8VMCPGGVi4C3VM0P37wVUCFvkVAy_90u5h9nbSlYy3-Sl-HhTdfl2fzFy1AOcHKP7qg".into();
        let signature = sign_page(&ticket, "Wm3WZYTPz0wzccnW", 1_414_587_457, "http://mp.weixin.qq.com?params=value#x");
        assert_eq!(signature, "0f9de62fce790f9a083d5c99e95740ceb90c27ed");
    }
}
