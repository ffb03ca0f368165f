//! The command line: one file per command.
//!
//! Human output goes to standard output in Chinese or English; `--json` prints what programs read. Exit codes:
//! 0 done, 1 something failed here, 2 misused, 3 refused by the server, 4 not delivered, 5 not reachable now,
//! 6 uncertain, 7 delivered to some.

mod audit;
mod backup;
mod broadcast;
mod callback;
mod chinese;
mod config;
mod dead_letter;
mod demo;
mod directory;
mod doctor;
mod encryption;
mod figures;
mod gateway;
mod key;
mod language;
mod message;
mod run;
mod schedule;
mod send;
mod serve;
mod simulate;
mod template;
mod variables;
mod webhook;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use self::language::Language;
use crate::config::{Environment, Loaded, load};

pub use send::parse_flag;

/// Done.
pub(crate) const DONE: u8 = 0;
/// Something failed here.
pub(crate) const FAILED: u8 = 1;
/// Misused.
pub(crate) const MISUSED: u8 = 2;
/// Refused by the server.
pub(crate) const REFUSED: u8 = 3;
/// Not delivered.
pub(crate) const NOT_DELIVERED: u8 = 4;
/// Not reachable now.
pub(crate) const UNREACHABLE: u8 = 5;
/// Perhaps delivered.
pub(crate) const UNCERTAIN: u8 = 6;
/// Delivered to some.
pub(crate) const PARTLY: u8 = 7;

/// Takes a message once and delivers it durably through WeCom (企业微信).
#[derive(Debug, Parser)]
#[command(name = "hongyan", version, propagate_version = true, after_help = EXIT_CODES)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// The configuration file; default: hongyan.toml here, then in ~/.config/hongyan
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The language of human output; default: by LANG
    #[arg(long, global = true, value_enum)]
    lang: Option<Language>,
    /// Print JSON for programs
    #[arg(long, global = true)]
    json: bool,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 something failed here, 2 misused, 3 refused by the server, \
4 not delivered, 5 not reachable now, 6 uncertain, 7 delivered to some.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Start gateway, simulator and sample traffic; nothing else is needed
    Demo(demo::DemoArguments),
    /// Start the gateway
    Serve(serve::ServeArguments),
    /// Write a whole copy of the ledger to a file, while the gateway runs or rests
    Backup(backup::BackupArguments),
    /// Send a message, through a gateway or directly
    Send(Box<send::SendArguments>),
    /// Run a command, and send how it ended; its exit code is passed on
    Run(Box<run::RunArguments>),
    /// Keep messages that are sent again and again, or once at a time
    #[command(subcommand)]
    Schedule(schedule::ScheduleCommand),
    /// Look at messages that go to a list, let them rest, go on or end
    #[command(subcommand)]
    Broadcast(broadcast::BroadcastCommand),
    /// Look at messages, retry, cancel or recall them
    #[command(subcommand)]
    Message(message::MessageCommand),
    /// Look at what was given up, and send it again
    #[command(subcommand)]
    DeadLetter(dead_letter::DeadLetterCommand),
    /// Find out where a message would go, and why
    #[command(subcommand)]
    Route(RouteCommand),
    /// Show what of each quota is used
    Quotas,
    /// Show how it went: success, time, errors, by account, route, template and hour
    Stats {
        /// From when, RFC 3339; default 24 hours ago
        #[arg(long)]
        since: Option<String>,
        /// Until when, RFC 3339; default now
        #[arg(long)]
        until: Option<String>,
    },
    /// Keep, try and switch templates
    #[command(subcommand)]
    Template(template::TemplateCommand),
    /// Hand in files that messages carry
    #[command(subcommand)]
    Media(directory::MediaCommand),
    /// Keep who is who, import and sync it; groups and on-call lists; forget a recipient
    #[command(subcommand)]
    Directory(directory::DirectoryCommand),
    /// Make, list and revoke API keys
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Set up callbacks: set keys, watch attempts, try a URL, open and make envelopes
    #[command(subcommand)]
    Callback(callback::CallbackCommand),
    /// Look at what waits for business systems
    #[command(subcommand)]
    Webhook(webhook::WebhookCommand),
    /// Look at what administrators changed
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Look at the master keys that seal what is kept, and change them
    #[command(subcommand)]
    Encryption(encryption::EncryptionCommand),
    /// Check and show the configuration
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Find out what is wrong, a line each with its mend
    Doctor,
    /// Start the WeCom simulator
    Simulate(simulate::SimulateArguments),
    /// Print every place at which a trial can let the gateway die
    #[cfg(feature = "trials")]
    CrashPoints,
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Subcommand)]
enum RouteCommand {
    /// Say where a message would go, and why; it takes what `send` takes, and sends nothing
    Test(Box<send::SendArguments>),
}

/// What every command may need.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) language: Language,
    pub(crate) json: bool,
    config: Option<PathBuf>,
}

impl Context {
    /// Reads the configuration.
    pub(crate) fn load(&self) -> anyhow::Result<Loaded> {
        let environment = Environment::of_process()?;
        let file = self.config.clone().or_else(|| environment.get("HONGYAN_CONFIG").map(PathBuf::from));
        load(file.as_deref(), environment)
    }

    /// Says something to people, on standard output.
    pub(crate) fn say(&self, english: impl AsRef<str>, chinese: impl AsRef<str>) {
        print(self.language.pick(english.as_ref(), chinese.as_ref()));
    }
}

/// Prints a line on standard output.
pub(crate) fn print(line: &str) {
    // Whoever reads may have heard enough: `hongyan … | head -1`.
    let _reader_left = writeln!(std::io::stdout(), "{line}");
}

/// Prints a line on standard error.
pub(crate) fn complain(line: &str) {
    let _reader_left = writeln!(std::io::stderr(), "{line}");
}

/// Runs the command line.
pub fn main() -> ExitCode {
    let Arguments { command, config, lang, json } = Arguments::parse();
    // The command line's own HTTP client; the SDK brings its own.
    let _first = rustls::crypto::ring::default_provider().install_default();
    let language = lang.unwrap_or_else(Language::of_environment);
    let context = Context { language, json, config };
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    // One core is left to the ledger's own thread; the simulator has none.
    let workers = if matches!(command, Command::Simulate(_)) { cores } else { cores.saturating_sub(1).max(1) };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("error: could not start: {error}"));
            return ExitCode::from(FAILED);
        }
    };
    match runtime.block_on(run(command, &context)) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            if context.json {
                print(
                    &serde_json::json!({ "error": { "code": "local", "message": format!("{error:#}") } }).to_string(),
                );
            } else {
                complain(&chain(&error, context.language));
            }
            ExitCode::from(FAILED)
        }
    }
}

async fn run(command: Command, context: &Context) -> anyhow::Result<u8> {
    match command {
        Command::Demo(arguments) => demo::run(&arguments, context).await,
        Command::Serve(arguments) => serve::run(&arguments, context).await,
        Command::Backup(arguments) => backup::run(&arguments, context),
        Command::Send(arguments) => send::run(*arguments, context).await,
        Command::Run(arguments) => run::run(&arguments, context).await,
        Command::Schedule(command) => schedule::run(command, context).await,
        Command::Broadcast(command) => broadcast::run(command, context).await,
        Command::Message(command) => message::run(command, context).await,
        Command::DeadLetter(command) => dead_letter::run(command, context).await,
        Command::Route(RouteCommand::Test(arguments)) => send::test_route(&arguments, context).await,
        Command::Quotas => figures::quotas(context).await,
        Command::Stats { since, until } => figures::stats(since.as_deref(), until.as_deref(), context).await,
        Command::Template(command) => template::run(command, context).await,
        Command::Media(command) => directory::media(command, context).await,
        Command::Directory(command) => directory::run(command, context).await,
        Command::Key(command) => key::run(command, context).await,
        Command::Callback(command) => callback::run(command, context).await,
        Command::Webhook(command) => webhook::run(command, context).await,
        Command::Audit(command) => audit::run(command, context).await,
        Command::Encryption(command) => encryption::run(command, context).await,
        Command::Config(command) => config::run(&command, context),
        Command::Doctor => doctor::run(context).await,
        Command::Simulate(arguments) => simulate::run(&arguments).await,
        #[cfg(feature = "trials")]
        Command::CrashPoints => {
            print(&pipeline::CRASH_POINTS.join("\n"));
            Ok(DONE)
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "hongyan", &mut script);
            print(String::from_utf8_lossy(&script).trim_end());
            Ok(DONE)
        }
    }
}

/// Prints an error with its causes, once.
fn chain(error: &anyhow::Error, language: Language) -> String {
    let mut text = format!("{}: {error}", language.pick("error", "错误"));
    let mut said = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        // Some libraries repeat their cause in their own text.
        if !said.contains(&cause) {
            text.extend(["\n", language.pick("caused by", "原因"), ": ", &cause]);
        }
        said = cause;
    }
    text
}

/// Returns the command line's description, for the generated reference.
pub fn description() -> clap::Command {
    Arguments::command()
}
