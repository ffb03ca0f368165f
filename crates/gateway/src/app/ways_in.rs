//! The wiring of what stands around the flow: configuration → hooks, webhooks.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::{CallerId, Recipient, StepChannel};
use ingress::hooks::{HookConfig, Hooks};
use pipeline::WebhookTarget;
use pipeline::ports::Clock;

use crate::config::{Config, HookSection, WebhookSection};

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
pub(super) fn webhooks(config: &Config) -> BTreeMap<String, WebhookTarget> {
    let target = |(name, section): (&String, &WebhookSection)| {
        let secrets = [section.secret.as_ref(), section.secret_before.as_ref()].into_iter().flatten();
        Some((
            name.clone(),
            WebhookTarget {
                url: section.url.as_ref()?.0.expose().trim().to_owned(),
                secrets: secrets.map(|secret| secret.0.expose().trim().as_bytes().into()).collect(),
                timeout: section.timeout.0,
                concurrency: section.concurrency,
                give_up_after: section.give_up_after.0,
            },
        ))
    };
    config.webhooks.iter().filter_map(target).collect()
}

/// Whether messages of a hook go to a group, which can be called by name.
fn speaks_to_group(config: &Config, section: &HookSection) -> bool {
    let by_name = section.to.iter().filter_map(|to| to.parse().ok());
    let steps = section.route.as_ref().and_then(|route| config.routes.get(route)).map(|route| &route.steps);
    let is_group = |to: Recipient| matches!(to, Recipient::Robot(_) | Recipient::Chat(_));
    by_name.into_iter().any(is_group)
        || steps.into_iter().flatten().any(|step| matches!(step.channel, StepChannel::Robot | StepChannel::Appchat))
}
