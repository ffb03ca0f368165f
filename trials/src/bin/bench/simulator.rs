//! The simulator by itself, recording on, against a server that answers the same bytes and does nothing else.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use hyper::Method;
use trials::http::Connection;
use trials::load::{self, Requests};
use trials::program::simulator_with_its_own_clock;

use crate::floor::{CONNECTIONS, UpstreamProcess};
use crate::hongyan::MEMBERS;
use crate::options::Options;
use crate::report::Round;

pub(crate) async fn run(options: &Options, folder: &Path, round: &mut Round) -> anyhow::Result<()> {
    let (process, mut simulator) = simulator_with_its_own_clock(&options.binary, folder).await?;
    simulator.add_members("m", MEMBERS as usize).await?;
    let path = "/cgi-bin/gettoken?corpid=wwdemo0000000001&corpsecret=demo-secret";
    let answer = Connection::new(process.address, None).request(Method::GET, path, "").await?.json();
    let token = answer["access_token"].as_str().context("a token")?.to_owned();
    let bare = UpstreamProcess::start_bare()?;
    let requests = || sends(token.clone());
    let burst = load::burst(bare.address, None, CONNECTIONS, (1, options.messages), requests()).await?;
    round.set("bare server /s", burst.rate());
    let burst = load::burst(process.address, None, CONNECTIONS, (1, options.messages), requests()).await?;
    round.set("simulator /s", burst.rate());
    let taken = simulator.taken().await?;
    ensure!(taken == options.messages, "{taken} of {} are recorded", options.messages);
    Ok(())
}

fn sends(token: String) -> Requests {
    Arc::new(move |number| {
        let text = load::text(number, 75);
        let user = number % MEMBERS + 1;
        let body =
            format!(r#"{{"touser":"m{user}","msgtype":"text","agentid":1000002,"text":{{"content":"{text}"}}}}"#);
        (format!("/cgi-bin/message/send?access_token={token}"), body)
    })
}
