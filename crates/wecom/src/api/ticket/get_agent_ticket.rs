//! GET /cgi-bin/ticket/get: a ticket for signing pages of the application.
//! <https://developer.work.weixin.qq.com/document/path/90506>

use serde::Serialize;

use super::Ticket;

/// Asks for the ticket of `wx.agentConfig`. Keep it: 100 calls an hour and application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct GetAgentTicket {
    #[serde(rename = "type")]
    kind: &'static str,
}

impl Default for GetAgentTicket {
    fn default() -> Self {
        Self { kind: "agent_config" }
    }
}

endpoint!(GetAgentTicket: Get "/cgi-bin/ticket/get" => Ticket, "https://developer.work.weixin.qq.com/document/path/90506");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn the_official_example_goes_both_ways() {
        fixture::asks(&GetAgentTicket::default(), "type=agent_config");
        fixture::answers::<GetAgentTicket>("ticket/get_agent_ticket");
    }
}
