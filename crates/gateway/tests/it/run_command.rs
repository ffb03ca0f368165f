//! `hongyan run` and `hongyan schedule`, as cron and a person use them.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::command_line::{Desk, desk, shown};

/// Waits until so many messages were seen, and returns the last one's text.
async fn seen(desk: &Desk, count: usize) -> String {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let outbox = desk.simulator.control.outbox();
        if outbox.len() >= count {
            return outbox[count - 1].text().unwrap().to_owned();
        }
        assert!(Instant::now() < deadline, "{} of {count}", outbox.len());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn gone(command: &mut Command) {
    command.env("HONGYAN_URL", "http://127.0.0.1:9");
}

const SHELL: [&str; 2] = ["/bin/sh", "-c"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrapped_command_ends_as_it_did_before_and_its_end_is_sent() {
    let desk = desk().await;
    let script = "echo one; echo '*two* <b>' >&2; printf three; exit 7";
    let run = ["run", "--to", "zhangsan", "--name", "nightly_backup", "--", SHELL[0], SHELL[1], script];
    let (code, out, err) = desk.run(&run).await;
    assert_eq!((code, out.as_str(), err.as_str()), (7, "one\nthree", "*two* <b>\n"));
    let text = seen(&desk, 1).await;
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    for expected in
        ["**nightly＿backup** failed", "Exit code: 7\n", "Duration: 0.", host.trim(), "> ＊two＊ ＜b＞", "> three"]
    {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    let (code, ..) =
        desk.run_with(&["run", "--to", "zhangsan", "--", "true"], |c| _ = c.env("LANG", "zh_CN.UTF-8")).await;
    assert_eq!(code, 0);
    let text = seen(&desk, 2).await;
    assert!(text.contains("**true** 成功") && text.contains("退出码: 0"), "{text}");
    assert_eq!(desk.run(&["run", "--to", "zhangsan", "--only-failures", "--", "true"]).await.0, 0);
    assert_eq!(desk.run(&["run", "--to", "zhangsan", "--only-failures", "--", "false"]).await.0, 1);
    assert!(seen(&desk, 3).await.contains("**false** failed"));
    let long = "i=0; while [ $i -lt 5000 ]; do echo \"line $i\"; i=$((i+1)); done";
    let (code, out, _) = desk.run(&["run", "--robot", "default", "--", SHELL[0], SHELL[1], long]).await;
    assert_eq!((code, out.lines().count()), (0, 5000));
    let text = seen(&desk, 4).await;
    assert!(text.contains("> line 4980\n") && text.contains("> line 4999") && !text.contains("line 4979"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_exit_code_is_passed_on_whatever_becomes_of_the_message() {
    let desk = desk().await;
    let (code, out, err) =
        desk.run_with(&["run", "--to", "lisi", "--", SHELL[0], SHELL[1], "echo done; exit 3"], gone).await;
    assert_eq!((code, out.as_str()), (3, "done\n"));
    assert!(err.contains("could not be sent") && err.contains("no gateway answers"), "{err}");
    // Nor does a configuration or a key that is wrong keep it from running.
    std::fs::write(desk.folder.path().join("broken.toml"), "nonsense = [").unwrap();
    let broken = ["run", "--config", "broken.toml", "--to", "lisi", "--", SHELL[0], SHELL[1], "exit 4"];
    let (code, _, err) = desk.run(&broken).await;
    assert!(code == 4 && err.contains("could not be sent"), "{err}");
    let wrong_key = |command: &mut Command| _ = command.env("HONGYAN_API_KEY", "hk_wrong");
    assert_eq!(desk.run_with(&["run", "--to", "lisi", "--", "false"], wrong_key).await.0, 1);
    // A signal is told as a shell tells it.
    assert_eq!(desk.run(&["run", "--to", "lisi", "--", SHELL[0], SHELL[1], "kill -9 $$"]).await.0, 137);
    assert!(seen(&desk, 1).await.contains("Exit code: 137 (signal 9)"));
    assert_eq!(desk.run(&["run", "--to", "lisi", "--", "no-such-command"]).await.0, 127);
    assert!(seen(&desk, 2).await.contains("**no-such-command** failed"));
    assert_eq!(desk.run(&["run", "--to", "lisi", "--", "/etc/passwd"]).await.0, 126);
    // Misused, nothing is run.
    let (code, out, _) = desk.run(&["run", "--", "echo", "ran"]).await;
    assert_eq!((code, out.as_str()), (2, ""));
    assert_eq!(desk.run(&["run", "--to", "lisi"]).await.0, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_ends_the_command_and_its_end_is_still_sent() {
    let desk = desk().await;
    let mut command = desk.command();
    let script = "trap 'echo stopped; exit 5' TERM; echo ready; while :; do sleep 0.05; done";
    command.args(["run", "--to", "lisi", "--", SHELL[0], SHELL[1], script]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    // It passes output on at once.
    let mut ready = [0; 6];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut ready).unwrap();
    assert_eq!(&ready, b"ready\n");
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap();
    assert_eq!(shown(&output).0, 5);
    let text = seen(&desk, 1).await;
    assert!(text.contains("Exit code: 5") && text.contains("> stopped"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_command_leaves_running_keeps_nobody_waiting() {
    let desk = desk().await;
    let started = Instant::now();
    assert_eq!(desk.run(&["run", "--to", "lisi", "--", SHELL[0], SHELL[1], "echo hi; sleep 30 & exit 6"]).await.0, 6);
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    assert!(seen(&desk, 1).await.contains("> hi"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schedules_are_kept_shown_run_paused_and_forgotten() {
    let desk = desk().await;
    let put = |more: &'static [&'static str]| {
        let mut words = vec!["schedule", "put", "daily", "--cron", "0 30 8 * * 1-5"];
        words.extend(more);
        words
    };
    let (code, out, err) = desk.run(&put(&["--missed", "all", "--", "--to", "zhangsan", "--text", "早报"])).await;
    assert!(code == 0 && out.starts_with("daily  0 30 8 * * 1-5 (Asia/Shanghai)  next 20"), "{out} {err}");
    let (_, out, _) = desk.run(&["schedule", "show", "daily", "--json"]).await;
    let schedule: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&schedule["missed"], &schedule["message"]["text"]), (&Value::from("all"), &Value::from("早报")));
    assert!(desk.run(&["schedule", "show", "daily"]).await.1.contains("\"text\":\"早报\""));
    assert_eq!(desk.run(&["schedule", "run", "daily"]).await.0, 0);
    assert_eq!(seen(&desk, 1).await, "早报");
    assert!(desk.run(&["schedule", "pause", "daily"]).await.1.contains("paused"));
    assert!(desk.run(&["schedule", "list"]).await.1.contains("daily  0 30 8 * * 1-5 (Asia/Shanghai)  paused"));
    assert!(desk.run(&["schedule", "resume", "daily"]).await.1.contains("next 20"));
    let (_, out, _) = desk.run(&["schedule", "next", "*/30 * * * * *", "--zone", "Europe/Berlin"]).await;
    assert!(out.lines().count() == 5 && out.lines().all(|line| line.contains("+0")), "{out}");
    let at =
        ["schedule", "put", "launch", "--at", "2099-01-01T08:00:00+08:00", "--", "--robot", "default", "--text", "x"];
    assert!(desk.run(&at).await.1.contains("launch  2099-01-01T00:00:00.000Z  next 2099-01-01T00:00:00.000Z"));
    for (words, expected, why) in [
        (put(&["--", "--text", "x"]), 2, "no recipient"),
        (put(&["--", "--to", "zhangsan", "--text", "x", "--wait"]), 1, "--wait is not for a schedule"),
        (put(&["--", "--to", "zhangsan", "--txt", "x"]), 2, "--txt"),
        (put(&["--missed", "never", "--", "--to", "zhangsan", "--text", "x"]), 3, "skip, once and all"),
        (put(&["--variables-url", "https://example.com/x", "--", "--to", "zhangsan", "--text", "x"]), 3, "template"),
        (vec!["schedule", "next", "0 30 25 * * *"], 3, "at character 6"),
        (vec!["schedule", "show", "nothing"], 3, "no such schedule"),
    ] {
        let (code, _, err) = desk.run(&words).await;
        assert!(code == expected && err.contains(why), "{words:?}: {code} {err}");
    }
    assert_eq!(desk.run(&["schedule", "forget", "daily"]).await.0, 0);
    assert!(!desk.run(&["schedule", "list"]).await.1.contains("daily"));
}
