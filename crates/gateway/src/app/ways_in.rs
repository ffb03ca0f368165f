//! The wiring of what stands around the flow: configuration → hooks, callbacks, webhooks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::{CallerId, Lane, Recipient, StepChannel};
use ingress::callback::{CallbackBook, CallbackConfig, ConnectionConfig, KeyPair, RobotLogin};
use ingress::front::FrontConfig;
use ingress::hooks::{HookConfig, Hooks};
use pipeline::ports::{Channels, Clock};
use pipeline::{Destination, FeedbackConfig, WebhookTarget};

use crate::config::{CallbackSection, Config, HookSection, SecretText, WebhookSection};

/// The hooks of a configuration that was checked.
pub(super) fn hooks(config: &Config, clock: &Arc<dyn Clock>) -> Hooks {
    let hook = |(name, section): (&String, &HookSection)| {
        let secret = section.secret.clone()?.0;
        let to = section.to.iter().filter_map(|to| to.parse().ok()).collect();
        Some((
            name.clone(),
            HookConfig {
                source: section.source.clone(),
                secret: secret.expose().trim().into(),
                caller: CallerId::new(section.caller.clone().unwrap_or_else(|| format!("hook:{name}"))),
                to,
                route: section.route.clone(),
                app: section.app.clone(),
                template: section.template.clone(),
                priority: section.priority,
                tags: section.tags.clone(),
                networks: section.networks.clone(),
                repeats: section.repeats.0,
                to_group: speaks_to_group(config, section),
            },
        ))
    };
    Hooks::new(config.hooks.iter().filter_map(hook), clock)
}

/// The webhooks of a configuration that was checked.
pub(super) fn webhooks(config: &Config, callbacks: &Arc<CallbackBook>) -> BTreeMap<String, WebhookTarget> {
    let target = |(name, section): (&String, &WebhookSection)| {
        let secrets = [section.secret.as_ref(), section.secret_before.as_ref()].into_iter().flatten();
        Some((
            name.clone(),
            WebhookTarget {
                to: Destination::Url(section.url.as_ref()?.0.expose().trim().to_owned()),
                secrets: secrets.map(|secret| secret.0.expose().trim().as_bytes().into()).collect(),
                timeout: section.timeout.0,
                concurrency: section.concurrency,
                give_up_after: section.give_up_after.0,
            },
        ))
    };
    let cards = config.apps.keys().map(|app| {
        let target = WebhookTarget {
            to: Destination::Cards(Lane::new("wecom_app", app)),
            secrets: Vec::new(),
            timeout: config.wecom.timeout.0,
            concurrency: 4,
            give_up_after: CARD_CODE_LIFE,
        };
        (pipeline::card_target(app), target)
    });
    let robots = config.callbacks.iter().filter(|(_, callback)| callback.bot_id.is_some()).map(|(name, _)| {
        let target = WebhookTarget {
            to: Destination::SmartRobot { robots: callbacks.clone(), callback: name.clone() },
            secrets: Vec::new(),
            timeout: config.wecom.timeout.0,
            concurrency: 4,
            give_up_after: ROBOT_ANSWER_LIFE,
        };
        (pipeline::smart_robot_target(name), target)
    });
    config.webhooks.iter().filter_map(target).chain(cards).chain(robots).collect()
}

/// The callbacks of a configuration that was checked.
pub(crate) fn callbacks(config: &Config) -> BTreeMap<String, CallbackConfig> {
    let callback = |(name, section): (&String, &CallbackSection)| {
        let pair = |token: &Option<SecretText>, aes_key: &Option<SecretText>| {
            let (token, aes_key) = (token.as_ref()?, aes_key.as_ref()?);
            Some(KeyPair { token: token.0.expose().trim().into(), aes_key: aes_key.0.expose().trim().into() })
        };
        // Of a pair, one may have been changed alone.
        let before = (
            section.token_before.clone().or_else(|| section.token.clone()),
            section.encoding_aes_key_before.clone().or_else(|| section.encoding_aes_key.clone()),
        );
        let has_before = section.token_before.is_some() || section.encoding_aes_key_before.is_some();
        let keys =
            [pair(&section.token, &section.encoding_aes_key), has_before.then(|| pair(&before.0, &before.1)).flatten()];
        let feedback = FeedbackConfig {
            rules: section.rules.clone(),
            webhook: section.webhook.clone(),
            caller: section.caller.clone().unwrap_or_else(|| format!("callback:{name}")),
            by_connection: section.bot_id.is_some(),
        };
        let login = |bot_id: &String| {
            let secret = section.secret.as_ref()?.0.expose().trim().into();
            Some(RobotLogin { bot_id: bot_id.trim().to_owned(), secret })
        };
        let config = CallbackConfig {
            kind: section.kind,
            app: section.app_of(name, config),
            receive_id: section.receive_id(name, config).unwrap_or_default(),
            keys: keys.into_iter().flatten().collect(),
            robot: section.bot_id.as_ref().and_then(login),
            feedback,
        };
        (name.clone(), config)
    };
    config.callbacks.iter().map(callback).collect()
}

/// How smart robots are connected.
///
/// # Errors
/// Names the option that cannot be used.
pub(super) fn connections(config: &Config) -> anyhow::Result<ConnectionConfig> {
    Ok(ConnectionConfig {
        transport: crate::app::transport(config)?,
        url: config.wecom.smart_robot_url.clone(),
        refused_for: config.circuit_breaker.misconfigured_for.0,
    })
}

/// What the drop-in front knows.
pub(super) fn front(config: &Config, channels: &Channels) -> FrontConfig {
    let apps = config.apps.iter().filter_map(|(name, app)| {
        let agent_id = app.agent_id.trim().parse().ok()?;
        Some((name.clone(), (app.corp_id.trim().to_owned(), agent_id)))
    });
    // A chat is named by its id, and, since that may be made of its name, by that.
    let by_name = config.chats.keys().map(|name| (name.clone(), name.clone()));
    let by_id = config.chats.iter().filter_map(|(name, chat)| Some((chat.chatid.clone()?, name.clone())));
    FrontConfig {
        wait: config.front.wait.0,
        apps: apps.collect(),
        default_app: crate::app::default_app(config),
        chats: by_name.chain(by_id).collect(),
        robots: config.robots.keys().cloned().collect(),
        channels: channels.clone(),
    }
}

/// How long a pressed card can be changed: 72 hours by one page (path/94888), 24 by another (path/90241); the smaller.
const CARD_CODE_LIFE: Duration = Duration::from_secs(24 * 3600);

/// How long a message can be answered over a connection (path/101463).
const ROBOT_ANSWER_LIFE: Duration = Duration::from_secs(24 * 3600);

/// Whether messages of a hook go to a group, which can be called by name.
fn speaks_to_group(config: &Config, section: &HookSection) -> bool {
    let by_name = section.to.iter().filter_map(|to| to.parse().ok());
    let steps = section.route.as_ref().and_then(|route| config.routes.get(route)).map(|route| &route.steps);
    let is_group = |to: Recipient| matches!(to, Recipient::Robot(_) | Recipient::Chat(_));
    by_name.into_iter().any(is_group)
        || steps.into_iter().flatten().any(|step| matches!(step.channel, StepChannel::Robot | StepChannel::Appchat))
}
