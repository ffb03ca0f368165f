//! One authorised call on the world: who calls, what may be seen, and the request's fields.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::http::Method;
use parking_lot::{Mutex, MutexGuard};
use serde_json::{Value, json};

use super::reader::{self, Reader};
use super::{Call, app_of, authorise};
use crate::clock::Millis;
use crate::rules::{Refused, refuse};
use crate::world::{App, Corp, Member, State, Token, World};

/// A call whose token is good, with the world in hand.
pub(super) struct Session<'w> {
    pub(super) now: Millis,
    pub(super) state: MutexGuard<'w, State>,
    pub(super) token: Token,
    body: Value,
}

impl<'w> Session<'w> {
    /// Opens a call that is asked with GET.
    pub(super) fn get(world: &'w World, call: &Call) -> Result<Self, Refused> {
        Self::open(world, call, &Method::GET)
    }

    /// Opens a call whose fields are in a JSON body.
    pub(super) fn post(world: &'w World, call: &Call) -> Result<Self, Refused> {
        Self::open(world, call, &Method::POST)
    }

    fn open(world: &'w World, call: &Call, method: &Method) -> Result<Self, Refused> {
        let now = world.clock.now();
        let mut state = world.state.lock();
        let token = authorise(&state, call, now)?;
        if !state.admit_base(&token.corp, &call.path, now) {
            return refuse(45_009, "api freq out of limit");
        }
        // With the wrong method the fields are not seen. Many clients ask with POST what is asked with GET.
        if method == Method::POST && call.method != Method::POST {
            return refuse(40_058, "invalid Request Parameter");
        }
        let body = match *method {
            // No body at all asks with no fields.
            Method::POST if call.body.trim_ascii().is_empty() || call.body.trim_ascii() == b"null" => json!({}),
            Method::POST => reader::parse(&call.body, state.rules.warn_wrong_types).0,
            _ => Value::Null,
        };
        Ok(Self { now, state, token, body })
    }

    pub(super) fn request(&self) -> Result<Reader<'_>, Refused> {
        Reader::new(&self.body, self.state.rules.warn_wrong_types)
    }

    pub(super) fn body(&self) -> &Value {
        &self.body
    }

    pub(super) fn corp(&self) -> Result<&Corp, Refused> {
        self.state.corps.get(&self.token.corp).map_or_else(|| refuse(40_013, "invalid corpid"), Ok)
    }

    pub(super) fn corp_mut(&mut self) -> Result<&mut Corp, Refused> {
        self.state.corps.get_mut(&self.token.corp).map_or_else(|| refuse(40_013, "invalid corpid"), Ok)
    }

    /// The application that calls; contact sync is none.
    pub(super) fn app(&self) -> Result<Arc<Mutex<App>>, Refused> {
        app_of(&self.state, &self.token)
    }

    /// The application that calls, which must be the one named in the request.
    pub(super) fn own_app(&self, named: Option<i64>) -> Result<(i64, Arc<Mutex<App>>), Refused> {
        let app = self.app()?;
        match named {
            None => refuse(41_011, "agentid missing"),
            Some(id) if Some(id) != self.token.agentid => {
                refuse(301_002, "not allow operate another agent with this accesstoken.")
            }
            Some(id) => Ok((id, app)),
        }
    }

    /// Contact sync only: the address book is written by nobody else.
    pub(super) fn may_write_contacts(&self) -> Result<(), Refused> {
        match self.token.agentid {
            None => Ok(()),
            Some(_) => refuse(48_002, "api forbidden"),
        }
    }

    /// Contact sync from an address that it did not use lately may not read most of the address book (path/96079).
    pub(super) fn may_read_contacts(&self) -> Result<(), Refused> {
        if self.token.agentid.is_none() && self.state.rules.contact_sync_from_new_address {
            return refuse(48_009, "contact sync from a new ip is not allowed to call this api");
        }
        Ok(())
    }

    /// The departments that the caller sees.
    pub(super) fn visible(&self) -> Result<BTreeSet<u64>, Refused> {
        let corp = self.corp()?;
        match self.token.agentid {
            None => Ok(corp.parties.keys().copied().collect()),
            Some(_) => {
                let app = self.app()?;
                let tops = app.lock().visible_parties.clone();
                Ok(tops.into_iter().flat_map(|top| corp.below(top)).collect())
            }
        }
    }

    /// A member that exists and that the caller sees.
    pub(super) fn seen_member(&self, userid: &str) -> Result<&Member, Refused> {
        if userid.is_empty() {
            return refuse(40_003, "invalid userid");
        }
        let Some(member) = self.corp()?.member(userid) else { return refuse(60_111, "userid not found") };
        let visible = self.visible()?;
        if member.parties.iter().any(|party| visible.contains(party)) {
            Ok(member)
        } else {
            refuse(60_011, "no privilege to access/modify contact/party/agent")
        }
    }
}
