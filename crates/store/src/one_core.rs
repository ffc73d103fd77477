//! The core on which those threads stay that hand a commit on to one another.
//!
//! A batch of events passes from the thread that gathers it to the one that writes, to the one that waits for the disk, and
//! back. With two cores, the system often puts whoever is woken on the core of whoever woke it: the commit then waits behind
//! a request, all other requests wait for the commit, and the second core is idle. Threads that stay on one core are out of
//! the way of the requests, which have the other.

/// Keeps the calling thread, and those that it starts, on the last of two cores. Where there are more or fewer, or this
/// program may not use all of their time, the thread goes wherever the system puts it.
pub fn stay() {
    #[cfg(target_os = "linux")]
    if let Err(error) = stay_on_last() {
        tracing::debug!(%error, "a thread goes to any core");
    }
}

#[cfg(target_os = "linux")]
fn stay_on_last() -> std::io::Result<()> {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    let allowed = sched_getaffinity(None)?;
    // A quota of two of many cores is a quota of time: others may have been told to stay on the same one.
    if allowed.count() != 2 || std::thread::available_parallelism()?.get() != 2 {
        return Ok(());
    }
    let last = (0..CpuSet::MAX_CPU).rfind(|&core| allowed.is_set(core));
    let mut one = CpuSet::new();
    last.into_iter().for_each(|core| one.set(core));
    Ok(sched_setaffinity(None, &one)?)
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    use super::*;

    /// The cores of a thread that was allowed `cores` and stays on one of two.
    fn cores_after(cores: &[usize]) -> Vec<usize> {
        let mut allowed = CpuSet::new();
        cores.iter().for_each(|&core| allowed.set(core));
        let thread = std::thread::spawn(move || {
            sched_setaffinity(None, &allowed).unwrap();
            stay();
            let after = sched_getaffinity(None).unwrap();
            (0..CpuSet::MAX_CPU).filter(|&core| after.is_set(core)).collect()
        });
        thread.join().unwrap()
    }

    #[test]
    fn a_thread_stays_on_the_last_of_two_cores_and_of_any_other_number_on_all() {
        let all = sched_getaffinity(None).unwrap();
        let all: Vec<_> = (0..CpuSet::MAX_CPU).filter(|&core| all.is_set(core)).collect();
        assert_eq!(cores_after(&all[..1]), &all[..1]);
        let has_time_of_two = std::thread::available_parallelism().unwrap().get() >= 2;
        if let [.., first, last] = all[..] {
            let both = [first, last];
            assert_eq!(cores_after(&both), both[usize::from(has_time_of_two)..]);
        }
        if all.len() > 2 {
            assert_eq!(cores_after(&all), all);
        }
    }
}
