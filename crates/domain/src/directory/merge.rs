//! What an answer of WeCom's changes in what is known.

use std::collections::{BTreeMap, BTreeSet};

use super::{Person, PersonChange, PersonSource, PersonStatus};
use crate::Timestamp;

/// What an answer changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Who was not known.
    pub added: Vec<Person>,
    /// Of whom something else is known now.
    pub changed: Vec<Person>,
    /// Who has left the company.
    pub left: Vec<Person>,
    /// Of whom the same is known as before.
    pub kept: Vec<Person>,
}

impl Changes {
    /// Iterates over everybody who is to be kept anew.
    pub fn everybody(&self) -> impl Iterator<Item = &Person> {
        [&self.added, &self.changed, &self.left, &self.kept].into_iter().flatten()
    }
}

/// Compares an answer with what is known.
///
/// Nobody is taken for gone by an answer that is not complete, or that names nobody at all; nor is whom no sync has ever
/// named: an import may know people whom WeCom does not show.
pub fn merge<'a>(
    known: impl IntoIterator<Item = &'a Person>,
    answer: &[PersonChange],
    complete: bool,
    (source, now): (PersonSource, Timestamp),
) -> Changes {
    let known: BTreeMap<String, &Person> =
        known.into_iter().map(|person| (person.userid.to_ascii_lowercase(), person)).collect();
    let mut changes = Changes::default();
    let mut named = BTreeSet::new();
    for change in answer {
        let userid = change.userid.to_ascii_lowercase();
        let before = known.get(&userid).copied();
        let after = change.applied_to(before, source, now);
        if !named.insert(userid) {
            continue;
        }
        let had_left = before.is_some_and(Person::has_left);
        match before {
            _ if after.has_left() && !had_left => changes.left.push(after),
            None => changes.added.push(after),
            Some(before) if before.says_the_same(&after) => changes.kept.push(after),
            Some(_) => changes.changed.push(after),
        }
    }
    if complete && !named.is_empty() {
        let gone = known.iter().filter(|(userid, person)| {
            !named.contains(*userid) && person.source != PersonSource::Own && !person.has_left()
        });
        changes.left.extend(gone.map(|(_, person)| Person {
            status: Some(PersonStatus::Left),
            synced_at: Some(now),
            ..(*person).clone()
        }));
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(5000);

    fn person(userid: &str, source: PersonSource) -> Person {
        Person { name: Some(userid.to_uppercase()), ..Person::new(userid, source) }
    }

    fn names(people: &[Person]) -> Vec<&str> {
        people.iter().map(|person| person.userid.as_str()).collect()
    }

    fn said(userid: &str) -> PersonChange {
        PersonChange { name: Some(userid.to_uppercase()), ..PersonChange::new(userid) }
    }

    fn merged(answer: &[PersonChange], complete: bool) -> Changes {
        let known = ["a", "b"].map(|id| person(id, PersonSource::App));
        let own = person("own", PersonSource::Own);
        merge(known.iter().chain([&own]), answer, complete, (PersonSource::App, NOW))
    }

    #[test]
    fn a_whole_answer_says_who_came_who_changed_and_who_left() {
        let renamed = PersonChange { name: Some("new".into()), ..said("A") };
        let changes = merged(&[renamed, said("c")], true);
        assert_eq!((names(&changes.added), names(&changes.changed)), (vec!["c"], vec!["a"]));
        assert_eq!((names(&changes.left), names(&changes.kept)), (vec!["b"], vec![]));
        assert_eq!(changes.left[0].synced_at, Some(NOW));
    }

    #[test]
    fn half_an_answer_and_an_empty_one_take_nobody_for_gone() {
        assert_eq!(names(&merged(&[said("a")], false).left), [""; 0]);
        assert_eq!(merged(&[], true), Changes::default());
    }

    #[test]
    fn who_is_said_to_have_left_has_left_even_by_half_an_answer() {
        let gone = PersonChange { status: Some(PersonStatus::Left), ..said("a") };
        let changes = merged(std::slice::from_ref(&gone), false);
        assert_eq!(names(&changes.left), ["a"]);
        let again = merge(&changes.left, &[gone], true, (PersonSource::App, NOW));
        assert_eq!((names(&again.left), names(&again.kept)), (vec![], vec!["a"]));
    }

    #[test]
    fn whom_no_sync_has_named_no_sync_takes_for_gone() {
        let changes = merged(&[said("a"), said("b")], true);
        assert_eq!((names(&changes.left), changes.kept.len()), (vec![], 2));
        let seen = merged(&[said("own")], true);
        assert_eq!(names(&seen.left), ["a", "b"]);
        assert_eq!(seen.kept[0].source, PersonSource::App, "from now on a sync may say so");
    }
}
