//! `hongyan callback probe`: calls a URL as WeCom's console does when it is saved, and names what is wrong.
//!
//! It goes where the operator said, private addresses included, by no proxy, and follows no redirect: WeCom does neither.

use std::error::Error;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use reqwest::header::{CONTENT_TYPE, LOCATION};
use reqwest::{Client, Response, StatusCode, redirect};
use serde_json::json;
use url::Url;

use super::envelope;
use super::keys::KeyArguments;
use crate::cli::{Context, DONE, REFUSED, UNREACHABLE, complain, print};

/// How long WeCom waits for the echo (path/90930).
const IN_TIME: Duration = Duration::from_secs(1);
/// How long we wait, to be able to say how late it is.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of an answer that are looked at.
const LOOKED_AT: usize = 16 * 1024;
/// Characters of a wrong answer that are shown.
const SHOWN: usize = 80;

/// What came of it.
struct Finding {
    /// A word for programs.
    code: &'static str,
    exit: u8,
    english: String,
    chinese: String,
}

impl Finding {
    fn new(code: &'static str, exit: u8, english: impl Into<String>, chinese: impl Into<String>) -> Self {
        Self { code, exit, english: english.into(), chinese: chinese.into() }
    }

    fn refused(code: &'static str, english: impl Into<String>, chinese: impl Into<String>) -> Self {
        Self::new(code, REFUSED, english, chinese)
    }

    fn unreachable(code: &'static str, english: impl Into<String>, chinese: impl Into<String>) -> Self {
        Self::new(code, UNREACHABLE, english, chinese)
    }
}

pub(super) async fn run(url: &str, keys: &KeyArguments, context: &Context) -> anyhow::Result<u8> {
    let keys = keys.find(context)?;
    let crypto = keys.first().context("there are no keys")?;
    let target = parse(url)?;
    // WeCom's echoes are numbers of nineteen digits.
    let echo = rand::random_range(1_000_000_000_000_000_000_u64..9_000_000_000_000_000_000).to_string();
    let sealed = envelope::seal(crypto, echo.as_bytes());
    let echostr: String = url::form_urlencoded::byte_serialize(sealed.encrypt.as_bytes()).collect();
    let query = format!("{}&echostr={echostr}", envelope::query(&sealed));
    let asked = Url::parse(&envelope::with_query(target.as_str(), &query)).context("the URL cannot be asked")?;
    let started = Instant::now();
    let (finding, private) = match resolve(&target).await {
        Ok(private) => (ask(asked, (&echo, &sealed.encrypt), started).await?, private),
        Err(finding) => (finding, false),
    };
    let taken = started.elapsed();
    tell(url, &finding, (taken, private), context);
    Ok(finding.exit)
}

fn parse(url: &str) -> anyhow::Result<Url> {
    let parsed =
        Url::parse(url).with_context(|| format!("`{url}` is not a URL such as https://HOST/callback/default"))?;
    if !matches!(parsed.scheme(), "http" | "https") || parsed.host().is_none() {
        bail!("`{url}` is neither http nor https");
    }
    Ok(parsed)
}

/// Looks the name up; tells whether it leads where WeCom cannot come.
async fn resolve(url: &Url) -> Result<bool, Finding> {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let port = url.port_or_known_default().unwrap_or(443);
    let found = tokio::time::timeout(PATIENCE, tokio::net::lookup_host((bare, port))).await;
    match found {
        Ok(Ok(addresses)) => {
            let addresses: Vec<_> = addresses.collect();
            if addresses.is_empty() {
                return Err(no_name(host, "it has no address"));
            }
            Ok(!addresses.iter().any(|address| wecom::fetch::is_public(address.ip())))
        }
        Ok(Err(error)) => Err(no_name(host, &error.to_string())),
        Err(_) => Err(no_name(host, "no answer from the name server")),
    }
}

fn no_name(host: &str, why: &str) -> Finding {
    Finding::unreachable(
        "dns",
        format!("`{host}` cannot be resolved ({why}): check its DNS record, and that the name is public"),
        format!("`{host}` 无法解析（{why}）：请检查 DNS 记录，以及该域名是否公开"),
    )
}

async fn ask(url: Url, (echo, sealed): (&str, &str), started: Instant) -> anyhow::Result<Finding> {
    let http = Client::builder().no_proxy().redirect(redirect::Policy::none()).timeout(PATIENCE).build();
    let http = http.context("could not make an HTTP client")?;
    let mut answer = match http.get(url).send().await {
        Ok(answer) => answer,
        Err(error) => return Ok(no_answer(&error)),
    };
    if answer.status() != StatusCode::OK {
        return Ok(other_status(&mut answer).await);
    }
    let is_html = content_type(&answer).starts_with("text/html");
    let body = match read(&mut answer).await {
        Ok(body) => body,
        Err(error) => return Ok(no_answer(&error)),
    };
    let taken = started.elapsed();
    Ok(match wrong(&body, (echo, sealed), is_html) {
        Some(finding) => finding,
        None if taken > IN_TIME => {
            let millis = taken.as_millis();
            Finding::refused(
                "slow",
                format!(
                    "the echo is right, but came after {millis} ms: WeCom waits 1000 ms; look for a slow proxy, tunnel or TLS handshake in between"
                ),
                format!("应答正确，但用了 {millis} 毫秒：企业微信只等 1000 毫秒；请检查中间的代理、隧道或 TLS 握手"),
            )
        }
        None => Finding::new("ok", DONE, "WeCom would take it", "企业微信可以保存此 URL"),
    })
}

fn content_type(answer: &Response) -> String {
    let value = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_ascii_lowercase()
}

/// Reads the beginning of an answer; an endless one is wrong anyway.
async fn read(answer: &mut Response) -> Result<Vec<u8>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > LOOKED_AT {
            break;
        }
    }
    Ok(body)
}

/// Nobody answered: how far it came.
fn no_answer(error: &reqwest::Error) -> Finding {
    if error.is_timeout() {
        let seconds = PATIENCE.as_secs();
        return Finding::unreachable(
            "timeout",
            format!(
                "no whole answer within {seconds} s: is a firewall in between, or is something busy? WeCom waits 1 s"
            ),
            format!("{seconds} 秒内没有完整应答：是否被防火墙拦截，或服务繁忙？企业微信只等 1 秒"),
        );
    }
    let (innermost, of_system) = innermost(error);
    // Past the system's own errors, what keeps https from being connected is the handshake.
    if error.is_connect() && !of_system && error.url().is_some_and(|url| url.scheme() == "https") {
        return Finding::unreachable(
            "tls",
            format!(
                "no TLS connection ({innermost}): WeCom wants a certificate of a known authority, with its chain, for this name"
            ),
            format!("无法建立 TLS 连接（{innermost}）：证书须由公认机构签发、含中间证书，且与域名相符"),
        );
    }
    if error.is_connect() {
        return Finding::unreachable(
            "connect",
            format!(
                "cannot be connected to ({innermost}): is something listening at this port, and is it let through?"
            ),
            format!("无法连接（{innermost}）：该端口是否有服务在监听，防火墙是否放行？"),
        );
    }
    Finding::unreachable(
        "broken",
        format!(
            "the connection broke before there was an answer ({innermost}): does this port speak http, not https, or the reverse?"
        ),
        format!("连接在应答前中断（{innermost}）：该端口是 http 还是 https？"),
    )
}

/// The cause behind all others, and whether the system says so.
fn innermost(error: &dyn Error) -> (String, bool) {
    let (mut text, mut of_system) = (error.to_string(), false);
    let mut cause = error.source();
    while let Some(error) = cause {
        text = error.to_string();
        let io = error.downcast_ref::<std::io::Error>();
        of_system |= io.is_some_and(|io| io.raw_os_error().is_some());
        if let Some(inner) = io.and_then(std::io::Error::get_ref) {
            text = inner.to_string();
        }
        cause = error.source();
    }
    (text, of_system)
}

async fn other_status(answer: &mut Response) -> Finding {
    let status = answer.status().as_u16();
    if answer.status().is_redirection() {
        let to = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok()).unwrap_or("nowhere");
        let to: String = to.split('?').next().unwrap_or_default().chars().take(SHOWN).collect();
        return Finding::refused(
            "redirect",
            format!("HTTP {status}: a redirect to {to}, which WeCom does not follow; enter that URL, or answer here"),
            format!("HTTP {status}：重定向到 {to}，企业微信不会跟随；请填写该地址，或在此处直接应答"),
        );
    }
    let body = read(answer).await.unwrap_or_default();
    match status {
        403 if body == b"refused\n" => Finding::refused(
            "keys",
            "HTTP 403 from the gateway: its keys or receive id are others than those here, or it has none; is `--callback` the one in the URL? See `hongyan callback watch --once` and `hongyan callback list`",
            "HTTP 403（来自网关）：网关的密钥或 receive id 与此处不同，或该回调没有密钥；`--callback` 与 URL 是否一致？请看 `hongyan callback watch --once` 与 `hongyan callback list`",
        ),
        403 => Finding::refused(
            "forbidden",
            "HTTP 403, not from the gateway: a proxy in between refuses; does its list of addresses let WeCom in, and this machine?",
            "HTTP 403（不是网关的应答）：中间的代理拒绝了；其地址列表是否放行企业微信与本机？",
        ),
        404 => Finding::refused(
            "not_found",
            "HTTP 404: nothing is at this path; the gateway's is /callback/NAME, and a proxy may have to cut a prefix off",
            "HTTP 404：该路径不存在；网关的路径是 /callback/名称，代理可能需要去掉前缀",
        ),
        502..=504 => Finding::refused(
            "bad_gateway",
            format!(
                "HTTP {status}: the proxy or tunnel is there, but does not reach the gateway; is it running, and at that address?"
            ),
            format!("HTTP {status}：代理或隧道在，但连不上网关；网关是否在运行，地址是否正确？"),
        ),
        _ => Finding::refused(
            "status",
            format!("HTTP {status}: {}; WeCom wants 200 and the echo", shown(&body)),
            format!("HTTP {status}：{}；企业微信要求 200 与明文", shown(&body)),
        ),
    }
}

/// What is wrong with what came with a 200.
fn wrong(body: &[u8], (echo, sealed): (&str, &str), is_html: bool) -> Option<Finding> {
    if body == echo.as_bytes() {
        return None;
    }
    let text = String::from_utf8_lossy(body);
    let bare = text.trim_start_matches('\u{feff}');
    let trimmed = bare.trim();
    let begins = trimmed.get(..9).unwrap_or(trimmed).to_ascii_lowercase();
    Some(if body.is_empty() {
        Finding::refused("empty", "an empty answer: the echo is missing", "应答为空：缺少明文")
    } else if bare.len() < text.len() && trimmed == echo {
        Finding::refused(
            "bom",
            "the echo comes behind a byte order mark (EF BB BF): answer the bare text",
            "明文前有 BOM（EF BB BF）：请只返回明文",
        )
    } else if trimmed == echo {
        Finding::refused(
            "blanks",
            "the echo has a line break or blanks around it: answer the bare text",
            "明文前后有换行或空格：请只返回明文",
        )
    } else if trimmed.trim_matches(['"', '\'']) == echo {
        Finding::refused(
            "quoted",
            "the echo is in quotes: answer it as text, not as JSON",
            "明文带引号：请以纯文本而不是 JSON 返回",
        )
    } else if is_html || begins.starts_with("<!doctype") || begins.starts_with("<html") {
        Finding::refused(
            "html",
            format!(
                "an HTML page in place of the echo: a login, an error or a tunnel's warning page ({})",
                shown(body)
            ),
            format!("返回了 HTML 页面而不是明文：可能是登录页、错误页或隧道的提示页（{}）", shown(body)),
        )
    } else if trimmed == sealed {
        Finding::refused(
            "not_decrypted",
            "echostr comes back as it was sent: it has to be decrypted",
            "原样返回了 echostr：须先解密",
        )
    } else if text.contains(echo) {
        Finding::refused(
            "wrapped",
            format!("the echo has something around it: answer the bare text ({})", shown(body)),
            format!("明文外还有别的内容：请只返回明文（{}）", shown(body)),
        )
    } else {
        Finding::refused(
            "wrong_text",
            format!("another text than the echo: {}", shown(body)),
            format!("返回的不是明文：{}", shown(body)),
        )
    })
}

fn shown(body: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(body).chars().take(SHOWN).collect();
    format!("{:?}", text.trim())
}

fn tell(url: &str, finding: &Finding, (taken, private): (Duration, bool), context: &Context) {
    let (millis, ok) = (taken.as_millis(), finding.exit == DONE);
    let text = context.language.pick(&finding.english, &finding.chinese);
    if context.json {
        let line = json!({
            "url": url, "ok": ok, "code": finding.code, "text": text, "millis": u64::try_from(millis).ok(), "private": private,
        });
        return print(&line.to_string());
    }
    let mark = if ok { context.language.pick("ok  ", "正常") } else { context.language.pick("BAD ", "异常") };
    print(&format!("{mark}  {url}  {millis} ms\n      → {text}"));
    if private {
        complain(context.language.pick(
            "note: this address is not a public one: WeCom itself cannot get there",
            "注意：这不是公网地址，企业微信无法访问",
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wrong_answer_has_its_name() {
        let code =
            |body: &str, is_html| wrong(body.as_bytes(), ("123", "c2VhbGVk"), is_html).map(|finding| finding.code);
        assert_eq!(code("123", false), None);
        for (body, expected) in [
            ("", "empty"),
            ("\"123\"", "quoted"),
            ("123\n", "blanks"),
            ("\u{feff}123", "bom"),
            ("\u{feff}123\r\n", "bom"),
            ("<!DOCTYPE html><p>123", "html"),
            (" <HTML>", "html"),
            ("c2VhbGVk", "not_decrypted"),
            ("{\"echo\": 123}", "wrapped"),
            ("ok", "wrong_text"),
            ("日志日志日志", "wrong_text"),
        ] {
            assert_eq!(code(body, false), Some(expected), "{body}");
        }
        assert_eq!(code("please log in", true), Some("html"));
    }
}
