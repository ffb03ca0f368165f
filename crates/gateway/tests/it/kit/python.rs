//! Libraries of Python's, as published: installed once into a folder of their own, nothing of the machine's touched. It
//! knows nothing of what they are for.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the libraries are that a file of requirements names, all of them by version; installed if they are not there.
pub(crate) fn libraries(requirements: &Path) -> PathBuf {
    let wanted = fs::read_to_string(requirements).unwrap();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python");
    fs::create_dir_all(&target).unwrap();
    // One at a time, in however many processes: the lock goes with the file.
    let lock = File::create(target.join("lock")).unwrap();
    lock.lock().unwrap();
    let (folder, installed) = (target.join("libraries"), target.join("installed.txt"));
    if fs::read_to_string(&installed).is_ok_and(|installed| installed == wanted) {
        return folder;
    }
    if folder.exists() {
        fs::remove_dir_all(&folder).unwrap();
    }
    let mut install = Command::new("python3");
    install.args(["-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check", "--target"]);
    let output = install.arg(&folder).arg("--requirement").arg(requirements).output();
    let output = output.expect("python3 is needed: cargo xtask test installs it");
    assert!(output.status.success(), "cargo xtask test installs pip: {}", String::from_utf8_lossy(&output.stderr));
    fs::write(installed, wanted).unwrap();
    folder
}
