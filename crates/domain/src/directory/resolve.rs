//! Whom an entry means: `emp:1001`, `mobile:138…`, `email:…`, `name:张三`, `group:ops`, `oncall:ops`.

use std::collections::{BTreeMap, HashMap};

use super::person::RESERVED;
use super::{Group, OnCall, Person, normal_mobile};
use crate::Timestamp;

/// Everybody who is known, by whatever they are called.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    /// By userid, in lower case: WeCom compares them so (path/90195).
    people: BTreeMap<String, Person>,
    /// `kind:value` → userids, in lower case.
    by_identity: HashMap<String, Vec<String>>,
    kinds: Vec<String>,
    groups: BTreeMap<String, Group>,
    on_call: BTreeMap<String, OnCall>,
    someone_left: bool,
}

/// Whom an entry means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// These members.
    Found {
        /// Their userids.
        userids: Vec<String>,
        /// Members of the list who have left the company.
        left: Vec<String>,
    },
    /// Nobody but who has left the company.
    Left(Vec<String>),
    /// Several: each by userid and departments.
    Ambiguous(Vec<String>),
    /// Nobody who is known.
    Unknown {
        /// What may have been meant, in words.
        hint: String,
    },
}

impl Directory {
    /// Makes the index.
    pub fn new(
        people: impl IntoIterator<Item = Person>,
        groups: impl IntoIterator<Item = Group>,
        on_call: impl IntoIterator<Item = OnCall>,
    ) -> Self {
        let by_userid = |person: Person| (person.userid.to_ascii_lowercase(), person);
        let mut directory = Self {
            people: people.into_iter().map(by_userid).collect(),
            groups: groups.into_iter().map(|group| (group.name.clone(), group)).collect(),
            on_call: on_call.into_iter().map(|list| (list.name.clone(), list)).collect(),
            ..Self::default()
        };
        for (userid, person) in &directory.people {
            directory.someone_left |= person.has_left();
            let own = person.identities.iter().map(ToString::to_string);
            let fields = [("name", &person.name), ("mobile", &person.mobile), ("email", &person.email)];
            let fields = fields.into_iter().filter_map(|(kind, value)| Some(key(kind, value.as_deref()?)));
            for key in own.chain(fields) {
                directory.by_identity.entry(key).or_default().push(userid.clone());
            }
        }
        let kinds = directory.people.values().flat_map(|person| person.identities.iter().map(|own| own.kind.clone()));
        directory.kinds = kinds.collect::<std::collections::BTreeSet<_>>().into_iter().collect();
        directory
    }

    /// Iterates over everybody, in the order of their userids.
    pub fn people(&self) -> impl Iterator<Item = &Person> {
        self.people.values()
    }

    /// Finds a member by userid.
    pub fn person(&self, userid: &str) -> Option<&Person> {
        self.people.get(&userid.to_ascii_lowercase())
    }

    /// Finds a member's mailbox.
    pub fn address(&self, userid: &str) -> Option<&str> {
        self.person(userid)?.email.as_deref()
    }

    /// Finds the groups, in the order of their names.
    pub fn groups(&self) -> impl Iterator<Item = &Group> {
        self.groups.values()
    }

    /// Finds the on-call lists, in the order of their names.
    pub fn on_call(&self) -> impl Iterator<Item = &OnCall> {
        self.on_call.values()
    }

    /// Finds everybody who has left the company.
    pub fn leavers(&self) -> impl Iterator<Item = &Person> {
        self.people.values().filter(|person| self.someone_left && person.has_left())
    }

    /// Tells whether a userid is that of somebody who has left the company.
    pub fn has_left(&self, userid: &str) -> bool {
        self.someone_left && self.person(userid).is_some_and(Person::has_left)
    }

    /// Finds the only member of this name, if there is exactly one, and nobody has the name for a userid.
    pub fn only_one_called(&self, name: &str) -> Option<&Person> {
        if self.person(name).is_some() {
            return None;
        }
        match self.those("name", name).as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    /// Finds whom an entry means at an instant.
    pub fn resolve(&self, entry: &str, now: Timestamp) -> Resolution {
        let entry = entry.trim();
        let Some((kind, value)) = entry.split_once(':').map(|(kind, value)| (kind.trim(), value.trim())) else {
            return Resolution::Unknown { hint: self.hint_for_bare(entry) };
        };
        match kind {
            "group" => match self.groups.get(value) {
                Some(group) => self.members_of(&group.members, now),
                None => self.unknown(kind, value),
            },
            "oncall" => match self.on_call.get(value) {
                // Who has left takes no turn: whoever comes next does.
                Some(list) => {
                    let turns = list.at(now).map(|member| self.member(member, now));
                    let turns: Vec<_> = turns.collect();
                    let reachable = turns.iter().find(|found| matches!(found, Resolution::Found { .. }));
                    let first = reachable.or_else(|| turns.first()).cloned();
                    first.unwrap_or_else(|| self.unknown(kind, value))
                }
                None => self.unknown(kind, value),
            },
            "user" if self.person(value).is_none() => self.unknown(kind, value),
            _ => self.one(kind, value),
        }
    }

    /// Everybody of a kind and value who has not left; else those who have.
    fn those(&self, kind: &str, value: &str) -> Vec<&Person> {
        let userids = if kind == "user" {
            vec![value.to_ascii_lowercase()]
        } else {
            self.by_identity.get(&key(kind, value)).cloned().unwrap_or_default()
        };
        let all: Vec<&Person> = userids.iter().filter_map(|userid| self.people.get(userid)).collect();
        let here: Vec<&Person> = all.iter().copied().filter(|person| !person.has_left()).collect();
        if here.is_empty() { all } else { here }
    }

    fn one(&self, kind: &str, value: &str) -> Resolution {
        let those = self.those(kind, value);
        let userids = || those.iter().map(|person| person.userid.clone()).collect::<Vec<_>>();
        match those.as_slice() {
            [] => self.unknown(kind, value),
            [first, ..] if first.has_left() => Resolution::Left(userids()),
            [_only] => Resolution::Found { userids: userids(), left: Vec::new() },
            several => {
                let shown = |person: &&Person| match person.departments.join(", ") {
                    departments if departments.is_empty() => person.userid.clone(),
                    departments => format!("{} ({departments})", person.userid),
                };
                Resolution::Ambiguous(several.iter().map(shown).collect())
            }
        }
    }

    /// A member of a list: a userid need not be known, an entry must be.
    fn member(&self, member: &str, now: Timestamp) -> Resolution {
        match member.contains(':') {
            true => self.resolve(member, now),
            false if self.has_left(member) => Resolution::Left(vec![member.to_owned()]),
            false => Resolution::Found { userids: vec![member.to_owned()], left: Vec::new() },
        }
    }

    fn members_of(&self, members: &[String], now: Timestamp) -> Resolution {
        let (mut found, mut gone) = (Vec::new(), Vec::new());
        for member in members {
            match self.member(member, now) {
                Resolution::Found { userids, left } => {
                    found.extend(userids);
                    gone.extend(left);
                }
                Resolution::Left(userids) => gone.extend(userids),
                // One that cannot be told is not left out without a word.
                Resolution::Ambiguous(several) => return Resolution::Ambiguous(several),
                Resolution::Unknown { hint } => {
                    return Resolution::Unknown { hint: format!("its member `{member}` is not known: {hint}") };
                }
            }
        }
        if found.is_empty() { Resolution::Left(gone) } else { Resolution::Found { userids: found, left: gone } }
    }

    fn unknown(&self, kind: &str, value: &str) -> Resolution {
        Resolution::Unknown { hint: self.hint(kind, value) }
    }

    fn hint_for_bare(&self, entry: &str) -> String {
        if self.person(entry).is_some() {
            return format!("`{entry}` is a userid: name it in to.users");
        }
        match self.those("name", entry).as_slice() {
            [] => {
                format!("write what kind it is, such as `{}:{entry}`", self.kinds.first().map_or("emp", String::as_str))
            }
            _ => format!("did you mean `name:{entry}`?"),
        }
    }

    fn hint(&self, kind: &str, value: &str) -> String {
        if !RESERVED.contains(&kind) && !self.kinds.iter().any(|known| known == kind) {
            let known = || RESERVED.into_iter().chain(self.kinds.iter().map(String::as_str));
            return match nearest(kind, known()) {
                Some(meant) => format!("did you mean `{meant}:{value}`?"),
                None => format!("known kinds are {}", known().collect::<Vec<_>>().join(", ")),
            };
        }
        let names = |names: Vec<&str>| nearest(value, names.into_iter()).map(str::to_owned);
        let meant = match kind {
            "group" => names(self.groups.keys().map(String::as_str).collect()),
            "oncall" => names(self.on_call.keys().map(String::as_str).collect()),
            "user" => names(self.people.keys().map(String::as_str).collect()),
            "name" => names(self.people.values().filter_map(|person| person.name.as_deref()).collect()),
            // Others' numbers and addresses are nobody's business.
            "mobile" | "email" => None,
            _ => {
                let own = self.people.values().flat_map(|person| &person.identities);
                names(own.filter(|own| own.kind == kind).map(|own| own.value.as_str()).collect())
            }
        };
        match (meant, kind) {
            (Some(meant), _) => format!("did you mean `{kind}:{meant}`?"),
            (None, "group" | "oncall") => {
                "PUT /v1/directory/groups/{name} and /v1/directory/on-call/{name} keep such lists".to_owned()
            }
            (None, _) => "import it, or let a sync bring it; `hongyan directory lookup` says what is known".to_owned(),
        }
    }
}

/// What an identity is found by.
fn key(kind: &str, value: &str) -> String {
    match kind {
        "mobile" => format!("mobile:{}", normal_mobile(value)),
        "email" => format!("email:{}", value.trim().to_ascii_lowercase()),
        _ => format!("{kind}:{value}"),
    }
}

/// The nearest of some texts, if it is near enough to have been meant.
fn nearest<'a>(text: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let text: Vec<char> = text.to_lowercase().chars().collect();
    // A slip in a short text makes another one of it.
    let most = if text.len() < 5 { 1 } else { 2 };
    let far = |candidate: &str| distance(&text, &candidate.to_lowercase().chars().collect::<Vec<_>>(), most);
    candidates.filter_map(|candidate| Some((far(candidate)?, candidate))).min().map(|(_, candidate)| candidate)
}

/// How many characters must be put in, left out or replaced; `None` if more than `most`.
fn distance(one: &[char], two: &[char], most: usize) -> Option<usize> {
    if one.len().abs_diff(two.len()) > most {
        return None;
    }
    let mut row: Vec<usize> = (0..=two.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in two.iter().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row.last().copied().filter(|far| *far <= most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PersonSource, PersonStatus, Span};

    const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);

    fn person(userid: &str, name: &str, mobile: &str, own: &str) -> Person {
        Person {
            name: Some(name.to_owned()),
            mobile: Some(mobile.to_owned()),
            email: Some(format!("{userid}@X.cn")),
            identities: own.split(' ').filter_map(|own| own.parse().ok()).collect(),
            departments: vec!["2".to_owned()],
            ..Person::new(userid, PersonSource::Own)
        }
    }

    fn directory() -> Directory {
        let left = Person { status: Some(PersonStatus::Left), ..person("Gone", "王五", "13700137000", "emp:1003") };
        let people = [
            person("zhangsan", "张三", "13800138000", "emp:1001 login:zs"),
            person("lisi", "李四", "13900139000", "emp:1002"),
            person("lisi2", "李四", "13600136000", "emp:2002"),
            left,
        ];
        let group = |name: &str, members: &[&str]| Group {
            name: name.to_owned(),
            members: members.iter().map(|member| (*member).to_owned()).collect(),
        };
        let ops = OnCall {
            name: "ops".into(),
            members: ["gone", "emp:1001", "stranger"].map(str::to_owned).into(),
            since: NOW,
            every: Span::seconds(3600),
            zone: "Asia/Shanghai".into(),
        };
        let groups = [
            group("ops", &["emp:1001", "gone", "stranger"]),
            group("gone", &["gone"]),
            group("odd", &["name:李四"]),
            group("stale", &["emp:9"]),
        ];
        Directory::new(people, groups, [ops])
    }

    fn shown(resolution: Resolution) -> String {
        match resolution {
            Resolution::Found { userids, left } if left.is_empty() => userids.join(" "),
            Resolution::Found { userids, left } => format!("{} without {}", userids.join(" "), left.join(" ")),
            Resolution::Left(userids) => format!("left {}", userids.join(" ")),
            Resolution::Ambiguous(several) => format!("one of {}", several.join(" ")),
            Resolution::Unknown { hint } => format!("? {hint}"),
        }
    }

    #[test]
    fn an_entry_means_whom_it_names() {
        for (entry, expected) in [
            ("emp:1001", "zhangsan"),
            (" emp: 1001 ", "zhangsan"),
            ("login:zs", "zhangsan"),
            ("mobile:+86 138-0013-8000", "zhangsan"),
            ("email:ZHANGSAN@x.cn", "zhangsan"),
            ("name:张三", "zhangsan"),
            ("user:ZhangSan", "zhangsan"),
            ("name:李四", "one of lisi (2) lisi2 (2)"),
            ("emp:1003", "left Gone"),
            ("group:ops", "zhangsan stranger without gone"),
            ("group:gone", "left gone"),
            ("group:odd", "one of lisi (2) lisi2 (2)"),
            ("oncall:ops", "zhangsan"),
        ] {
            assert_eq!(shown(directory().resolve(entry, NOW)), expected, "{entry}");
        }
        let later = NOW + std::time::Duration::from_secs(2 * 3600);
        assert_eq!(shown(directory().resolve("oncall:ops", later)), "stranger");
    }

    #[test]
    fn whoever_is_not_known_may_have_been_meant_otherwise() {
        for (entry, expected) in [
            ("emp:1004", "did you mean `emp:1001`?"),
            ("empl:1001", "did you mean `emp:1001`?"),
            ("name:张三三", "did you mean `name:张三`?"),
            ("group:opps", "did you mean `group:ops`?"),
            ("zhangsan", "`zhangsan` is a userid: name it in to.users"),
            ("张三", "did you mean `name:张三`?"),
            ("1001", "write what kind it is, such as `emp:1001`"),
            ("badge:77", "known kinds are user, mobile, email, name, group, oncall, emp, login"),
            ("user:zhangsa", "did you mean `user:zhangsan`?"),
        ] {
            assert_eq!(shown(directory().resolve(entry, NOW)), format!("? {expected}"), "{entry}");
        }
        let stale = shown(directory().resolve("group:stale", NOW));
        assert!(stale.starts_with("? its member `emp:9` is not known"), "{stale}");
    }

    #[test]
    fn others_numbers_and_addresses_are_not_told() {
        for entry in ["mobile:13800138001", "email:zhangsa@x.cn"] {
            let hint = shown(directory().resolve(entry, NOW));
            assert!(!hint.contains("13800138000") && !hint.contains("zhangsan@"), "{hint}");
        }
    }

    #[test]
    fn a_name_that_only_one_has_may_stand_for_a_userid() {
        let directory = directory();
        assert_eq!(directory.only_one_called("张三").map(|person| person.userid.as_str()), Some("zhangsan"));
        assert_eq!(directory.only_one_called("李四"), None);
        assert_eq!(directory.only_one_called("zhangsan"), None);
        assert!(directory.has_left("gone") && !directory.has_left("lisi"));
        assert_eq!(directory.address("LISI"), Some("lisi@X.cn"));
    }

    #[test]
    fn whose_number_was_given_to_another_is_not_meant_any_more() {
        let old = Person { status: Some(PersonStatus::Left), ..person("old", "A", "13800138000", "") };
        let people = [old, person("new", "B", "13800138000", "")];
        let directory = Directory::new(people, [], []);
        assert_eq!(shown(directory.resolve("mobile:13800138000", NOW)), "new");
    }
}
