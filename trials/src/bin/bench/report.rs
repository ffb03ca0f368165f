//! Figures of rounds, the ratios between them, and whether they are what performance asks for.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value, json};
use trials::{machine, say};

use crate::options::Options;

/// The figures of one round, by name with unit.
#[derive(Clone, Debug, Default)]
pub(crate) struct Round(BTreeMap<&'static str, f64>);

impl Round {
    pub(crate) fn set(&mut self, name: &'static str, value: f64) {
        self.0.insert(name, value);
    }

    pub(crate) fn get(&self, name: &str) -> Option<f64> {
        self.0.get(name).copied()
    }

    fn over(&self, name: &str, other: &str) -> Option<f64> {
        Some(self.get(name)? / self.get(other)?)
    }

    pub(crate) fn line(&self) -> String {
        self.0.iter().map(|(name, value)| format!("{name} {}", short(*value))).collect::<Vec<_>>().join(", ")
    }
}

#[derive(Clone, Copy)]
enum Want {
    AtLeast(f64, f64),
    AtMost(f64, f64),
}

/// A figure that is judged: its row in performance, what it is, how it is worked out, what it must be and should be.
type Judged = (&'static str, &'static str, fn(&Round) -> Option<f64>, Want);

/// A disk slower than this is taken out of the latency figure.
const CALM_FDATASYNC_MS: f64 = 0.3;

const JUDGED: &[Judged] = &[
    ("P1", "accepts ÷ Alertmanager", |r| r.over("accepts /s", "alertmanager /s"), Want::AtLeast(2.5, 5.0)),
    ("P1", "accepts ÷ floor", |r| r.over("accepts /s", "floor /s"), Want::AtLeast(0.12, 0.25)),
    ("P2", "delivered ÷ Alertmanager", |r| r.over("delivered /s", "alertmanager /s"), Want::AtLeast(2.5, 5.0)),
    (
        "P3",
        "delivered at 50 ms ÷ floor at 50 ms",
        |r| r.over("delivered at 50 ms /s", "floor at 50 ms /s"),
        Want::AtLeast(0.95, 0.99),
    ),
    ("P3", "accepts at 50 ms ÷ accepts", |r| r.over("accepts at 50 ms /s", "accepts /s"), Want::AtLeast(0.75, 0.9)),
    ("P4", "send p50 ÷ Alertmanager's", quiet_ratio, Want::AtMost(1.5, 0.85)),
    ("P4", "accept p50 ÷ fdatasync", |r| r.over("quiet accept p50 ms", "quiet fdatasync ms"), Want::AtMost(5.0, 3.0)),
    ("P5", "CPU ÷ Alertmanager's", |r| r.over("cpu per 10k", "alertmanager cpu per 10k"), Want::AtMost(0.20, 0.10)),
    ("P5", "CPU ÷ wechatpy's", |r| r.over("cpu per 10k", "wechatpy cpu per 10k"), Want::AtMost(0.08, 0.04)),
    ("P6", "idle memory ÷ Alertmanager's", |r| r.over("idle MB", "alertmanager idle MB"), Want::AtMost(0.6, 0.3)),
    (
        "P6",
        "memory after a burst ÷ Alertmanager's peak",
        |r| r.over("burst MB", "alertmanager peak MB"),
        Want::AtMost(0.25, 0.15),
    ),
    ("P6", "idle CPU, % of a core", |r| r.get("idle cpu %"), Want::AtMost(0.3, 0.1)),
    (
        "P7",
        "start to first 202 ÷ Alertmanager's start",
        |r| r.over("start ms", "alertmanager start ms"),
        Want::AtMost(1.0, 0.2),
    ),
    ("P7", "added by a million waiting, s", |r| r.get("start added by backlog s"), Want::AtMost(0.3, 0.05)),
    (
        "P8",
        "CPU to enqueue, last 10k ÷ first",
        |r| r.over("enqueue cpu last", "enqueue cpu first"),
        Want::AtMost(1.2, 1.05),
    ),
    (
        "P8",
        "CPU to claim and finish, with the backlog ÷ without",
        |r| r.over("finish cpu with backlog", "finish cpu without"),
        Want::AtMost(1.2, 1.05),
    ),
    ("P8", "memory added by the backlog, MB", |r| r.get("backlog MB"), Want::AtMost(24.0, 8.0)),
    (
        "P8",
        "status by id, with the backlog ÷ with 10k",
        |r| r.over("status p50 with backlog ms", "status p50 with 10k ms"),
        Want::AtMost(1.3, 1.1),
    ),
    (
        "P8",
        "newest page, with the backlog ÷ with 10k",
        |r| r.over("page p50 with backlog ms", "page p50 with 10k ms"),
        Want::AtMost(1.3, 1.1),
    ),
    (
        "P11",
        "p50 beside a hanging app ÷ without",
        |r| r.over("beside hanging p50 ms", "alone p50 ms"),
        Want::AtMost(1.2, 1.05),
    ),
    (
        "P11",
        "p99 beside a hanging app ÷ without",
        |r| r.over("beside hanging p99 ms", "alone p99 ms"),
        Want::AtMost(2.0, 1.3),
    ),
    (
        "P11",
        "p50 beside 100 000 for a robot ÷ without",
        |r| r.over("beside waiting p50 ms", "alone p50 ms"),
        Want::AtMost(1.2, 1.05),
    ),
    (
        "P11",
        "p99 beside 100 000 for a robot ÷ without",
        |r| r.over("beside waiting p99 ms", "alone p99 ms"),
        Want::AtMost(2.0, 1.3),
    ),
    ("P12", "most in any 60 s ÷ quota", |r| r.get("quota most"), Want::AtMost(1.0, 1.0)),
    ("P12", "use of the quota under backlog", |r| r.get("quota use"), Want::AtLeast(0.95, 0.99)),
    ("P12", "own 45009", |r| r.get("quota own 45009"), Want::AtMost(0.0, 0.0)),
    (
        "P13",
        "CPU at 2 000 B ÷ at 75 B",
        |r| r.over("cpu per 10k at 2000 B", "cpu per 10k at 75 B"),
        Want::AtMost(1.5, 1.3),
    ),
    (
        "P13",
        "CPU at 1 000 robots ÷ at 1",
        |r| r.over("cpu per 10k at 1000 robots", "cpu per 10k at 1 robot"),
        Want::AtMost(1.1, 1.03),
    ),
    ("P13", "connections for the burst, beyond 64", |r| Some(r.get("connections")? - 64.0), Want::AtMost(2.0, 1.0)),
    ("P13", "disk per finished message, B", |r| r.get("disk B per message"), Want::AtMost(600.0, 350.0)),
    ("P14", "batch accepts ÷ single", |r| r.over("batch accepts /s", "single accepts /s"), Want::AtLeast(3.0, 5.0)),
    (
        "P14",
        "CPU of render and accept ÷ of accept",
        |r| r.over("template accept cpu", "single accept cpu"),
        Want::AtMost(1.3, 1.15),
    ),
    ("P9", "SDK's sends ÷ floor", |r| r.over("sdk /s", "floor /s"), Want::AtLeast(0.55, 0.85)),
    ("P9", "SDK's CPU ÷ floor's", |r| r.over("sdk cpu per 10k", "floor cpu per 10k"), Want::AtMost(2.0, 1.25)),
    ("P10", "simulator ÷ bare server", |r| r.over("simulator /s", "bare server /s"), Want::AtLeast(0.6, 0.8)),
];

/// The p50 against Alertmanager's; with a restless disk, less one fdatasync.
fn quiet_ratio(round: &Round) -> Option<f64> {
    let fdatasync = round.get("quiet fdatasync ms")?;
    let own = round.get("quiet send p50 ms")? - if fdatasync > CALM_FDATASYNC_MS { fdatasync } else { 0.0 };
    Some(own / round.get("alertmanager quiet p50 ms")?)
}

impl Want {
    fn verdict(self, value: f64) -> &'static str {
        let (must, goal) = match self {
            Self::AtLeast(must, goal) => (value >= must, value >= goal),
            Self::AtMost(must, goal) => (value <= must, value <= goal),
        };
        match (must, goal) {
            (_, true) => "goal",
            (true, false) => "must",
            (false, false) => "MISSED",
        }
    }

    fn text(self) -> (String, String) {
        match self {
            Self::AtLeast(must, goal) => (format!("≥ {must}"), format!("≥ {goal}")),
            Self::AtMost(must, goal) => (format!("≤ {must}"), format!("≤ {goal}")),
        }
    }
}

#[derive(Default)]
pub(crate) struct Report {
    rounds: Vec<Round>,
}

/// Median, lowest, highest.
fn spread(mut values: Vec<f64>) -> Option<(f64, f64, f64)> {
    values.sort_by(f64::total_cmp);
    Some((values[values.len() / 2], *values.first()?, *values.last()?)).filter(|_| !values.is_empty())
}

impl Report {
    pub(crate) fn add(&mut self, round: Round) {
        self.rounds.push(round);
    }

    fn figures(&self) -> Vec<(&'static str, (f64, f64, f64))> {
        let names: std::collections::BTreeSet<_> =
            self.rounds.iter().flat_map(|round| round.0.keys().copied()).collect();
        let of = |name: &'static str| self.rounds.iter().filter_map(|round| round.get(name)).collect::<Vec<_>>();
        names.into_iter().filter_map(|name| Some((name, spread(of(name)).filter(|_| !of(name).is_empty())?))).collect()
    }

    fn judged(&self) -> Vec<(&'static Judged, (f64, f64, f64))> {
        let judge = |judged: &'static Judged| {
            let values: Vec<f64> = self.rounds.iter().filter_map(judged.2).collect();
            if values.is_empty() { None } else { Some((judged, spread(values)?)) }
        };
        JUDGED.iter().filter_map(judge).collect()
    }

    pub(crate) fn print(&self, options: &Options) {
        if options.json {
            say(&self.json(options).to_string());
        } else {
            say(&self.markdown(options));
        }
    }

    fn json(&self, options: &Options) -> Value {
        let spread = |(median, low, high): (f64, f64, f64)| json!({ "median": median, "low": low, "high": high });
        let figures: Map<String, Value> =
            self.figures().into_iter().map(|(name, values)| (name.to_owned(), spread(values))).collect();
        let judged: Vec<Value> = self
            .judged()
            .into_iter()
            .map(|((row, what, _, want), values)| {
                let (must, goal) = want.text();
                json!({ "row": row, "what": what, "value": spread(values), "must": must, "goal": goal, "verdict": want.verdict(values.0) })
            })
            .collect();
        json!({ "machine": machine::description(), "rounds": options.rounds, "messages": options.messages, "figures": figures, "judged": judged })
    }

    fn markdown(&self, options: &Options) -> String {
        let mut text = format!(
            "\n{}; {} rounds of {} messages; median (lowest – highest)\n\n",
            machine::description(),
            options.rounds,
            options.messages
        );
        text += "| figure | median | lowest | highest |\n| --- | --- | --- | --- |\n";
        for (name, (median, low, high)) in self.figures() {
            let _infallible = writeln!(text, "| {name} | {} | {} | {} |", short(median), short(low), short(high));
        }
        text += "\n| row | ratio within a round | median | lowest | highest | must | goal | |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n";
        for ((row, what, _, want), (median, low, high)) in self.judged() {
            let (must, goal) = want.text();
            let verdict = want.verdict(median);
            let _infallible = writeln!(
                text,
                "| {row} | {what} | {} | {} | {} | {must} | {goal} | {verdict} |",
                short(median),
                short(low),
                short(high)
            );
        }
        text
    }
}

fn short(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        large if large >= 100.0 => format!("{value:.0}"),
        middle if middle >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}
