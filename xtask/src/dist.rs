//! The program as packages carry it: what it runs when it starts and works lies together in its file.
//!
//! A gateway runs some 5 of its 25 megabytes of code, a function here and a function there; the system maps what lies around
//! each of them, too, which comes to nearly all of it. So the program is built, watched while it starts, sends and rests, and
//! linked once more with what it ran in front (docs/decisions/0021-what-runs-lies-together.md).

use std::collections::HashSet;
use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use crate::run::{cargo, say};
use crate::servers;
use crate::trials::built;

/// How long the gateway may take to start under the eyes of valgrind.
const PATIENCE: Duration = Duration::from_secs(180);
/// How long it rests: the sweep, the watch and every other regular look come round.
const REST: Duration = Duration::from_secs(15);
/// How many messages it sends.
const MESSAGES: usize = 5;

/// Where the linker that comes with Rust takes an order.
const TAKES_AN_ORDER: bool = cfg!(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu"));

/// Builds the program, and links it anew in the order in which it runs.
pub(crate) fn dist() -> anyhow::Result<()> {
    if !TAKES_AN_ORDER {
        say("dist: what runs is not put together on this machine: its linker may take no order");
        return build(&[]);
    }
    // With its symbols, by which it is watched; everything else about it is as in the end.
    build(&["strip=none"])?;
    let order = order();
    std::fs::write(&order, what_runs(&built("dist/hongyan"))?).context("could not write the order")?;
    in_order(&order)
}

/// Builds the program by an order that was found before; finds one if there is none.
pub(crate) fn dist_as_known() -> anyhow::Result<()> {
    let order = order();
    if TAKES_AN_ORDER && order.exists() { in_order(&order) } else { dist() }
}

fn order() -> PathBuf {
    built("dist/symbol-order.txt")
}

fn in_order(order: &Path) -> anyhow::Result<()> {
    // The names of functions that are gone are passed over.
    let by_order = format!("link-arg=-Wl,--symbol-ordering-file={}", order.display());
    build(&[&by_order, "link-arg=-Wl,--no-warn-symbol-ordering"])
}

fn build(codegen: &[&str]) -> anyhow::Result<()> {
    let mut arguments =
        vec!["rustc", "--profile", "dist", "--locked", "--package", "hongyan", "--bin", "hongyan", "--"];
    codegen.iter().for_each(|option| arguments.extend(["-C", option]));
    cargo(&arguments, &[])
}

/// Lets the program start, send and rest under valgrind; returns the names of the functions that it ran, one a line.
fn what_runs(program: &Path) -> anyhow::Result<String> {
    servers::install_valgrind()?;
    let folder = built("dist/watched");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).context("could not clear the folder of an earlier watch")?;
    }
    std::fs::create_dir_all(&folder).context("could not make a folder to watch it in")?;
    let (simulator, gateway) = (free_address()?, free_address()?);
    let log = |name: &str| File::create(folder.join(name)).context("could not write a log");
    let mut simulated = Command::new(program);
    simulated.args(["simulate", "--listen", &simulator]).stdout(log("simulator.log")?).stderr(Stdio::null());
    let _simulated = Ended(simulated.current_dir(&folder).spawn().context("could not start the simulator")?);
    let calls = folder.join("calls.out");
    let mut watched = Command::new("valgrind");
    watched.args(["--tool=callgrind", "--demangle=no"]).arg(format!("--callgrind-out-file={}", calls.display()));
    watched.arg(program).arg("serve").stdout(log("gateway.log")?).stderr(log("valgrind.log")?);
    let environment = [
        ("HONGYAN_LISTEN", gateway.clone()),
        ("HONGYAN_DATA_DIR", "data".to_owned()),
        ("HONGYAN_API_KEY", "hk_of-the-watched-gateway-0123456789".to_owned()),
        ("WECHAT_API_BASE", format!("http://{simulator}")),
        ("WECHAT_CORP_ID", "wwdemo0000000001".to_owned()),
        ("WECHAT_AGENT_ID", "1000002".to_owned()),
        ("WECHAT_CORP_SECRET", "demo-secret".to_owned()),
    ];
    say("$ valgrind --tool=callgrind hongyan serve");
    let watched = watched.current_dir(&folder).envs(environment.clone()).spawn().context("could not start valgrind")?;
    let mut watched = Ended(watched);
    until_it_listens(&gateway, &mut watched.0)?;
    for number in 1..=MESSAGES {
        let mut send = Command::new(program);
        send.args(["send", "--to", "zhangsan", "--wait", "--text"]).arg(number.to_string());
        let sent = send.current_dir(&folder).envs(environment.clone()).output().context("could not send")?;
        ensure!(sent.status.success(), "a message was not sent: {}", String::from_utf8_lossy(&sent.stderr));
    }
    sleep(REST);
    watched.interrupt()?;
    let calls = std::fs::read_to_string(&calls).context("valgrind left no record of calls")?;
    Ok(names(&calls))
}

/// A free address of this machine.
fn free_address() -> anyhow::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").context("no port is free")?;
    Ok(listener.local_addr()?.to_string())
}

fn until_it_listens(address: &str, watched: &mut Child) -> anyhow::Result<()> {
    let asked = Instant::now();
    while TcpStream::connect(address).is_err() {
        if let Some(status) = watched.try_wait()? {
            bail!("the gateway ended with {status}; see dist/watched in the target folder");
        }
        ensure!(asked.elapsed() < PATIENCE, "the gateway did not listen within {PATIENCE:?}");
        sleep(Duration::from_millis(200));
    }
    Ok(())
}

/// Reads names out of callgrind's record, in the order in which they first stand there.
fn names(calls: &str) -> String {
    let mut seen = HashSet::new();
    let mut names = String::new();
    for line in calls.lines() {
        // `fn=(12) name` the first time, `fn=(12)` from then on; what calls itself has a number behind.
        let Some(rest) = line.strip_prefix("cfn=(").or_else(|| line.strip_prefix("fn=(")) else { continue };
        let Some((_, name)) = rest.split_once(") ") else { continue };
        let name = name.split('\'').next().unwrap_or(name);
        if seen.insert(name) {
            names.push_str(name);
            names.push('\n');
        }
    }
    names
}

/// A process that does not outlive what it is for.
struct Ended(Child);

impl Ended {
    /// Asks it to end in order, and waits.
    fn interrupt(&mut self) -> anyhow::Result<()> {
        let asked = Command::new("kill").args(["-INT", &self.0.id().to_string()]).status().context("kill is needed")?;
        ensure!(asked.success(), "the gateway could not be asked to end");
        self.0.wait().context("the gateway did not end").map(drop)
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        let _ended_before = self.0.kill();
        let _status = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn each_function_is_named_once_where_it_first_ran() {
        let calls = "fl=(1) ???\nfn=(2) main\n1 2\ncfn=(3) _ZN3foo3bar17h01E'2\nfn=(3)\nfn=(4) _ZN3foo3bar17h01E\ncob=(2) libc\n";
        assert_eq!(names(calls), "main\n_ZN3foo3bar17h01E\n");
    }
}
