//! What is asked for on the command line.

use std::path::PathBuf;

use anyhow::{Context as _, bail};

/// A part of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Floor,
    Burst,
    Slow,
    Latency,
    Alertmanager,
    Wechatpy,
    Growth,
    Isolation,
    Backlog,
    Quota,
    Accept,
    Sdk,
    Simulator,
}

impl Part {
    const ALL: [Self; 13] = [
        Self::Floor,
        Self::Burst,
        Self::Alertmanager,
        Self::Wechatpy,
        Self::Slow,
        Self::Latency,
        Self::Growth,
        Self::Isolation,
        Self::Backlog,
        Self::Quota,
        Self::Accept,
        Self::Sdk,
        Self::Simulator,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Burst => "burst",
            Self::Slow => "slow",
            Self::Latency => "latency",
            Self::Alertmanager => "alertmanager",
            Self::Wechatpy => "wechatpy",
            Self::Growth => "growth",
            Self::Isolation => "isolation",
            Self::Backlog => "backlog",
            Self::Quota => "quota",
            Self::Accept => "accept",
            Self::Sdk => "sdk",
            Self::Simulator => "simulator",
        }
    }
}

pub(crate) struct Options {
    /// The built gateway.
    pub(crate) binary: PathBuf,
    /// Where peers are installed.
    pub(crate) peers: PathBuf,
    pub(crate) rounds: usize,
    /// Messages of a burst.
    pub(crate) messages: u64,
    /// Messages of the backlog part.
    pub(crate) backlog: u64,
    pub(crate) against: Vec<String>,
    pub(crate) json: bool,
    only: Vec<Part>,
}

const HELP: &str =
    "cargo xtask bench [--rounds 5] [--messages 20000] [--backlog 1000000] [--against alertmanager,wechatpy]
    [--only floor,burst,alertmanager,wechatpy,slow,latency,growth,isolation,backlog,quota,accept,sdk,simulator] [--json]";

impl Options {
    pub(crate) fn parse(arguments: &[String]) -> anyhow::Result<Self> {
        let mut options = Self {
            binary: PathBuf::new(),
            peers: PathBuf::new(),
            rounds: 5,
            messages: 20_000,
            backlog: 1_000_000,
            against: Vec::new(),
            json: false,
            only: Vec::new(),
        };
        let mut arguments = arguments.iter();
        while let Some(name) = arguments.next() {
            if name == "--json" {
                options.json = true;
                continue;
            }
            let value = arguments.next().with_context(|| format!("{name} needs a value\n{HELP}"))?;
            let number = || value.parse::<u64>().with_context(|| format!("{name} takes a number, not `{value}`"));
            match name.as_str() {
                "--binary" => options.binary = value.into(),
                "--peers" => options.peers = value.into(),
                "--rounds" => options.rounds = usize::try_from(number()?)?.max(1),
                "--messages" => options.messages = number()?.max(1000),
                "--backlog" => options.backlog = number()?.max(20_000),
                "--against" => options.against = value.split(',').map(str::to_owned).collect(),
                "--only" => {
                    let part = |name| Part::ALL.into_iter().find(|part| part.name() == name);
                    let part = |name| part(name).with_context(|| format!("there is no part `{name}`\n{HELP}"));
                    options.only = value.split(',').map(part).collect::<anyhow::Result<_>>()?;
                }
                _ => bail!("there is no option `{name}`\n{HELP}"),
            }
        }
        Ok(options)
    }

    pub(crate) fn parts(&self) -> &[Part] {
        if self.only.is_empty() { &Part::ALL } else { &self.only }
    }
}
