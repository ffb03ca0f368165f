//! Members' mailboxes.

use async_trait::async_trait;
use pipeline::ports::{Directory, LedgerError, Person};
use rusqlite::Connection;

use super::SqliteLedger;

#[async_trait]
impl Directory for SqliteLedger {
    async fn people(&self) -> Result<Vec<Person>, LedgerError> {
        let find = |connection: &mut Connection| {
            let mut find = connection.prepare_cached("SELECT shown, email FROM person ORDER BY userid")?;
            find.query_map([], |row| Ok(Person { userid: row.get(0)?, email: row.get(1)? }))?.collect()
        };
        self.readers.read("read the directory", find).await
    }

    async fn put_people(&self, people: Vec<Person>) -> Result<(), LedgerError> {
        let put = move |connection: &Connection| {
            let mut put =
                connection.prepare_cached("INSERT OR REPLACE INTO person (userid, shown, email) VALUES (?, ?, ?)")?;
            for Person { userid, email } in &people {
                put.execute([&userid.to_ascii_lowercase(), userid, email])?;
            }
            Ok(())
        };
        self.writer.change("keep addresses", put).await
    }

    async fn forget_person(&self, userid: &str) -> Result<bool, LedgerError> {
        let userid = userid.to_ascii_lowercase();
        let forget = move |connection: &Connection| {
            Ok(connection.execute("DELETE FROM person WHERE userid = ?", [&userid])? > 0)
        };
        self.writer.change("forget an address", forget).await
    }
}
