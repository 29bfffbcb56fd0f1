//! Who waits for this machine, by the kernel's pressure stall information (the kernel's documentation, *accounting/psi*).

use comeback_model::units::Span;

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
}
