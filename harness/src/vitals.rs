//! How much processor time and memory a thread or a process has taken, as Linux tells it under `/proc`. Elsewhere nobody
//! tells it in a file, and nothing is known: what is bounded by it is not bounded there.

use std::fs;
use std::time::Duration;

/// A tick of the times under `/proc`, which the kernel counts in hundredths of a second for programs, whatever its own are.
const TICK: Duration = Duration::from_millis(10);

/// A thread of this process, by the file that tells of it.
#[derive(Debug)]
pub struct Thread {
    stat: Option<String>,
}

impl Thread {
    /// The one that asks.
    pub fn current() -> Self {
        let link = fs::read_link("/proc/thread-self").ok();
        Self { stat: link.map(|link| format!("/proc/{}/stat", link.display())) }
    }

    /// The processor time that it has taken; `None` where that is not known.
    pub fn processor_time(&self) -> Option<Duration> {
        of_stat(&fs::read_to_string(self.stat.as_ref()?).ok()?)
    }
}

/// The processor time that a process has taken, in all its threads; `None` where that is not known.
pub fn processor_time(process: u32) -> Option<Duration> {
    of_stat(&fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
}

/// The memory that a process holds, in bytes; `None` where that is not known.
pub fn memory(process: u32) -> Option<u64> {
    of_status(&fs::read_to_string(format!("/proc/{process}/status")).ok()?)
}

/// The memory that this process holds, in bytes; `None` where that is not known.
pub fn own_memory() -> Option<u64> {
    of_status(&fs::read_to_string("/proc/self/status").ok()?)
}

/// User and system time: the 14th and 15th field (proc(5)). The second is a name in parentheses, and may hold anything.
fn of_stat(stat: &str) -> Option<Duration> {
    let (_, behind_the_name) = stat.rsplit_once(')')?;
    let mut fields = behind_the_name.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u32>().ok();
    Some(TICK * ticks()?.checked_add(ticks()?)?)
}

fn of_status(status: &str) -> Option<u64> {
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    resident.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_behind_a_name_that_looks_like_more_fields() {
        let stat = "7 (a) R 1 (b) S 1 7 7 0 -1 4194304 120 0 0 0 250 50 0 0 20 0 1 0 100 0 0";
        assert_eq!(of_stat(stat), Some(Duration::from_secs(3)));
        assert_eq!(of_stat("7 (a) R 1"), None);
    }

    #[test]
    fn memory_is_read_in_bytes() {
        assert_eq!(of_status("Name:\ta\nVmRSS:\t    2048 kB\nThreads:\t1\n"), Some(2 << 20));
        assert_eq!(of_status("Name:\ta\n"), None, "a process that is gone but not waited for");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_thread_that_works_is_seen_to() {
        let thread = Thread::current();
        let before = thread.processor_time().expect("Linux tells it");
        let mut sum = 0_u64;
        while thread.processor_time().expect("Linux tells it") == before {
            (0..10_000).for_each(|number| sum = std::hint::black_box(sum.wrapping_add(number)));
        }
        assert!(own_memory().expect("Linux tells it") > 1 << 20);
        assert!(processor_time(std::process::id()).expect("Linux tells it") > Duration::ZERO);
    }
}
