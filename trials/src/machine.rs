//! What the operating system says about processes and the disk. Linux only.

use std::fs;
use std::io::{Seek as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

/// Clock ticks a second in `/proc/*/stat` (`USER_HZ`, the same on every Linux).
const TICKS: f64 = 100.0;

fn stat(pid: u32) -> Vec<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name in parentheses may hold spaces.
    let after = stat.rsplit_once(") ").map_or("", |(_, after)| after);
    after.split(' ').map(|field| field.parse().unwrap_or(0)).collect()
}

/// Returns the CPU-seconds that a process and the children it waited for have used.
pub fn cpu_seconds(pid: u32) -> f64 {
    let stat = stat(pid);
    // utime, stime, cutime, cstime are fields 14 to 17; state is the third.
    stat.get(11..15).map_or(0.0, |ticks| ticks.iter().sum::<u64>() as f64 / TICKS)
}

/// Returns the CPU-seconds of a process's threads to the nanosecond, from their schedulers.
pub fn fine_cpu_seconds(pid: u32) -> f64 {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return 0.0 };
    let nanos = |path: &Path| {
        let stat = fs::read_to_string(path.join("schedstat")).unwrap_or_default();
        stat.split(' ').next().and_then(|nanos| nanos.parse::<u64>().ok()).unwrap_or(0)
    };
    tasks.flatten().map(|task| nanos(&task.path())).sum::<u64>() as f64 / 1e9
}

fn status_kib(pid: u32, name: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().unwrap_or(0.0)
}

/// Returns the resident memory of a process, in MB.
pub fn rss_mb(pid: u32) -> f64 {
    status_kib(pid, "VmRSS") / 1024.0
}

/// Returns the most memory a process ever had resident, in MB.
pub fn peak_rss_mb(pid: u32) -> f64 {
    status_kib(pid, "VmHWM") / 1024.0
}

/// Lets the most memory that a process ever had resident be counted from now on.
///
/// # Errors
/// An I/O error if the process is another user's, or gone.
pub fn forget_peak(pid: u32) -> std::io::Result<()> {
    fs::write(format!("/proc/{pid}/clear_refs"), "5")
}

/// Returns how many file descriptors a process holds.
pub fn open_files(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

/// Returns the median time of an append of 4 KiB with fdatasync, in a folder.
///
/// # Errors
/// An I/O error if the folder cannot be written to.
pub fn fdatasync_median(folder: &Path, rounds: usize) -> std::io::Result<Duration> {
    let path = folder.join("fdatasync-probe");
    let mut file = fs::File::create(&path)?;
    let page = [7_u8; 4096];
    let mut times = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let started = Instant::now();
        file.write_all(&page)?;
        file.sync_data()?;
        times.push(started.elapsed());
    }
    file.rewind()?;
    fs::remove_file(path)?;
    times.sort();
    Ok(times[times.len() / 2])
}

/// Describes the machine: cores, memory, kernel.
pub fn description() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib: f64 = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or(0.0);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let model = model.trim_start_matches([' ', '\t', ':']);
    format!("{cores} cores ({model}), {:.0} GB, Linux {}", kib / 1024.0 / 1024.0, kernel.trim())
}
