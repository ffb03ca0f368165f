//! Templates, in versions.

use async_trait::async_trait;
use domain::{Template, Timestamp};
use pipeline::ports::{LedgerError, TemplateRecord, Templates};
use rusqlite::{Connection, params};

use super::{SqliteLedger, rows};

fn put(connection: &Connection, template: &Template, activate: bool, now: Timestamp) -> rusqlite::Result<u32> {
    let find = "SELECT COALESCE(MAX(version), 0) FROM template WHERE name = ?";
    let last: u32 = connection.query_row(find, [&template.name], |row| row.get(0))?;
    let template = Template { version: last + 1, ..template.clone() };
    let body = serde_json::to_string(&template).map_err(|error| rows::corrupt(error.to_string()))?;
    let row = params![template.name, template.version, body, now.as_millis()];
    connection.execute("INSERT INTO template (name, version, body, active, created_at) VALUES (?, ?, ?, 0, ?)", row)?;
    if activate || last == 0 {
        set_active(connection, &template.name, template.version)?;
    }
    Ok(template.version)
}

fn set_active(connection: &Connection, name: &str, version: u32) -> rusqlite::Result<bool> {
    let found = "SELECT EXISTS (SELECT 1 FROM template WHERE name = ? AND version = ?)";
    if !connection.query_row(found, params![name, version], |row| row.get(0))? {
        return Ok(false);
    }
    connection.execute(
        "UPDATE template SET active = (version = ?2), weight = NULL WHERE name = ?1",
        params![name, version],
    )?;
    Ok(true)
}

fn split(connection: &Connection, name: &str, weights: &[(u32, u32)]) -> rusqlite::Result<bool> {
    let mut find = connection.prepare_cached("SELECT 1 FROM template WHERE name = ? AND version = ?")?;
    for (version, _) in weights {
        if !find.exists(params![name, version])? {
            return Ok(false);
        }
    }
    connection.execute("UPDATE template SET weight = NULL WHERE name = ?", [name])?;
    for (version, weight) in weights {
        connection
            .execute("UPDATE template SET weight = ? WHERE name = ? AND version = ?", params![weight, name, version])?;
    }
    Ok(true)
}

#[async_trait]
impl Templates for SqliteLedger {
    async fn templates(&self) -> Result<Vec<TemplateRecord>, LedgerError> {
        let find = |connection: &mut Connection| {
            let mut find = connection
                .prepare_cached("SELECT body, active, created_at, weight FROM template ORDER BY name, version DESC")?;
            let found = find.query_map([], |row| {
                let body = row.get_ref(0)?.as_str()?;
                let template = serde_json::from_str(body).map_err(|error| rows::corrupt(error.to_string()))?;
                let weight = row.get::<_, Option<u32>>(3)?.unwrap_or(0);
                Ok(TemplateRecord { template, active: row.get(1)?, weight, created_at: rows::time(row, 2)? })
            })?;
            found.collect()
        };
        self.readers.read("read the templates", find).await
    }

    async fn put_template(&self, template: Template, activate: bool, now: Timestamp) -> Result<u32, LedgerError> {
        self.writer.change("keep a template", move |connection| put(connection, &template, activate, now)).await
    }

    async fn activate_template(&self, name: &str, version: u32) -> Result<bool, LedgerError> {
        let name = name.to_owned();
        self.writer.change("activate a template", move |connection| set_active(connection, &name, version)).await
    }

    async fn split_template(&self, name: &str, weights: Vec<(u32, u32)>) -> Result<bool, LedgerError> {
        let name = name.to_owned();
        self.writer.change("split a template", move |connection| split(connection, &name, &weights)).await
    }

    async fn forget_template(&self, name: &str) -> Result<bool, LedgerError> {
        let name = name.to_owned();
        let forget =
            move |connection: &Connection| Ok(connection.execute("DELETE FROM template WHERE name = ?", [name])? > 0);
        self.writer.change("forget a template", forget).await
    }
}
