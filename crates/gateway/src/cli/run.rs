//! `hongyan run -- COMMAND`: runs a command, passes its output through, and sends how it ended.
//!
//! Whatever becomes of the message, the command's exit code is passed on: a job of cron that is wrapped so ends as it did
//! before. Knows nothing about how the gateway delivers.

mod tail;

use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use domain::escape_markdown;
use parking_lot::Mutex;
use pipeline::ports::{Clock as _, SystemClock};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::Instant;

use self::tail::Tail;
use super::gateway::{Gateway, GatewayError, describe};
use super::send::{Whom, no_recipient};
use super::{Context, FAILED, MISUSED, complain};

/// What a shell answers for a command that is not there, and for one that cannot be run.
const NOT_FOUND: u8 = 127;
const NOT_RUNNABLE: u8 = 126;
/// What a shell adds to a signal's number.
const BY_SIGNAL: i32 = 128;
/// How long output is waited for once the command has ended: what it left running may keep its pipes.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How long sending may take, and how often it is tried.
const PATIENCE: Duration = Duration::from_secs(60);
const TRIES: u64 = 3;
/// How much of a command's name is shown, in characters.
const NAME_LENGTH: usize = 60;

#[derive(Debug, Args)]
pub(super) struct RunArguments {
    #[command(flatten)]
    whom: Whom,
    /// Send only if it fails: on any exit code but 0
    #[arg(long)]
    only_failures: bool,
    /// What the message calls it; default: the command's name
    #[arg(long)]
    name: Option<String>,
    /// The command, and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// How a command ended.
struct Ended {
    code: u8,
    /// In place of an exit code: a signal, or why it could not be started.
    because: Option<String>,
    took: Duration,
    said: String,
}

pub(super) async fn run(arguments: &RunArguments, context: &Context) -> anyhow::Result<u8> {
    if !arguments.whom.names_somebody() {
        complain(no_recipient(context));
        return Ok(MISUSED);
    }
    let key = format!("run:{}:{}:{}", host(), std::process::id(), SystemClock::new().now().as_millis());
    let ended = run_command(&arguments.command, context).await;
    if (ended.code != 0 || !arguments.only_failures)
        && let Err(why) = tell(arguments, &ended, &key, context).await
    {
        let code = ended.code;
        complain(context.language.pick(
            &format!("error: the command ended with {code}, and word of it could not be sent: {why}"),
            &format!("错误：命令已结束（{code}），但通知未能发送：{why}"),
        ));
    }
    Ok(ended.code)
}

async fn run_command(words: &[OsString], context: &Context) -> Ended {
    let started = Instant::now();
    let tail = Arc::new(Mutex::new(Tail::default()));
    let ended = |code, because| Ended { code, because, took: started.elapsed(), said: tail.lock().shown() };
    let Some((program, rest)) = words.split_first() else { return ended(NOT_FOUND, None) };
    let spawned =
        Command::new(program).args(rest).stdin(Stdio::inherit()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) => {
            let program = program.to_string_lossy();
            complain(&format!("{}: {program}: {error}", context.language.pick("error", "错误")));
            let code = if error.kind() == std::io::ErrorKind::NotFound { NOT_FOUND } else { NOT_RUNNABLE };
            return ended(code, Some(error.to_string()));
        }
    };
    let pumps = [
        child.stdout.take().map(|from| pump(from, std::io::stdout(), &tail, 0)),
        child.stderr.take().map(|from| pump(from, std::io::stderr(), &tail, 1)),
    ];
    let status = wait(child).await;
    let last_words = async {
        for pump in pumps.into_iter().flatten() {
            let _ended = pump.await;
        }
    };
    let _left_running = tokio::time::timeout(LAST_WORDS, last_words).await;
    match status {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => ended(u8::try_from(code).unwrap_or(FAILED), None),
            (None, signal) => {
                let number = signal.unwrap_or_default();
                let by = context.language.pick("signal", "信号");
                ended(u8::try_from(BY_SIGNAL + number).unwrap_or(FAILED), Some(format!("{by} {number}")))
            }
        },
        Err(error) => ended(FAILED, Some(error.to_string())),
    }
}

/// Passes output on as it comes, and remembers the end of it.
fn pump(
    mut from: impl Read + Send + 'static,
    mut to: impl Write + Send + 'static,
    tail: &Arc<Mutex<Tail>>,
    stream: usize,
) -> oneshot::Receiver<()> {
    let (tail, (ended, has_ended)) = (tail.clone(), oneshot::channel());
    std::thread::spawn(move || {
        let mut buffer = vec![0; 16 * 1024];
        let mut somebody_reads = true;
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let part = &buffer[..count];
            tail.lock().push(stream, part);
            // Nobody may read any more: the command goes on all the same.
            somebody_reads = somebody_reads && to.write_all(part).and_then(|()| to.flush()).is_ok();
        }
        let _nobody_waits = ended.send(());
    });
    has_ended
}

/// Waits for a command. Signals that would end us are the command's to answer: its end is ours.
async fn wait(mut child: Child) -> std::io::Result<ExitStatus> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let mut signals = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::hangup())?,
        // A terminal sends it to the command as well.
        signal(SignalKind::interrupt())?,
    );
    let mut waiting = tokio::task::spawn_blocking(move || child.wait());
    loop {
        let passed_on = tokio::select! {
            ended = &mut waiting => return ended.unwrap_or_else(|error| Err(std::io::Error::other(error))),
            _ = signals.0.recv() => Some(Signal::TERM),
            _ = signals.1.recv() => Some(Signal::HUP),
            _ = signals.2.recv() => None,
        };
        if let (Some(pid), Some(signal)) = (pid, passed_on) {
            let _it_may_have_ended = kill_process(pid, signal);
        }
    }
}

/// Sends how it ended: again, if the gateway is away for a moment.
async fn tell(arguments: &RunArguments, ended: &Ended, key: &str, context: &Context) -> Result<(), String> {
    let loaded = context.load().map_err(|error| format!("{error:#}"))?;
    let gateway = Gateway::find(&loaded).map_err(|error| format!("{error:#}"))?;
    let submission = submission(arguments, ended, context);
    let sending = async {
        let mut tries = 1;
        loop {
            let refused = match gateway.post("/v1/messages", Some(&submission), Some(key)).await {
                Ok(_receipt) => return Ok(()),
                Err(error) => error,
            };
            let passes =
                matches!(refused, GatewayError::Unreachable { .. } | GatewayError::Refused { status: 503, .. });
            if tries == TRIES || !passes {
                return Err(match &refused {
                    GatewayError::Refused { body, .. } => describe(body),
                    GatewayError::Unreachable { .. } => refused.to_string(),
                });
            }
            tokio::time::sleep(Duration::from_secs(tries)).await;
            tries += 1;
        }
    };
    let late = || Err(context.language.pick("the gateway does not answer", "网关没有应答").to_owned());
    tokio::time::timeout(PATIENCE, sending).await.unwrap_or_else(|_| late())
}

fn submission(arguments: &RunArguments, ended: &Ended, context: &Context) -> Value {
    let mut submission = arguments.whom.submission();
    submission.insert("markdown".to_owned(), json!(text(arguments, ended, context)));
    // A route may end at a channel that takes less.
    submission.insert("overflow".to_owned(), json!("truncate"));
    Value::Object(submission)
}

fn text(arguments: &RunArguments, ended: &Ended, context: &Context) -> String {
    let pick = |english: &'static str, chinese: &'static str| context.language.pick(english, chinese);
    let program = arguments.command.first().map(Path::new).and_then(Path::file_name).unwrap_or_default();
    let name = arguments.name.clone().unwrap_or_else(|| program.to_string_lossy().into_owned());
    let name: String = name.chars().take(NAME_LENGTH).collect();
    let result = if ended.code == 0 { pick("succeeded", "成功") } else { pick("failed", "失败") };
    let because = ended.because.as_ref().map(|because| format!(" ({})", escape_markdown(because))).unwrap_or_default();
    let mut lines = vec![
        format!("**{}** {result}", escape_markdown(&name)),
        format!("{}: {}{because}", pick("Exit code", "退出码"), ended.code),
        format!("{}: {}", pick("Duration", "耗时"), shown(ended.took)),
        format!("{}: {}", pick("Host", "主机"), escape_markdown(&host())),
    ];
    if !ended.said.is_empty() {
        lines.push(format!("{}:", pick("Last output", "最后输出")));
        lines.extend(ended.said.lines().map(|line| format!("> {line}")));
    }
    lines.join("\n")
}

fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// A duration as people write it: `0.4s`, `1m 3s`, `2h 5m 1s`.
fn shown(took: Duration) -> String {
    let seconds = took.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0..10) => format!("{:.1}s", took.as_secs_f64()),
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m {seconds}s"),
        (hours, minutes, seconds) => format!("{hours}h {minutes}m {seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_shown_as_people_write_them() {
        for (millis, expected) in
            [(412, "0.4s"), (9_960, "10.0s"), (12_000, "12s"), (63_000, "1m 3s"), (7_501_000, "2h 5m 1s")]
        {
            assert_eq!(shown(Duration::from_millis(millis)), expected);
        }
    }
}
