//! The peers: installed from Debian and `PyPI` into a folder of our own, nothing of the machine's touched.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::options::Options;

#[derive(Default)]
pub(crate) struct Peers {
    /// Its binary.
    pub(crate) alertmanager: Option<PathBuf>,
    /// The folder with the library.
    pub(crate) wechatpy: Option<PathBuf>,
}

/// Installs what the options name.
pub(crate) fn install(options: &Options) -> anyhow::Result<Peers> {
    let mut peers = Peers::default();
    for name in &options.against {
        match name.as_str() {
            "alertmanager" => peers.alertmanager = Some(alertmanager(&options.peers)?),
            "wechatpy" => peers.wechatpy = Some(wechatpy(&options.peers)?),
            _ => bail!("--against takes alertmanager and wechatpy, not `{name}`"),
        }
    }
    Ok(peers)
}

fn alertmanager(folder: &Path) -> anyhow::Result<PathBuf> {
    let folder = folder.join("alertmanager");
    let binary = folder.join("usr/bin/prometheus-alertmanager");
    if !binary.exists() {
        std::fs::create_dir_all(&folder)?;
        let download =
            || run(Command::new("apt-get").args(["download", "prometheus-alertmanager"]).current_dir(&folder));
        if download().is_err() {
            run(Command::new("apt-get").arg("update"))?;
            download()?;
        }
        let package = std::fs::read_dir(&folder)?.flatten().map(|entry| entry.path());
        let package = package.into_iter().find(|path| path.extension().is_some_and(|end| end == "deb"));
        run(Command::new("dpkg").arg("-x").arg(package.context("the package")?).arg(&folder))?;
    }
    Ok(binary)
}

fn wechatpy(folder: &Path) -> anyhow::Result<PathBuf> {
    let folder = folder.join("wechatpy");
    if !folder.join("wechatpy").exists() {
        let mut install = Command::new("python3");
        install.args(["-m", "pip", "install", "--quiet", "--target"]).arg(&folder).arg("wechatpy==1.8.18");
        run(&mut install).context("wechatpy needs python3 with pip (Debian: python3-pip)")?;
    }
    Ok(folder)
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command.output().with_context(|| format!("could not run {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
