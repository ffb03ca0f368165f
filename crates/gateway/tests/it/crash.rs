//! The process dies: kill -9 at any moment, SIGTERM with calls under way.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::Value;
use wecom_sim::{Fault, Options, Simulator, Trouble};

use crate::kit::process::{Process, free_port};
use crate::kit::{Caller, text_to};

/// Hands one message in, as a careful caller: again with the same key until there is a receipt.
async fn insist(caller: Caller, number: usize, user: String) -> (String, String) {
    let text = format!("message {number}");
    let body = text_to(&[&user], &text).to_string();
    loop {
        let request = caller.http.post(format!("{}/v1/messages", caller.origin)).bearer_auth(&caller.key);
        let request = request.header("idempotency-key", format!("key-{number}")).body(body.clone());
        if let Ok(answer) = request.send().await
            && answer.status() == 202
            && let Ok(receipt) = answer.json::<Value>().await
        {
            return (text, receipt["id"].as_str().unwrap().to_owned());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_kills_during_five_hundred_sends_lose_nothing() {
    let started = Instant::now();
    let folder = tempfile::tempdir().unwrap();
    let simulator = Simulator::start(Options::default()).await.unwrap();
    simulator.control.add_members("m", 50);
    // Calls take a while, so that kills find some of them under way.
    simulator.control.fault(Fault::delay(Duration::from_millis(40)).on("message/send"));
    let port = free_port();
    let mut process = Process::start(folder.path(), &simulator.origin, port).await;
    let caller = process.caller.clone();
    let accepted: Arc<Mutex<BTreeMap<String, String>>> = Arc::default();
    let sending = {
        let (caller, accepted) = (caller.clone(), accepted.clone());
        tokio::spawn(async move {
            for chunk in 0..50 {
                let chunk = (0..10).map(|i| insist(caller.clone(), chunk * 10 + i, format!("m{}", chunk + 1)));
                let receipts = futures::future::join_all(chunk).await;
                accepted.lock().extend(receipts);
                tokio::time::sleep(Duration::from_millis(60)).await;
            }
        })
    };
    for kill in 0..10 {
        tokio::time::sleep(Duration::from_millis(150 + 37 * kill)).await;
        process.kill();
        let restarted = Instant::now();
        process = Process::start(folder.path(), &simulator.origin, port).await;
        assert!(restarted.elapsed() < Duration::from_secs(3), "restart took {:?}", restarted.elapsed());
    }
    sending.await.unwrap();
    let accepted = accepted.lock().clone();
    assert_eq!(accepted.len(), 500);
    let mut redelivered = 0;
    for id in accepted.values() {
        let message = caller.settled(id).await;
        assert_eq!(message["state"], "delivered", "{message:#}");
        let attempts = message["deliveries"][0]["attempts"].as_array().unwrap();
        redelivered += attempts.iter().filter(|attempt| attempt["redelivered"] == true).count();
    }
    let mut seen: HashMap<String, usize> = HashMap::new();
    for sent in simulator.control.outbox().iter().filter(|sent| sent.is_seen()) {
        *seen.entry(sent.text().unwrap().to_owned()).or_default() += 1;
    }
    assert!(
        seen.values().all(|count| *count == 1),
        "seen twice: {:?}",
        seen.iter().filter(|(_, n)| **n > 1).collect::<Vec<_>>()
    );
    assert_eq!(seen.len(), 500);
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    for canary in [crate::kit::KEY, crate::kit::SECRET, crate::kit::ROBOT] {
        assert!(!log.contains(canary), "{canary} is in the log");
    }
    let swallowed = simulator.control.counts().swallowed as usize;
    assert!(swallowed <= redelivered, "{swallowed} repeats, and {redelivered} on record");
    assert!(started.elapsed() < Duration::from_secs(60), "took {:?}", started.elapsed());
    println!(
        "{{\"fault\": \"F2\", \"kills\": 10, \"sends\": 500, \"lost\": 0, \"seen_twice\": 0, \"redelivered\": {redelivered}, \"seconds\": {:.1}}}",
        started.elapsed().as_secs_f64()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_with_two_hundred_in_hand_and_a_hanging_upstream_is_quick_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = Simulator::start(Options::default()).await.unwrap();
    simulator.control.add_members("m", 50);
    simulator.control.fault(Fault::new(Trouble::Hang).on("message/send"));
    let port = free_port();
    let process = Process::start(folder.path(), &simulator.origin, port).await;
    let sends = (0..200).map(|i| insist(process.caller.clone(), i, format!("m{}", i % 50 + 1)));
    let accepted: BTreeMap<String, String> = futures::future::join_all(sends).await.into_iter().collect();
    let (took, status) = process.terminate();
    assert!(status.success() && took < Duration::from_secs(30), "{status} after {took:?}");
    simulator.control.clear_faults();
    let process = Process::start(folder.path(), &simulator.origin, port).await;
    for id in accepted.values() {
        assert_eq!(process.caller.settled(id).await["state"], "delivered");
    }
    let outbox = simulator.control.outbox();
    let seen = outbox.iter().filter(|sent| sent.is_seen()).count();
    assert_eq!(seen, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_process_on_the_same_directory_refuses_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let _first = Process::start(folder.path(), &simulator.origin, free_port()).await;
    let mut second = crate::kit::process::command(folder.path(), &simulator.origin);
    let output = second.arg("serve").env("HONGYAN_LISTEN", format!("127.0.0.1:{}", free_port())).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && text.contains("in use by another process"), "{text}");
}
