//! F35: callbacks that are bombs, forgeries or repeats: refused at once, nothing is fetched, nothing happens twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use trials::http::{Answer, exchange};
use trials::load::quantile;
use trials::machine;
use trials::receiver::Receiver;
use wecom::callback::{Crypto, Element, EncodingAesKey, Sealed};

use crate::Trial;
use crate::house::House;

/// What the callback is known by.
pub(crate) const TOKEN: &str = "canaryCallbackToken";
/// What it is sealed with.
pub(crate) const KEY: &str = "6qkdMrq68nTKduznJYO1A37W2oEgpkMUvkttRToqhUt";
/// What its webhook is signed with.
pub(crate) const WEBHOOK_SECRET: &str = "whsec-canary-trial-0123456789";
const COMPANY: &str = "wwdemo0000000001";
/// How soon each is refused, and how much longer an unoptimised build on a machine with other work may take.
const REFUSED_WITHIN: Duration = Duration::from_millis(50);
const UNOPTIMISED: u32 = 10;
const MEMORY_MB: f64 = 5.0;
/// Tags in one another.
const NESTED: usize = 100_000;

pub(crate) async fn run(trial: &Trial) -> anyhow::Result<Value> {
    let (receiver, outside) = (Receiver::start().await?, Outside::start().await?);
    let mut house = House::prepare(trial).await?;
    house.configure(&configuration(&receiver))?;
    house.open().await?;
    let rounds = trial.either(3, 15);
    let limit = trial.either(UNOPTIMISED, 1) * REFUSED_WITHIN;
    let (mut slowest, mut most) = ((Duration::ZERO, ""), (0.0_f64, ""));
    let bad = bad_calls(&outside)?;
    for (name, call) in &bad {
        // The first fills caches and pools.
        refused(&house, name, call).await?;
        machine::forget_peak(house.pid())?;
        let before = machine::rss_mb(house.pid());
        let mut took = Vec::new();
        for _ in 0..rounds {
            took.push(refused(&house, name, call).await?);
        }
        let (median, grew) = (quantile(&took, 0.5), machine::peak_rss_mb(house.pid()) - before);
        ensure!(median <= limit, "{name}: refused after {median:?}");
        ensure!(grew <= MEMORY_MB, "{name}: {grew:.1} MB more");
        if median > slowest.0 {
            slowest = (median, name);
        }
        if grew > most.0 {
            most = (grew, name);
        }
    }
    let effects = repeats(&house, &receiver).await?;
    let connections = outside.connections.load(Ordering::Relaxed);
    ensure!(connections == 0, "{connections} connections to what the XML names");
    ensure!(house.process.as_mut().context("a gateway")?.ended()?.is_none(), "the gateway has ended");
    ensure!(!std::fs::read_to_string(house.gateway.log())?.contains("panicked"), "it panicked");
    Ok(json!({
        "refused": bad.len(), "slowest_median_ms": slowest.0.as_secs_f64() * 1e3, "slowest": slowest.1,
        "limit_ms": limit.as_secs_f64() * 1e3, "most_memory_mb": most.0, "most_memory": most.1,
        "outbound_connections": connections, "events_of_a_replay": effects,
    }))
}

/// A callback that a business system hears of.
pub(crate) fn configuration(receiver: &Receiver) -> String {
    format!(
        r#"
[webhooks.erp]
url = "http://{}/events"
secret = "{WEBHOOK_SECRET}"

[callbacks.default]
token = "{TOKEN}"
encoding_aes_key = "{KEY}"
webhook = "erp"
[[callbacks.default.rules]]
keywords = ["help"]
reply = "write an order's number"
"#,
        receiver.address
    )
}

/// Somebody writes.
pub(crate) async fn say(house: &House, id: &str, text: &str) -> anyhow::Result<()> {
    let sealed = crypto(COMPANY)?.seal(message(id, text).as_bytes(), "1790000000", "nonce");
    let (answer, _) = posted(house, &enclosed(&sealed)).await?;
    ensure!(answer.status == 200, "{}: {:?}", answer.status, answer.body);
    Ok(())
}

/// What an entity would fetch from.
struct Outside {
    url: String,
    connections: Arc<AtomicU64>,
}

impl Outside {
    async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/canary", listener.local_addr()?);
        let connections = Arc::new(AtomicU64::new(0));
        let counted = connections.clone();
        tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        Ok(Self { url, connections })
    }
}

/// A path and a body.
type Call = (String, Bytes);

fn bad_calls(outside: &Outside) -> anyhow::Result<Vec<(&'static str, Call)>> {
    let crypto = crypto(COMPANY)?;
    let lol = |inside: &str| {
        let levels: String =
            (1..10).map(|n| format!("<!ENTITY l{n} \"{}\">", format!("&l{};", n - 1).repeat(10))).collect();
        format!("<!DOCTYPE xml [<!ENTITY l0 \"lol\">{levels}]><xml>{inside}</xml>")
    };
    let external = |inside: &str| {
        let url = &outside.url;
        format!(
            "<!DOCTYPE xml SYSTEM \"{url}\" [<!ENTITY e SYSTEM \"{url}\"><!ENTITY % p SYSTEM \"{url}\">%p;]><xml>{inside}</xml>"
        )
    };
    let nested = [b"<a>".repeat(NESTED), b"</a>".repeat(NESTED)].concat();
    let said = message("1", "help");
    let inside = |xml: &[u8]| enclosed(&crypto.seal(xml, "1790000000", "nonce"));
    let forged = |sealed: Sealed, encrypt: String| {
        let msg_signature = crypto.signature("1790000000", "nonce", &encrypt);
        enclosed(&Sealed { encrypt, msg_signature, ..sealed })
    };
    let good = crypto.seal(said.as_bytes(), "1790000000", "nonce");
    // The last block is another's: what it decrypts to ends in no padding.
    let mut swapped = good.encrypt.clone();
    swapped.replace_range(swapped.len() - 24..swapped.len() - 20, "AAAA");
    let signature_of = |call: Call, xml: String| (call.0, Bytes::from(xml));
    let outer = || enclosed(&good);
    Ok(vec![
        ("a billion laughs around", signature_of(outer(), lol("<Encrypt>&l9;</Encrypt>"))),
        ("a billion laughs within", inside(lol("<Content>&l9;</Content>").as_bytes())),
        ("an external entity around", signature_of(outer(), external("<Encrypt>&e;</Encrypt>"))),
        ("an external entity within", inside(external("<Content>&e;</Content>").as_bytes())),
        ("a hundred thousand tags around", signature_of(outer(), String::from_utf8(nested.clone())?)),
        ("a hundred thousand tags within", inside(&nested)),
        ("another company", enclosed(&self::crypto("wwother000000001")?.seal(said.as_bytes(), "1790000000", "nonce"))),
        ("a wrong padding", forged(good.clone(), swapped)),
        ("half a block", forged(good.clone(), good.encrypt[..good.encrypt.len() - 8].to_owned())),
        (
            "a wrong signature",
            signature_of(
                ("/callback/default?msg_signature=00&timestamp=1&nonce=n".to_owned(), Bytes::new()),
                enclosed_xml(&good),
            ),
        ),
        ("no XML at all", signature_of(outer(), "\u{0}\u{1}".repeat(100))),
    ])
}

fn crypto(company: &str) -> anyhow::Result<Crypto> {
    Ok(Crypto::new(TOKEN, EncodingAesKey::parse(KEY).ok().context("a key")?, company))
}

fn message(id: &str, text: &str) -> String {
    format!(
        "<xml><ToUserName>{COMPANY}</ToUserName><FromUserName>m1</FromUserName><CreateTime>1790000000</CreateTime>\
         <MsgType>text</MsgType><Content>{text}</Content><MsgId>{id}</MsgId><AgentID>1000002</AgentID></xml>"
    )
}

fn enclosed_xml(sealed: &Sealed) -> String {
    format!("<xml><ToUserName>{COMPANY}</ToUserName><Encrypt>{}</Encrypt></xml>", sealed.encrypt)
}

fn enclosed(sealed: &Sealed) -> Call {
    let Sealed { msg_signature, timestamp, nonce, .. } = sealed;
    let path = format!("/callback/default?msg_signature={msg_signature}&timestamp={timestamp}&nonce={nonce}");
    (path, enclosed_xml(sealed).into())
}

async fn posted(house: &House, (path, body): &Call) -> anyhow::Result<(Answer, Duration)> {
    exchange(house.gateway.address, ("POST", path, "text/xml"), "none", body.clone()).await
}

async fn refused(house: &House, name: &str, call: &Call) -> anyhow::Result<Duration> {
    let (answer, took) = posted(house, call).await.with_context(|| name.to_owned())?;
    ensure!(answer.status == 403 && answer.body.len() < 20, "{name}: {} {:?}", answer.status, answer.body);
    Ok(took)
}

/// One message three times, and another: each is told on once, and a repeat is answered as the first was.
async fn repeats(house: &House, receiver: &Receiver) -> anyhow::Result<usize> {
    let crypto = crypto(COMPANY)?;
    let first = enclosed(&crypto.seal(message("7", "help").as_bytes(), "1790000000", "once"));
    let mut replies = Vec::new();
    for _ in 0..3 {
        let (answer, _) = posted(house, &first).await?;
        ensure!(answer.status == 200, "a replay: {}", answer.status);
        let sealed = Element::parse(&answer.body).ok().context("a reply")?;
        let [signature, time, nonce, encrypt] =
            ["MsgSignature", "TimeStamp", "Nonce", "Encrypt"].map(|n| sealed.text_of(n));
        let reply = crypto.open(signature, time, nonce, encrypt).ok().context("a reply that opens")?;
        replies.push(Element::parse(&reply).ok().context("XML")?.text_of("Content").to_owned());
    }
    ensure!(replies.iter().all(|reply| reply == "write an order's number"), "{replies:?}");
    let (last, _) = posted(house, &enclosed(&crypto.seal(message("8", "end").as_bytes(), "1790000001", "end"))).await?;
    ensure!(last.status == 200, "{}", last.status);
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    // Events of one sender come in order: after the last there is no other.
    while !receiver.taken().iter().any(|event| event["what"]["text"] == "end") {
        ensure!(std::time::Instant::now() < deadline, "the receiver has {:?}", receiver.taken());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let told = receiver.taken().iter().filter(|event| event["what"]["text"] == "help").count();
    ensure!(told == 1 && receiver.taken().len() == 2, "{:?}", receiver.taken());
    Ok(told)
}
