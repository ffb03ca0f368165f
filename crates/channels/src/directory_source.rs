//! Who is in WeCom's address book, by either secret.
//!
//! | secret | asks | is told |
//! | --- | --- | --- |
//! | an application's | `department/simplelist`, `user/list` for each; `agent/get` for who sees it besides | its visible range, with names; mobile numbers and addresses only if it was made before 2022-06-20 20:00 (path/90196) |
//! | contact sync's | `user/list_id`, a page at a time | userids and departments of the whole company (path/96067) |
//!
//! There is no `modified_time` and no other way to ask for changes only: whoever wants to hear of them listens to
//! `change_contact`. Knows nothing about what was known before.

use std::collections::BTreeMap;

use async_trait::async_trait;
use domain::{PersonChange, PersonSource, PersonStatus, Reason};
use pipeline::ports::{DirectoryAnswer, DirectorySource};
use wecom::Client;
use wecom::api::agent::GetAgent;
use wecom::api::department::ListDepartmentIds;
use wecom::api::tag::GetTag;
use wecom::api::user::{GetUser, ListUserIds, ListUsers, Member};

use crate::verdict;

/// Asks with an application's secret.
#[derive(Debug)]
pub struct AppDirectory {
    client: Client,
}

/// Asks with the contact-sync secret.
#[derive(Debug)]
pub struct ContactsDirectory {
    client: Client,
}

/// Who was named, by userid in lower case: members of several departments are named several times.
type Named = BTreeMap<String, PersonChange>;

impl AppDirectory {
    /// Asks as the client's application.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    async fn ask(&self, named: &mut Named) -> Result<(), wecom::Error> {
        for department in self.client.send(ListDepartmentIds { id: None }).await?.department_id {
            let members = self.client.send(ListUsers { department_id: department.id }).await?.userlist;
            named.extend(members.into_iter().map(entry));
        }
        // Members may see the application by themselves, or by a tag, whatever departments do.
        let agent = self.client.send(GetAgent { agentid: None }).await?;
        let mut by_themselves: Vec<String> = agent.allow_userinfos.user.into_iter().map(|user| user.userid).collect();
        for tagid in agent.allow_tags.tagid {
            let tag = self.client.send(GetTag { tagid }).await?;
            by_themselves.extend(tag.userlist.into_iter().map(|user| user.userid));
        }
        for userid in by_themselves {
            if !named.contains_key(&userid.to_ascii_lowercase()) {
                named.extend([entry(self.client.send(GetUser { userid }).await?)]);
            }
        }
        Ok(())
    }
}

impl ContactsDirectory {
    /// Asks with the client's secret.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    async fn ask(&self, named: &mut Named) -> Result<Option<Reason>, wecom::Error> {
        let mut cursor = String::new();
        loop {
            let page = self.client.send(ListUserIds { cursor: cursor.clone(), limit: None }).await?;
            for row in page.dept_user {
                let person = named.entry(row.userid.to_ascii_lowercase());
                let person = person
                    .or_insert_with(|| PersonChange { departments: Some(Vec::new()), ..PersonChange::new(row.userid) });
                person.departments.get_or_insert_default().push(row.department.to_string());
            }
            if page.next_cursor.is_empty() {
                return Ok(None);
            }
            if page.next_cursor == cursor {
                // It would never end; and what comes after is not known.
                return Ok(Some(Reason::new("unreadable_answer", "the list of userids did not move on")));
            }
            cursor = page.next_cursor;
        }
    }
}

fn entry(member: Member) -> (String, PersonChange) {
    // An empty field is one that is not told, as far as anybody knows.
    let told = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
    let person = PersonChange {
        name: told(Some(member.name)),
        departments: Some(member.department.iter().map(ToString::to_string).collect()),
        mobile: told(member.mobile),
        email: told(member.email).or(told(member.biz_mail)),
        status: member.status.and_then(PersonStatus::from_number),
        identities: None,
        userid: member.userid,
    };
    (person.userid.to_ascii_lowercase(), person)
}

fn answer(named: Named, trouble: Option<Reason>) -> DirectoryAnswer {
    // What could not be kept must not keep the rest away.
    let (good, bad): (Vec<_>, Vec<_>) = named.into_values().partition(|person| person.check().is_ok());
    let trouble = trouble.or_else(|| {
        let first = bad.first()?.check().err()?;
        Some(Reason::new("unreadable_answer", format!("of {} members what is said cannot be kept: {first}", bad.len())))
    });
    DirectoryAnswer { people: good, trouble }
}

#[async_trait]
impl DirectorySource for AppDirectory {
    fn source(&self) -> PersonSource {
        PersonSource::App
    }

    async fn members(&self) -> DirectoryAnswer {
        let mut named = Named::new();
        let trouble = self.ask(&mut named).await.err().map(|error| verdict::reason(&error));
        answer(named, trouble)
    }
}

#[async_trait]
impl DirectorySource for ContactsDirectory {
    fn source(&self) -> PersonSource {
        PersonSource::Contacts
    }

    async fn members(&self) -> DirectoryAnswer {
        let mut named = Named::new();
        let trouble = self.ask(&mut named).await.unwrap_or_else(|error| Some(verdict::reason(&error)));
        answer(named, trouble)
    }
}
