//! Tokens under stress: one gettoken for any crowd, no storm against a credential that stays refused, no sharing.

use std::sync::Arc;
use std::time::Duration;

use wecom::api::message::SendMessage;
use wecom::{AgentId, Client, ErrCode, FileTokenStore, MemoryTokenStore, TokenStore, Transport};
use wecom_sim::{Fault, Running};

use crate::{CORP, start};

const CROWD: usize = 500;

fn transport(simulator: &Running) -> Transport {
    Transport::builder().origin(&simulator.origin).timeout(Duration::from_secs(20)).build().unwrap()
}

async fn crowd(client: &Client) -> Vec<Result<(), wecom::Error>> {
    let calls = (0..CROWD).map(|i| {
        let client = client.clone();
        async move { client.send(SendMessage::to_users(["zhangsan"]).text(i.to_string())).await.map(drop) }
    });
    futures::future::join_all(calls).await
}

#[tokio::test]
async fn five_hundred_calls_on_a_cold_or_revoked_token_cost_one_gettoken() {
    let simulator = start().await;
    let client = Client::builder(transport(&simulator), CORP, "demo-secret").agent(AgentId(1_000_002)).build();
    assert!(crowd(&client).await.iter().all(Result::is_ok));
    assert_eq!(simulator.control.counts().gettoken, 1);
    for (n, expired) in [(2, false), (3, true)] {
        if expired {
            simulator.control.expire_tokens(None);
        } else {
            simulator.control.kill_tokens(None);
        }
        assert!(crowd(&client).await.iter().all(Result::is_ok));
        assert_eq!(simulator.control.counts().gettoken, n);
    }
}

#[tokio::test]
async fn a_token_that_stays_refused_costs_no_more_than_the_cap_and_ends_in_an_error() {
    let simulator = start().await;
    let client = Client::builder(transport(&simulator), CORP, "demo-secret").agent(AgentId(1_000_002)).build();
    simulator.control.fault(Fault::errcode(40_014).on("message/send"));
    for _ in 0..3 {
        let results = crowd(&client).await;
        assert!(results.iter().all(|result| result.as_ref().is_err_and(wecom::Error::is_auth)));
    }
    let asked = simulator.control.counts().gettoken;
    assert!(asked <= wecom::limits::REFRESHES_PER_MINUTE as u64, "{asked}");
}

#[tokio::test]
async fn two_applications_never_share_a_token_in_any_store() {
    let folder = tempfile::tempdir().unwrap();
    let file = Arc::new(FileTokenStore::new(folder.path()));
    for store in [Arc::new(MemoryTokenStore) as Arc<dyn TokenStore>, file] {
        let simulator = start().await;
        for (secret, agent) in [("demo-secret", 1_000_002), ("demo-secret-2", 1_000_003)] {
            let client = Client::builder(transport(&simulator), CORP, secret).token_store(store.clone());
            client.agent(AgentId(agent)).build().send(SendMessage::to_users(["lisi"]).text("x")).await.unwrap();
        }
        assert_eq!(simulator.control.counts().gettoken, 2);
        let wrong =
            Client::builder(transport(&simulator), CORP, "demo-secret").token_store(store).agent(AgentId(1_000_003));
        let error = wrong.build().send(SendMessage::to_users(["lisi"]).text("x")).await.unwrap_err();
        assert_eq!(error.errcode(), Some(ErrCode(301_002)));
    }
}
