//! `hongyan send --direct`: one call upstream for each application or robot, nothing kept but the access token.

use std::sync::Arc;

use anyhow::Context as _;
use domain::{
    Accounts, Attempt, Content, ContentKind, FailureClass, Mention, Options, Overflow, Recipient, RecipientSet, divide,
    each_by_its_own_channel,
};
use pipeline::ports::Channel;
use serde_json::{Value, json};

use super::{SendArguments, read_text, split_list};
use crate::app;
use crate::cli::{Context, DONE, MISUSED, NOT_DELIVERED, PARTLY, UNCERTAIN, UNREACHABLE, chinese, complain, print};
use crate::config::{Config, RobotSection, SecretText};

/// The name of the robot whose key came by file.
const BY_FILE: &str = "key-file";

pub(super) async fn run(arguments: &SendArguments, submission: &Value, context: &Context) -> anyhow::Result<u8> {
    let mut config = context.load()?.config;
    if let Some(path) = &arguments.robot_key_file {
        let key = SecretText(read_text(path)?.trim().into());
        config.robots.insert(BY_FILE.to_owned(), RobotSection { key: Some(key), key_file: None });
    }
    crate::config::check(&config)?;
    if arguments.send_at.is_some() || arguments.expires_at.is_some() || arguments.idempotency_key.is_some() {
        complain("error: --send-at, --expires-at and --idempotency-key need a gateway; leave --direct out");
        return Ok(MISUSED);
    }
    let content = content(submission, arguments.escape)?;
    if arguments.whom.route.is_some() || arguments.overflow.is_some() {
        complain("error: --route and --overflow need a gateway; leave --direct out");
        return Ok(MISUSED);
    }
    let options = Options {
        id_trans: false,
        safe: 0,
        overflow: Overflow::Reject,
        mention: Mention {
            users: split_list(arguments.whom.at.as_deref()).into_iter().map(str::to_owned).collect(),
            mobiles: split_list(arguments.whom.at_mobile.as_deref()).into_iter().map(str::to_owned).collect(),
            all: arguments.whom.at_all,
        },
    };
    let mut codes = Vec::new();
    for (channel, recipients) in calls(arguments, &config)? {
        let body = match channel.render(&content, &options, &recipients, false) {
            Ok(body) => body,
            Err(violations) => {
                for violation in violations {
                    complain(&format!(
                        "{}: `{}` {}",
                        context.language.pick("error", "错误"),
                        violation.field,
                        violation.message
                    ));
                }
                return Ok(MISUSED);
            }
        };
        let address = recipients.iter().find_map(|recipient| match recipient {
            Recipient::Email(address) => Some(address.as_str()),
            _ => None,
        });
        let attempt = match prepare(channel.as_ref()).await {
            Ok(()) => channel.attempt(body, &recipients, address).await,
            Err(attempt) => attempt,
        };
        codes.push(report(&channel, &attempt, context));
    }
    Ok(codes.into_iter().max().unwrap_or(NOT_DELIVERED))
}

/// Makes the calls that a channel needs before it can send. Without a ledger nobody counts them.
async fn prepare(channel: &dyn Channel) -> Result<(), Attempt> {
    while channel.preparation().is_some() {
        channel.prepare().await?;
    }
    Ok(())
}

fn calls(arguments: &SendArguments, config: &Config) -> anyhow::Result<Vec<(Arc<dyn Channel>, RecipientSet)>> {
    let user = |user: &str| if user == "@all" { Recipient::All } else { Recipient::User(user.to_owned()) };
    let robots = split_list(arguments.whom.robot.as_deref()).into_iter();
    let robots = robots.chain(arguments.robot_key_file.as_ref().map(|_| BY_FILE));
    let recipients: RecipientSet = split_list(arguments.whom.to.as_deref())
        .into_iter()
        .map(user)
        .chain(split_list(arguments.whom.party.as_deref()).into_iter().map(|id| Recipient::Party(id.to_owned())))
        .chain(split_list(arguments.whom.tag.as_deref()).into_iter().map(|id| Recipient::Tag(id.to_owned())))
        .chain(robots.map(|name| Recipient::Robot(name.to_owned())))
        .chain(split_list(arguments.whom.chat.as_deref()).into_iter().map(|name| Recipient::Chat(name.to_owned())))
        .chain(split_list(arguments.whom.email.as_deref()).into_iter().map(|to| Recipient::Email(to.to_owned())))
        .collect();
    let app = arguments.whom.app.clone().or_else(|| app::default_app(config)).unwrap_or_default();
    let channels = app::channels(config)?;
    let mut calls = Vec::new();
    let mail = app::default_mail(config).unwrap_or_default();
    for leg in each_by_its_own_channel(&recipients, &Accounts { app: &app, mail: &mail }) {
        let channel = channels.get(&leg.lane).with_context(|| match leg.lane.channel() {
            "wecom_robot" => format!(
                "`{}` is not a configured robot; set WECHAT_WEBHOOK_KEY and use --robot default, or give --robot-key-file",
                leg.lane.account()
            ),
            "wecom_appchat" => format!("`{}` is not a configured group chat: [chats.NAME]", leg.lane.account()),
            "email" => "no mail server is configured; set HONGYAN_SMTP_URL and HONGYAN_SMTP_FROM".to_owned(),
            _ => "no application is configured; set WECHAT_CORP_ID, WECHAT_AGENT_ID and WECHAT_CORP_SECRET".to_owned(),
        })?;
        let sets = match channel.call_limits() {
            Some(limits) => divide(&leg.recipients, limits),
            None => vec![leg.recipients],
        };
        calls.extend(sets.into_iter().map(|set| (channel.clone(), set)));
    }
    Ok(calls)
}

fn content(submission: &Value, escape: bool) -> anyhow::Result<Content> {
    let found = ContentKind::ALL.into_iter().find_map(|kind| Some((kind, submission.get(kind.name())?)));
    let (kind, value) = found.context("there is no content")?;
    let content = match value {
        Value::String(text) => Content::plain(kind, text),
        object => Content::new(kind, object.to_string()),
    };
    Ok(if escape { content.escaped() } else { content })
}

fn report(channel: &Arc<dyn Channel>, attempt: &Attempt, context: &Context) -> u8 {
    let robot = channel.lane().channel() == "wecom_robot";
    if context.json {
        let reason = attempt.reason().map(|r| json!({ "code": r.code, "message": r.text, "hint": r.hint }));
        let refused: Vec<String> = match attempt {
            Attempt::Sent { refused, .. } => refused.iter().map(|refusal| refusal.recipient.to_string()).collect(),
            _ => Vec::new(),
        };
        let line =
            json!({ "lane": channel.lane().as_str(), "result": attempt.name(), "reason": reason, "refused": refused });
        print(&line.to_string());
    } else {
        match attempt {
            Attempt::Sent { .. } if robot => {
                context.say("Robot: the message was taken.", "信息：企业微信机器人推送成功。");
            }
            Attempt::Sent { .. } if channel.lane().channel() == "email" => {
                context.say("Mail: the server took it.", "邮件已交给邮件服务器");
            }
            Attempt::Sent { .. } => context.say("Application: the message was taken.", "企业微信消息发送成功"),
            failed => complain(&failure(failed, context)),
        }
        if let Attempt::Sent { refused, .. } = attempt {
            for refusal in refused {
                complain(&format!("{}: {}", context.language.pick("not reached", "未送达"), refusal.reason.text));
            }
        }
    }
    match attempt {
        Attempt::Sent { refused, .. } if refused.is_empty() => DONE,
        Attempt::Sent { .. } => PARTLY,
        Attempt::Uncertain { .. } => UNCERTAIN,
        Attempt::Deferred { class: FailureClass::Misconfigured, .. }
        | Attempt::Refused { .. }
        | Attempt::Gone { .. } => NOT_DELIVERED,
        Attempt::Deferred { .. } | Attempt::NotYet { .. } => UNREACHABLE,
    }
}

/// Errcode and reason; a network fault and an unreadable answer are different texts.
fn failure(attempt: &Attempt, context: &Context) -> String {
    let Some(reason) = attempt.reason() else { return String::new() };
    let language = context.language;
    let kind = match reason.code.as_str() {
        "unreachable" => language.pick("network fault", "网络错误"),
        "no_answer" => language.pick("no answer; it may have been taken", "未收到应答，消息可能已送达"),
        "not_wecom" | "unreadable_answer" => language.pick("unreadable answer", "响应无法解析"),
        _ => language.pick("refused", "发送失败"),
    };
    let mut text = format!("{kind}: {}", reason.text);
    let hint = reason.hint.as_deref().unwrap_or_default();
    let hint = language.pick(hint, chinese::mend(&reason.code).unwrap_or(hint));
    if !hint.is_empty() {
        text.extend(["\n", language.pick("hint", "提示"), ": ", hint]);
    }
    text
}
