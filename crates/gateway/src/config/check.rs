//! Checking the whole: what cannot work is an error, what is risky a warning. Each names option, value and mend.

use anyhow::bail;

use domain::StepChannel;

use super::{AppSection, Config, DeliveryVia, LedgerEngine, MediaSection, Pii};

/// Tells whether a text has the shape of a corp id: `ww` or `wx` and hexadecimal digits.
pub fn looks_like_corp_id(text: &str) -> bool {
    let digits = text.strip_prefix("ww").or_else(|| text.strip_prefix("wx"));
    digits.is_some_and(|digits| digits.len() >= 8 && digits.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// Checks the whole configuration; returns warnings.
///
/// # Errors
/// The first thing that cannot work.
pub fn check(config: &Config) -> anyhow::Result<Vec<String>> {
    let mut warnings = Vec::new();
    if !config.listen.ip().is_loopback() && !config.behind_proxy {
        bail!(
            "listen: {} is reachable from other machines, and keys would travel in the clear; listen on 127.0.0.1, or put a proxy with TLS in front and set behind_proxy = true",
            config.listen
        );
    }
    for directive in config.log.level.split(',') {
        let level = directive.rsplit('=').next().unwrap_or_default().trim();
        if !["error", "warn", "info", "debug", "trace", "off"].contains(&level.to_ascii_lowercase().as_str()) {
            bail!("log.level: `{level}` is not a level; there are error, warn, info, debug, trace and off");
        }
    }
    for (name, app) in &config.apps {
        check_app(name, app, &mut warnings)?;
    }
    for (name, robot) in &config.robots {
        if robot.key.as_ref().is_none_or(|key| key.0.expose().trim().is_empty()) {
            bail!(
                "robots.{name}: key and key_file are missing; copy the key, or the whole webhook URL, from the robot's page"
            );
        }
    }
    if let Some(url) = &config.public_url
        && !url.starts_with("https://")
        && !url.starts_with("http://")
    {
        bail!("public_url: `{url}` is no web address, such as https://hongyan.example.com");
    }
    check_ways(config, &mut warnings)?;
    super::hooks::check(config, &mut warnings)?;
    super::webhooks::check(config)?;
    super::callbacks::check(config, &mut warnings)?;
    for file in config.http.verify_files.keys() {
        if !file.starts_with("WW_verify_") || !file.ends_with(".txt") {
            bail!("http.verify_files: `{file}` is not such a file as WW_verify_….txt");
        }
    }
    super::directory::check(config, &mut warnings)?;
    if config.http.simple_signatures {
        warnings.push("http.simple_signatures: such a signature covers neither path nor body; whoever sees one can send anything within five minutes".to_owned());
    }
    if let Some(app) = &config.default_app
        && !config.apps.contains_key(app)
    {
        bail!("default_app: `{app}` is not one of the applications: {}", names(config.apps.keys()));
    }
    if config.default_app.is_none() && config.apps.len() > 1 && !config.apps.contains_key("default") {
        warnings.push(format!(
            "default_app is not set: messages to members must name their app, one of {}",
            names(config.apps.keys())
        ));
    }
    check_limits(config)?;
    check_media(config, &mut warnings)?;
    if let Some(folder) = &config.schedules.files
        && !folder.is_dir()
    {
        bail!("schedules.files: {} is no folder; make it, or leave the option out", folder.display());
    }
    if !(1.0..=100.0).contains(&config.retry.factor) {
        bail!("retry.factor: {} is not between 1 and 100", config.retry.factor);
    }
    warn_of_risks(config, &mut warnings);
    Ok(warnings)
}

/// What works, and may not be what was meant.
fn warn_of_risks(config: &Config, warnings: &mut Vec<String>) {
    if config.quota.robot_per_minute > wecom::limits::ROBOT_PER_MINUTE {
        warnings.push(format!(
            "quota.robot_per_minute: WeCom allows {}; with {} it will block robots for a minute at a time",
            wecom::limits::ROBOT_PER_MINUTE,
            config.quota.robot_per_minute
        ));
    }
    if config.quota.member_per_minute > 30 || config.quota.member_per_hour > 1000 {
        warnings.push(
            "quota.member_per_minute, quota.member_per_hour: WeCom delivers 30 and 1000 to a member, and drops what is more without a word"
                .to_owned(),
        );
    }
    if config.ledger.engine == LedgerEngine::Memory {
        warnings.push("ledger.engine = \"memory\": accepted messages do not survive the process".to_owned());
    }
    if config.delivery.via == DeliveryVia::File {
        warnings.push("delivery.via = \"file\": nothing is sent to WeCom".to_owned());
        if config.encryption.pii == Pii::Sealed {
            warnings.push(
                "encryption.pii = \"sealed\": the ledger is meant; the files in delivery.folder name recipients"
                    .to_owned(),
            );
        }
    }
    if config.apps.is_empty() && config.robots.is_empty() && config.mail.is_empty() {
        warnings.push("no application, no robot and no mail server is configured: every message will be refused; set WECHAT_CORP_ID, WECHAT_AGENT_ID and WECHAT_CORP_SECRET, or WECHAT_WEBHOOK_KEY, or HONGYAN_SMTP_URL".to_owned());
    }
}

/// What nothing at all is allowed of would stop for ever.
fn check_limits(config: &Config) -> anyhow::Result<()> {
    for (option, value) in [
        ("quota.robot_per_minute", u64::from(config.quota.robot_per_minute)),
        ("quota.member_per_minute", u64::from(config.quota.member_per_minute)),
        ("quota.member_per_hour", u64::from(config.quota.member_per_hour)),
        ("quota.chat_per_minute", u64::from(config.quota.chat_per_minute)),
        ("quota.company_chat_per_minute", u64::from(config.quota.company_chat_per_minute)),
        ("quota.company_chat_per_hour", u64::from(config.quota.company_chat_per_hour)),
        ("quota.chat_creations_per_day", u64::from(config.quota.chat_creations_per_day)),
        ("quota.chat_updates_per_hour", u64::from(config.quota.chat_updates_per_hour)),
        ("quota.api_per_minute", u64::from(config.quota.api_per_minute)),
        ("quota.api_per_hour", u64::from(config.quota.api_per_hour)),
        ("quota.mail_per_minute", u64::from(config.quota.mail_per_minute)),
        ("retry.attempts", u64::from(config.retry.attempts)),
        ("circuit_breaker.failures", u64::from(config.circuit_breaker.failures)),
        ("dispatch.app_concurrency", config.dispatch.app_concurrency as u64),
        ("dispatch.robot_concurrency", config.dispatch.robot_concurrency as u64),
        ("http.connections", config.http.connections as u64),
    ] {
        if value == 0 {
            bail!("{option}: 0 would stop everything; it must be at least 1");
        }
    }
    Ok(())
}

/// More than anybody sends, and less than a mistyped unit.
const LARGEST_MIB: u64 = 100 * 1024;

/// What is linked to must be reachable, and be kept.
fn check_media(config: &Config, warnings: &mut Vec<String>) -> anyhow::Result<()> {
    let media = &config.media;
    if !(1..=LARGEST_MIB).contains(&media.largest_mib) {
        bail!("media.largest_mib: {} is not between 1 and {LARGEST_MIB}", media.largest_mib);
    }
    if media.link_life.0 < std::time::Duration::from_secs(60) {
        bail!("media.link_life: a link that is good for less than a minute leads nowhere; give it `1m` at least");
    }
    // What nobody has set follows what is kept.
    if media.link_life.0 > config.retention.messages.0 && media.link_life != MediaSection::default().link_life {
        bail!(
            "media.link_life: links would outlive `retention.messages`, after which nothing is kept; shorten it, or keep messages longer"
        );
    }
    if config.public_url.is_none() {
        if let Some((name, _)) = config.routes.iter().find(|(_, route)| route.overflow == Some(domain::Overflow::Link))
        {
            bail!(
                "routes.{name}.overflow: `link` needs public_url, where this gateway is reached from outside; set it, or choose another overflow"
            );
        }
        if media.largest_mib > 20 {
            warnings.push("media.largest_mib: WeCom takes no file over 20 MiB, and without public_url none can be linked to; set public_url".to_owned());
        }
    }
    Ok(())
}

/// Whatever a route, a rule or a chat names must be there.
fn check_ways(config: &Config, warnings: &mut Vec<String>) -> anyhow::Result<()> {
    for (name, chat) in &config.chats {
        if chat.members.len() < 2 {
            bail!("chats.{name}.members: a group chat has at least 2 members, and {} are named", chat.members.len());
        }
        let id_is_valid =
            |id: &String| (1..=32).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if chat.chatid.as_ref().is_some_and(|id| !id_is_valid(id)) {
            bail!("chats.{name}.chatid: a chat's id has 1 to 32 letters and digits");
        }
    }
    for (name, mail) in &config.mail {
        if mail.url.is_none() {
            bail!("mail.{name}: url and url_file are missing, such as smtp://user:password@mail.example.com:587");
        }
        if mail.concurrency == 0 || mail.per_minute == Some(0) {
            bail!("mail.{name}: concurrency and per_minute must be at least 1");
        }
    }
    let app_names = |name: &str| config.apps.contains_key(name);
    let steps_of = |route: &domain::Route| {
        let steps: Vec<_> = route.steps.iter().chain(route.escalate.iter().map(|later| &later.step)).cloned().collect();
        steps
    };
    for (name, route) in &config.routes {
        route.check().map_err(|error| anyhow::anyhow!("routes.{name}: {error}"))?;
        for step in steps_of(route) {
            let known = match (step.channel, step.name.as_deref()) {
                (_, None) => true,
                (StepChannel::App, Some(name)) => app_names(name),
                (StepChannel::Robot, Some(name)) => config.robots.contains_key(name),
                (StepChannel::Appchat, Some(name)) => config.chats.contains_key(name),
                (StepChannel::Email, Some(name)) => config.mail.contains_key(name),
            };
            if !known {
                let step_name = step.name.unwrap_or_default();
                bail!("routes.{name}: `{step_name}` is not configured; configure it, or name another");
            }
            if step.channel == StepChannel::Email && config.mail.is_empty() {
                bail!(
                    "routes.{name}: a step sends mail, and no mail server is configured: [mail.NAME], or HONGYAN_SMTP_URL and HONGYAN_SMTP_FROM"
                );
            }
        }
        if let Some(quiet) = &route.quiet
            && !config.quiet.contains_key(quiet)
        {
            bail!("routes.{name}.quiet: `{quiet}` is none of the quiet hours: {}", names(config.quiet.keys()));
        }
    }
    for (i, rule) in config.rules.iter().enumerate() {
        if !config.routes.contains_key(&rule.route) {
            bail!("rules[{i}].route: `{}` is none of the routes: {}", rule.route, names(config.routes.keys()));
        }
    }
    if let Some(quiet) = &config.default_quiet
        && !config.quiet.contains_key(quiet)
    {
        bail!("default_quiet: `{quiet}` is none of the quiet hours: {}", names(config.quiet.keys()));
    }
    if let Some(route) = &config.operator.route
        && !config.routes.contains_key(route)
    {
        bail!("operator.route: `{route}` is none of the routes: {}", names(config.routes.keys()));
    }
    if let Some(mail) = &config.default_mail
        && !config.mail.contains_key(mail)
    {
        bail!("default_mail: `{mail}` is none of the mail servers: {}", names(config.mail.keys()));
    }
    let calendar = crate::app::calendar(config)?;
    let uses_days = config.quiet.values().flatten().chain(config.rules.iter().filter_map(|rule| rule.hours.as_ref()));
    if let (true, Some(last)) = (uses_days.into_iter().any(domain::Hours::asks_for_workdays), calendar.last_year()) {
        warnings.push(format!(
            "the calendar of workdays ends with {last}; name a newer one in calendar_file when it is published"
        ));
    }
    Ok(())
}

fn check_app(name: &str, app: &AppSection, warnings: &mut Vec<String>) -> anyhow::Result<()> {
    let variable = |option: &str| {
        if name == "default" {
            format!("apps.default.{option} (WECHAT_{})", option.to_uppercase())
        } else {
            format!("apps.{name}.{option}")
        }
    };
    if app.agent_id.parse::<i64>().is_err() {
        if looks_like_corp_id(&app.agent_id) {
            bail!(
                "{}: `{}` looks like a corp id; are corp id and agent id swapped?",
                variable("agent_id"),
                app.agent_id
            );
        }
        bail!("{}: `{}` is not a number such as 1000002", variable("agent_id"), app.agent_id);
    }
    if app.corp_id.trim().is_empty() {
        bail!("{} is empty; copy it from the admin console: My Company, at the bottom", variable("corp_id"));
    }
    if app.corp_id.bytes().all(|b| b.is_ascii_digit()) {
        bail!("{}: `{}` looks like an agent id; a corp id begins with ww", variable("corp_id"), app.corp_id);
    }
    if !looks_like_corp_id(&app.corp_id) {
        warnings.push(format!(
            "{}: `{}` does not look like a corp id, which begins with ww",
            variable("corp_id"),
            app.corp_id
        ));
    }
    match app.secret.as_ref().map(|secret| secret.0.expose().trim()) {
        None | Some("") => bail!("apps.{name}: secret and secret_file are missing"),
        Some(secret) if looks_like_corp_id(secret) => {
            bail!("apps.{name}.secret looks like a corp id; copy the secret from the application's page");
        }
        Some(_) => Ok(()),
    }
}

pub(super) fn names<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let names: Vec<_> = names.map(String::as_str).collect();
    if names.is_empty() { "(none)".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SecretText;

    fn config(corp_id: &str, agent_id: &str) -> Config {
        let app = AppSection {
            corp_id: corp_id.into(),
            agent_id: agent_id.into(),
            secret: Some(SecretText("s".into())),
            secret_file: None,
            readers: channels::Readers::default(),
            accounts: None,
        };
        Config { apps: [("default".to_owned(), app)].into(), ..Config::default() }
    }

    #[test]
    fn swapped_values_are_recognised() {
        let error = check(&config("1000002", "ww0123456789abcdef")).unwrap_err().to_string();
        assert!(error.contains("WECHAT_AGENT_ID") && error.contains("looks like a corp id"), "{error}");
        assert!(check(&config("1000002", "1000002")).unwrap_err().to_string().contains("looks like an agent id"));
        assert_eq!(check(&config("ww0123456789abcdef", "1000002")).unwrap(), [""; 0]);
    }

    #[test]
    fn links_to_files_need_an_address_and_files_that_are_kept() {
        let read = |text: &str| {
            let apps = config("ww0123456789abcdef", "1").apps;
            check(&Config { apps, ..toml::from_str(text).unwrap() })
        };
        let route = "[routes.a]\nsteps = [{ channel = \"app\" }]\noverflow = \"link\"\n";
        let address = "public_url = \"https://h.example.com\"\n";
        assert!(read(route).unwrap_err().to_string().contains("public_url"));
        assert_eq!(read(&format!("{address}{route}")).unwrap(), [""; 0]);
        for (text, names) in [
            ("[media]\nlargest_mib = 0", "largest_mib"),
            ("[media]\nlargest_mib = 209715200", "largest_mib"),
            ("[media]\nlink_life = \"0s\"", "link_life"),
            ("[media]\nlink_life = \"91d\"", "retention.messages"),
            ("[media]\nlink_life = \"3d\"\n[retention]\nmessages = \"2d\"", "retention.messages"),
        ] {
            assert!(read(text).unwrap_err().to_string().contains(names), "{text}");
        }
        assert!(read("[media]\nlargest_mib = 200").unwrap()[0].contains("public_url"));
        assert_eq!(read(&format!("{address}[media]\nlargest_mib = 200\nlink_life = \"90d\"")).unwrap(), [""; 0]);
        assert_eq!(read(&format!("{address}[retention]\nmessages = \"2d\"")).unwrap(), [""; 0]);
    }

    #[test]
    fn listening_beyond_loopback_needs_a_proxy() {
        let open = Config { listen: ([0, 0, 0, 0], 8686).into(), ..config("ww0123456789abcdef", "1") };
        assert!(check(&open).unwrap_err().to_string().contains("behind_proxy"));
        assert!(check(&Config { behind_proxy: true, ..open }).is_ok());
    }
}
