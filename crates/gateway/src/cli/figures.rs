//! `hongyan quotas` and `hongyan stats`: what is used, and how it went.

use serde_json::Value;

use super::gateway::{Gateway, report};
use super::{Context, DONE, chinese, print};

pub(super) async fn quotas(context: &Context) -> anyhow::Result<u8> {
    show("/v1/quotas", context, print_quotas).await
}

pub(super) async fn stats(since: Option<&str>, until: Option<&str>, context: &Context) -> anyhow::Result<u8> {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in [("since", since), ("until", until)] {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    show(&format!("/v1/stats?{}", query.finish()), context, print_stats).await
}

async fn show(path: &str, context: &Context, show: fn(&Value, &Context)) -> anyhow::Result<u8> {
    let gateway = Gateway::find(&context.load()?)?;
    match gateway.get(path).await {
        Ok(answer) if context.json => print(&answer.to_string()),
        Ok(answer) => show(&answer, context),
        Err(error) => return Ok(report(error, context)),
    }
    Ok(DONE)
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn print_quotas(lanes: &Value, context: &Context) {
    let language = context.language;
    for lane in list(lanes) {
        let waiting = format!("{} {}", language.pick("waiting", "等待"), lane["waiting"]);
        print(&format!("{}:{}  {}  {waiting}", text(lane, "channel"), text(lane, "account"), text(lane, "state")));
        for quota in list(&lane["quotas"]) {
            let forecast = quota["forecast"].as_str().map(|at| format!("  {} {at}", language.pick("done by", "预计")));
            let (used, limit) = (&quota["used"], &quota["limit"]);
            let counts = match text(quota, "counts") {
                "calls" => language.pick("messages", "消息"),
                "person_times" => language.pick("person-times", "人次"),
                "uploads" => language.pick("uploads", "上传"),
                "recalls" => language.pick("recalls", "撤回"),
                "chat_reads" => language.pick("looks at chats", "查询群聊"),
                "chat_creations" => language.pick("chats made", "创建群聊"),
                "chat_updates" => language.pick("chats changed", "修改群聊"),
                other => other,
            };
            let forecast = forecast.unwrap_or_default();
            print(&format!("  {used}/{limit} {counts} / {}{forecast}", text(quota, "window")));
        }
        let limits: Vec<String> = list(&lane["members"]["limits"])
            .map(|limit| format!("{} / {}", limit["limit"], text(limit, "window")))
            .collect();
        if !limits.is_empty() {
            print(&format!("  {} {}", language.pick("to each member", "对每个成员"), limits.join(", ")));
        }
        for member in list(&lane["members"]["fullest"]) {
            let used: Vec<String> = list(&member["used"]).map(ToString::to_string).collect();
            print(&format!(
                "  user:{}  {}  {} {}",
                text(member, "user"),
                used.join(" "),
                language.pick("waiting", "等待"),
                member["waiting"]
            ));
        }
    }
}

fn print_stats(stats: &Value, context: &Context) {
    let language = context.language;
    let line = |name: &str, count: &Value| {
        let success = count["success"].as_f64().unwrap_or_default() * 100.0;
        let mean = count["mean_ms"].as_f64().unwrap_or_default();
        print(&format!("{name:<32} {:>8}  {success:>5.1} %  {mean:>8.0} ms", count["deliveries"].to_string()));
    };
    line(language.pick("all", "合计"), &stats["total"]);
    for group in ["accounts", "routes", "templates", "hours"] {
        list(&stats[group]).for_each(|count| line(text(count, "name"), count));
    }
    for error in list(&stats["errors"]) {
        let code = text(error, "code");
        let mend = chinese::mend(code).map(|mend| language.pick("", mend)).unwrap_or_default();
        print(&format!("{code:<16} {:<16} {}  {mend}", text(error, "channel"), error["deliveries"]));
    }
}
