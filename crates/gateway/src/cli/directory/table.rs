//! People in files, and what a sync changed.

use serde_json::Value;

use super::super::gateway::{Gateway, GatewayError};
use super::super::{Context, DONE, REFUSED, complain, print};

/// Hands a file of people in, and says what became of it.
pub(super) async fn import(
    gateway: &Gateway,
    content: Vec<u8>,
    (dry_run, partial): (bool, bool),
    context: &Context,
) -> Result<u8, GatewayError> {
    let path = format!("/v1/directory/import?dry_run={dry_run}&partial={partial}");
    let answer = gateway.post_bytes(&path, content).await?;
    if context.json {
        print(&answer.to_string());
    } else {
        for line in answer["lines"].as_array().into_iter().flatten().filter(|line| line["result"] == "refused") {
            let reason = line["reason"].as_str().unwrap_or_default();
            complain(&format!("{}: {reason}", line["line"]));
        }
        let count = |name: &str| answer[name].as_u64().unwrap_or_default();
        let (added, changed, unchanged, refused) =
            (count("added"), count("changed"), count("unchanged"), count("refused"));
        let (end, end_zh) = match (answer["kept"] == true, dry_run) {
            (true, _) => ("", ""),
            (false, true) => ("; nothing is kept: a dry run", "；试运行，未保存"),
            (false, false) => (
                "; nothing is kept: mend the refused lines, or say --partial",
                "；未保存：请修正被拒绝的行，或加 --partial",
            ),
        };
        context.say(
            format!("{added} added, {changed} changed, {unchanged} unchanged, {refused} refused{end}"),
            format!("新增 {added}，变更 {changed}，未变 {unchanged}，拒绝 {refused}{end_zh}"),
        );
    }
    Ok(if answer["refused"] == 0 { DONE } else { REFUSED })
}

/// Prints who is known.
pub(super) async fn export(gateway: &Gateway, encoding: &str) -> Result<u8, GatewayError> {
    let table = gateway.get_bytes(&format!("/v1/directory/export?encoding={}", super::escaped(encoding))).await?;
    // Whoever reads may have heard enough.
    let _reader_left = std::io::Write::write_all(&mut std::io::stdout(), &table);
    Ok(DONE)
}

/// Says what a sync changed.
pub(super) fn show_sync(answer: &Value, context: &Context) {
    for (name, english, chinese) in [("added", "new", "新增"), ("changed", "changed", "变更"), ("left", "left", "离职")]
    {
        for person in answer[name].as_array().into_iter().flatten() {
            let text = |name: &str| person[name].as_str().unwrap_or_default();
            let line = format!("{}  {}  {}", context.language.pick(english, chinese), text("userid"), text("name"));
            print(line.trim_end());
        }
    }
    let count = |name: &str| answer[name].as_array().map_or(0, Vec::len);
    let (added, changed, left, kept) = (count("added"), count("changed"), count("left"), &answer["kept"]);
    context.say(
        format!("{added} new, {changed} changed, {left} left, {kept} as before"),
        format!("新增 {added}，变更 {changed}，离职 {left}，未变 {kept}"),
    );
    if answer["complete"] != true {
        let why = answer["trouble"]["message"].as_str().unwrap_or_default();
        let hint = answer["trouble"]["hint"].as_str().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
        complain(
            context
                .language
                .pick("the answer was not complete, nobody is taken for gone: ", "应答不完整，不会标记任何人离职：")
                .to_owned()
                .as_str(),
        );
        complain(&format!("{why}{hint}"));
    }
}
