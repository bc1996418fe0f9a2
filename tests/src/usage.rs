//! What a process costs, as the kernel counts it.

use std::fs;

use anyhow::{Context, Result};

/// What a process has used.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Seconds of CPU, in user and system together.
    pub seconds: f64,
    /// Resident memory now, in KiB.
    pub resident: u64,
    /// The most resident memory ever, in KiB.
    pub most: u64,
}

impl Usage {
    /// What the process with this id has used so far.
    pub fn of(pid: u32) -> Result<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The second field, in brackets, may hold anything; `utime` and `stime` are the 14th and 15th.
        let (_, fields) = stat
            .rsplit_once(") ")
            .context("/proc/<pid>/stat has a name")?;
        let ticks: u32 = fields
            .split(' ')
            .skip(11)
            .take(2)
            .map(str::parse::<u32>)
            .sum::<Result<u32, _>>()?;
        Ok(Self {
            // The kernel's USER_HZ, whatever the clock.
            seconds: f64::from(ticks) / 100.0,
            resident: kib(&status, "VmRSS:")?,
            most: kib(&status, "VmHWM:")?,
        })
    }
}

fn kib(status: &str, name: &str) -> Result<u64> {
    status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB"))
        .with_context(|| format!("/proc/<pid>/status has no {name}"))?
        .parse()
        .with_context(|| format!("{name} is no number"))
}
