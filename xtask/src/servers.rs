//! The servers that tests talk to, and what their clients are installed with: from Debian's packages where they are
//! missing.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

use crate::run::{root, say};

/// What the tests' mail server is written with.
const MAIL_SERVER: &str = "python3-aiosmtpd";

/// What the clients of the drop-in front are installed with.
const PIP: &str = "python3-pip";
/// What the Java and Go examples are compiled with.
const COMPILERS: [(&str, &str); 2] = [("javac", "default-jdk-headless"), ("go", "golang-go")];
/// The alerting service whose own receiver is pointed at the drop-in front.
const ALERTMANAGER: &str = "prometheus-alertmanager";
/// Where it looks for the templates that it comes with.
const ALERTMANAGER_TEMPLATES: &str = "usr/share/prometheus/alertmanager";

/// Sees to it that a mail server and Alertmanager can be started, and that Python's libraries can be installed.
pub(crate) fn install() -> anyhow::Result<()> {
    if !has_mail_server() {
        say(&format!("test: installing {MAIL_SERVER}, the mail server that the tests talk to"));
        from_debian(MAIL_SERVER)?;
        ensure!(has_mail_server(), "{MAIL_SERVER} was installed and cannot be used");
    }
    if !has_pip() {
        say(&format!("test: installing {PIP}, which installs the clients that tests run"));
        from_debian(PIP)?;
        ensure!(has_pip(), "{PIP} was installed and cannot be used");
    }
    unpack_alertmanager()
}

/// Sees to it that a program can be watched while it runs.
pub(crate) fn install_valgrind() -> anyhow::Result<()> {
    let there =
        || Command::new("valgrind").arg("--version").stdout(Stdio::null()).status().is_ok_and(|done| done.success());
    if !there() {
        say("dist: installing valgrind, which the program is watched with");
        from_debian("valgrind")?;
        ensure!(there(), "valgrind was installed and cannot be used");
    }
    Ok(())
}

/// Sees to it that the examples of other languages can be compiled.
pub(crate) fn install_compilers() -> anyhow::Result<()> {
    for (compiler, package) in COMPILERS {
        let flag = if compiler == "go" { "version" } else { "--version" };
        let there = || Command::new(compiler).arg(flag).stdout(Stdio::null()).status().is_ok_and(|done| done.success());
        if !there() {
            say(&format!("test: installing {package}, which examples are compiled with"));
            from_debian(package)?;
            ensure!(there(), "{package} was installed and {compiler} cannot be used");
        }
    }
    Ok(())
}

fn from_debian(package: &str) -> anyhow::Result<()> {
    let install = || {
        let arguments = ["install", "--yes", "--quiet", "--no-install-recommends", package];
        apt_get(&arguments, &root()).with_context(|| format!("install {package} by hand, or run this as root"))
    };
    if install().is_err() {
        // The machine may never have asked what there is.
        apt_get(&["update", "--quiet"], &root())?;
        install()?;
    }
    Ok(())
}

/// Unpacks it into the target folder. Installed, it would be a service, and start.
fn unpack_alertmanager() -> anyhow::Result<()> {
    let program = Path::new("usr/bin").join(ALERTMANAGER);
    let folder = target()?.join("servers");
    if Path::new("/").join(&program).exists() {
        return Ok(());
    }
    if folder.join(&program).exists() {
        return put_templates(&folder);
    }
    say(&format!("test: unpacking {ALERTMANAGER}, whose receiver the tests point at the drop-in front"));
    std::fs::create_dir_all(&folder).with_context(|| format!("could not make {}", folder.display()))?;
    if apt_get(&["download", "--quiet", ALERTMANAGER], &folder).is_err() {
        apt_get(&["update", "--quiet"], &folder)?;
        apt_get(&["download", "--quiet", ALERTMANAGER], &folder)?;
    }
    let files = std::fs::read_dir(&folder).with_context(|| format!("could not read {}", folder.display()))?;
    let mut packages = files.flatten().map(|file| file.path());
    let package = packages.find(|path| path.extension().is_some_and(|end| end == "deb"));
    let package = package.with_context(|| format!("{ALERTMANAGER} was downloaded and is not there"))?;
    let status = Command::new("dpkg").arg("-x").arg(package).arg(&folder).status().context("dpkg is needed")?;
    ensure!(status.success() && folder.join(&program).exists(), "{ALERTMANAGER} could not be unpacked");
    put_templates(&folder)
}

/// Puts Alertmanager's own templates where Debian's looks for them, wherever it is started from.
fn put_templates(unpacked: &Path) -> anyhow::Result<()> {
    let wanted = Path::new("/").join(ALERTMANAGER_TEMPLATES);
    if wanted.exists() {
        return Ok(());
    }
    std::fs::create_dir_all(&wanted)
        .with_context(|| format!("could not make {}: run this as root", wanted.display()))?;
    for name in ["default.tmpl", "email.tmpl"] {
        let from = unpacked.join(ALERTMANAGER_TEMPLATES).join(name);
        std::fs::copy(&from, wanted.join(name)).with_context(|| format!("could not copy {}", from.display()))?;
    }
    Ok(())
}

/// Cargo's target folder: this program was built into it.
fn target() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("could not tell where this program is")?;
    own.ancestors().nth(2).map(Path::to_owned).context("this program is in no target folder")
}

fn has_pip() -> bool {
    let mut python = Command::new("python3");
    let asked = python.args(["-m", "pip", "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

fn has_mail_server() -> bool {
    let python = Path::new("/usr/bin/python3");
    let asked = Command::new(python).args(["-c", "import aiosmtpd"]).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

fn apt_get(arguments: &[&str], folder: &Path) -> anyhow::Result<()> {
    let mut command = Command::new("apt-get");
    command.args(arguments).current_dir(folder).env("DEBIAN_FRONTEND", "noninteractive");
    let status = command.status().context("apt-get is needed to install what the tests talk to")?;
    ensure!(status.success(), "apt-get {} failed", arguments.join(" "));
    Ok(())
}
