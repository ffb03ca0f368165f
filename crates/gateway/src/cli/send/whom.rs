//! Whom a message is for, which way it goes, whom it calls by name: the arguments of whatever sends.

use clap::Args;
use serde_json::{Map, Value, json};

use super::{parse_flag, split_list};

#[derive(Debug, Args)]
pub(crate) struct Whom {
    /// Members, by userid, divided by `,` or `|`; `@all` means everybody
    #[arg(long, value_name = "USERS")]
    pub(super) to: Option<String>,
    /// Departments, by id
    #[arg(long, value_name = "IDS")]
    pub(super) party: Option<String>,
    /// Tags, by id
    #[arg(long, value_name = "IDS")]
    pub(super) tag: Option<String>,
    /// Robots, by their configured name
    #[arg(long, value_name = "NAMES")]
    pub(super) robot: Option<String>,
    /// Group chats, by their configured name
    #[arg(long, value_name = "NAMES")]
    pub(super) chat: Option<String>,
    /// Mailboxes, by address
    #[arg(long, value_name = "ADDRESSES")]
    pub(super) email: Option<String>,
    /// Business identities: emp:1001, mobile:138…, name:张三, group:ops, oncall:ops
    #[arg(long, value_name = "IDS")]
    pub(super) person: Option<String>,
    /// The configured route it takes; without one, the rules say
    #[arg(long, value_name = "NAME")]
    pub(super) route: Option<String>,
    /// The application that members are addressed through
    #[arg(long, value_name = "NAME")]
    pub(super) app: Option<String>,
    /// Have a robot mention members, by userid
    #[arg(long, value_name = "USERS")]
    pub(super) at: Option<String>,
    /// Have a robot mention members, by mobile number: `"13800138000, 13900139000"`
    #[arg(long, value_name = "MOBILES")]
    pub(super) at_mobile: Option<String>,
    /// Have a robot mention everybody: 0, 1, true or false; alone it means 1
    #[arg(long, value_name = "0|1", num_args = 0..=1, default_missing_value = "1", value_parser = parse_flag, default_value = "0")]
    pub(super) at_all: bool,
    /// urgent, normal or bulk
    #[arg(long)]
    pub(super) priority: Option<String>,
}

impl Whom {
    pub(crate) fn names_somebody(&self) -> bool {
        let lists = [&self.to, &self.party, &self.tag, &self.robot, &self.chat, &self.email, &self.person, &self.route];
        lists.iter().any(|list| !split_list(list.as_deref()).is_empty())
    }

    pub(crate) fn is_for_everybody(&self) -> bool {
        split_list(self.to.as_deref()).contains(&"@all")
    }

    /// A submission without its content.
    pub(crate) fn submission(&self) -> Map<String, Value> {
        let mut to = Map::new();
        let users: Vec<&str> = split_list(self.to.as_deref()).into_iter().filter(|user| *user != "@all").collect();
        for (name, list) in [
            ("users", users),
            ("parties", split_list(self.party.as_deref())),
            ("tags", split_list(self.tag.as_deref())),
            ("robots", split_list(self.robot.as_deref())),
            ("chats", split_list(self.chat.as_deref())),
            ("emails", split_list(self.email.as_deref())),
            ("people", split_list(self.person.as_deref())),
        ] {
            if !list.is_empty() {
                to.insert(name.to_owned(), json!(list));
            }
        }
        if self.is_for_everybody() {
            to.insert("all".to_owned(), json!(true));
        }
        let mut submission = Map::new();
        submission.insert("to".to_owned(), Value::Object(to));
        let mention = self.mention();
        if mention != json!({}) {
            submission.insert("mention".to_owned(), mention);
        }
        for (name, value) in [("app", &self.app), ("priority", &self.priority), ("route", &self.route)] {
            if let Some(value) = value {
                submission.insert(name.to_owned(), json!(value));
            }
        }
        submission
    }

    fn mention(&self) -> Value {
        let mut mention = Map::new();
        for (name, list) in
            [("users", split_list(self.at.as_deref())), ("mobiles", split_list(self.at_mobile.as_deref()))]
        {
            if !list.is_empty() {
                mention.insert(name.to_owned(), json!(list));
            }
        }
        if self.at_all {
            mention.insert("all".to_owned(), json!(true));
        }
        Value::Object(mention)
    }
}
