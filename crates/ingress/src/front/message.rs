//! Sending, recalling and updating: qyapi's bodies → what is accepted, and back.

use std::sync::Arc;
use std::time::Duration;

use axum::response::{IntoResponse as _, Response};
use domain::{
    Content, ContentKind, Dedupe, DedupeBy, Grant, MessageId, Options, Recipient, RecipientSet, Submission,
    SubmissionContent, response_code,
};
use pipeline::ports::{Effects, MessageRecord, UpstreamCall, UpstreamError, Word};
use pipeline::{AcceptError, CARD_UPDATE, RecallError, card_code, card_target, message_of_card_code};
use serde_json::{Map, Value};

use super::{Answer, FrontCall, outcome, overlooked};
use crate::http::Api;

/// How long equal messages are repeats, where a client asks for it and does not say (path/90236).
const DUPLICATE_CHECK: u64 = 1800;

/// `message/send`.
pub(super) async fn by_app(api: &Arc<Api>, call: &FrontCall, grant: &Arc<Grant>) -> Result<Response, Answer> {
    let body = object(call)?;
    let app = app_of(api, grant, &body)?;
    let to = recipients(&body);
    if to.is_empty() {
        return Err(Answer::refuse(40_031, "invalid userid list").hint("touser, toparty and totag are all empty"));
    }
    let content = content(&body, ContentKind::ALL)?;
    let submission = Submission {
        to,
        app: Some(app),
        options: Options { safe: safe(&body), id_trans: number(&body, "enable_id_trans") == 1, ..Options::default() },
        dedupe: (number(&body, "enable_duplicate_check") == 1).then(|| {
            let interval = u64::try_from(number(&body, "duplicate_check_interval")).unwrap_or(0);
            let seconds = if interval == 0 { DUPLICATE_CHECK } else { interval };
            Dedupe { by: DedupeBy::Content, window: Duration::from_secs(seconds) }
        }),
        ..Submission::new(SubmissionContent::Ready(content.clone()))
    };
    let id = accept(api, grant, submission).await?;
    let answer = outcome::of(api, id).await?;
    let is_card = content.kind() == ContentKind::TemplateCard && answer.errcode == 0;
    Ok(if is_card { answer.with("response_code", card_code(id)) } else { answer }.into_response())
}

/// `webhook/send`.
pub(super) async fn by_robot(api: &Arc<Api>, call: &FrontCall, grant: &Arc<Grant>) -> Result<Response, Answer> {
    let body = object(call)?;
    let robot = robot_of(api, grant)?;
    let content = content(&body, ContentKind::ALL)?;
    let submission = Submission {
        to: RecipientSet::new([Recipient::Robot(robot)]),
        ..Submission::new(SubmissionContent::Ready(content))
    };
    let id = accept(api, grant, submission).await?;
    Ok(outcome::of(api, id).await?.short().into_response())
}

/// `appchat/send`.
pub(super) async fn to_chat(api: &Arc<Api>, call: &FrontCall, grant: &Arc<Grant>) -> Result<Response, Answer> {
    let body = object(call)?;
    let chatid = text(&body, "chatid");
    let Some(chat) = api.front.chats.get(&chatid) else {
        return Err(
            Answer::refuse(86_001, "invalid chatid").hint("it is none of the group chats that are configured here")
        );
    };
    let content = content(&body, ContentKind::ALL)?;
    let submission = Submission {
        to: RecipientSet::new([Recipient::Chat(chat.clone())]),
        options: Options { safe: safe(&body), ..Options::default() },
        ..Submission::new(SubmissionContent::Ready(content))
    };
    let id = accept(api, grant, submission).await?;
    Ok(outcome::of(api, id).await?.short().into_response())
}

/// `message/recall`: of what is queued, too.
pub(super) async fn recall(api: &Arc<Api>, call: &FrontCall, grant: &Arc<Grant>) -> Result<Response, Answer> {
    let body = object(call)?;
    let unknown = || Answer::refuse(40_098, "invalid msgid").hint("it is not one that this gateway handed out");
    let id: MessageId = text(&body, "msgid").parse().map_err(|_| unknown())?;
    match api.recaller.recall(id, Some(&grant.caller)).await {
        Ok(_) => Ok(Answer::ok().into_response()),
        Err(RecallError::Unknown) => Err(unknown()),
        Err(RecallError::NotRecallable(reason)) => {
            let errcode = reason.code.parse().unwrap_or(40_098);
            Err(Answer::refuse(errcode, reason.text))
        }
        Err(_) => Err(Answer::busy("system busy")),
    }
}

/// `message/update_template_card`: at once if the card was sent, and else when it is.
pub(super) async fn update_card(api: &Arc<Api>, call: &FrontCall, grant: &Arc<Grant>) -> Result<Response, Answer> {
    let mut body = object(call)?;
    let unknown = || Answer::refuse(40_100, "invalid response_code").hint("it is not one that this gateway handed out");
    let given = text(&body, "response_code");
    let id = message_of_card_code(&given).ok_or_else(unknown)?;
    let record = api.ledger.message(id, Some(&grant.caller)).await.map_err(|_| Answer::busy("system busy"))?;
    let record = record.ok_or_else(unknown)?;
    let sent = record.deliveries.iter().find_map(|delivery| {
        let code = response_code(delivery.handle.as_deref()?)?;
        Some((delivery.delivery.lane.main(), code.to_owned()))
    });
    body.remove("agentid");
    let Some((lane, code)) = sent else {
        return later(api, &record, body).await;
    };
    body.insert("response_code".to_owned(), code.into());
    let channel = api.front.channels.get(&lane).ok_or_else(|| Answer::busy("its application is not configured"))?;
    let call = UpstreamCall { path: call.path.clone(), query: Vec::new(), body: Some(Value::Object(body)) };
    match channel.call(call).await {
        Ok(answer) => {
            let invalid = answer.get("invaliduser").cloned().unwrap_or_else(|| Value::Array(Vec::new()));
            Ok(Answer::ok().with("invaliduser", invalid).into_response())
        }
        Err(UpstreamError::Refused { errcode, errmsg }) => Err(Answer::refuse(errcode, errmsg)),
        Err(UpstreamError::Unavailable(_)) => Err(Answer::busy("system busy")),
    }
}

/// Changes a card that still waits: as soon as it was sent.
async fn later(api: &Arc<Api>, record: &MessageRecord, body: Map<String, Value>) -> Result<Response, Answer> {
    let first = record.deliveries.first().filter(|_| !record.state.is_final());
    let first = first.ok_or_else(|| Answer::refuse(40_100, "invalid response_code").hint("the card was never sent"))?;
    let word = Word {
        target: card_target(first.delivery.lane.main().account()),
        topic: CARD_UPDATE.to_owned(),
        key: record.message.id.to_string(),
        body: Value::Object(body).to_string(),
    };
    let effects = Effects { words: vec![word], ..Effects::default() };
    api.ledger.follow(effects, api.clock.now()).await.map_err(|_| Answer::busy("system busy"))?;
    Ok(Answer::ok().with("invaliduser", Vec::<Value>::new()).into_response())
}

async fn accept(api: &Arc<Api>, grant: &Grant, mut submission: Submission) -> Result<MessageId, Answer> {
    let mut tries = 0..overlooked::MOST;
    loop {
        match api.intake.accept(grant, submission.clone()).await {
            Ok(receipt) => return Ok(receipt.id),
            Err(error) => match tries.next().and_then(|_| overlooked::without(&submission, &error)) {
                Some(shorter) => submission = shorter,
                None => return Err(refusal(&error)),
            },
        }
    }
}

/// What was not accepted, in WeCom's codes.
fn refusal(error: &AcceptError) -> Answer {
    match error {
        AcceptError::Invalid(domain::InvalidSubmission(violation)) if violation.field.ends_with("media_id") => {
            Answer::refuse(40_007, format!("`{}` {}", violation.field, violation.message))
                .hint("upload it here, by /cgi-bin/media/upload or /cgi-bin/webhook/upload_media")
        }
        AcceptError::Invalid(domain::InvalidSubmission(violation)) => {
            let errcode = match violation.code {
                "too_long" => 45_002,
                "too_many" => 40_035,
                "missing" => 44_004,
                "unsupported" => 40_008,
                "unknown_account" if violation.field == "app" => 301_002,
                _ => 40_058,
            };
            let answer = Answer::refuse(errcode, format!("`{}` {}", violation.field, violation.message));
            match &violation.hint {
                Some(hint) => answer.hint(hint),
                None => answer,
            }
        }
        AcceptError::TooMany { wait } => Answer::refuse(45_009, "api freq out of limit")
            .hint(format!("this key may send again in {} s", wait.as_secs().max(1))),
        AcceptError::Overloaded | AcceptError::NotStored(_) | AcceptError::Interrupted => Answer::busy("system busy"),
        AcceptError::Forbidden { recipient: Recipient::All } => Answer::refuse(48_002, error.to_string())
            .hint("it may send to named people; make one with --scopes send,read,send:all"),
        other => Answer::refuse(48_002, other.to_string()).hint("the local key does not allow it"),
    }
}

/// The application that a body names, of those that the key may use.
pub(super) fn app_of(api: &Api, grant: &Grant, body: &Map<String, Value>) -> Result<String, Answer> {
    let allowed = |name: &String| grant.allow.apps.as_ref().is_none_or(|apps| apps.contains(name));
    let agent = match body.get("agentid") {
        Some(Value::Number(number)) => number.as_i64(),
        Some(Value::String(text)) => text.trim().parse().ok(),
        _ => None,
    };
    let Some(agent) = agent else {
        let only = grant.allow.apps.as_ref().and_then(|apps| <[_; 1]>::try_from(apps.clone()).ok()).map(|[app]| app);
        let app = only.or_else(|| api.front.default_app.clone()).filter(allowed);
        return app.ok_or_else(|| Answer::refuse(40_056, "invalid agentid").hint("name the application's agentid"));
    };
    let found = api.front.apps.iter().find(|(name, (_, known))| *known == agent && allowed(name));
    found.map(|(name, _)| name.clone()).ok_or_else(|| {
        Answer::refuse(301_002, "not allow operate another agent with this accesstoken")
            .hint("it is none of the applications that this local key may use")
    })
}

/// The robot that a key stands for: the only one that it may use, or the one called `default`.
fn robot_of(api: &Api, grant: &Grant) -> Result<String, Answer> {
    let robots = match &grant.allow.robots {
        Some(robots) => robots.clone(),
        None => api.front.robots.clone(),
    };
    let default = || robots.iter().find(|name| *name == "default").cloned();
    let only = <[String; 1]>::try_from(robots.clone()).ok().map(|[robot]| robot);
    only.or_else(default).ok_or_else(|| {
        Answer::refuse(93_000, "invalid webhook url")
            .hint("the key stands for no robot: make it with `--robots NAME`, one of those that are configured")
    })
}

fn object(call: &FrontCall) -> Result<Map<String, Value>, Answer> {
    match crate::json::read(&call.body) {
        Ok(Value::Object(object)) => Ok(object),
        _ => Err(Answer::refuse(47_001, "data format error").hint("the body is no JSON object")),
    }
}

fn content(body: &Map<String, Value>, kinds: impl IntoIterator<Item = ContentKind>) -> Result<Content, Answer> {
    let msgtype = text(body, "msgtype");
    let kind = kinds.into_iter().find(|kind| kind.name() == msgtype);
    let kind =
        kind.ok_or_else(|| Answer::refuse(40_008, "invalid message type").hint(format!("msgtype is `{msgtype}`")))?;
    let object = body.get(kind.name()).filter(|object| object.is_object());
    let object =
        object.ok_or_else(|| Answer::refuse(44_004, "text content is empty").hint(format!("`{kind}` is missing")))?;
    Ok(Content::new(kind, object.to_string()))
}

/// `touser`, `toparty`, `totag`: lists divided by `|`.
fn recipients(body: &Map<String, Value>) -> RecipientSet {
    let list = |name: &str| -> Vec<String> {
        let value = text(body, name);
        value.split('|').map(str::trim).filter(|id| !id.is_empty()).map(str::to_owned).collect()
    };
    let users = list("touser");
    if users.iter().any(|user| user == "@all") {
        return RecipientSet::new([Recipient::All]);
    }
    let users = users.into_iter().map(Recipient::User);
    let parties = list("toparty").into_iter().map(Recipient::Party);
    let tags = list("totag").into_iter().map(Recipient::Tag);
    RecipientSet::new(users.chain(parties).chain(tags))
}

/// A text, or a number as clients write it, too.
fn text(body: &Map<String, Value>, name: &str) -> String {
    match body.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

fn number(body: &Map<String, Value>, name: &str) -> i64 {
    text(body, name).trim().parse().unwrap_or(0)
}

fn safe(body: &Map<String, Value>) -> u8 {
    u8::try_from(number(body, "safe")).unwrap_or(u8::MAX)
}
