//! Every path the SDK can call is one the simulator knows.

use wecom::Endpoint as _;
use wecom::api::message::{RecallMessage, SendMessage};
use wecom::api::robot::RobotMessage;
use wecom::api::token::GetToken;

use crate::{plain_client, start};

#[tokio::test]
async fn the_simulator_knows_every_endpoint_of_the_sdk() {
    let simulator = start().await;
    let paths = [
        GetToken::PATH,
        SendMessage::PATH,
        RecallMessage::PATH,
        RobotMessage::PATH,
        "/cgi-bin/media/upload",
        "/cgi-bin/webhook/upload_media",
    ];
    for path in paths {
        let status = plain_client().post(format!("{}{path}", simulator.origin)).send().await.unwrap().status();
        assert_eq!(status, 200, "{path}");
    }
    let unknown = plain_client().get(format!("{}/cgi-bin/nothing", simulator.origin)).send().await.unwrap();
    assert_eq!((unknown.status().as_u16(), unknown.bytes().await.unwrap().len()), (404, 0));
}
