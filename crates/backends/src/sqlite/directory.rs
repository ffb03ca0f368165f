//! Who is who: people, lists of them, and whom WeCom found. What is said of people is sealed, bound to its row.

use async_trait::async_trait;
use domain::{Group, Identity, OnCall, Person, PersonSource, PersonStatus, Span, Timestamp};
use pipeline::ports::{Directory, LedgerError, LookedUp};
use rusqlite::{Connection, Row, params};
use serde::{Deserialize, Serialize};

use super::{SqliteLedger, rows};

const GROUP: &str = "group";
const ON_CALL: &str = "oncall";

/// What is sealed of a person.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Said {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    departments: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mobile: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    identities: Vec<String>,
}

/// What is sealed of a list.
#[derive(Serialize, Deserialize)]
struct List {
    members: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    turns: Option<Turns>,
}

#[derive(Serialize, Deserialize)]
struct Turns {
    /// In milliseconds.
    since: i64,
    every: Span,
    zone: String,
}

/// What is sealed of a look-up.
#[derive(Serialize, Deserialize)]
struct Found {
    entry: String,
    userid: String,
}

fn sealed<T: Serialize>(value: &T) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rows::corrupt(error.to_string()))
}

fn person(row: &Row<'_>) -> rusqlite::Result<Person> {
    // What cannot be opened is a person of whom only the userid is known.
    let said: Option<String> = row.get(4)?;
    let said = said.and_then(|said| serde_json::from_str(&said).ok()).unwrap_or_default();
    let Said { name, departments, mobile, email, identities } = said;
    let status: Option<i64> = row.get(1)?;
    Ok(Person {
        userid: row.get(0)?,
        name,
        departments,
        mobile,
        email,
        status: status.and_then(PersonStatus::from_number),
        identities: identities.iter().filter_map(|own| own.parse::<Identity>().ok()).collect(),
        synced_at: row.get::<_, Option<i64>>(3)?.map(Timestamp::from_millis),
        source: PersonSource::from_name(row.get_ref(2)?.as_str()?).unwrap_or(PersonSource::Own),
    })
}

fn put(connection: &Connection, person: &Person) -> rusqlite::Result<()> {
    let said = sealed(&Said {
        name: person.name.clone(),
        departments: person.departments.clone(),
        mobile: person.mobile.clone(),
        email: person.email.clone(),
        identities: person.identities.iter().map(ToString::to_string).collect(),
    })?;
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO person (userid, shown, status, source, synced_at, sealed)
                 VALUES (seal_pii(?1), seal_pii(?2), ?3, ?4, ?5, seal_text('person', seal_pii(?1), ?6))",
        )?
        .execute(params![
            person.userid.to_ascii_lowercase(),
            person.userid,
            person.status.map(PersonStatus::number),
            person.source.name(),
            person.synced_at.map(Timestamp::as_millis),
            said
        ])
        .map(drop)
}

fn lists(connection: &Connection, kind: &str) -> rusqlite::Result<Vec<(String, List)>> {
    let mut find = connection.prepare_cached(
        "SELECT name, open_text('person', kind || ':' || name, sealed) FROM person_list WHERE kind = ? ORDER BY name",
    )?;
    let found = find.query_map([kind], |row| Ok((row.get(0)?, row.get::<_, Option<String>>(1)?)))?;
    let found = found.collect::<rusqlite::Result<Vec<(String, Option<String>)>>>()?;
    // One that cannot be opened names nobody: whoever asks for it hears that it is not known.
    Ok(found.into_iter().filter_map(|(name, list)| Some((name, serde_json::from_str(&list?).ok()?))).collect())
}

fn put_list(connection: &Connection, (kind, name): (&str, &str), list: &List) -> rusqlite::Result<()> {
    connection
        .execute(
            "INSERT OR REPLACE INTO person_list (kind, name, sealed)
                 VALUES (?1, ?2, seal_text('person', ?1 || ':' || ?2, ?3))",
            params![kind, name, sealed(list)?],
        )
        .map(drop)
}

fn forget_list(connection: &Connection, kind: &str, name: &str) -> rusqlite::Result<bool> {
    Ok(connection.execute("DELETE FROM person_list WHERE kind = ? AND name = ?", [kind, name])? > 0)
}

fn lookups(connection: &Connection) -> rusqlite::Result<Vec<(i64, LookedUp)>> {
    let mut find =
        connection.prepare_cached("SELECT id, at, open_text('person', id, sealed) FROM person_lookup ORDER BY at")?;
    let found = find.query_map([], |row| {
        let found: Option<Found> = row.get::<_, Option<String>>(2)?.and_then(|found| serde_json::from_str(&found).ok());
        let at = Timestamp::from_millis(row.get(1)?);
        Ok(found.map(|Found { entry, userid }| (row.get(0).unwrap_or_default(), LookedUp { entry, userid, at })))
    })?;
    Ok(found.collect::<rusqlite::Result<Vec<_>>>()?.into_iter().flatten().collect())
}

/// Seals what an earlier schema kept in the clear; returns how much.
pub(super) fn seal_what_is_not(connection: &Connection) -> rusqlite::Result<usize> {
    connection
        .execute("UPDATE person SET sealed = seal_text('person', userid, sealed) WHERE substr(sealed, 1, 1) = '{'", [])
}

/// Seals everything anew under the newest key.
pub(super) fn reseal(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute("UPDATE person SET sealed = resealed_text('person', userid, sealed)", [])?;
    connection.execute("UPDATE person_list SET sealed = resealed_text('person', kind || ':' || name, sealed)", [])?;
    connection.execute("UPDATE person_lookup SET sealed = resealed_text('person', id, sealed)", []).map(drop)
}

/// Forgets a person, and by what they were found.
pub(super) fn erase_member(connection: &Connection, userid: &str) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM person WHERE userid = seal_pii(?)", [userid.to_ascii_lowercase()])?;
    erase_lookups(connection, |found| found.userid.eq_ignore_ascii_case(userid))
}

/// Forgets whom an entry was found to be.
pub(super) fn erase_entry(connection: &Connection, entry: &str) -> rusqlite::Result<()> {
    erase_lookups(connection, |found| found.entry == entry)
}

fn erase_lookups(connection: &Connection, is_it: impl Fn(&LookedUp) -> bool) -> rusqlite::Result<()> {
    for (id, _) in lookups(connection)?.iter().filter(|(_, found)| is_it(found)) {
        connection.execute("DELETE FROM person_lookup WHERE id = ?", [id])?;
    }
    Ok(())
}

#[async_trait]
impl Directory for SqliteLedger {
    async fn people(&self) -> Result<Vec<Person>, LedgerError> {
        let find = |connection: &mut Connection| {
            let mut find = connection.prepare_cached(
                "SELECT open_pii(shown), status, source, synced_at, open_text('person', userid, sealed) FROM person
                 ORDER BY open_pii(userid)",
            )?;
            find.query_map([], person)?.collect()
        };
        self.readers.read("read the directory", find).await
    }

    async fn put_people(&self, people: Vec<Person>) -> Result<(), LedgerError> {
        let put = move |connection: &Connection| people.iter().try_for_each(|person| put(connection, person));
        self.writer.change("keep people", put).await
    }

    async fn forget_person(&self, userid: &str) -> Result<bool, LedgerError> {
        let userid = userid.to_ascii_lowercase();
        let forget = move |connection: &Connection| {
            Ok(connection.execute("DELETE FROM person WHERE userid = seal_pii(?)", [&userid])? > 0)
        };
        self.writer.change("forget a person", forget).await
    }

    async fn rename_person(&self, before: &str, person: Person) -> Result<(), LedgerError> {
        let before = before.to_ascii_lowercase();
        let rename = move |connection: &Connection| {
            connection.execute("DELETE FROM person WHERE userid = seal_pii(?)", [&before])?;
            put(connection, &person)
        };
        self.writer.change("keep a person under another userid", rename).await
    }

    async fn groups(&self) -> Result<Vec<Group>, LedgerError> {
        let found = self.readers.read("read the groups", |connection| lists(connection, GROUP)).await?;
        Ok(found.into_iter().map(|(name, List { members, .. })| Group { name, members }).collect())
    }

    async fn put_group(&self, Group { name, members }: Group) -> Result<(), LedgerError> {
        let list = List { members, turns: None };
        self.writer.change("keep a group", move |connection| put_list(connection, (GROUP, &name), &list)).await
    }

    async fn forget_group(&self, name: &str) -> Result<bool, LedgerError> {
        let name = name.to_owned();
        self.writer.change("forget a group", move |connection| forget_list(connection, GROUP, &name)).await
    }

    async fn on_call_lists(&self) -> Result<Vec<OnCall>, LedgerError> {
        let found = self.readers.read("read the on-call lists", |connection| lists(connection, ON_CALL)).await?;
        let list = |(name, List { members, turns })| {
            let Turns { since, every, zone } = turns?;
            Some(OnCall { name, members, since: Timestamp::from_millis(since), every, zone })
        };
        Ok(found.into_iter().filter_map(list).collect())
    }

    async fn put_on_call(&self, list: OnCall) -> Result<(), LedgerError> {
        let OnCall { name, members, since, every, zone } = list;
        let list = List { members, turns: Some(Turns { since: since.as_millis(), every, zone }) };
        self.writer
            .change("keep an on-call list", move |connection| put_list(connection, (ON_CALL, &name), &list))
            .await
    }

    async fn forget_on_call(&self, name: &str) -> Result<bool, LedgerError> {
        let name = name.to_owned();
        self.writer.change("forget an on-call list", move |connection| forget_list(connection, ON_CALL, &name)).await
    }

    async fn looked_up(&self, since: Timestamp) -> Result<Vec<LookedUp>, LedgerError> {
        let forget = move |connection: &Connection| {
            connection.execute("DELETE FROM person_lookup WHERE at < ?", [since.as_millis()]).map(drop)
        };
        self.writer.change("forget old look-ups", forget).await?;
        let found = self.readers.read("read whom WeCom found", |connection| lookups(connection)).await?;
        Ok(found.into_iter().map(|(_, found)| found).collect())
    }

    async fn keep_looked_up(&self, found: LookedUp) -> Result<(), LedgerError> {
        // The seal is bound to the row: its id is chosen here.
        let id = i64::from(rand::random::<u32>()) << 20 | i64::from(rand::random::<u16>());
        let keep = move |connection: &Connection| {
            erase_entry(connection, &found.entry)?;
            let LookedUp { entry, userid, at } = &found;
            let said = sealed(&Found { entry: entry.clone(), userid: userid.clone() })?;
            connection
                .execute(
                    "INSERT OR REPLACE INTO person_lookup (id, at, sealed) VALUES (?1, ?2, seal_text('person', ?1, ?3))",
                    params![id, at.as_millis(), said],
                )
                .map(drop)
        };
        self.writer.change("keep whom WeCom found", keep).await
    }
}
