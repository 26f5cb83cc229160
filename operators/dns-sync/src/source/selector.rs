//! Label selectors over labels kept as a sorted list.
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

/// Keys and values, sorted by key.
pub type Pairs = [(Box<str>, Box<str>)];

/// The value of a key.
pub fn get<'a>(pairs: &'a Pairs, key: &str) -> Option<&'a str> {
    pairs
        .binary_search_by(|(known, _)| (**known).cmp(key))
        .ok()
        .map(|at| &*pairs[at].1)
}

/// Whether the labels satisfy the selector; an empty one selects everything. An operator that Kubernetes does not
/// know selects nothing: to publish less than meant is the safe side.
pub fn matches(selector: &LabelSelector, labels: &Pairs) -> bool {
    let equal = selector
        .match_labels
        .iter()
        .flatten()
        .all(|(key, value)| get(labels, key) == Some(value.as_str()));
    equal
        && selector
            .match_expressions
            .iter()
            .flatten()
            .all(|requirement| satisfies(requirement, labels))
}

fn satisfies(requirement: &LabelSelectorRequirement, labels: &Pairs) -> bool {
    let value = get(labels, &requirement.key);
    let listed = |value: &str| requirement.values.iter().flatten().any(|allowed| allowed == value);
    match requirement.operator.as_str() {
        "In" => value.is_some_and(listed),
        "NotIn" => !value.is_some_and(listed),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors() {
        let labels: Vec<(Box<str>, Box<str>)> = vec![("app".into(), "web".into()), ("tier".into(), "front".into())];
        let cases = [
            ("{}", true),
            ("matchLabels: {app: web}", true),
            ("matchLabels: {app: web, tier: back}", false),
            ("matchExpressions: [{key: app, operator: In, values: [api, web]}]", true),
            ("matchExpressions: [{key: app, operator: In}]", false),
            ("matchExpressions: [{key: gone, operator: In, values: [x]}]", false),
            ("matchExpressions: [{key: app, operator: NotIn, values: [web]}]", false),
            ("matchExpressions: [{key: gone, operator: NotIn, values: [x]}]", true),
            ("matchExpressions: [{key: app, operator: Exists}]", true),
            ("matchExpressions: [{key: gone, operator: Exists}]", false),
            ("matchExpressions: [{key: app, operator: DoesNotExist}]", false),
            ("matchExpressions: [{key: gone, operator: DoesNotExist}]", true),
            ("matchExpressions: [{key: app, operator: Near}]", false),
            (
                "{matchLabels: {app: web}, matchExpressions: [{key: tier, operator: NotIn, values: [front]}]}",
                false,
            ),
        ];
        for (yaml, expected) in cases {
            let selector: LabelSelector = serde_saphyr::from_str(yaml).unwrap();
            assert_eq!(matches(&selector, &labels), expected, "{yaml}");
        }
    }
}
