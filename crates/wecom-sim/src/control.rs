//! Steering and observing a running simulator, from Rust; over HTTP in `http`.

mod http;

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::callback::{self, CallbackAttempt, Callbacks, Endpoint};
use crate::crypto::Key;
use crate::event::{Event, Press, Said};
use crate::fault::Fault;
use crate::routes::card::code_for_click as card_code;
use crate::routes::oauth;
use crate::rules::Rules;
use crate::smart_robot::{self, RobotSaid, RobotTold};
use crate::world::{Corp, Logged, Member, Sent, Target, World};

pub(crate) use http::{loopback_only, router};

/// Steers and observes a running simulator.
#[derive(Clone)]
pub struct Control {
    world: Arc<World>,
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Control").finish_non_exhaustive()
    }
}

/// What happened so far, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Requests of any kind.
    pub requests: u64,
    /// Calls of gettoken.
    pub gettoken: u64,
    /// Messages taken: seen, swallowed or dropped.
    pub taken: u64,
    /// Messages that somebody sees.
    pub seen: u64,
    /// Messages that the duplicate check swallowed.
    pub swallowed: u64,
    /// Members to whom a message was silently dropped, each time counted.
    pub dropped: u64,
    /// Answers with errcode 45009.
    pub throttled: u64,
    /// Connections opened.
    pub connections: u64,
}

impl Control {
    pub(crate) fn new(world: Arc<World>) -> Self {
        Self { world }
    }

    /// Returns every message taken, oldest first.
    pub fn outbox(&self) -> Vec<Sent> {
        self.world.state.lock().sent.iter().cloned().collect()
    }

    /// Returns the one message that was taken.
    ///
    /// # Panics
    /// If none was, or more than one: for tests, with the whole outbox in the text.
    #[track_caller]
    pub fn only_message(&self) -> Sent {
        let outbox = self.outbox();
        match <[Sent; 1]>::try_from(outbox) {
            Ok([sent]) => sent,
            Err(outbox) => panic!("one message was expected, {} were taken: {outbox:#?}", outbox.len()),
        }
    }

    /// Returns the texts and markdowns that a member sees, oldest first: from applications, chats and robots.
    pub fn seen_by(&self, userid: &str) -> Vec<String> {
        let outbox = self.outbox();
        let seen = outbox.iter().filter(|sent| sent.is_seen_by(userid));
        seen.filter_map(|sent| sent.text().map(str::to_owned)).collect()
    }

    /// Checks that a member sees a text that holds `part`.
    ///
    /// # Panics
    /// If the member does not: for tests, with what is seen in the text.
    #[track_caller]
    pub fn assert_seen(&self, userid: &str, part: &str) {
        let seen = self.seen_by(userid);
        assert!(seen.iter().any(|text| text.contains(part)), "{userid} sees no {part:?}, but {seen:#?}");
    }

    /// Returns every request, oldest first.
    pub fn requests(&self) -> Vec<Logged> {
        self.world.requests.lock().iter().cloned().collect()
    }

    /// Returns the counts.
    pub fn counts(&self) -> Counts {
        let state = self.world.state.lock();
        let requests = self.world.requests.lock();
        let mut counts = Counts {
            requests: requests.count(),
            taken: state.next_sent - 1,
            connections: state.connections,
            ..Counts::default()
        };
        for request in requests.iter() {
            counts.gettoken += u64::from(request.path == "/cgi-bin/gettoken");
            counts.throttled += u64::from(request.errcode == Some(45_009));
        }
        for sent in &state.sent {
            counts.seen += u64::from(sent.is_seen());
            counts.swallowed += u64::from(sent.swallowed);
            if let Target::App { dropped, .. } | Target::Chat { dropped, .. } = &sent.target {
                counts.dropped += dropped.len() as u64;
            }
        }
        counts
    }

    /// Makes trouble.
    pub fn fault(&self, fault: Fault) {
        self.world.state.lock().faults.add(fault);
        self.world.trouble_may_come();
    }

    /// Ends all trouble.
    pub fn clear_faults(&self) {
        self.world.state.lock().faults.clear();
    }

    /// Makes every token of an application (or of all) unknown: 40014.
    pub fn kill_tokens(&self, agentid: Option<i64>) {
        self.world.state.lock().tokens.retain(|_, token| agentid.is_some() && token.agentid != agentid);
    }

    /// Makes every token of an application (or of all) expired: 42001.
    pub fn expire_tokens(&self, agentid: Option<i64>) {
        for token in self.world.state.lock().tokens.values_mut() {
            if agentid.is_none() || token.agentid == agentid {
                token.expires_at = 0;
            }
        }
    }

    /// Moves the simulator's clock ahead.
    pub fn advance(&self, by: Duration) {
        self.world.clock.advance(i64::try_from(by.as_millis()).unwrap_or(i64::MAX));
    }

    /// Changes the rules.
    pub fn set_rules(&self, rules: Rules) {
        self.world.state.lock().rules = rules;
    }

    /// Adds members `prefix1`, `prefix2` … to the demo company's department 2.
    pub fn add_members(&self, prefix: &str, count: usize) {
        for i in 1..=count {
            let userid = format!("{prefix}{i}");
            put_member(&self.world, Member { name: userid.clone(), parties: vec![2], ..Member::new(&userid) });
        }
    }

    /// Says whether a member has a basic API licence.
    pub fn license(&self, userid: &str, licensed: bool) {
        for corp in self.world.state.lock().corps.values_mut() {
            if let Some(member) = corp.members.get_mut(userid) {
                member.unlicensed = !licensed;
            }
        }
    }

    /// Says where an application is called back (`None`: where contact sync is), checked as WeCom checks it on saving.
    ///
    /// # Errors
    /// Why the URL was not taken: it did not answer the echo, as it is, within a second (40057).
    pub async fn set_callback(
        &self,
        agentid: Option<i64>,
        url: &str,
        token: &str,
        aes_key: &str,
    ) -> Result<(), String> {
        let key = Key::parse(aes_key).ok_or("the EncodingAESKey is not 43 letters and digits")?;
        let endpoint = Endpoint { url: url.to_owned(), token: token.to_owned(), key };
        let corp_id = self.corp_of(agentid).ok_or("there is no such application")?;
        callback::verify(&endpoint, &corp_id, self.world.clock.now() / 1000).await?;
        let mut state = self.world.state.lock();
        let corp = state.corps.get_mut(&corp_id);
        match (corp, agentid) {
            (Some(corp), None) => corp.contacts_callback = Some(endpoint),
            (Some(corp), Some(id)) => {
                if let Some(app) = corp.apps.get(&id) {
                    app.lock().callback = Some(endpoint);
                }
            }
            (None, _) => {}
        }
        Ok(())
    }

    /// The company that an application belongs to; for `None` the first.
    fn corp_of(&self, agentid: Option<i64>) -> Option<String> {
        let state = self.world.state.lock();
        let has = |corp: &Corp| agentid.is_none_or(|id| corp.apps.contains_key(&id));
        state.corps.iter().find(|(_, corp)| has(corp)).map(|(id, _)| id.clone())
    }

    /// Has a member write to an application; returns the attempts to call it back, with what was replied.
    pub async fn say(&self, agentid: i64, userid: &str, said: &Said) -> Vec<CallbackAttempt> {
        let Some(corp) = self.corp_of(Some(agentid)) else { return Vec::new() };
        let push = {
            let mut state = self.world.state.lock();
            // Who does not exist says nothing.
            if state.corps.get(&corp).is_none_or(|corp| corp.member(userid).is_none()) {
                return Vec::new();
            }
            // As long as real ones: more than a float can hold.
            state.last_written += 1;
            let msg_id = 7_300_000_000_000_000_000 + state.last_written;
            let event = Event::said(userid, said, msg_id);
            Callbacks::ready(&state, &corp, Some(agentid), event, self.world.clock.now())
        };
        match push {
            Some(push) => self.world.callbacks.deliver(push).await,
            None => Vec::new(),
        }
    }

    /// Has a member press a button of a card; returns the attempts to call the application back.
    ///
    /// # Errors
    /// The message has no card with that button, or the member has no copy of it.
    pub async fn press(&self, press: &Press) -> Result<Vec<CallbackAttempt>, String> {
        let push = {
            let mut state = self.world.state.lock();
            let now = self.world.clock.now();
            let sent = state.sent_mut(press.number).cloned().ok_or("there is no such message")?;
            let Target::App { agentid, users, .. } = &sent.target else {
                return Err("only cards of applications call back".to_owned());
            };
            if !users.contains(&press.userid) {
                return Err(format!("{} does not see the message", press.userid));
            }
            let card = sent.body.get("template_card").or_else(|| sent.body.get("taskcard"));
            let card = card.filter(|card| press.fits(card)).ok_or("the card has no such button")?;
            let code = card_code(&mut state, *agentid, press.number, now);
            let event = Event::card(press, card, &code);
            let corp = state.corps.iter().find(|(_, corp)| corp.apps.contains_key(agentid));
            let corp = corp.map(|(id, _)| id.clone()).unwrap_or_default();
            Callbacks::ready(&state, &corp, Some(*agentid), event, now)
        };
        let push = push.ok_or("the application is not called back")?;
        Ok(self.world.callbacks.deliver(push).await)
    }

    /// Tells the contact-sync callback that the address book changed; `elements` are what stands behind `ChangeType`.
    pub async fn change_contact(&self, change_type: &str, elements: &str) -> Vec<CallbackAttempt> {
        let Some(corp) = self.corp_of(None) else { return Vec::new() };
        let now = self.world.clock.now();
        let event = Event::contact(change_type, elements);
        let push = Callbacks::ready(&self.world.state.lock(), &corp, None, event, now);
        match push {
            Some(push) => self.world.callbacks.deliver(push).await,
            None => Vec::new(),
        }
    }

    /// Returns every attempt to call somebody back, oldest first.
    pub fn callbacks(&self) -> Vec<CallbackAttempt> {
        self.world.callbacks.attempts()
    }

    /// Hands out a code as the login page would: for a member, or for anybody else's openid.
    pub fn oauth_code(&self, userid: &str, private: bool) -> String {
        let corp = self.corp_of(None).unwrap_or_default();
        let now = self.world.clock.now();
        oauth::hand_out(&mut self.world.state.lock(), &corp, userid, private, now)
    }

    /// Says whether an application is told of changes of the address book.
    pub fn tell_of_contacts(&self, agentid: i64, told: bool) {
        for corp in self.world.state.lock().corps.values() {
            if let Some(app) = corp.apps.get(&agentid) {
                app.lock().contact_events = told;
            }
        }
    }

    /// Says which addresses an application trusts (60020); `None`: all.
    pub fn trust_addresses(&self, agentid: i64, addresses: Option<Vec<String>>) {
        for corp in self.world.state.lock().corps.values() {
            if let Some(app) = corp.apps.get(&agentid) {
                app.lock().trusted_addresses.clone_from(&addresses);
            }
        }
    }

    /// Has a member tell a smart robot something: over its connection, or by its URL, whose answer is seen to its end.
    pub async fn tell_robot(&self, said: &RobotSaid) -> RobotTold {
        smart_robot::tell(&self.world, said).await
    }

    /// Gives a smart robot a URL, checked as WeCom checks it on saving; its connection ends.
    ///
    /// # Errors
    /// Why the URL was not taken.
    pub async fn set_robot_url(&self, bot_id: &str, url: &str, token: &str, aes_key: &str) -> Result<(), String> {
        let key = Key::parse(aes_key).ok_or("the EncodingAESKey is not 43 letters and digits")?;
        let endpoint = Endpoint { url: url.to_owned(), token: token.to_owned(), key };
        // A robot's receive id is empty.
        callback::verify(&endpoint, "", self.world.clock.now() / 1000).await?;
        let mut state = self.world.state.lock();
        let robot = state.smart_robots.get_mut(bot_id).ok_or("there is no such robot")?;
        robot.url = Some(endpoint);
        if let Some(connection) = robot.connection.take() {
            // It may have gone already.
            let _gone = connection.send(smart_robot::disconnected(bot_id, self.world.clock.now()));
        }
        Ok(())
    }

    /// Removes a robot from its group, or puts it back.
    pub fn remove_robot(&self, key: &str, removed: bool) {
        if let Some(robot) = self.world.state.lock().robots.get_mut(key) {
            robot.removed = removed;
        }
    }

    /// Enables or disables an application.
    pub fn disable_app(&self, agentid: i64, disabled: bool) {
        for corp in self.world.state.lock().corps.values() {
            if let Some(app) = corp.apps.get(&agentid) {
                app.lock().disabled = disabled;
            }
        }
    }
}

fn put_member(world: &World, member: Member) {
    let mut state = world.state.lock();
    if let Some(corp) = state.corps.values_mut().next() {
        corp.members.insert(member.userid.to_lowercase(), member);
    }
}
