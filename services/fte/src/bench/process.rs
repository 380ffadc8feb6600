//! CPU time and resident memory of processes, from `/proc`.

use std::collections::BTreeMap;
use std::fs;

/// Clock ticks a second in `/proc/<pid>/stat`; fixed at 100 for user space on Linux
/// (proc_pid_stat(5), USER_HZ).
const TICKS_PER_S: f64 = 100.0;

/// One process as it stands now.
#[derive(Debug, Clone, Copy)]
struct Sample {
    parent: u32,
    ticks: u64,
}

/// CPU seconds of named process groups; a group is a root and all below it.
#[derive(Debug, Clone, Default)]
pub(crate) struct CpuTimes(BTreeMap<String, f64>);

impl CpuTimes {
    /// Reads the groups now. Children that ended meanwhile are missing.
    pub(crate) fn read(roots: &[(String, u32)]) -> Self {
        let all = samples();
        let times = roots.iter().map(|(name, root)| {
            let ticks: u64 = all
                .iter()
                .filter(|(pid, _)| belongs(&all, **pid, *root, roots))
                .map(|(_, sample)| sample.ticks)
                .sum();
            (name.clone(), ticks as f64 / TICKS_PER_S)
        });
        Self(times.collect())
    }

    /// Share of one core since `earlier`, in percent, by group.
    pub(crate) fn percent_since(&self, earlier: &Self, elapsed_s: f64) -> BTreeMap<String, f64> {
        self.0
            .iter()
            .map(|(name, now)| {
                let before = earlier.0.get(name).copied().unwrap_or_default();
                (name.clone(), (now - before) / elapsed_s * 100.0)
            })
            .collect()
    }
}

/// Whether `root` is the nearest named ancestor of `pid`, or `pid` itself.
fn belongs(all: &BTreeMap<u32, Sample>, pid: u32, root: u32, roots: &[(String, u32)]) -> bool {
    let mut at = pid;
    loop {
        if at == root {
            return true;
        }
        if roots.iter().any(|(_, other)| *other == at) {
            return false;
        }
        match all.get(&at) {
            Some(sample) if sample.parent != 0 => at = sample.parent,
            _ => return false,
        }
    }
}

fn samples() -> BTreeMap<u32, Sample> {
    let Ok(entries) = fs::read_dir("/proc") else { return BTreeMap::new() };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter_map(|pid| {
            Some((pid, parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?))
        })
        .collect()
}

/// Fields follow the command name, which is in parentheses and may hold anything.
fn parse_stat(stat: &str) -> Option<Sample> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let parent = fields.nth(1)?.parse().ok()?;
    // utime and stime are fields 14 and 15 of the line; `rest` starts at field 3.
    let user: u64 = fields.nth(9)?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Sample { parent, ticks: user + system })
}

/// Resident memory of one process in megabytes; `None` when it is gone.
pub(crate) fn resident_mb(pid: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kilobytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes / 1024.0)
}

/// Open file handles of one process; `None` when it is gone.
pub(crate) fn open_files(pid: u32) -> Option<f64> {
    Some(fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_name_with_spaces_and_parentheses_is_skipped() {
        let stat = "12 (a) b (c) S 7 12 12 0 -1 0 1 2 3 4 50 25 0 0 20 0 1 0 100";

        let sample = parse_stat(stat).unwrap();

        assert_eq!((sample.parent, sample.ticks), (7, 75));
    }

    #[test]
    fn this_process_is_measured() {
        let me = std::process::id();
        let before = CpuTimes::read(&[("me".to_owned(), me)]);
        let mut sum = 0_u64;
        while CpuTimes::read(&[("me".to_owned(), me)]).percent_since(&before, 1.0)["me"] < 5.0 {
            sum = (0..1_000_000_u64).fold(sum, |a, b| a.wrapping_add(b * b));
        }

        assert!(resident_mb(me).unwrap() > 1.0, "{sum}");
        assert!(open_files(me).unwrap() >= 3.0);
    }
}
