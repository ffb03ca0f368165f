//! A person: a userid, and whatever else stands for the same human being.

use std::fmt;
use std::str::FromStr;

use crate::Timestamp;

/// The longest userid, in bytes (path/90195).
const MAX_USERID_BYTES: usize = 64;
/// The longest name, identity or department that is kept, in bytes.
const MAX_TEXT_BYTES: usize = 256;
/// A mobile number that WeCom can be asked for, in bytes (path/95402).
const MOBILE_BYTES: std::ops::RangeInclusive<usize> = 5..=32;
/// The most identities and departments of one person.
const MAX_LIST: usize = 50;
/// The longest kind of identity, in bytes.
const MAX_KIND_BYTES: usize = 32;
/// Kinds that have a field, a list or a meaning of their own.
pub(super) const RESERVED: [&str; 6] = ["user", "mobile", "email", "name", "group", "oncall"];

/// A member, and what is known of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The userid, as it was given.
    pub userid: String,
    /// The name; several may have the same.
    pub name: Option<String>,
    /// The departments: ids, where WeCom told them, or names.
    pub departments: Vec<String>,
    /// The mobile number.
    pub mobile: Option<String>,
    /// The mailbox; steps of the channel `email` send there.
    pub email: Option<String>,
    /// Whether they can be reached; nobody may have said.
    pub status: Option<PersonStatus>,
    /// What else they are called: employee number, login, ids of one's own.
    pub identities: Vec<Identity>,
    /// When WeCom last said something about them.
    pub synced_at: Option<Timestamp>,
    /// Who said that they exist.
    pub source: PersonSource,
}

/// Whether a member can be reached, in WeCom's numbers (path/90196).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PersonStatus {
    /// 1: they can.
    Activated,
    /// 2: an administrator has disabled them.
    Disabled,
    /// 4: they have not joined yet.
    NotActivated,
    /// 5: they have left the company.
    Left,
}

/// Who said that somebody exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PersonSource {
    /// An import, or a call of the API.
    Own,
    /// A sync with an application's secret.
    App,
    /// A sync with the contact-sync secret.
    Contacts,
}

/// What somebody is called in a system of one's own: `emp:1001`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    /// What kind it is: `emp`, `login`.
    pub kind: String,
    /// The value.
    pub value: String,
}

/// What is said about a person: what is absent stays as it was, what is empty is taken away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PersonChange {
    /// Whom it is about.
    pub userid: String,
    /// The name.
    pub name: Option<String>,
    /// All departments.
    pub departments: Option<Vec<String>>,
    /// The mobile number.
    pub mobile: Option<String>,
    /// The mailbox.
    pub email: Option<String>,
    /// Whether they can be reached.
    pub status: Option<PersonStatus>,
    /// All identities.
    pub identities: Option<Vec<Identity>>,
}

/// What is said about a person cannot be kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` {message}")]
pub struct InvalidPerson {
    /// The field.
    pub field: &'static str,
    /// What is wrong with it.
    pub message: String,
}

impl PersonStatus {
    /// Returns WeCom's number.
    pub fn number(self) -> u8 {
        match self {
            Self::Activated => 1,
            Self::Disabled => 2,
            Self::NotActivated => 4,
            Self::Left => 5,
        }
    }

    /// Reads WeCom's number.
    pub fn from_number(number: i64) -> Option<Self> {
        [Self::Activated, Self::Disabled, Self::NotActivated, Self::Left]
            .into_iter()
            .find(|status| i64::from(status.number()) == number)
    }

    /// Returns the word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Activated => "activated",
            Self::Disabled => "disabled",
            Self::NotActivated => "not_activated",
            Self::Left => "left",
        }
    }
}

impl FromStr for PersonStatus {
    type Err = InvalidPerson;
    /// Reads WeCom's number, or the word.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Self::Activated, Self::Disabled, Self::NotActivated, Self::Left];
        let text = text.trim();
        let found = all.into_iter().find(|status| status.name() == text || status.number().to_string() == text);
        found.ok_or_else(|| {
            wrong("status", format!("`{text}` is none of 1 activated, 2 disabled, 4 not_activated and 5 left"))
        })
    }
}

impl PersonSource {
    /// Returns the word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::App => "app",
            Self::Contacts => "contacts",
        }
    }

    /// Reads the word.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Own, Self::App, Self::Contacts].into_iter().find(|source| source.name() == name)
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.value)
    }
}

impl FromStr for Identity {
    type Err = InvalidPerson;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = |message: String| Err(wrong("identities", message));
        let Some((kind, value)) = text.split_once(':') else {
            return wrong(format!("holds `{text}`, which is not such as `emp:1001`"));
        };
        let (kind, value) = (kind.trim(), value.trim());
        if RESERVED.contains(&kind) {
            return wrong(format!("holds `{text}`; `{kind}` has a meaning of its own"));
        }
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
        if kind.is_empty() || kind.len() > MAX_KIND_BYTES || !kind.chars().all(plain) {
            return wrong(format!("holds `{text}`; a kind is 1 to {MAX_KIND_BYTES} of a-z, 0-9, `_` and `-`"));
        }
        if value.is_empty() || value.len() > MAX_TEXT_BYTES || value.chars().any(char::is_control) {
            return wrong(format!("holds `{text}`, whose value is empty, too long or not printable"));
        }
        Ok(Self { kind: kind.to_owned(), value: value.to_owned() })
    }
}

impl Person {
    /// Somebody of whom only the userid is known.
    pub fn new(userid: impl Into<String>, source: PersonSource) -> Self {
        Self {
            userid: userid.into(),
            name: None,
            departments: Vec::new(),
            mobile: None,
            email: None,
            status: None,
            identities: Vec::new(),
            synced_at: None,
            source,
        }
    }

    /// Tells whether they have left the company.
    pub fn has_left(&self) -> bool {
        self.status == Some(PersonStatus::Left)
    }

    /// Tells whether the same is known of them, whoever said so and when.
    pub(super) fn says_the_same(&self, other: &Self) -> bool {
        let other = Self { synced_at: self.synced_at, source: self.source, ..other.clone() };
        *self == other
    }
}

impl PersonChange {
    /// Somebody of whom nothing but the userid is said.
    pub fn new(userid: impl Into<String>) -> Self {
        Self { userid: userid.into(), ..Self::default() }
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`InvalidPerson`] names the first that cannot be kept.
    pub fn check(&self) -> Result<(), InvalidPerson> {
        let userid = self.userid.as_str();
        let plain = |c: char| !c.is_whitespace() && !c.is_control() && !"|,:".contains(c);
        if userid.is_empty() {
            return Err(wrong("userid", "is empty".to_owned()));
        }
        if userid.len() > MAX_USERID_BYTES || userid.starts_with('@') || !userid.chars().all(plain) {
            return Err(wrong("userid", format!("`{}` cannot be a userid", clipped(userid))));
        }
        for (field, text) in [("name", &self.name), ("mobile", &self.mobile), ("email", &self.email)] {
            if let Some(text) = text
                && (text.len() > MAX_TEXT_BYTES || text.chars().any(char::is_control))
            {
                return Err(wrong(field, format!("is longer than {MAX_TEXT_BYTES} bytes, or not printable")));
            }
        }
        if let Some(mobile) = self.mobile.as_deref().map(normal_mobile).filter(|mobile| !mobile.is_empty())
            && !(MOBILE_BYTES.contains(&mobile.len()) && mobile.chars().all(|c| c.is_ascii_digit() || c == '+'))
        {
            return Err(wrong("mobile", format!("`{}` is not a number such as 13800138000", clipped(&mobile))));
        }
        let lists = (self.departments.as_ref().map_or(0, Vec::len), self.identities.as_ref().map_or(0, Vec::len));
        if lists.0.max(lists.1) > MAX_LIST {
            let field = if lists.0 > MAX_LIST { "departments" } else { "identities" };
            return Err(wrong(field, format!("has more than {MAX_LIST} entries")));
        }
        let departments = self.departments.iter().flatten();
        if departments.clone().any(|name| name.len() > MAX_TEXT_BYTES || name.chars().any(char::is_control)) {
            return Err(wrong(
                "departments",
                format!("holds one longer than {MAX_TEXT_BYTES} bytes, or not printable"),
            ));
        }
        Ok(())
    }

    /// Returns the person as they are known from now on.
    pub fn applied_to(&self, known: Option<&Person>, source: PersonSource, now: Timestamp) -> Person {
        let mut person = known.cloned().unwrap_or_else(|| Person::new(self.userid.clone(), source));
        let replace = |old: &mut Option<String>, new: &Option<String>| {
            if let Some(new) = new {
                *old = Some(new.trim().to_owned()).filter(|text| !text.is_empty());
            }
        };
        replace(&mut person.name, &self.name);
        replace(&mut person.email, &self.email);
        replace(&mut person.mobile, &self.mobile.as_deref().map(normal_mobile));
        if let Some(departments) = &self.departments {
            let departments = departments.iter().map(|name| name.trim()).filter(|name| !name.is_empty());
            person.departments = departments.map(str::to_owned).collect();
        }
        if let Some(identities) = &self.identities {
            person.identities.clone_from(identities);
            person.identities.sort();
            person.identities.dedup();
        }
        if self.status.is_some() {
            person.status = self.status;
        } else if source != PersonSource::Own && person.has_left() {
            // WeCom names them again: they are back, and nobody has said as what.
            person.status = None;
        }
        if source != PersonSource::Own {
            (person.source, person.synced_at) = (source, Some(now));
        }
        person
    }
}

/// A mobile number as it is compared: without blanks and dashes, and China's without its country code.
pub fn normal_mobile(text: &str) -> String {
    let plain: String = text.chars().filter(|c| !c.is_whitespace() && !"-()（）".contains(*c)).collect();
    let national = plain.strip_prefix("+86").or_else(|| plain.strip_prefix("0086"));
    // Eleven digits that begin with 1 are a Chinese mobile number.
    let is_chinese =
        |rest: &&str| rest.len() == 11 && rest.starts_with('1') && rest.bytes().all(|b| b.is_ascii_digit());
    national.filter(is_chinese).map(str::to_owned).unwrap_or(plain)
}

fn wrong(field: &'static str, message: String) -> InvalidPerson {
    InvalidPerson { field, message }
}

fn clipped(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1000);

    #[test]
    fn a_mobile_number_is_the_same_however_it_is_written() {
        for text in ["13800138000", "+86 138 0013 8000", "138-0013-8000", "008613800138000"] {
            assert_eq!(normal_mobile(text), "13800138000", "{text}");
        }
        assert_eq!(normal_mobile("+852 6123 4567"), "+85261234567");
    }

    #[test]
    fn what_is_absent_stays_and_what_is_empty_goes() {
        let known = PersonChange {
            name: Some("张三".into()),
            mobile: Some("13800138000".into()),
            identities: Some(vec!["emp:1001".parse().unwrap()]),
            ..PersonChange::new("zhangsan")
        };
        let known = known.applied_to(None, PersonSource::Own, NOW);
        let change = PersonChange { mobile: Some(String::new()), ..PersonChange::new("zhangsan") };
        let changed = change.applied_to(Some(&known), PersonSource::App, NOW);
        assert_eq!((changed.name.as_deref(), changed.mobile), (Some("张三"), None));
        assert_eq!((changed.identities.len(), changed.source, changed.synced_at), (1, PersonSource::App, Some(NOW)));
    }

    #[test]
    fn who_is_named_by_wecom_again_is_back() {
        let left = Person { status: Some(PersonStatus::Left), ..Person::new("a", PersonSource::App) };
        let back = |source| PersonChange::new("a").applied_to(Some(&left), source, NOW).has_left();
        assert!(!back(PersonSource::Contacts));
        assert!(back(PersonSource::Own), "a mail address says nothing about that");
    }

    #[test]
    fn what_cannot_be_kept_is_named() {
        let field = |change: PersonChange| change.check().unwrap_err().field;
        assert_eq!(field(PersonChange::new("")), "userid");
        assert_eq!(field(PersonChange::new("a|b")), "userid");
        assert_eq!(field(PersonChange { mobile: Some("call me".into()), ..PersonChange::new("a") }), "mobile");
        assert_eq!(field(PersonChange { name: Some("a\nb".into()), ..PersonChange::new("a") }), "name");
        for text in ["1001", "mobile:138", "Emp:1", "emp:", "e p:1"] {
            assert!(text.parse::<Identity>().is_err(), "{text}");
        }
        assert_eq!("emp:A:1".parse::<Identity>().unwrap().to_string(), "emp:A:1");
        assert_eq!("2".parse::<PersonStatus>(), "disabled".parse());
        assert!("3".parse::<PersonStatus>().is_err());
    }
}
