//! Who asks, and what they may do.
//!
//! A caller is the owner an API key belongs to. Knows nothing about how keys are carried or hashed.

mod allowance;

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{Recipient, Timestamp};

pub use self::allowance::{Allowance, Limits};

/// The owner of messages: what an API key stands for. Every read of a message asks for it by type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallerId(String);

impl CallerId {
    /// Names a caller.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CallerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One thing a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Hand in messages, and retry, cancel and recall one's own.
    Send,
    /// Address everybody (`@all`), besides [`Scope::Send`].
    SendAll,
    /// Read one's own messages, the metrics and the API's description.
    Read,
    /// Everything, on every caller's messages, and the keys themselves.
    Admin,
}

impl Scope {
    /// Every scope, in the order they are shown.
    pub const ALL: [Self; 4] = [Self::Send, Self::SendAll, Self::Read, Self::Admin];

    /// Returns the name used in the configuration and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::SendAll => "send:all",
            Self::Read => "read",
            Self::Admin => "admin",
        }
    }
}

/// The text names no scope.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a scope; there are send, send:all, read and admin")]
pub struct UnknownScope(String);

impl FromStr for Scope {
    type Err = UnknownScope;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|scope| scope.name() == text).ok_or_else(|| UnknownScope(text.to_owned()))
    }
}

/// The scopes of a key, printed as `send,read`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scopes(Vec<Scope>);

impl Scopes {
    /// Collects scopes.
    pub fn new(scopes: impl IntoIterator<Item = Scope>) -> Self {
        Self(scopes.into_iter().collect())
    }

    /// Tells whether `scope` is among them; `admin` includes every other.
    pub fn include(&self, scope: Scope) -> bool {
        self.0.contains(&scope) || self.0.contains(&Scope::Admin)
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.iter().map(|scope| scope.name()).collect();
        f.write_str(&names.join(","))
    }
}

impl FromStr for Scopes {
    type Err = UnknownScope;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split(',').map(|part| part.trim().parse()).collect::<Result<_, _>>().map(Self)
    }
}

/// What a key may address, which routes and templates it may use, and from where; an absent list allows all of its kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AllowList {
    /// Configured names of applications.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apps: Option<Vec<String>>,
    /// Configured names of robots.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub robots: Option<Vec<String>>,
    /// Department ids.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parties: Option<Vec<String>>,
    /// Tag ids.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// Configured names of group chats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chats: Option<Vec<String>>,
    /// Domains of mail addresses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mail_domains: Option<Vec<String>>,
    /// Configured names of routes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub routes: Option<Vec<String>>,
    /// Names of templates. Who has such a list sends nothing but what these make.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub templates: Option<Vec<String>>,
    /// Configured names of webhooks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhooks: Option<Vec<String>>,
    /// Networks that requests may come from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub networks: Option<Vec<IpNet>>,
    /// Calls of WeCom's that are passed on through the drop-in front, with their parameters, such as
    /// `GET /cgi-bin/user/get?userid`; absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forwards: Option<Vec<String>>,
}

/// What a caller may do: the answer to a presented key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Whose messages these are.
    pub caller: CallerId,
    /// What may be done.
    pub scopes: Scopes,
    /// Where messages may go.
    pub allow: AllowList,
    /// The webhook that hears what becomes of messages that name none.
    pub webhook: Option<String>,
    /// How much may be sent.
    pub limits: Limits,
    /// Which key it is: its hash; empty for what is no key's.
    pub key: String,
}

impl Grant {
    /// Lets a caller do these things, without further bounds.
    pub fn new(caller: CallerId, scopes: impl IntoIterator<Item = Scope>) -> Self {
        Self {
            caller,
            scopes: Scopes::new(scopes),
            allow: AllowList::default(),
            webhook: None,
            limits: Limits::default(),
            key: String::new(),
        }
    }

    /// Returns the caller whose messages may be read: `None` means everyone's, for administrators.
    pub fn reads(&self) -> Option<&CallerId> {
        if self.scopes.include(Scope::Admin) { None } else { Some(&self.caller) }
    }

    /// Tells whether this recipient may be addressed through `app`.
    pub fn may_address(&self, recipient: &Recipient, app: &str) -> bool {
        let allows = |list: &Option<Vec<String>>, id: &str| list.as_ref().is_none_or(|ids| ids.iter().any(|i| i == id));
        match recipient {
            Recipient::User(_) | Recipient::Person(_) => allows(&self.allow.apps, app),
            Recipient::Party(id) => allows(&self.allow.apps, app) && allows(&self.allow.parties, id),
            Recipient::Tag(id) => allows(&self.allow.apps, app) && allows(&self.allow.tags, id),
            Recipient::All => allows(&self.allow.apps, app) && self.scopes.include(Scope::SendAll),
            Recipient::Robot(name) => allows(&self.allow.robots, name),
            Recipient::Chat(name) => allows(&self.allow.chats, name),
            Recipient::Email(address) => {
                let domain = address.rsplit_once('@').map_or("", |(_, domain)| domain).to_ascii_lowercase();
                allows(&self.allow.mail_domains, &domain)
            }
        }
    }

    /// Tells whether a request may come from this address; one whose address is not known comes from no network.
    pub fn may_come_from(&self, address: Option<IpAddr>) -> bool {
        let Some(networks) = &self.allow.networks else { return true };
        // A dual-stack socket shows IPv4 peers as `::ffff:10.0.0.1`.
        let address = address.map(|address| address.to_canonical());
        address.is_some_and(|address| networks.iter().any(|network| network.contains(&address)))
    }

    /// Tells whether the template of this name may be used; `None` asks for content of one's own.
    pub fn may_use(&self, template: Option<&str>) -> bool {
        self.allow.templates.as_ref().is_none_or(|names| names.iter().any(|name| Some(name.as_str()) == template))
    }

    /// Tells whether the webhook of this name may be told.
    pub fn may_tell(&self, webhook: &str) -> bool {
        self.allow.webhooks.as_ref().is_none_or(|names| names.iter().any(|name| name == webhook))
    }

    /// Returns the parameters with which a call of WeCom's may be passed on; `None` if it may not be at all.
    pub fn forwarded_parameters(&self, method: &str, path: &str) -> Option<Vec<&str>> {
        let calls = self.allow.forwards.as_ref()?;
        calls.iter().find_map(|call| {
            let (call, parameters) = call.split_once('?').unwrap_or((call, ""));
            let parameters = parameters.split('&').filter(|name| !name.is_empty());
            (call.split_once(' ') == Some((method, path))).then(|| parameters.collect())
        })
    }

    /// Tells whether the route of this name may be taken.
    pub fn may_take(&self, route: &str) -> bool {
        self.allow.routes.as_ref().is_none_or(|names| names.iter().any(|name| name == route))
    }
}

/// How a key is shown to be had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyKind {
    /// It is sent with each request.
    #[default]
    Bearer,
    /// Requests are signed with it; it is never sent.
    Signing,
    /// It stands for a secret or a robot's key under `/cgi-bin/`, and is good for nothing else.
    Front,
}

impl KeyKind {
    /// Returns the name used in the API and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bearer => "bearer",
            Self::Signing => "signing",
            Self::Front => "front",
        }
    }
}

/// A secret that requests are signed with. It cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret(Box<str>);

impl SigningSecret {
    /// Takes a secret.
    pub fn new(secret: impl Into<Box<str>>) -> Self {
        Self(secret.into())
    }

    /// Returns the secret itself, for what is signed and for what is sealed.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// An API key as the ledger keeps it: never the key, only its hash; a signing secret sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKeyRecord {
    /// How it is shown to be had.
    pub kind: KeyKind,
    /// What requests are signed with, if they are.
    pub secret: Option<SigningSecret>,
    /// The readable first characters of the key, to tell keys apart.
    pub prefix: String,
    /// SHA-256 of the key, in hexadecimal.
    pub hash: String,
    /// What it allows.
    pub grant: Grant,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops to work.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
}

impl ApiKeyRecord {
    /// Tells whether the key works at `now`.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(scopes: &str, allow: AllowList) -> Grant {
        let scopes = scopes.parse().unwrap();
        Grant { scopes, allow, ..Grant::new(CallerId::new("erp"), []) }
    }

    #[test]
    fn everybody_needs_its_own_scope() {
        assert!(!grant("send", AllowList::default()).may_address(&Recipient::All, "default"));
        assert!(grant("send,send:all", AllowList::default()).may_address(&Recipient::All, "default"));
        assert!(grant("admin", AllowList::default()).may_address(&Recipient::All, "default"));
    }

    #[test]
    fn an_allow_list_limits_its_kind_only() {
        let only_ops = AllowList { robots: Some(vec!["ops".into()]), ..AllowList::default() };
        let grant = grant("send", only_ops);
        for (recipient, allowed) in
            [("robot:ops", true), ("robot:hr", false), ("user:zhangsan", true), ("party:2", true)]
        {
            assert_eq!(grant.may_address(&recipient.parse().unwrap(), "default"), allowed, "{recipient}");
        }
    }

    #[test]
    fn scopes_print_and_parse() {
        assert_eq!("send, read".parse::<Scopes>().unwrap().to_string(), "send,read");
        assert!("send,root".parse::<Scopes>().is_err());
    }
}
