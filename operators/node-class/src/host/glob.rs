//! Globs on names.

/// Whether a glob (`*` any run, `?` one character, case-sensitive) matches the whole text.
pub fn glob(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern, text);
    // What follows the last `*`, and the text that it has not swallowed. Only the last one ever has to be tried again, so that
    // the work is bounded by pattern times text.
    let mut star: Option<(&str, &str)> = None;
    loop {
        let (mut wanted, mut given) = (pattern.chars(), text.chars());
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some('*'), _) => {
                pattern = wanted.as_str();
                star = Some((pattern, text));
            }
            (Some(_), None) => return false,
            (Some(w), Some(g)) if w == '?' || w == g => (pattern, text) = (wanted.as_str(), given.as_str()),
            _ => {
                let Some((behind, left)) = star else {
                    return false;
                };
                let mut swallowed = left.chars();
                swallowed.next();
                (pattern, text) = (behind, swallowed.as_str());
                star = Some((pattern, text));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
