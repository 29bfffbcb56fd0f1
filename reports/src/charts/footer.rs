//! The line below a chart in a file of its own: what somebody needs who sees nothing but the chart.

use comeback_analysis::summary::Summary;
use comeback_model::journal::Machine;

use super::frame::MARGIN;
use crate::arms::RunView;
use crate::draw::{Drawing, Ink, Style};
use crate::format::{count, counted, printable};

/// The chart with seed, number of trials and machine below it.
pub(crate) fn with_footer(mut drawing: Drawing, run: &RunView<'_>) -> Drawing {
    let (left, right) = (MARGIN, drawing.width - MARGIN);
    let mut y = drawing.height;
    drawing.line((left, y), (right, y), 1.0, Ink::Grid);
    y += 5.0;
    for line in Style::FOOT.wrap(&text(run), right - left, 4) {
        y += Style::FOOT.leading() / 2.0;
        drawing.text((left, y), &line, Style::FOOT);
        y += Style::FOOT.leading() / 2.0;
    }
    drawing.height = (y + MARGIN / 2.0).ceil();
    drawing
}

fn text(run: &RunView<'_>) -> String {
    let summary = run.summary;
    let parts = [
        format!("seed {}", summary.seed),
        trials(run),
        machine(summary),
    ];
    parts.join(" · ")
}

/// How many trials count: of each arm that has figures.
fn trials(run: &RunView<'_>) -> String {
    let measured = run.arms.iter().filter(|arm| arm.silence.is_none());
    let numbers: Vec<u32> = measured.map(|arm| arm.summary.trials).collect();
    let (Some(least), Some(most)) = (numbers.iter().min(), numbers.iter().max()) else {
        return "no trial counts".to_owned();
    };
    let per_arm = if numbers.len() > 1 { " per arm" } else { "" };
    match least == most {
        true => format!("n = {}{per_arm}", counted(u64::from(*most), "trial")),
        false => format!("n = {least} to {most} trials{per_arm}"),
    }
}

fn machine(summary: &Summary) -> String {
    let held = summary.shards.iter().flat_map(|shards| &shards.held);
    let mut kinds: Vec<&Machine> = held.map(|one| &one.machine).collect();
    kinds.sort_by_key(|machine| (&machine.system, &machine.processor, machine.cores));
    kinds.dedup();
    if kinds.len() > 1 {
        return format!("machines of {} kinds", kinds.len());
    }
    let machine = &summary.machine;
    let memory = format!("{} MiB", count(machine.memory_mib));
    let cores = counted(u64::from(machine.cores), "core");
    let build = format!("{} build", machine.build);
    let parts = [
        machine.processor.as_str(),
        &cores,
        &memory,
        &machine.system,
        &machine.data_filesystem,
        &build,
    ];
    let said = parts.into_iter().filter(|part| !part.is_empty());
    printable(&said.collect::<Vec<_>>().join(", "))
}
