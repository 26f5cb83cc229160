//! The table of operators. A new operator is a row here and a folder beside this file.
use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::operator::{Operator, Part};
use crate::{backup_scheduler, dns_sync, node_class, secret_sync};

/// All operators.
pub const OPERATORS: &[&Operator] = &[
    &dns_sync::OPERATOR,
    &node_class::OPERATOR,
    &secret_sync::OPERATOR,
    &backup_scheduler::OPERATOR,
];

/// The operator with this name.
pub fn find(name: &str) -> Result<&'static Operator> {
    let found = OPERATORS.iter().find(|operator| operator.name == name);
    found.copied().with_context(|| {
        let names: Vec<&str> = OPERATORS.iter().map(|operator| operator.name).collect();
        format!("there is no operator {name}; there are {}", names.join(", "))
    })
}

/// The part with this name.
pub fn part(name: &str) -> Result<&'static Part> {
    let mut all = OPERATORS.iter().flat_map(|operator| operator.parts);
    all.find(|part| part.name == name).with_context(|| {
        let names: Vec<&str> = OPERATORS
            .iter()
            .flat_map(|operator| operator.parts)
            .map(|part| part.name)
            .collect();
        format!("there is no part {name}; there are {}", names.join(", "))
    })
}

/// The table for other programs: operators, their parts, and the machines that each needs.
pub fn table() -> Value {
    let part = |part: &Part| json!({"name": part.name, "machines": part.machines, "by_request": part.by_request});
    let operator = |operator: &&Operator| {
        json!({
            "operator": operator.name,
            "demo": {"machines": operator.demo.machines},
            "parts": operator.parts.iter().map(part).collect::<Vec<_>>(),
        })
    };
    OPERATORS.iter().map(operator).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_of_operators_parts_and_cases_are_unique() {
        let parts: Vec<&Part> = OPERATORS.iter().flat_map(|operator| operator.parts).collect();
        let cases: Vec<&str> = parts.iter().flat_map(|part| (part.names)()).collect();
        assert_eq!(cases.iter().collect::<BTreeSet<_>>().len(), cases.len());
        assert_eq!(
            parts.iter().map(|part| part.name).collect::<BTreeSet<_>>().len(),
            parts.len()
        );
        for operator in OPERATORS {
            assert_eq!(find(operator.name).unwrap().name, operator.name);
        }
    }

    #[test]
    fn every_part_has_cases_and_is_in_the_table() {
        let table = table();
        for operator in OPERATORS {
            for part in operator.parts {
                assert!(!(part.names)().is_empty(), "{} has no case", part.name);
                assert!(table.to_string().contains(&format!("\"name\":\"{}\"", part.name)));
            }
        }
        assert!(part("nothing").is_err() && find("nothing").is_err());
    }
}
