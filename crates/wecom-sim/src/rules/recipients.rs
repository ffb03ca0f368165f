//! Who is meant by touser, toparty and totag, and who of them cannot be reached (path/90236).

use std::collections::BTreeSet;

use super::{Refused, refuse};
use crate::routes::reader::Reader;
use crate::world::{App, Corp};

const USERS: usize = 1000;
const PARTIES: usize = 100;
const TAGS: usize = 100;

/// The lists of a request.
#[derive(Debug)]
pub(crate) struct Addressed {
    pub(crate) users: Vec<String>,
    pub(crate) parties: Vec<String>,
    pub(crate) tags: Vec<String>,
}

/// Who is reached, and what could not be.
#[derive(Debug, Default)]
pub(crate) struct Resolved {
    pub(crate) reached: BTreeSet<String>,
    pub(crate) invalid_users: Vec<String>,
    pub(crate) invalid_parties: Vec<String>,
    pub(crate) invalid_tags: Vec<String>,
    pub(crate) unlicensed: Vec<String>,
}

impl Addressed {
    pub(crate) fn read(request: &Reader<'_>) -> Result<Self, Refused> {
        if request.is_compound("toparty") {
            return refuse(40_066, "Warning: wrong json format. invalid party list");
        }
        let list = |name: &str| -> Result<Vec<String>, Refused> {
            let joined = request.text(name)?.unwrap_or_default();
            // The official examples have blanks around the bar.
            Ok(joined.split('|').map(|id| id.trim().to_owned()).filter(|id| !id.is_empty()).collect())
        };
        let addressed = Self { users: list("touser")?, parties: list("toparty")?, tags: list("totag")? };
        if addressed.users.is_empty() && addressed.parties.is_empty() && addressed.tags.is_empty() {
            return refuse(82_001, "touser & toparty & totag all empty");
        }
        if addressed.users.len() > USERS {
            return refuse(40_032, "invalid userid list size");
        }
        if addressed.everybody() {
            return Ok(addressed);
        }
        if addressed.parties.len() > PARTIES {
            return refuse(82_002, "invalid partyid list size");
        }
        if addressed.tags.len() > TAGS {
            return refuse(82_003, "invalid tagid list size");
        }
        Ok(addressed)
    }

    pub(crate) fn everybody(&self) -> bool {
        self.users.iter().any(|user| user == "@all")
    }

    /// Finds the members behind the lists; everything invalid is 81013.
    pub(crate) fn resolve(&self, corp: &Corp, app: &App) -> Result<Resolved, Refused> {
        let visible: Vec<u64> = app.visible_parties.iter().flat_map(|top| corp.below(*top)).collect();
        let sees = |userid: &str| {
            corp.member(userid).is_some_and(|member| member.parties.iter().any(|party| visible.contains(party)))
        };
        let mut found = Resolved::default();
        if self.everybody() {
            found.reached = corp.members.values().map(|m| m.userid.clone()).filter(|userid| sees(userid)).collect();
        } else {
            for user in &self.users {
                match corp.member(user) {
                    Some(member) if sees(user) => _ = found.reached.insert(member.userid.clone()),
                    // Named once, however often and in whatever case it was given.
                    _ if found.invalid_users.contains(&user.to_lowercase()) => {}
                    _ => found.invalid_users.push(user.to_lowercase()),
                }
            }
            for text in &self.parties {
                match text.parse().ok().filter(|id| corp.parties.contains_key(id) && visible.contains(id)) {
                    Some(id) => found.reached.extend(corp.members_of(id)),
                    None => found.invalid_parties.push(text.clone()),
                }
            }
            for text in &self.tags {
                match text.parse().ok().and_then(|id: u64| corp.tags.get(&id)) {
                    Some(tag) => {
                        let of_parties = tag.parties.iter().flat_map(|party| corp.members_of(*party));
                        let all = tag.members.iter().cloned().chain(of_parties);
                        found.reached.extend(all.filter(|userid| sees(userid)));
                    }
                    None => found.invalid_tags.push(text.clone()),
                }
            }
            let nobody_valid = self.users.iter().all(|user| found.invalid_users.contains(&user.to_lowercase()));
            if nobody_valid
                && found.invalid_parties.len() == self.parties.len()
                && found.invalid_tags.len() == self.tags.len()
            {
                return refuse(81_013, "user & party & tag all invalid");
            }
        }
        let unlicensed = |userid: &String| corp.member(userid).is_some_and(|member| member.unlicensed);
        found.unlicensed = found.reached.iter().filter(|userid| unlicensed(userid)).cloned().collect();
        found.reached.retain(|userid| !unlicensed(userid));
        Ok(found)
    }
}
