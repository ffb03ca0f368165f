//! wechatpy (`PyPI`'s), the usual loop: one client, one message after another.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::ensure;
use trials::program::simulator;

use crate::hongyan::{MEMBERS, verify};
use crate::options::Options;
use crate::report::Round;

/// Messages of the loop; more would only take longer.
const MESSAGES: u64 = 2000;

const LOOP: &str = r#"
import os, resource, sys
from wechatpy.enterprise import WeChatClient
class Client(WeChatClient):
    API_BASE_URL = sys.argv[1] + "/cgi-bin/"
    def fetch_access_token(self):
        return self._fetch_access_token(url=sys.argv[1] + "/cgi-bin/gettoken",
                                        params={"corpid": self.corp_id, "corpsecret": self.secret})
client = Client("wwdemo0000000001", "demo-secret")
client.fetch_access_token()
before = resource.getrusage(resource.RUSAGE_SELF)
text = ": production order released, please confirm."
for number in range(int(sys.argv[2])):
    client.message.send_text(1000002, "m%d" % (number % int(sys.argv[3]) + 1), "message %d%s" % (number, text))
after = resource.getrusage(resource.RUSAGE_SELF)
print(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
"#;

pub(crate) async fn run(library: &Path, options: &Options, folder: &Path, round: &mut Round) -> anyhow::Result<()> {
    let (simulated, mut simulator) = simulator(&options.binary, folder).await?;
    simulator.add_members("m", MEMBERS as usize).await?;
    let mut command = Command::new("python3");
    command.args(["-c", LOOP, &format!("http://{}", simulated.address), &MESSAGES.to_string(), &MEMBERS.to_string()]);
    command.env("PYTHONPATH", library).env("NO_PROXY", "127.0.0.1");
    let started = Instant::now();
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let cpu: f64 = String::from_utf8_lossy(&output.stdout).trim().parse()?;
    round.set("wechatpy /s", MESSAGES as f64 / started.elapsed().as_secs_f64());
    round.set("wechatpy cpu per 10k", cpu * 10_000.0 / MESSAGES as f64);
    verify(&mut simulator, 0..=MESSAGES - 1).await
}
