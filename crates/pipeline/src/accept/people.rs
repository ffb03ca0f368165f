//! Whom a submission means: business identities → members, from memory; nothing here waits.

use domain::{Recipient, RecipientSet, Resolution, Timestamp, Violation, Wanted};

use super::{AcceptError, Intake, invalid};
use crate::directory::nobody;

/// Characters of a userid besides letters and digits (path/90195).
const IN_USERIDS: &str = "_-@.";

/// Whom a submission names, and who is left out.
pub(super) struct Named {
    pub(super) to: RecipientSet,
    pub(super) warnings: Vec<String>,
}

impl Intake {
    /// Finds the members who are named as people, and looks whether those named as members are some.
    pub(super) fn people_of(
        &self,
        named: &RecipientSet,
        entries: &[String],
        now: Timestamp,
    ) -> Result<Named, AcceptError> {
        let directory = self.planner.directory.read();
        let (mut to, mut gone, mut warnings) = (Vec::with_capacity(named.len()), Vec::new(), Vec::new());
        let mut person = |field: String, entry: &str| -> Result<Vec<Recipient>, AcceptError> {
            match directory.resolve(entry, now) {
                Resolution::Found { userids, left } => {
                    warnings.extend(left.iter().map(|userid| left_out(userid, entry)));
                    Ok(userids.into_iter().map(Recipient::User).collect())
                }
                Resolution::Left(userids) => {
                    warnings.extend(userids.iter().map(|userid| left_out(userid, entry)));
                    gone.extend(userids);
                    Ok(Vec::new())
                }
                Resolution::Ambiguous(several) => {
                    let message = format!("names `{entry}`, whom {} are", several.join(" and "));
                    let violation = Violation::new("ambiguous_person", field, message);
                    Err(invalid(violation.with_hint("name one of them in to.users, or by what only one has")))
                }
                Resolution::Unknown { hint } => {
                    let message = format!("names `{entry}`, whom the directory does not know");
                    let unknown = |hint| invalid(Violation::new("unknown_person", field, message).with_hint(hint));
                    let Some(wanted) = Wanted::of(entry).filter(|_| self.planner.directory.looks_up()) else {
                        return Err(unknown(hint));
                    };
                    match self.planner.directory.looked_up(&wanted, now) {
                        Some(Some(userid)) => Ok(vec![Recipient::User(userid)]),
                        Some(None) => Err(unknown(nobody())),
                        None => Ok(vec![Recipient::Person(wanted.to_string())]),
                    }
                }
            }
        };
        for recipient in named {
            match recipient {
                Recipient::Person(entry) => to.extend(person("to".to_owned(), entry)?),
                other => to.push(other.clone()),
            }
        }
        for (i, entry) in entries.iter().enumerate() {
            to.extend(person(format!("to.people[{i}]"), entry)?);
        }
        for recipient in named {
            let Recipient::User(userid) = recipient else { continue };
            if directory.has_left(userid) {
                warnings.push(format!("`user:{userid}` has left the company, by what the directory knows"));
            }
            let could_be = |c: char| c.is_ascii_alphanumeric() || IN_USERIDS.contains(c);
            if !userid.chars().all(could_be)
                && let Some(meant) = directory.only_one_called(userid)
            {
                let message = format!("holds `{userid}`, which is a member's name, not a userid");
                let hint = format!("did you mean userid {}? A name goes into to.people: `name:{userid}`", meant.userid);
                return Err(invalid(Violation::new("invalid", "to.users", message).with_hint(hint)));
            }
        }
        let to = RecipientSet::new(to);
        if to.is_empty() && !gone.is_empty() {
            let message = format!("names nobody but who has left the company: {}", gone.join(", "));
            let violation = Violation::new("left_company", "to.people", message);
            return Err(invalid(violation.with_hint("name somebody else; if they are back, import or sync them anew")));
        }
        Ok(Named { to, warnings })
    }
}

fn left_out(userid: &str, entry: &str) -> String {
    format!("`{entry}`: userid {userid} has left the company, and is not among the recipients")
}
