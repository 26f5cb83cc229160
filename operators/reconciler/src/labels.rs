//! Label selectors over labels that are kept as a sorted list, which takes less memory than a map; and globs on names.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

/// Keys and values, sorted by key.
pub type Pairs = [(Box<str>, Box<str>)];

/// The value of a key.
pub fn get<'a>(pairs: &'a Pairs, key: &str) -> Option<&'a str> {
    let at = pairs.binary_search_by(|(known, _)| (**known).cmp(key)).ok()?;
    Some(&*pairs[at].1)
}

/// Whether the labels that `get` returns satisfy the selector; an empty one selects everything. An operator that Kubernetes
/// does not know selects nothing: to act on too few objects is the safe side.
pub fn matches<'a>(selector: &LabelSelector, get: impl Fn(&str) -> Option<&'a str>) -> bool {
    let equal = |(key, value): (&String, &String)| get(key) == Some(value.as_str());
    let satisfied = |one: &LabelSelectorRequirement| {
        satisfies(&one.operator, one.values.as_deref().unwrap_or_default(), get(&one.key))
    };
    selector.match_labels.iter().flatten().all(equal) && selector.match_expressions.iter().flatten().all(satisfied)
}

/// Whether a value, if there is one, is what an operator demands with the values that are given with it.
pub fn satisfies(operator: &str, given: &[String], value: Option<&str>) -> bool {
    let listed = |value: &str| given.iter().any(|allowed| allowed == value);
    match operator {
        "In" => value.is_some_and(listed),
        "NotIn" => !value.is_some_and(listed),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        _ => false,
    }
}

/// Whether a glob (`*` any run, `?` one character, case-sensitive) matches the whole text.
pub fn glob(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern.chars(), text.chars());
    // What follows the last `*`, and the text that it does not cover yet. Only the last one ever has to cover more, so that
    // the work is bounded by the pattern's length times the text's.
    let mut star = None;
    loop {
        let rest = text.clone();
        match (pattern.next(), text.next()) {
            (None, None) => return true,
            (Some('*'), _) => {
                star = Some((pattern.clone(), rest.clone()));
                text = rest;
            }
            (Some(_), None) => return false,
            (Some(expected), Some(given)) if expected == '?' || expected == given => {}
            _ => {
                let Some((after, left)) = &mut star else {
                    return false;
                };
                left.next();
                (pattern, text) = (after.clone(), left.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_selects_what_kubernetes_selects() {
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
            assert_eq!(matches(&selector, |key| get(&labels, key)), expected, "{yaml}");
        }
    }

    #[test]
    fn a_glob_matches_the_whole_name_and_its_case() {
        for (pattern, text, expected) in [
            ("talos03", "talos03", true),
            ("talos03", "talos031", false),
            ("talos03", "Talos03", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("pi-*", "pi-", true),
            ("pi-*", "pi-4", true),
            ("pi-*", "api-4", false),
            ("*-4", "pi-4", true),
            ("*a*b", "xaxbxab", true),
            ("*a*b", "xaxbxa", false),
            ("pi-?", "pi-4", true),
            ("pi-?", "pi-", false),
            ("pi-?", "pi-44", false),
            ("?*?", "a", false),
            ("?*?", "ab", true),
            ("a.c", "abc", false),
            ("[ab]", "a", false),
            ("**", "abc", true),
            ("ä?", "äö", true),
        ] {
            assert_eq!(glob(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_pattern_of_many_stars_is_still_quick() {
        let text = "a".repeat(253);
        assert!(!glob(
            &"*a"
                .repeat(126)
                .replace("**", "*")
                .chars()
                .chain(['b'])
                .collect::<String>(),
            &text
        ));
    }

    /// The plain recursive definition, which is too slow for long patterns.
    fn plain(pattern: &[u8], text: &[u8]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some((b'*', rest)) => (0..=text.len()).any(|n| plain(rest, &text[n..])),
            Some((b'?', rest)) => !text.is_empty() && plain(rest, &text[1..]),
            Some((c, rest)) => text.first() == Some(c) && plain(rest, &text[1..]),
        }
    }

    #[test]
    fn globs_agree_with_their_definition() {
        let mut random = fastrand::Rng::with_seed(4);
        let any = |from: &[u8], most: usize, random: &mut fastrand::Rng| -> String {
            let letters = (0..random.usize(..=most)).map(|_| char::from(from[random.usize(..from.len())]));
            letters.collect()
        };
        let mut hits = 0;
        for _ in 0..20_000 {
            let (pattern, text) = (any(b"ab*?", 6, &mut random), any(b"ab", 6, &mut random));
            let expected = plain(pattern.as_bytes(), text.as_bytes());
            hits += usize::from(expected);
            assert_eq!(glob(&pattern, &text), expected, "{pattern} {text}");
        }
        assert!((1000..19_000).contains(&hits), "{hits}");
    }
}
