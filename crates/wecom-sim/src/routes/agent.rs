//! GET /cgi-bin/agent/get (path/90227): an application about itself.

use serde_json::json;

use super::{Answer, Call, app_of, authorise};
use crate::rules::{Refused, refuse};
use crate::world::World;

pub(super) fn get(world: &World, call: &Call) -> Result<Answer, Refused> {
    let state = world.state.lock();
    let token = authorise(&state, call, world.clock.now())?;
    let app = app_of(&state, &token)?;
    let asked: Option<i64> = call.query.get("agentid").and_then(|id| id.parse().ok());
    match asked {
        None => refuse(41_011, "agentid missing"),
        Some(id) if Some(id) != token.agentid => {
            refuse(301_002, "not allow operate another agent with this accesstoken.")
        }
        Some(id) => {
            let app = app.lock();
            Ok(Answer::ok(json!({
                "agentid": id,
                "name": app.name,
                "square_logo_url": "",
                "description": "",
                "allow_userinfos": { "user": [] },
                "allow_partys": { "partyid": app.visible_parties },
                "allow_tags": { "tagid": [] },
                "close": i32::from(app.disabled),
                "redirect_domain": "",
                "report_location_flag": 0,
                "isreportenter": 0,
                "home_url": ""
            })))
        }
    }
}
