//! The tables of imports: read as CSV, and applied row by row (path/90980, path/90981, path/90982).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::rules::{Refused, refuse};
use crate::world::{Corp, Member, Party};

/// Reads the rows behind the headings: cells by commas, quoted where they hold one.
pub(super) fn rows(table: &str) -> Vec<Vec<String>> {
    let lines = table.trim_start_matches('\u{feff}').lines().skip(1).filter(|line| !line.trim().is_empty());
    lines.map(cells).collect()
}

fn cells(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                push(&mut cells, '"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            letter => push(&mut cells, letter),
        }
    }
    cells.into_iter().map(|cell| cell.trim().to_owned()).collect()
}

fn push(cells: &mut [String], letter: char) {
    if let Some(last) = cells.last_mut() {
        last.push(letter);
    }
}

/// Columns: name, userid, mobile, mailbox, departments joined by `;`, position, gender, leader, order, alias, address,
/// landline, disabled. A replacement that would remove most of the company is refused before anything changes.
pub(super) fn import_users(corp: &mut Corp, rows: &[Vec<String>], replaces: bool) -> Result<Vec<Value>, Refused> {
    let named: Vec<String> = rows.iter().filter_map(|row| row.get(1)).map(|userid| userid.to_lowercase()).collect();
    if replaces {
        let gone = corp.members.keys().filter(|userid| !named.contains(userid)).count();
        let share = gone * 100 / corp.members.len().max(1);
        if (gone > 50 && share > 20) || (gone <= 50 && share > 80) {
            return refuse(45_026, "too many users would be deleted");
        }
    }
    let mut result = Vec::new();
    for row in rows {
        let userid = row.get(1).cloned().unwrap_or_default();
        let (errcode, errmsg) = match import_user(corp, &userid, row) {
            Ok(()) => (0, "ok".to_owned()),
            Err(refused) => (refused.errcode, refused.errmsg),
        };
        result.push(json!({ "userid": userid, "errcode": errcode, "errmsg": errmsg }));
    }
    if replaces {
        corp.members.retain(|userid, _| named.contains(userid));
    }
    Ok(result)
}

fn import_user(corp: &mut Corp, userid: &str, row: &[String]) -> Result<(), Refused> {
    let cell = |at: usize| row.get(at).cloned().unwrap_or_default();
    if !super::user::is_userid(userid) {
        return refuse(40_003, "invalid userid");
    }
    if cell(0).is_empty() {
        return refuse(60_112, "invalid name");
    }
    if cell(2).is_empty() && cell(3).is_empty() {
        return refuse(60_129, "mobile and email both empty");
    }
    let parties: Vec<u64> = cell(4).split(';').filter_map(|id| id.trim().parse().ok()).collect();
    if parties.iter().any(|party| !corp.parties.contains_key(party)) {
        return refuse(60_003, "department not found");
    }
    let mut member = corp.member(userid).cloned().unwrap_or_else(|| Member::new(userid));
    (member.name, member.mobile, member.email) = (cell(0), cell(2), cell(3));
    member.parties = if parties.is_empty() { vec![1] } else { parties };
    let gender = match cell(6).as_str() {
        "男" | "1" => "1",
        "女" | "2" => "2",
        _ => "",
    };
    let texts = [(5, "position"), (9, "alias"), (10, "address"), (11, "telephone")];
    let texts = texts.into_iter().map(|(at, name)| (name, cell(at))).chain([("gender", gender.to_owned())]);
    for (name, value) in texts.filter(|(_, value)| !value.is_empty()) {
        member.profile.insert(name.to_owned(), value.into());
    }
    if cell(12) == "1" {
        member.status = 2;
    }
    corp.members.insert(userid.to_lowercase(), member);
    Ok(())
}

/// Columns: name, id, parent's id, order. What the table does not name goes, as far as it is empty.
pub(super) fn replace_parties(corp: &mut Corp, rows: &[Vec<String>]) -> Vec<Value> {
    let mut result = Vec::new();
    let mut named = BTreeMap::new();
    for row in rows {
        let number = |at: usize| row.get(at).and_then(|cell| cell.parse::<u64>().ok());
        let (Some(name), Some(id)) = (row.first(), number(1)) else { continue };
        let parent = number(2).filter(|parent| *parent > 0);
        let looped = parent == Some(id) || parent.is_some_and(|parent| corp.below(id).contains(&parent));
        if looped {
            result.push(json!({ "action": 0, "partyid": id, "errcode": 60_010, "errmsg": "department loop" }));
            continue;
        }
        let party = Party { name: name.clone(), parent, order: number(3).unwrap_or(0), ..Party::default() };
        let action = match corp.parties.get(&id) {
            None => 1,
            Some(old) => {
                2 * i32::from(old.name != party.name)
                    + 4 * i32::from(old.parent != party.parent)
                    + 8 * i32::from(old.order != party.order)
            }
        };
        corp.parties.insert(id, party);
        named.insert(id, ());
        result.push(json!({ "action": action, "partyid": id, "errcode": 0, "errmsg": "ok" }));
    }
    let used = |id: &u64| corp.members.values().any(|member| member.parties.contains(id));
    let gone: Vec<u64> =
        corp.parties.keys().copied().filter(|id| *id != 1 && !named.contains_key(id) && !used(id)).collect();
    corp.parties.retain(|id, _| !gone.contains(id));
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_may_hold_commas_and_quotes() {
        let read = rows("\u{feff}姓名,帐号\n\"张,大\",\"a\"\"b\"\n\n李, lisi \n");
        assert_eq!(read, [["张,大", "a\"b"], ["李", "lisi"]]);
    }
}
