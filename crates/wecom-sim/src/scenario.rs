//! A scenario: the companies, people, robots, rules and faults that a simulator starts with, from a TOML file; and the
//! whole state, as JSON, to be kept and put back.

use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::callback::Endpoint;
use crate::clock::Millis;
use crate::crypto::Key;
use crate::fault::Fault;
use crate::routes::card::ResponseCode;
use crate::rules::{Mode, Rules};
use crate::smart_robot::SmartRobot;
use crate::world::{App, Chat, Corp, Media, MediaOwner, Member, Party, Robot, Sent, State, Tag, Token, World};

/// What a simulator starts with, beside the demo company.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scenario {
    /// The mode whose rules hold; `rules` says more.
    mode: Option<Mode>,
    /// Rules, one by one.
    rules: Option<Rules>,
    /// Whether the demo company is left out.
    without_demo: bool,
    /// Companies; one with the demo company's id replaces it.
    companies: Vec<Company>,
    /// Group robots.
    robots: Vec<GroupRobot>,
    /// Smart robots.
    smart_robots: Vec<Bot>,
    /// Faults in force from the start.
    faults: Vec<Fault>,
}

/// A scenario cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScenarioError {
    /// The file cannot be read.
    #[error("could not read the scenario {path}")]
    Unreadable {
        /// Which file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file says what it cannot mean.
    #[error("the scenario {path} is wrong: {reason}")]
    Invalid {
        /// Which file.
        path: String,
        /// Where and why.
        reason: String,
    },
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Company {
    corp_id: String,
    contacts_secret: String,
    account_limit: Option<usize>,
    contacts_callback: Option<Callback>,
    departments: Vec<Department>,
    members: Vec<Member>,
    tags: Vec<NumberedTag>,
    apps: Vec<Application>,
    chats: Vec<GroupChat>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Callback {
    url: String,
    token: String,
    aes_key: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Department {
    id: u64,
    #[serde(flatten)]
    party: Party,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct NumberedTag {
    id: u64,
    #[serde(flatten)]
    tag: Tag,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Application {
    agentid: i64,
    name: String,
    secret: String,
    disabled: bool,
    /// Default: the root department.
    visible_departments: Option<Vec<u64>>,
    callback: Option<Callback>,
    trusted_addresses: Option<Vec<String>>,
    /// Whether it is told of changes of the address book.
    contact_events: bool,
    settings: Map<String, Value>,
    menu: Option<Value>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupChat {
    chatid: String,
    name: String,
    owner: String,
    members: Vec<String>,
    agentid: i64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupRobot {
    key: String,
    group: String,
    #[serde(default)]
    removed: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bot {
    bot_id: String,
    secret: String,
    #[serde(default)]
    callback: Option<Callback>,
}

impl Scenario {
    /// Reads a TOML file.
    ///
    /// # Errors
    /// [`ScenarioError`], naming line and field.
    pub fn read(path: &Path) -> Result<Self, ScenarioError> {
        let shown = || path.display().to_string();
        let text =
            std::fs::read_to_string(path).map_err(|source| ScenarioError::Unreadable { path: shown(), source })?;
        let invalid = |reason: String| ScenarioError::Invalid { path: shown(), reason };
        let scenario: Self = toml::from_str(&text).map_err(|error| invalid(error.to_string()))?;
        scenario.check().map_err(invalid)?;
        Ok(scenario)
    }

    /// Finds what the shape alone does not tell.
    fn check(&self) -> Result<(), String> {
        for company in &self.companies {
            let named = |what: &str| format!("company `{}`: {what}", company.corp_id);
            if company.corp_id.is_empty() {
                return Err("a company has no corp_id".to_owned());
            }
            let known = |id: &u64| *id == 1 || company.departments.iter().any(|department| department.id == *id);
            for department in &company.departments {
                if let Some(parent) = department.party.parent.filter(|parent| !known(parent)) {
                    return Err(named(&format!("department {} has no parent {parent}", department.id)));
                }
            }
            let parent = |id: u64| company.departments.iter().find(|d| d.id == id).and_then(|d| d.party.parent);
            for department in &company.departments {
                let mut above = department.party.parent;
                for _ in 0..=company.departments.len() {
                    above = above.and_then(parent);
                }
                if above.is_some() {
                    return Err(named(&format!("department {} is below itself", department.id)));
                }
            }
            for member in &company.members {
                if let Some(id) = member.parties.iter().find(|id| !known(id)) {
                    return Err(named(&format!(
                        "member `{}` is in department {id}, which is not there",
                        member.userid
                    )));
                }
            }
            let callbacks = company.apps.iter().filter_map(|app| app.callback.as_ref());
            for callback in callbacks.chain(&company.contacts_callback) {
                callback.endpoint().map_err(|reason| named(&reason))?;
            }
        }
        Ok(())
    }

    pub(crate) fn rules(&self, otherwise: Rules) -> Rules {
        self.rules.clone().or(self.mode.map(Rules::of)).unwrap_or(otherwise)
    }

    pub(crate) fn wants_demo(&self) -> bool {
        !self.without_demo
    }

    /// Puts everything in place.
    pub(crate) fn apply(&self, state: &mut State) {
        for company in &self.companies {
            state.corps.insert(company.corp_id.clone(), company.corp());
        }
        for robot in &self.robots {
            let mut placed = Robot::new(&robot.group);
            placed.removed = robot.removed;
            state.robots.insert(robot.key.clone(), placed);
        }
        for bot in &self.smart_robots {
            let mut placed = SmartRobot::new(&bot.secret);
            placed.url = bot.callback.as_ref().and_then(|callback| callback.endpoint().ok());
            state.smart_robots.insert(bot.bot_id.clone(), placed);
        }
        for fault in &self.faults {
            state.faults.add(fault.clone());
        }
    }

    /// What a simulator would have to start with to be where it is.
    fn of(state: &State) -> Self {
        let robot = |(key, robot): (&String, &Robot)| GroupRobot {
            key: key.clone(),
            group: robot.group.clone(),
            removed: robot.removed,
        };
        let bot = |(id, bot): (&String, &SmartRobot)| Bot {
            bot_id: id.clone(),
            secret: bot.secret.clone(),
            callback: bot.url.as_ref().map(Callback::of),
        };
        Self {
            mode: None,
            rules: Some(state.rules.clone()),
            without_demo: true,
            companies: state.corps.iter().map(|(id, corp)| Company::of(id, corp)).collect(),
            robots: state.robots.iter().map(robot).collect(),
            smart_robots: state.smart_robots.iter().map(bot).collect(),
            faults: state.faults.list().to_vec(),
        }
    }
}

impl Callback {
    fn of(endpoint: &Endpoint) -> Self {
        Self { url: endpoint.url.clone(), token: endpoint.token.clone(), aes_key: endpoint.key.to_text() }
    }

    fn endpoint(&self) -> Result<Endpoint, String> {
        let key = Key::parse(&self.aes_key).ok_or("an aes_key is not 43 letters and digits")?;
        Ok(Endpoint { url: self.url.clone(), token: self.token.clone(), key })
    }
}

impl Company {
    fn corp(&self) -> Corp {
        let mut corp = Corp {
            contacts_secret: self.contacts_secret.clone(),
            account_limit: self.account_limit.unwrap_or(500),
            contacts_callback: self.contacts_callback.as_ref().and_then(|callback| callback.endpoint().ok()),
            ..Corp::default()
        };
        corp.parties.insert(1, Party { name: self.corp_id.clone(), ..Party::default() });
        corp.parties.extend(self.departments.iter().map(|department| (department.id, department.party.clone())));
        corp.tags.extend(self.tags.iter().map(|tag| (tag.id, tag.tag.clone())));
        corp.members.extend(self.members.iter().map(|member| (member.userid.to_lowercase(), member.clone())));
        for app in &self.apps {
            corp.apps.insert(app.agentid, Arc::new(Mutex::new(app.app())));
        }
        for chat in &self.chats {
            let GroupChat { chatid, name, owner, members, agentid } = chat.clone();
            corp.chats.insert(chatid, Chat { name, owner, members, agentid });
        }
        corp
    }

    fn of(corp_id: &str, corp: &Corp) -> Self {
        let chat = |(chatid, chat): (&String, &Chat)| GroupChat {
            chatid: chatid.clone(),
            name: chat.name.clone(),
            owner: chat.owner.clone(),
            members: chat.members.clone(),
            agentid: chat.agentid,
        };
        Self {
            corp_id: corp_id.to_owned(),
            contacts_secret: corp.contacts_secret.clone(),
            account_limit: Some(corp.account_limit),
            contacts_callback: corp.contacts_callback.as_ref().map(Callback::of),
            departments: corp.parties.iter().map(|(id, party)| Department { id: *id, party: party.clone() }).collect(),
            members: corp.members.values().cloned().collect(),
            tags: corp.tags.iter().map(|(id, tag)| NumberedTag { id: *id, tag: tag.clone() }).collect(),
            apps: corp.apps.iter().map(|(agentid, app)| Application::of(*agentid, &app.lock())).collect(),
            chats: corp.chats.iter().map(chat).collect(),
        }
    }
}

impl Application {
    fn app(&self) -> App {
        let visible = self.visible_departments.clone().unwrap_or_else(|| vec![1]);
        let callback = self.callback.as_ref().and_then(|callback| callback.endpoint().ok());
        let mut app = App::new(&self.name, &self.secret, &visible, callback);
        app.disabled = self.disabled;
        app.trusted_addresses.clone_from(&self.trusted_addresses);
        app.contact_events = self.contact_events;
        app.settings.clone_from(&self.settings);
        app.menu.clone_from(&self.menu);
        app
    }

    fn of(agentid: i64, app: &App) -> Self {
        Self {
            agentid,
            name: app.name.clone(),
            secret: app.secret.clone(),
            disabled: app.disabled,
            visible_departments: Some(app.visible_parties.clone()),
            callback: app.callback.as_ref().map(Callback::of),
            trusted_addresses: app.trusted_addresses.clone(),
            contact_events: app.contact_events,
            settings: app.settings.clone(),
            menu: app.menu.clone(),
        }
    }
}

/// Everything that answers later calls: what exists, what was given out, what was sent. Counted quotas begin anew.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Snapshot {
    scenario: Scenario,
    clock_ahead_ms: Millis,
    tokens: Vec<KeptToken>,
    media: Vec<KeptMedia>,
    sent: Vec<Sent>,
    response_codes: Vec<KeptCode>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct KeptToken {
    token: String,
    corp: String,
    agentid: Option<i64>,
    expires_at: Millis,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct KeptMedia {
    media_id: String,
    kind: String,
    file_name: String,
    uploaded_at: Millis,
    corp: Option<String>,
    robot: Option<String>,
    base64: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct KeptCode {
    code: String,
    agentid: i64,
    number: u64,
    until: Millis,
}

impl Snapshot {
    pub(crate) fn of(world: &World) -> Self {
        let state = world.state.lock();
        let token = |(token, known): (&String, &Token)| KeptToken {
            token: token.clone(),
            corp: known.corp.clone(),
            agentid: known.agentid,
            expires_at: known.expires_at,
        };
        let media = |(id, media): (&String, &Media)| {
            let (corp, robot) = match &media.owner {
                MediaOwner::Corp(corp) => (Some(corp.clone()), None),
                MediaOwner::Robot(key) => (None, Some(key.clone())),
            };
            KeptMedia {
                media_id: id.clone(),
                kind: media.kind.clone(),
                file_name: media.file_name.clone(),
                uploaded_at: media.uploaded_at,
                corp,
                robot,
                base64: BASE64.encode(&media.content),
            }
        };
        let code = |(code, known): (&String, &ResponseCode)| KeptCode {
            code: code.clone(),
            agentid: known.agentid,
            number: known.number,
            until: known.until,
        };
        Self {
            scenario: Scenario::of(&state),
            clock_ahead_ms: world.clock.offset(),
            tokens: state.tokens.iter().map(token).collect(),
            media: state.media.iter().map(media).collect(),
            sent: state.sent.iter().cloned().collect(),
            response_codes: state.response_codes.iter().map(code).collect(),
        }
    }

    /// Puts a simulator where another was.
    ///
    /// # Errors
    /// What in it cannot be.
    pub(crate) fn restore(self, world: &World) -> Result<(), String> {
        self.scenario.check()?;
        let mut fresh = State::new(self.scenario.rules(Rules::default()));
        self.scenario.apply(&mut fresh);
        for KeptToken { token, corp, agentid, expires_at } in self.tokens {
            fresh.tokens.insert(token, Token { corp, agentid, expires_at });
        }
        for kept in self.media {
            let owner = match (kept.corp, kept.robot) {
                (Some(corp), None) => MediaOwner::Corp(corp),
                (None, Some(key)) => MediaOwner::Robot(key),
                _ => return Err(format!("media `{}` belongs to neither a company nor a robot", kept.media_id)),
            };
            let content =
                BASE64.decode(&kept.base64).map_err(|_| format!("media `{}` is not base64", kept.media_id))?;
            let (kind, file_name, uploaded_at) = (kept.kind, kept.file_name, kept.uploaded_at);
            fresh
                .media
                .insert(kept.media_id, Media { kind, file_name, uploaded_at, owner, content: Bytes::from(content) });
        }
        for sent in self.sent {
            fresh.put_back(sent);
        }
        for KeptCode { code, agentid, number, until } in self.response_codes {
            fresh.response_codes.insert(code, ResponseCode { agentid, number, until });
        }
        world.clock.set_offset(self.clock_ahead_ms);
        world.trouble_may_come();
        *world.state.lock() = fresh;
        Ok(())
    }
}
