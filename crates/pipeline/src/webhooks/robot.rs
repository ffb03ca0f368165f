//! Answers to smart robots that came later than the rules': over the connection, by the id of what they answer.

use domain::{Content, ContentKind};
use serde_json::{Value, json};

use super::{WebhookSender, WebhookTarget};
use crate::ports::{Posted, RobotAnswer, SmartRobots, Told, UpstreamError, WebhookEvent};
use crate::telemetry::{Happening as _, WebhookFailed};

/// Refusals that pass: too often in a minute (path/101463), too often at all, too many at once.
const PASSING: [i64; 3] = [846_607, 45_009, 45_033];

/// Writes an answer as the outbox keeps it.
pub(crate) fn to_body(answer: &RobotAnswer) -> String {
    let RobotAnswer { told, content, users } = answer;
    json!({ "told": told, "kind": content.kind().name(), "object": content.object(), "users": users }).to_string()
}

fn from_body(body: &str) -> Option<RobotAnswer> {
    let mut body: Value = serde_json::from_str(body).ok()?;
    let kind: ContentKind = body["kind"].as_str()?.parse().ok()?;
    let content = Content::new(kind, body["object"].as_str()?);
    let users = body["users"].as_array()?.iter().filter_map(|user| Some(user.as_str()?.to_owned())).collect();
    let Value::Object(told) = body["told"].take() else { return None };
    Some(RobotAnswer { told, content, users })
}

/// Answers. What happened, such as a press, is answered within seconds or never; a message for a day.
pub(super) async fn answer(
    sender: &WebhookSender,
    target: &WebhookTarget,
    (robots, callback): (&dyn SmartRobots, &str),
    event: &WebhookEvent,
) -> Posted {
    let Some(Told::Object { body, .. }) = &event.told else { return Posted::Taken };
    let dead = |error: String| {
        WebhookFailed { target: &event.target, event: event.id, tries: event.tries + 1, error: &error, dead: true }
            .emit();
        Posted::Dead { error }
    };
    let Some(answer) = from_body(body) else { return dead("what is stored of it cannot be read".to_owned()) };
    let is_message = answer.told.get("msgtype").is_none_or(|kind| kind != "event");
    match robots.answer(callback, answer).await {
        Ok(()) => Posted::Taken,
        Err(UpstreamError::Refused { errcode, errmsg }) if is_message && PASSING.contains(&errcode) => {
            sender.not_taken(target, event, errmsg)
        }
        Err(UpstreamError::Unavailable(error)) if is_message => sender.not_taken(target, event, error),
        Err(error) => dead(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_as_it_was_written() {
        let told = json!({ "msgid": "M", "req_id": "q" });
        let answer = RobotAnswer {
            told: told.as_object().unwrap().clone(),
            content: Content::plain(ContentKind::Markdown, "**好**"),
            users: vec!["lisi".to_owned()],
        };
        assert_eq!(from_body(&to_body(&answer)), Some(answer));
        assert_eq!(from_body("{}"), None);
    }
}
