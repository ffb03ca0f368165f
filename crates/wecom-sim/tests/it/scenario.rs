//! A simulator starts with what a file says, and is put back where it was.

use wecom::api::message::{RecallMessage, SendMessage};
use wecom::{AgentId, Client, Transport};
use wecom_sim::{Options, Scenario, Simulator};

use crate::plain_client;

const PLANT: &str = include_str!("../../../../examples/scenarios/plant.toml");

fn read(toml: &str) -> Result<Scenario, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scenario.toml");
    std::fs::write(&path, toml).unwrap();
    Scenario::read(&path).map_err(|error| error.to_string())
}

async fn start(toml: &str) -> wecom_sim::Running {
    Simulator::start(Options { scenario: read(toml).unwrap(), ..Options::default() }).await.unwrap()
}

fn client(simulator: &wecom_sim::Running) -> Client {
    let transport = Transport::builder().origin(&simulator.origin).build().unwrap();
    Client::builder(transport, "wwplant00000000001", "plant-secret").agent(AgentId(1_000_010)).build()
}

#[tokio::test]
async fn the_example_scenario_has_its_people_rules_and_faults() {
    let simulator = start(PLANT).await;
    // Its first call of message/send is met by the scripted fault.
    let first = client(&simulator).send(SendMessage::to_users(["planner"]).text("x")).await.unwrap_err();
    assert_eq!(first.errcode().unwrap().0, -1);
    let sent = client(&simulator).send(SendMessage::to_parties(["3"]).text("排产")).await.unwrap();
    assert!(sent.invalidparty.is_empty());
    assert_eq!(simulator.control.only_message().text(), Some("排产"));
    simulator.control.assert_seen("worker1", "排产");
    assert!(simulator.control.seen_by("planner").is_empty());
}

#[test]
fn a_scenario_that_cannot_be_says_where() {
    for (toml, says) in [
        ("[[companies]]\nnames = 1", "unknown field `names`"),
        ("[[companies]]\n", "a company has no corp_id"),
        (
            "[[companies]]\ncorp_id = \"ww1\"\n[[companies.members]]\nuserid = \"a\"\nname = \"A\"\nparties = [7]",
            "member `a` is in department 7",
        ),
        (
            "[[companies]]\ncorp_id = \"ww1\"\n[[companies.departments]]\nid = 2\nname = \"x\"\nparent = 9",
            "department 2 has no parent 9",
        ),
        (
            "[[companies]]\ncorp_id = \"ww1\"\n[[companies.apps]]\nagentid = 1\ncallback = { url = \"http://x\", token = \"t\", aes_key = \"short\" }",
            "not 43 letters",
        ),
        ("mode = \"wild\"", "unknown variant `wild`"),
    ] {
        let error = read(toml).unwrap_err();
        assert!(error.contains(says), "{error}");
    }
}

#[tokio::test]
async fn a_state_that_was_kept_goes_on_elsewhere() {
    let first = start(PLANT).await;
    let app = client(&first);
    let _scripted = app.send(SendMessage::to_users(["planner"]).text("x")).await;
    let sent = app.send(SendMessage::to_users(["planner"]).text("kept")).await.unwrap();
    let url = |simulator: &wecom_sim::Running| format!("{}/_sim/state", simulator.origin);
    let state = plain_client().get(url(&first)).send().await.unwrap().bytes().await.unwrap();
    first.stop().await;

    let second = Simulator::start(Options::default()).await.unwrap();
    let answer = plain_client().put(url(&second)).body(state.clone()).send().await.unwrap();
    assert_eq!(answer.status(), 204);
    assert_eq!(second.control.only_message().text(), Some("kept"));
    client(&second).send(RecallMessage { msgid: sent.msgid.unwrap() }).await.unwrap();
    client(&second).send(SendMessage::to_users(["planner"]).text("goes on")).await.unwrap();
    let again = plain_client().get(url(&second)).send().await.unwrap().bytes().await.unwrap();
    assert!(again.len() > state.len());
}
