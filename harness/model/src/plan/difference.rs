//! Where two plans differ, for whoever must say why two journals are not of one run.

use serde_json::Value;

use super::Plan;

impl Plan {
    /// The first place where this plan and another differ, such as `arms[0].target.command[1]`, with both values; nothing where
    /// they store the same.
    pub fn first_difference(&self, other: &Self) -> Option<(String, String, String)> {
        let value = |plan: &Self| serde_json::to_value(plan).unwrap_or_default();
        difference("", &value(self), &value(other))
    }
}

fn difference(place: &str, one: &Value, other: &Value) -> Option<(String, String, String)> {
    match (one, other) {
        (Value::Object(ones), Value::Object(others)) => {
            let names = ones.keys().chain(others.keys());
            names
                .filter_map(|name| {
                    let below = match place {
                        "" => name.clone(),
                        place => format!("{place}.{name}"),
                    };
                    let [one, other] = [ones, others].map(|of| of.get(name).unwrap_or_default());
                    difference(&below, one, other)
                })
                .next()
        }
        (Value::Array(ones), Value::Array(others)) if ones.len() == others.len() => {
            let mut pairs = ones.iter().zip(others).enumerate();
            pairs.find_map(|(at, (one, other))| difference(&format!("{place}[{at}]"), one, other))
        }
        (one, other) if one == other => None,
        (one, other) => Some((place.to_owned(), one.to_string(), other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_plan;

    #[test]
    fn plans_that_differ_say_where() {
        let plan = test_plan();
        assert_eq!(plan.first_difference(&plan.clone()), None);
        let mut other = plan.clone();
        other.arms[0].target.command = vec!["./other".to_owned()];
        let (place, _, theirs) = plan.first_difference(&other).expect("they differ");
        assert!(place.starts_with("arms[0].target.command"), "{place}");
        assert!(theirs.contains("./other"), "{theirs}");
        let mut other = plan.clone();
        other.trials += 1;
        let found = plan.first_difference(&other).map(|(place, _, _)| place);
        assert_eq!(found.as_deref(), Some("trials"));
    }
}
