//! F33: templates that would never end, grow without end or miss something: stopped soon, and told where.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use hyper::Method;
use serde_json::{Value, json};
use trials::http::{Answer, exchange};
use trials::machine;
use trials::program::KEY;

use crate::Trial;
use crate::house::House;

/// How soon a bomb is stopped, and how much longer an unoptimised build on a machine with other work may take.
const STOPPED_WITHIN: Duration = Duration::from_millis(100);
const UNOPTIMISED: u32 = 12;
/// How much memory a bomb may take, in MB: what a rendering handles, what it writes, and what an allocator adds.
const MEMORY_MB: f64 = 64.0;

/// What each bomb is, its source, and whether it is found when it is kept.
const BOMBS: &[(&str, &str, bool)] = &[
    ("an endless loop", "{% for i in range(99999) %}{% for j in range(99999) %}x{% endfor %}{% endfor %}", false),
    ("a billion times a text", "{{ 'x' * 1000000000 }}", false),
    ("a hundred million times a text", "{{ v * 99999999 }}", false),
    ("the same in a loop", "{% for i in range(10000) %}{% if v * 99999999 %}{% endif %}{% endfor %}", false),
    ("work on a long text in a loop", "{% for i in range(10000) %}{{ v.upper() | lower | length }}{% endfor %}", false),
    (
        "a text that doubles",
        "{% set n = namespace(s='12345678') %}{% for i in range(60) %}{% set n.s = n.s ~ n.s %}{% endfor %}{{ n.s }}",
        false,
    ),
    (
        "a list that doubles",
        "{% set n = namespace(l=[1]) %}{% for i in range(60) %}{% set n.l = n.l + n.l %}{% endfor %}{{ n.l | list }}",
        false,
    ),
    ("a recursive macro", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", false),
    ("an include of itself", "{% include 'bomb' %}", false),
    ("a width of a thousand billion", "{{ 'a' | indent(1000000000000) }}{{ '%1000000000000s' | format('x') }}", false),
    ("a missing name", "line one\n  {{ order.number }}", false),
    ("no end", "one\n{% if x %}", true),
    ("a filter that is none", "one\n{{ x | nofilter }}", true),
];

pub(crate) async fn run(trial: &Trial) -> anyhow::Result<Value> {
    let mut house = House::prepare(trial).await?;
    house.open().await?;
    let limit = trial.either(UNOPTIMISED, 1) * STOPPED_WITHIN;
    let mut slowest = (Duration::ZERO, String::new());
    machine::forget_peak(house.pid())?;
    let before = machine::rss_mb(house.pid());
    let value = "v".repeat(900_000);
    for (name, source, at_save) in BOMBS {
        let template = json!({ "makes": "text", "source": source }).to_string();
        let variables = json!({ "v": value });
        let message = json!({ "to": { "users": ["m1"] }, "template": "bomb", "variables": variables }).to_string();
        let preview = json!({ "variables": variables }).to_string();
        let kept = tried(&house, &mut slowest, name, (Method::PUT, "/v1/templates/bomb", template)).await?;
        if *at_save {
            is_refusal(&kept, true).with_context(|| format!("{name}, kept"))?;
            continue;
        }
        ensure!(kept.status == 201, "{name}: {:?}", kept.body);
        for (path, body) in [("/v1/templates/bomb/preview", preview), ("/v1/messages", message)] {
            let answer = tried(&house, &mut slowest, name, (Method::POST, path, body)).await?;
            is_refusal(&answer, name.starts_with("a missing")).with_context(|| format!("{name} at {path}"))?;
        }
    }
    let grew = machine::peak_rss_mb(house.pid()) - before;
    ensure!(slowest.0 <= limit, "{} was stopped after {:?}", slowest.1, slowest.0);
    ensure!(grew <= MEMORY_MB, "{grew:.1} MB more");
    let large = json!({ "variables": { "v": "x".repeat(10_000_000) } }).to_string();
    // Refused before it is in: the answer is read beside the writing.
    let call = ("POST", "/v1/templates/bomb/preview", "application/json");
    let authorization = format!("Bearer {KEY}");
    let (large, _) = exchange(house.gateway.address, call, &authorization, large.into()).await?;
    ensure!(large.status == 413, "10 MB of a variable: {}", large.status);
    let later = rendered_later(&house).await?;
    ensure!(house.simulator.taken().await? == 0, "something was sent");
    let log = std::fs::read_to_string(house.gateway.log())?;
    ensure!(!log.contains("panicked"), "it panicked");
    Ok(json!({
        "bombs": BOMBS.len(), "slowest_ms": slowest.0.as_secs_f64() * 1e3, "slowest": slowest.1,
        "limit_ms": limit.as_secs_f64() * 1e3, "memory_mb": grew, "ten_megabytes": 413, "schedule_says": later,
    }))
}

/// A schedule whose template becomes a bomb says so, instead of sending.
async fn rendered_later(house: &House) -> anyhow::Result<Value> {
    let template = |source: &str| json!({ "makes": "text", "source": source, "activate": true }).to_string();
    let schedule =
        json!({ "cron": "* * * * * *", "paused": true, "message": { "to": { "users": ["m1"] }, "template": "later" } });
    for (method, path, body) in [
        (Method::PUT, "/v1/templates/later", template("good")),
        (Method::PUT, "/v1/schedules/later", schedule.to_string()),
        (Method::PUT, "/v1/templates/later", template("{{ 'x' * 1000000000 }}")),
    ] {
        let (answer, _) = asked(house, (method, path, body)).await?;
        ensure!(answer.status.is_success(), "{path}: {:?}", answer.body);
    }
    let (now, _) = asked(house, (Method::POST, "/v1/schedules/later/run", String::new())).await?;
    ensure!(now.status == 422, "run by hand: {}", now.status);
    asked(house, (Method::POST, "/v1/schedules/later/resume", String::new())).await?;
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let (schedule, _) = asked(house, (Method::GET, "/v1/schedules/later", String::new())).await?;
        if let Some(error) = schedule.json()["last_error"].as_str() {
            return Ok(error.into());
        }
        ensure!(Instant::now() < deadline, "the schedule says nothing: {:?}", schedule.body);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

type Call = (Method, &'static str, String);

async fn asked(house: &House, (method, path, body): Call) -> anyhow::Result<(Answer, Duration)> {
    let started = Instant::now();
    let answer = house.gateway.connection().request(method, path, body).await?;
    Ok((answer, started.elapsed()))
}

async fn tried(house: &House, slowest: &mut (Duration, String), name: &str, call: Call) -> anyhow::Result<Answer> {
    let path = call.1;
    let (answer, took) = asked(house, call).await.with_context(|| name.to_owned())?;
    if took > slowest.0 {
        *slowest = (took, format!("{name} at {path}"));
    }
    Ok(answer)
}

/// 422, and where it is if that must be told.
fn is_refusal(answer: &Answer, placed: bool) -> anyhow::Result<()> {
    let message = answer.json()["error"]["message"].as_str().unwrap_or_default().to_owned();
    ensure!(answer.status == 422, "{}: {message}", answer.status);
    ensure!(answer.body.len() <= 4096, "the answer has {} bytes", answer.body.len());
    ensure!(!placed || message.contains("line 2"), "it does not say where: {message}");
    Ok(())
}
