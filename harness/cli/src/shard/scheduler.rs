//! What schedulers say of a job's place among its like. A new one is a line in the table.

use comeback_model::shard::{Shard, number};

/// How a scheduler says which of how many a job is.
struct Scheduler {
    name: &'static str,
    /// The variable with the job's number.
    index: &'static str,
    first: First,
    /// The variable that says how many there are, where there is one.
    count: Option<&'static str>,
    /// Where the number is written down, where no variable has it.
    declared: &'static str,
}

/// The number of the first job.
#[derive(Clone, Copy)]
enum First {
    Zero,
    One,
    /// The array's least number; they are in the variables: least, most.
    Least(&'static str, &'static str),
}

const SCHEDULERS: [Scheduler; 5] = [
    Scheduler {
        name: "Slurm",
        index: "SLURM_ARRAY_TASK_ID",
        first: First::Least("SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_MAX"),
        count: Some("SLURM_ARRAY_TASK_COUNT"),
        declared: "#SBATCH --array",
    },
    Scheduler {
        name: "Kubernetes",
        index: "JOB_COMPLETION_INDEX",
        first: First::Zero,
        count: None,
        declared: "spec.completions",
    },
    Scheduler {
        name: "GitLab",
        index: "CI_NODE_INDEX",
        first: First::One,
        count: Some("CI_NODE_TOTAL"),
        declared: "parallel",
    },
    Scheduler {
        name: "Buildkite",
        index: "BUILDKITE_PARALLEL_JOB",
        first: First::Zero,
        count: Some("BUILDKITE_PARALLEL_JOB_COUNT"),
        declared: "parallelism",
    },
    Scheduler {
        name: "Nomad",
        index: "NOMAD_ALLOC_INDEX",
        first: First::Zero,
        count: None,
        declared: "count",
    },
];

/// The shard that the surroundings say; `variable` reads one of them, and `count` is how many there are, if somebody said it.
///
/// # Errors
/// If no scheduler says it, several do, or one says what cannot be.
pub(super) fn find(
    count: Option<u32>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Shard, String> {
    let said: Vec<&Scheduler> = SCHEDULERS
        .iter()
        .filter(|scheduler| variable(scheduler.index).is_some())
        .collect();
    match said.as_slice() {
        [] => {
            let names = SCHEDULERS.map(|scheduler| scheduler.index).join(", ");
            Err(format!(
                "no scheduler says which shard this is ({names} are not set): say it, such as --shard 3/64"
            ))
        }
        [one] => one.shard(count, variable),
        several => {
            let names: Vec<&str> = several.iter().map(|scheduler| scheduler.index).collect();
            Err(format!(
                "{} are set, and only one can be meant: say which shard this is, such as --shard 3/64",
                names.join(" and ")
            ))
        }
    }
}

impl Scheduler {
    fn shard(
        &self,
        count: Option<u32>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Shard, String> {
        let read = |name: &str| {
            let value =
                variable(name).ok_or_else(|| format!("{name} is not set beside {}", self.index))?;
            number(&value).ok_or_else(|| format!("{name} is '{value}', which is no number"))
        };
        let index = read(self.index)?;
        let told = self.count.map(read).transpose()?;
        let count = match (told, count) {
            (Some(told), Some(count)) if told != count => {
                return Err(format!(
                    "{} jobs were asked for, and {} says that there are {told} ({}): leave out the number, or make them the same. One \
                     shard alone is repeated with its number, such as --shard 3/{count}",
                    count,
                    self.name,
                    self.count.unwrap_or_default()
                ));
            }
            (Some(count), _) | (None, Some(count)) => count,
            (None, None) => {
                return Err(format!(
                    "{} says which job this is ({}), and not of how many: write --shard auto/N, with the N of {}",
                    self.name, self.index, self.declared
                ));
            }
        };
        let first = match self.first {
            First::Zero => 0,
            First::One => 1,
            First::Least(least, most) => {
                let (least, most) = (read(least)?, read(most)?);
                if most.checked_sub(least) != count.checked_sub(1) {
                    return Err(format!(
                        "the {count} numbers of {} go from {least} to {most}, with gaps: number them without, such as 1-{count}",
                        self.declared
                    ));
                }
                least
            }
        };
        let place = index
            .checked_sub(first)
            .and_then(|place| place.checked_add(1));
        let shard = place.map(|place| Shard::new(place, count));
        match shard {
            Some(Ok(shard)) => Ok(shard),
            Some(Err(problem)) => Err(format!("{} is {index}: {problem}", self.index)),
            None => Err(format!(
                "{} is {index}, and they begin with {first}",
                self.index
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(count: Option<u32>, variables: &[(&str, &str)]) -> Result<String, String> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        find(count, variable).map(|shard| shard.to_string())
    }

    fn slurm(
        id: &'static str,
        [count, least, most]: [&'static str; 3],
    ) -> [(&'static str, &'static str); 4] {
        [
            ("SLURM_ARRAY_TASK_ID", id),
            ("SLURM_ARRAY_TASK_COUNT", count),
            ("SLURM_ARRAY_TASK_MIN", least),
            ("SLURM_ARRAY_TASK_MAX", most),
        ]
    }

    #[test]
    fn each_scheduler_counts_as_it_does_and_shards_count_from_one() {
        let first = |found: Result<String, String>| assert_eq!(found, Ok("1/8".to_owned()));
        let last = |found: Result<String, String>| assert_eq!(found, Ok("8/8".to_owned()));
        first(found(None, &slurm("1", ["8", "1", "8"])));
        last(found(None, &slurm("8", ["8", "1", "8"])));
        first(found(None, &slurm("0", ["8", "0", "7"])));
        last(found(Some(8), &slurm("7", ["8", "0", "7"])));
        first(found(Some(8), &[("JOB_COMPLETION_INDEX", "0")]));
        last(found(Some(8), &[("JOB_COMPLETION_INDEX", "7")]));
        first(found(
            None,
            &[("CI_NODE_INDEX", "1"), ("CI_NODE_TOTAL", "8")],
        ));
        last(found(
            None,
            &[("CI_NODE_INDEX", "8"), ("CI_NODE_TOTAL", "8")],
        ));
        let buildkite = |job| {
            found(
                None,
                &[
                    ("BUILDKITE_PARALLEL_JOB", job),
                    ("BUILDKITE_PARALLEL_JOB_COUNT", "8"),
                ],
            )
        };
        first(buildkite("0"));
        last(buildkite("7"));
        first(found(Some(8), &[("NOMAD_ALLOC_INDEX", "0")]));
        last(found(Some(8), &[("NOMAD_ALLOC_INDEX", "7")]));
    }

    #[test]
    fn what_cannot_be_is_told_with_the_mend() {
        type Case<'a> = (Option<u32>, &'a [(&'a str, &'a str)], &'a str);
        let cases: [Case<'_>; 10] = [
            (None, &[], "--shard 3/64"),
            (None, &[("JOB_COMPLETION_INDEX", "0")], "--shard auto/N"),
            (Some(8), &[("JOB_COMPLETION_INDEX", "8")], "is 8"),
            (Some(8), &[("JOB_COMPLETION_INDEX", "x")], "no number"),
            (
                None,
                &[("CI_NODE_INDEX", "0"), ("CI_NODE_TOTAL", "8")],
                "begin with 1",
            ),
            (None, &[("CI_NODE_INDEX", "1")], "CI_NODE_TOTAL is not set"),
            (
                Some(4),
                &[("CI_NODE_INDEX", "1"), ("CI_NODE_TOTAL", "8")],
                "there are 8",
            ),
            (None, &slurm("17", ["1", "17", "17"]), "2 shards or more"),
            (None, &slurm("5", ["3", "1", "9"]), "with gaps"),
            (
                Some(8),
                &[("JOB_COMPLETION_INDEX", "0"), ("NOMAD_ALLOC_INDEX", "0")],
                "only one can be meant",
            ),
        ];
        for (count, variables, part) in cases {
            let problem = found(count, variables).expect_err(part);
            assert!(problem.contains(part), "{part}: {problem}");
        }
    }
}
