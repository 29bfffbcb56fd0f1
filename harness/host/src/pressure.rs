//! Who waits for this machine, by the kernel's pressure stall information (the kernel's documentation, *accounting/psi*), and what
//! of its cores it does not get, by `/proc/stat` (proc(5)).

use comeback_model::units::Span;

/// The parts of a core's time that the kernel tells, up to the stolen one; what comes behind is in them already.
const PARTS: usize = 8;

/// The kernel counts in hundredths of a second there, on all machines that this runs on. Shares do not depend on it.
const TICK_US: u64 = 10_000;

/// What this machine's cores did since it was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cores {
    /// How much of their time somebody here wanted: what they worked, and what was stolen.
    pub wanted: Span,
    /// How much of that the machine below this one gave to others while somebody here wanted to run: *steal*.
    pub stolen: Span,
    /// For how long at least one task waited for a core. None where the kernel keeps no such account.
    pub waited: Option<Span>,
}

/// The account of the cores. None where the kernel does not show it.
pub fn cores() -> Option<Cores> {
    let (wanted, stolen) = times(&std::fs::read_to_string("/proc/stat").ok()?)?;
    let span = |ticks: u64| Span::from_us(ticks.saturating_mul(TICK_US));
    let pressure = std::fs::read_to_string("/proc/pressure/cpu").ok();
    Some(Cores {
        wanted: span(wanted),
        stolen: span(stolen),
        waited: pressure.and_then(|text| total(&text)),
    })
}

/// In ticks: wanted, and stolen.
fn times(text: &str) -> Option<(u64, u64)> {
    let line = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks = line.split_whitespace().take(PARTS);
    let ticks: Vec<u64> = ticks.map(str::parse).collect::<Result<_, _>>().ok()?;
    let [
        user,
        nice,
        system,
        _idle,
        _waiting,
        interrupts,
        soft,
        stolen,
    ] = ticks[..]
    else {
        return None;
    };
    Some((user + nice + system + interrupts + soft + stolen, stolen))
}

/// How many tasks run or want to, for each core, over the last minute.
pub fn load_per_core() -> Option<f64> {
    let load = std::fs::read_to_string("/proc/loadavg").ok()?;
    let load: f64 = load.split(' ').next()?.parse().ok()?;
    let cores = std::thread::available_parallelism().ok()?.get();
    Some(load / cores as f64)
}

/// For how long, since the machine was started, at least one task of it has waited for its disk. None where the kernel keeps no
/// such account.
pub fn waited_for_disk() -> Option<Span> {
    total(&std::fs::read_to_string("/proc/pressure/io").ok()?)
}

fn total(text: &str) -> Option<Span> {
    let some = text.lines().find_map(|line| line.strip_prefix("some "))?;
    let total = some
        .split(' ')
        .find_map(|word| word.strip_prefix("total="))?;
    Some(Span::from_us(total.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_in_which_some_task_waited_is_read() {
        let some = "some avg10=0.00 avg60=0.10 avg300=0.55 total=331855525";
        let full = "full avg10=0.00 avg60=0.06 avg300=0.31 total=115118107";
        let told = Some(Span::from_us(331_855_525));
        assert_eq!(total(&format!("{some}\n{full}\n")), told);
        for unknown in ["", full, "some avg10=0.00", "some total=-1"] {
            assert_eq!(total(unknown), None, "{unknown:?}");
        }
    }

    #[test]
    fn the_time_that_somebody_wanted_and_the_stolen_part_of_it_are_read() {
        let all = "cpu  100 1 20 300 5 0 4 70 9 9\ncpu0 50 0 10 150 2 0 2 35 9 9\nctxt 7\n";
        // What guests had is in the first two already.
        assert_eq!(times(all), Some((195, 70)));
        for unknown in [
            "",
            "cpu  1 2 3",
            "cpu0 1 1 1 1 1 1 1 1",
            "cpu  1 1 1 1 1 1 1 x",
        ] {
            assert_eq!(times(unknown), None, "{unknown:?}");
        }
    }

    #[test]
    fn this_machines_cores_have_done_something_and_no_more_was_stolen_than_there_is() {
        let cores = cores().expect("the account");
        assert!(
            cores.wanted > Span::ZERO && cores.stolen <= cores.wanted,
            "{cores:?}"
        );
        assert!(load_per_core().is_some_and(|load| load >= 0.0));
    }
}
