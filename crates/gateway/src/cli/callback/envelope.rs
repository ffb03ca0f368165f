//! Opening and sealing by hand: what WeCom posts, what it is answered, and what stands in for it.

use std::path::Path;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use wecom::callback::{Crypto, Element, Envelope, Query, Sealed};

use super::fault::{self, Fault};
use super::keys::{KeyArguments, QueryArguments};
use crate::cli::send::read_text;
use crate::cli::{Context, DONE, print};

pub(super) fn verify(
    query: &QueryArguments,
    echostr: Option<String>,
    keys: &KeyArguments,
    context: &Context,
) -> anyhow::Result<u8> {
    let Some(mut query) = query.read()? else {
        bail!("give --signature, --timestamp, --nonce and --echostr, or the whole --url in single quotes");
    };
    // Base64 has no blanks: one was a plus that something decoded on the way.
    let echostr = echostr.map(|echostr| decoded(&echostr)).or(query.echostr.take());
    let Some(echostr) = echostr else {
        bail!("--echostr is missing: a verification has one, a posted callback has not")
    };
    open(&keys.find(context)?, &query, &echostr, context)
}

pub(super) fn decrypt(
    file: &Path,
    query: &QueryArguments,
    keys: &KeyArguments,
    context: &Context,
) -> anyhow::Result<u8> {
    let (query, keys) = (query.read()?, keys.find(context)?);
    let body = read_text(file)?;
    let Ok(envelope) = Envelope::parse(body.as_bytes()) else {
        let fault = Fault::malformed(
            "the body is neither the XML nor the JSON of an envelope: it is a whole <xml> with <Encrypt>, or {\"encrypt\": …}",
            "内容不是信封：应为含 <Encrypt> 的完整 <xml>，或 {\"encrypt\": …}",
        );
        return Ok(fault.tell(context));
    };
    let Some(query) = query.or_else(|| of_reply(&body)) else {
        bail!(
            "give --signature, --timestamp and --nonce, or the whole --url in single quotes; only a reply has them inside"
        );
    };
    open(&keys, &query, &envelope.encrypt, context)
}

fn open(keys: &[Crypto], query: &Query, encrypted: &str, context: &Context) -> anyhow::Result<u8> {
    let plain = match fault::open(keys, query, encrypted) {
        Ok(plain) => plain,
        Err(fault) => return Ok(fault.tell(context)),
    };
    let plain = String::from_utf8_lossy(&plain);
    if context.json {
        print(&json!({ "ok": true, "plain": plain }).to_string());
    } else {
        print(&plain);
    }
    Ok(DONE)
}

/// An echo as it stands in a query or already decoded: base64 has neither `%` nor blanks.
fn decoded(echostr: &str) -> String {
    let echostr = echostr.trim();
    let query = if echostr.contains('%') { format!("echostr={echostr}") } else { return echostr.replace(' ', "+") };
    Query::parse(&query).echostr.unwrap_or_default()
}

/// What is signed of a reply stands inside its envelope.
fn of_reply(body: &str) -> Option<Query> {
    let [msg_signature, timestamp, nonce] = match serde_json::from_str::<Value>(body) {
        Ok(Value::Object(object)) => ["msgsignature", "timestamp", "nonce"].map(|wanted| {
            let (_, value) = object.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted))?;
            value.as_str().map(str::to_owned).or_else(|| Some(value.as_i64()?.to_string()))
        }),
        _ => {
            let element = Element::parse(body.as_bytes()).ok()?;
            ["MsgSignature", "TimeStamp", "Nonce"].map(|name| element.owned(name))
        }
    };
    Some(Query { msg_signature: msg_signature?, timestamp: timestamp?, nonce: nonce?, echostr: None })
}

pub(super) fn encrypt(file: &Path, url: Option<&str>, keys: &KeyArguments, context: &Context) -> anyhow::Result<u8> {
    let keys = keys.find(context)?;
    let crypto = keys.first().context("there are no keys")?;
    let plain = read_text(file)?;
    let plain = plain.trim();
    if plain.is_empty() {
        bail!("there is nothing to seal: give the plain XML or JSON in a file or on standard input");
    }
    let sealed = seal(crypto, plain.as_bytes());
    let body = body(plain, &sealed);
    let query = query(&sealed);
    if context.json {
        print(&json!({ "query": query, "body": body }).to_string());
        return Ok(DONE);
    }
    match url {
        // It is meant for a shell.
        Some(url) if url.contains('\'') => bail!("--url: a URL with a single quote cannot be printed for a shell"),
        // Neither holds a quote: both are base64, numbers and what WeCom's ids are made of.
        Some(url) => print(&format!("curl -sS '{}' --data-binary '{body}'", with_query(url, &query))),
        None => print(&format!("{query}\n{body}")),
    }
    Ok(DONE)
}

/// Seals as WeCom does, now, with a nonce of its own.
pub(super) fn seal(crypto: &Crypto, plain: &[u8]) -> Sealed {
    let seconds = jiff::Timestamp::now().as_second();
    let nonce = rand::random_range(1_000_000_000_u64..10_000_000_000);
    crypto.seal(plain, &seconds.to_string(), &nonce.to_string())
}

/// The query that belongs to what was sealed.
pub(super) fn query(sealed: &Sealed) -> String {
    let Sealed { msg_signature, timestamp, nonce, .. } = sealed;
    format!("msg_signature={msg_signature}&timestamp={timestamp}&nonce={nonce}")
}

/// A URL may have a query of its own.
pub(super) fn with_query(url: &str, query: &str) -> String {
    let url = url.split('#').next().unwrap_or_default();
    format!("{url}{}{query}", if url.contains('?') { '&' } else { '?' })
}

/// The envelope as WeCom posts it: JSON around a robot's JSON, XML around XML.
fn body(plain: &str, sealed: &Sealed) -> String {
    if plain.starts_with('{') {
        return json!({ "encrypt": sealed.encrypt }).to_string();
    }
    let inside = Element::parse(plain.as_bytes()).ok();
    let id = |name: &str| {
        let id = inside.as_ref().map(|element| element.text_of(name)).unwrap_or_default();
        id.chars().filter(char::is_ascii_alphanumeric).collect::<String>()
    };
    Element::new("xml")
        .with("ToUserName", id("ToUserName"))
        .with("AgentID", id("AgentID"))
        .with("Encrypt", &sealed.encrypt)
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_says_itself_what_is_signed() {
        let xml =
            "<xml><Encrypt>e</Encrypt><MsgSignature>s</MsgSignature><TimeStamp>1</TimeStamp><Nonce>n</Nonce></xml>";
        let json = r#"{"encrypt":"e","msgsignature":"s","timestamp":1,"nonce":"n"}"#;
        for body in [xml, json] {
            let query = of_reply(body).unwrap();
            assert_eq!((&*query.msg_signature, &*query.timestamp, &*query.nonce), ("s", "1", "n"));
        }
        assert_eq!(of_reply("<xml><Encrypt>e</Encrypt></xml>"), None);
    }

    #[test]
    fn a_url_keeps_its_own_query() {
        assert_eq!(with_query("https://a.example/c?x=1#y", "nonce=n"), "https://a.example/c?x=1&nonce=n");
        assert_eq!(with_query("https://a.example/c", "nonce=n"), "https://a.example/c?nonce=n");
        assert_eq!((decoded("a%2Bb%3D"), decoded("a b=")), ("a+b=".to_owned(), "a+b=".to_owned()));
    }
}
