//! The simulator as a process: its control, and what it took.

use std::collections::HashMap;
use std::net::SocketAddr;

use anyhow::ensure;
use hyper::Method;
use serde_json::{Value, json};

use crate::http::Connection;
use crate::upstream::numbers_in;

/// Steers and observes a running simulator.
#[derive(Debug)]
pub struct Simulator {
    http: Connection,
}

impl Simulator {
    /// Names where it listens.
    pub fn at(address: SocketAddr) -> Self {
        Self { http: Connection::new(address, None) }
    }

    async fn ask(&mut self, method: Method, path: &str, body: Value) -> anyhow::Result<Value> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.http.request(method, path, body).await?;
        ensure!(answer.status.is_success(), "the simulator answered {} to {path}", answer.status);
        Ok(answer.json())
    }

    /// Adds members `prefix1` to `prefix<count>`.
    ///
    /// # Errors
    /// If the simulator does not answer.
    pub async fn add_members(&mut self, prefix: &str, count: usize) -> anyhow::Result<()> {
        for number in 1..=count {
            let member = json!({ "name": format!("{prefix}{number}"), "parties": [2] });
            self.ask(Method::PUT, &format!("/_sim/members/{prefix}{number}"), member).await?;
        }
        Ok(())
    }

    /// Makes trouble; see the simulator's README.
    ///
    /// # Errors
    /// If the simulator does not answer.
    pub async fn fault(&mut self, fault: Value) -> anyhow::Result<()> {
        self.ask(Method::POST, "/_sim/faults", fault).await.map(drop)
    }

    /// Ends all trouble.
    ///
    /// # Errors
    /// If the simulator does not answer.
    pub async fn clear_faults(&mut self) -> anyhow::Result<()> {
        self.ask(Method::DELETE, "/_sim/faults", Value::Null).await.map(drop)
    }

    /// Makes every token unknown.
    ///
    /// # Errors
    /// If the simulator does not answer.
    pub async fn kill_tokens(&mut self) -> anyhow::Result<()> {
        self.ask(Method::POST, "/_sim/tokens/kill", json!({})).await.map(drop)
    }

    /// Returns what happened so far, counted.
    ///
    /// # Errors
    /// If the simulator does not answer.
    pub async fn counts(&mut self) -> anyhow::Result<Value> {
        self.ask(Method::GET, "/_sim/counts", Value::Null).await
    }

    /// Returns how many messages were taken.
    ///
    /// # Errors
    /// If the simulator does not answer.
    pub async fn taken(&mut self) -> anyhow::Result<u64> {
        Ok(self.counts().await?["taken"].as_u64().unwrap_or(0))
    }

    /// Returns every message taken since a number, oldest first.
    ///
    /// # Errors
    /// If the simulator does not answer.
    pub async fn outbox(&mut self, since: u64) -> anyhow::Result<Vec<Value>> {
        let answer = self.ask(Method::GET, &format!("/_sim/outbox?since={since}"), Value::Null).await?;
        Ok(answer.as_array().cloned().unwrap_or_default())
    }

    /// Returns every request since a number, oldest first.
    ///
    /// # Errors
    /// If the simulator does not answer.
    pub async fn requests(&mut self, since: u64) -> anyhow::Result<Vec<Value>> {
        let answer = self.ask(Method::GET, &format!("/_sim/requests?since={since}"), Value::Null).await?;
        Ok(answer.as_array().cloned().unwrap_or_default())
    }

    /// Counts, for each message number, how often it was taken and not swallowed by the duplicate check.
    ///
    /// # Errors
    /// If the simulator does not answer.
    pub async fn seen(&mut self) -> anyhow::Result<HashMap<u64, usize>> {
        self.count(|sent| sent["swallowed"] != true).await
    }

    /// Counts, for each message number, how often it was swallowed by the duplicate check.
    ///
    /// # Errors
    /// If the simulator does not answer.
    pub async fn swallowed(&mut self) -> anyhow::Result<HashMap<u64, usize>> {
        self.count(|sent| sent["swallowed"] == true).await
    }

    async fn count(&mut self, counts: impl Fn(&Value) -> bool) -> anyhow::Result<HashMap<u64, usize>> {
        let mut seen = HashMap::new();
        for sent in self.outbox(0).await?.iter().filter(|sent| counts(sent)) {
            for number in numbers_in(sent["body"].to_string().as_bytes()) {
                *seen.entry(number).or_default() += 1;
            }
        }
        Ok(seen)
    }
}

/// The key of the robot with a number.
pub fn robot_key(number: usize) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}
