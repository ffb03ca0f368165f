//! GET /cgi-bin/get_jsapi_ticket: a ticket for signing pages of the company.
//! <https://developer.work.weixin.qq.com/document/path/90506>

use serde::{Deserialize, Serialize};

use crate::Secret;

/// Asks for the ticket of `wx.config`. Keep it: 400 calls an hour and company.
#[derive(Clone, Debug, Copy, Default, PartialEq, Eq, Serialize)]
pub struct GetJsapiTicket {}

/// A ticket.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ticket {
    /// What is signed with.
    #[serde(with = "crate::secret::on_the_wire")]
    pub ticket: Secret,
    /// Seconds that it lives.
    #[serde(default)]
    pub expires_in: u64,
}

endpoint!(GetJsapiTicket: Get "/cgi-bin/get_jsapi_ticket" => Ticket, "https://developer.work.weixin.qq.com/document/path/90506");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::asks(&GetJsapiTicket {}, "");
        let answer = fixture::answers::<GetJsapiTicket>("ticket/get_jsapi_ticket");
        assert_eq!(answer.expires_in, 7200);
    }
}
