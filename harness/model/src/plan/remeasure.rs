//! An earlier plan's servers, measured again beside those of a new one.

use super::{Arm, Plan};

impl Plan {
    /// This plan with the arms of an earlier one beside its own: each arm that is compared with none of this
    /// run gets the earlier arm of its name, or the only one there is, as its baseline. Load, windows and
    /// fault are this plan's for both.
    ///
    /// # Errors
    /// When an arm has no counterpart, or none is needed; with the mend.
    pub fn remeasuring(mut self, earlier: &Self) -> Result<Self, String> {
        // The baseline of the earlier run was not measured by it.
        let candidates: Vec<&Arm> = earlier
            .arms
            .iter()
            .filter(|arm| !earlier.is_baseline(&arm.name))
            .collect();
        let wanting: Vec<usize> = (0..self.arms.len())
            .filter(|place| {
                let arm = &self.arms[*place];
                arm.baseline.is_none() && !self.is_baseline(&arm.name)
            })
            .collect();
        if wanting.is_empty() {
            return Err(
                "every arm is compared with another one of this run already: there is nothing to measure again"
                    .to_owned(),
            );
        }
        let mut added: Vec<(&str, Arm)> = Vec::new();
        for place in wanting {
            let name = &self.arms[place].name;
            let counterpart = counterpart(&candidates, name).ok_or_else(|| {
                let names: Vec<&str> = candidates.iter().map(|arm| arm.name.as_str()).collect();
                format!(
                    "the baseline has the arms {}, and none is named '{name}': give this one one of those names",
                    names.join(", ")
                )
            })?;
            let known = added.iter().find(|(of, _)| *of == counterpart.name);
            let baseline = match known {
                Some((_, arm)) => arm.name.clone(),
                None => {
                    let name = self.name_for(&counterpart.name);
                    let arm = Arm {
                        name: name.clone(),
                        about: format!("the baseline, measured again: {}", counterpart.about),
                        baseline: None,
                        family: None,
                        ..counterpart.clone()
                    };
                    added.push((&counterpart.name, arm));
                    name
                }
            };
            self.arms[place].baseline = Some(baseline);
        }
        self.arms.extend(added.into_iter().map(|(_, arm)| arm));
        Ok(self)
    }

    /// Whether others of this plan are compared with the arm of this name.
    pub fn is_baseline(&self, name: &str) -> bool {
        let mut baselines = self.arms.iter().filter_map(|arm| arm.baseline.as_deref());
        baselines.any(|baseline| baseline == name)
    }

    /// A name that no arm has.
    fn name_for(&self, earlier: &str) -> String {
        let is_free = |name: &String| !self.arms.iter().any(|arm| arm.name == *name);
        let numbered = (2..).map(|number| format!("{earlier} (baseline {number})"));
        std::iter::once(format!("{earlier} (baseline)"))
            .chain(numbered)
            .find(is_free)
            .unwrap_or_default()
    }
}

/// The arm of this name, or the only one there is.
fn counterpart<'a>(arms: &[&'a Arm], name: &str) -> Option<&'a Arm> {
    let named = arms.iter().find(|arm| arm.name == name).copied();
    named.or(match arms {
        [only] => Some(only),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::test_plan;
    use super::*;

    /// Each arm with its baseline.
    fn arms(plan: &Plan) -> Vec<(&str, Option<&str>)> {
        let arms = plan.arms.iter();
        arms.map(|arm| (arm.name.as_str(), arm.baseline.as_deref()))
            .collect()
    }

    fn plan(names: &[&str]) -> Plan {
        let mut plan = test_plan();
        let arm = plan.arms[0].clone();
        plan.arms = names
            .iter()
            .map(|name| Arm {
                name: (*name).to_owned(),
                ..arm.clone()
            })
            .collect();
        plan
    }

    #[test]
    fn arms_get_their_counterpart_by_name_or_the_only_one() {
        let mut earlier = plan(&["a", "b", "c"]);
        earlier.arms[1].target.command = vec!["./old".to_owned()];
        let both = plan(&["b", "a"]).remeasuring(&earlier).expect("both match");
        assert_eq!(
            arms(&both),
            [
                ("b", Some("b (baseline)")),
                ("a", Some("a (baseline)")),
                ("b (baseline)", None),
                ("a (baseline)", None)
            ]
        );
        assert_eq!(both.arms[2].target.command, ["./old"]);
        assert_eq!(both.validate(), Ok(()));
        let shared = plan(&["x", "y"])
            .remeasuring(&plan(&["old"]))
            .expect("it is the only one");
        assert_eq!(
            arms(&shared),
            [
                ("x", Some("old (baseline)")),
                ("y", Some("old (baseline)")),
                ("old (baseline)", None)
            ]
        );
    }

    #[test]
    fn what_was_a_baseline_itself_is_left_out_and_names_stay_distinct() {
        let mut earlier = plan(&["shop", "shop (baseline)"]);
        earlier.arms[0].baseline = Some("shop (baseline)".to_owned());
        let again = plan(&["shop", "shop (baseline)"]);
        let again = again.remeasuring(&earlier).expect("there is only one");
        assert_eq!(
            arms(&again),
            [
                ("shop", Some("shop (baseline 2)")),
                ("shop (baseline)", Some("shop (baseline 2)")),
                ("shop (baseline 2)", None)
            ]
        );
    }

    #[test]
    fn an_arm_without_a_counterpart_is_told_the_names() {
        let problem = plan(&["x"]).remeasuring(&plan(&["a", "b"])).expect_err("x");
        assert!(
            problem.contains("a, b") && problem.contains("'x'"),
            "{problem}"
        );
        let mut paired = plan(&["new", "old"]);
        paired.arms[0].baseline = Some("old".to_owned());
        let problem = paired.remeasuring(&plan(&["a"])).expect_err("paired");
        assert!(problem.contains("already"), "{problem}");
    }
}
