//! The load: numbered messages, over a number of connections or at a rate.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use hyper::Method;

use crate::http::Connection;
use crate::upstream::MARK;

/// One request for each number: the path and the body.
pub type Requests = Arc<dyn Fn(u64) -> (String, String) + Send + Sync>;

/// What a burst came to.
#[derive(Clone, Debug)]
pub struct Burst {
    /// From the first request to the last answer.
    pub took: Duration,
    /// How long each request took.
    pub latencies: Vec<Duration>,
}

impl Burst {
    /// Returns requests per second.
    pub fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.took.as_secs_f64()
    }
}

/// Makes requests `first..first + count` as fast as so many connections can; every answer must be 2xx.
///
/// # Errors
/// If any is not.
pub async fn burst(
    address: SocketAddr,
    key: Option<&str>,
    connections: usize,
    (first, count): (u64, u64),
    requests: Requests,
) -> anyhow::Result<Burst> {
    let next = Arc::new(AtomicU64::new(first));
    let end = first + count;
    let started = Instant::now();
    let workers = (0..connections).map(|_| {
        let (next, requests) = (next.clone(), requests.clone());
        let mut http = Connection::new(address, key);
        tokio::spawn(async move {
            let mut latencies = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= end {
                    return anyhow::Ok(latencies);
                }
                let (path, body) = requests(number);
                let asked = Instant::now();
                let answer = http.request(Method::POST, &path, body).await?;
                latencies.push(asked.elapsed());
                ensure!(answer.status.is_success(), "{}: {:?}", answer.status, answer.body);
            }
        })
    });
    let mut latencies = Vec::new();
    for worker in workers.collect::<Vec<_>>() {
        latencies.extend(worker.await??);
    }
    Ok(Burst { took: started.elapsed(), latencies })
}

/// When each request of a paced run was made, and how long it took.
#[derive(Clone, Debug, Default)]
pub struct Paced {
    /// The number, when it was asked, when it was answered.
    pub requests: Vec<(u64, Instant, Instant)>,
}

/// Makes requests at an even rate, each on time whether or not the one before was answered.
///
/// # Errors
/// If an answer is not 2xx.
pub async fn paced(
    address: SocketAddr,
    key: Option<&str>,
    per_second: f64,
    (first, count): (u64, u64),
    requests: Requests,
) -> anyhow::Result<Paced> {
    let lanes = 8;
    let started = Instant::now() + Duration::from_millis(20);
    let workers = (0..lanes).map(|lane| {
        let requests = requests.clone();
        let mut http = Connection::new(address, key);
        tokio::spawn(async move {
            let mut made = Vec::new();
            for number in (first..first + count).skip(lane).step_by(lanes) {
                let at = started + Duration::from_secs_f64((number - first) as f64 / per_second);
                tokio::time::sleep_until(at.into()).await;
                let (path, body) = requests(number);
                let asked = Instant::now();
                let answer = http.request(Method::POST, &path, body).await?;
                made.push((number, asked, Instant::now()));
                ensure!(answer.status.is_success(), "{}: {:?}", answer.status, answer.body);
            }
            anyhow::Ok(made)
        })
    });
    let mut all = Vec::new();
    for worker in workers.collect::<Vec<_>>() {
        all.extend(worker.await??);
    }
    Ok(Paced { requests: all })
}

/// Requests that hand a text of 75 bytes to one of so many members.
pub fn to_members(members: u64) -> Requests {
    Arc::new(move |number| {
        let body = format!(r#"{{"to":{{"users":["m{}"]}},"text":"{}"}}"#, number % members + 1, text(number, 75));
        ("/v1/messages".to_owned(), body)
    })
}

/// A numbered text of so many bytes.
pub fn text(number: u64, bytes: usize) -> String {
    let text = format!("{MARK}{number}: production order released, please confirm. ");
    text.chars().cycle().take(bytes.max(MARK.len() + 12)).collect()
}

/// Returns the middle one of so many measurements: single milliseconds say little on a shared machine.
///
/// # Errors
/// The first error of a measurement.
pub async fn median<F: Future<Output = anyhow::Result<Duration>>>(
    measurements: usize,
    mut measure: impl FnMut(u64) -> F,
) -> anyhow::Result<Duration> {
    let mut measured = Vec::with_capacity(measurements);
    for number in 0..measurements {
        measured.push(measure(number as u64).await?);
    }
    Ok(quantile(&measured, 0.5))
}

/// Returns the value below which so much (0 to 1) of the values lie.
pub fn quantile(values: &[Duration], part: f64) -> Duration {
    let mut sorted = values.to_vec();
    sorted.sort();
    let last = sorted.len().saturating_sub(1);
    sorted.get(((last as f64) * part).round() as usize).copied().unwrap_or_default()
}
