//! Where a message would go, for people.

use serde_json::Value;

use super::super::{Context, print};

pub(super) fn show(way: &Value, context: &Context) {
    let language = context.language;
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    for missed in list(&way["missed"]) {
        let condition = missed["condition"].as_str().unwrap_or_default();
        let rule = &missed["rule"];
        print(
            &language
                .pick("rule {}: its {} do not fit", "规则 {}：{} 不符")
                .replacen("{}", &rule.to_string(), 1)
                .replacen("{}", condition, 1),
        );
    }
    match (way["route"].as_str(), way["rule"].as_u64()) {
        (Some(route), Some(rule)) => {
            context.say(format!("route {route}, by rule {rule}"), format!("路由 {route}（规则 {rule}）"));
        }
        (Some(route), None) => context.say(format!("route {route}"), format!("路由 {route}")),
        (None, _) => context.say("no route: each recipient by its own channel", "无路由：各类接收者走各自的通道"),
    }
    for (i, step) in list(&way["steps"]).iter().enumerate() {
        let within = step["within_seconds"].as_u64().map(|seconds| format!("  ≤ {seconds} s")).unwrap_or_default();
        let text = |name: &str| step[name].as_str().unwrap_or_default();
        print(&format!("  {}. {}:{}{within}", i + 1, text("channel"), text("account")));
    }
    for delivery in list(&way["deliveries"]) {
        let text = |name: &str| delivery[name].as_str().unwrap_or_default().to_owned();
        let recipients: Vec<String> =
            list(&delivery["recipients"]).iter().filter_map(|to| to.as_str().map(str::to_owned)).collect();
        let address = delivery["address"].as_str().map(|address| format!(" → {address}")).unwrap_or_default();
        print(&format!(
            "{}:{}  {}{address}  {}",
            text("channel"),
            text("account"),
            recipients.join(" "),
            text("due_at")
        ));
    }
}
