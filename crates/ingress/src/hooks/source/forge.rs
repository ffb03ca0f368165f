//! What GitHub, GitLab and Gitea tell, in one shape, so that one template words it: pushes, changes that ask to be
//! merged, issues, comments, runs, releases. Knows nothing about how each of them writes it.

use domain::{Mention, Priority};
use serde_json::{Map, Value, json};

use super::Notice;
use super::read::{commit, duration, first, first_line, list, scalar, short, string, tags};

/// Words all of it.
pub(super) const TEMPLATE: &str = include_str!("templates/forge.md.j2");

/// How many commits of a push are shown; the rest is counted.
const SHOWN: usize = 5;
/// How much of what people wrote is shown, in characters.
const EXCERPT: usize = 200;
const TITLE: usize = 120;

/// Where something happened, and who did it.
pub(super) struct Scene<'a> {
    pub(super) repository: &'a str,
    pub(super) url: &'a str,
    pub(super) who: &'a str,
}

/// What happened there.
pub(super) struct Told {
    /// What the system calls its kind.
    pub(super) event: String,
    /// What became of it, in the system's own words.
    pub(super) state: String,
    pub(super) priority: Priority,
    /// What the template is given besides the scene: its `kind` says which of its parts.
    pub(super) variables: Value,
}

impl Told {
    pub(super) fn new(event: &str, state: &str, variables: Value) -> Self {
        Self { event: event.to_owned(), state: state.to_owned(), priority: Priority::Normal, variables }
    }

    /// Makes the notice.
    pub(super) fn notice(self, source: &str, key: String, scene: &Scene<'_>, body: &Value) -> Notice {
        let mut variables = Map::new();
        let mut put = |name: &str, value: Value| variables.insert(name.to_owned(), value);
        put("event", json!(short(&self.event, 60)));
        put("state", json!(short(&self.state, 60)));
        put("repository", json!(short(scene.repository, TITLE)));
        put("repository_url", json!(scene.url));
        put("who", json!(short(scene.who, 60)));
        put("body", body.clone());
        if let Value::Object(told) = self.variables {
            variables.extend(told);
        }
        Notice {
            key,
            priority: self.priority,
            tags: tags([source, &self.event, &self.state, scene.repository]),
            mention: Mention::default(),
            variables,
        }
    }
}

/// A push of commits, or of a tag: all three write it so. `total` is how many commits there were.
pub(super) fn push(body: &Value, total: Option<u64>, url: String) -> Told {
    let (kind, name) = named(string(&body["ref"]));
    let commits = list(&body["commits"]);
    let shown = commits.iter().take(SHOWN).map(|made| {
        let author = &made["author"];
        json!({
            "id": commit(string(&made["id"])),
            "title": first_line(string(&made["message"]), 80),
            "author": short(first(&[&author["name"], &author["username"]]), 40),
            "url": string(&made["url"]),
        })
    });
    let shown: Vec<Value> = shown.collect();
    let count = total.unwrap_or(0).max(commits.len() as u64);
    let state = match (is_nothing(&body["before"]), is_nothing(&body["after"])) {
        (_, true) => "deleted",
        (true, false) => "created",
        (false, false) => "",
    };
    let variables = json!({
        "kind": "push",
        "ref_kind": kind,
        "ref": short(name, TITLE),
        "forced": body["forced"] == true,
        "commits": shown,
        "count": count,
        "more": count.saturating_sub(shown.len() as u64),
        "url": url,
    });
    Told::new("push", state, variables)
}

/// `refs/heads/main` → a branch, `main`.
fn named(reference: &str) -> (&'static str, &str) {
    let named = [("branch", "refs/heads/"), ("tag", "refs/tags/")];
    let found = named.iter().find_map(|(kind, prefix)| Some((*kind, reference.strip_prefix(prefix)?)));
    found.unwrap_or(("", reference))
}

/// Whether a commit stands for none: nothing but zeros.
pub(super) fn is_nothing(id: &Value) -> bool {
    let id = string(id);
    !id.is_empty() && id.bytes().all(|byte| byte == b'0')
}

/// A change that asks to be merged; GitLab's numbers begin with `!`.
pub(super) struct Change<'a> {
    pub(super) mark: &'static str,
    pub(super) number: &'a Value,
    pub(super) title: &'a str,
    pub(super) url: &'a str,
    pub(super) from: &'a str,
    pub(super) into: &'a str,
    pub(super) text: &'a str,
    pub(super) draft: bool,
}

impl Change<'_> {
    pub(super) fn variables(&self) -> Value {
        json!({
            "kind": "change",
            "mark": self.mark,
            "number": scalar(self.number),
            "title": short(self.title, TITLE),
            "url": self.url,
            "from": short(self.from, 80),
            "into": short(self.into, 80),
            "text": short(self.text, EXCERPT),
            "draft": self.draft,
        })
    }
}

/// An issue.
pub(super) fn issue(number: &Value, title: &str, url: &str, text: &str) -> Value {
    json!({
        "kind": "issue",
        "mark": "#",
        "number": scalar(number),
        "title": short(title, TITLE),
        "url": url,
        "text": short(text, EXCERPT),
    })
}

/// What somebody wrote about a change, an issue, a commit: `on` says of what kind; a commit's number is its hash.
pub(super) fn comment(on: &str, number: &str, title: &str, url: &str, text: &str) -> Value {
    let mark = match on {
        "issue" | "pull_request" => "#",
        "merge_request" => "!",
        _ => "",
    };
    json!({
        "kind": "comment",
        "on": on,
        "mark": mark,
        "number": short(number, 40),
        "title": short(title, TITLE),
        "url": url,
        "text": short(text, EXCERPT),
    })
}

/// A run of a pipeline, a workflow or a job that has ended.
pub(super) struct Run<'a> {
    pub(super) name: String,
    pub(super) number: String,
    pub(super) title: &'a str,
    pub(super) branch: &'a str,
    pub(super) commit: &'a str,
    pub(super) url: String,
    pub(super) seconds: f64,
    /// What of it failed, and why.
    pub(super) failed: Vec<String>,
}

impl Run<'_> {
    /// Tells of it: `good`, `bad` or `stopped` by what it ended in. A bad one is waited for; a good one can wait.
    pub(super) fn told(self, event: &str, ended: &str) -> Told {
        let (outcome, priority) = match ended {
            "success" | "neutral" => ("good", Priority::Bulk),
            "failure" | "failed" | "timed_out" | "startup_failure" => ("bad", Priority::Normal),
            _ => ("stopped", Priority::Normal),
        };
        let variables = json!({
            "kind": "run",
            "outcome": outcome,
            "name": short(&self.name, TITLE),
            "number": short(&self.number, 40),
            "title": first_line(self.title, TITLE),
            "branch": short(self.branch, 80),
            "commit": commit(self.commit),
            "url": self.url,
            "duration": duration(self.seconds),
            "failed": self.failed.iter().take(SHOWN).map(|name| short(name, 80)).collect::<Vec<_>>(),
            "more": self.failed.len().saturating_sub(SHOWN),
        });
        Told { priority, ..Told::new(event, ended, variables) }
    }
}

/// A release.
pub(super) fn release(tag: &str, name: &str, url: &str, text: &str) -> Value {
    json!({
        "kind": "release",
        "tag": short(tag, TITLE),
        "name": short(name, TITLE),
        "url": url,
        "text": short(text, EXCERPT),
    })
}

/// Anything else: that it happened, and where to look.
pub(super) fn other(event: &str, state: &str, about: &Value) -> Told {
    let title = first(&[&about["title"], &about["name"]]);
    let url = first(&[&about["html_url"], &about["url"]]);
    Told::new(event, state, json!({ "kind": "other", "title": short(title, TITLE), "url": url }))
}
