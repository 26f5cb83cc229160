//! Which names a zone manages: `spec.include` and `spec.exclude`.
use regex::{Regex, RegexBuilder};

use crate::name::Name;

/// A compiled expression may not grow beyond this; a user's pattern must not eat the operator's memory.
const MAX_EXPRESSION: usize = 1 << 20;

/// The names that may be managed: those that match an include pattern (or any, when there is none) and no exclude
/// pattern.
///
/// A pattern between slashes is a regular expression, found anywhere in the name unless anchored: `/^api-[0-9]+\./`.
/// Anything else is a glob over the whole name, in which `*` stands for any characters, dots included: `*.example.org`
/// matches every name below `example.org` at any depth, but not `example.org` itself; `example.org` matches just that.
#[derive(Clone, Debug, Default)]
pub struct NameFilter {
    include: Vec<Pattern>,
    exclude: Vec<Pattern>,
}

#[derive(Clone, Debug)]
enum Pattern {
    /// The pieces between the stars.
    Glob(Box<[Box<str>]>),
    Expression(Regex),
}

impl NameFilter {
    /// Compiles the patterns; the error names the one that is wrong.
    pub fn new(include: &[String], exclude: &[String]) -> Result<Self, String> {
        let compile = |field: &str, patterns: &[String]| {
            patterns
                .iter()
                .map(|text| Pattern::new(text).map_err(|why| format!("{field} pattern `{text}`: {why}")))
                .collect::<Result<Vec<_>, _>>()
        };
        Ok(Self {
            include: compile("include", include)?,
            exclude: compile("exclude", exclude)?,
        })
    }

    /// Whether the name may be managed.
    pub fn admits(&self, name: &Name) -> bool {
        let text = name.as_str();
        (self.include.is_empty() || self.include.iter().any(|pattern| pattern.matches(text)))
            && !self.exclude.iter().any(|pattern| pattern.matches(text))
    }
}

impl Pattern {
    fn new(text: &str) -> Result<Self, String> {
        if let Some(expression) = text.strip_prefix('/') {
            let expression = expression
                .strip_suffix('/')
                .filter(|inner| !inner.is_empty())
                .ok_or("a regular expression stands between two slashes, as in `/^api-/`")?;
            return RegexBuilder::new(expression)
                .case_insensitive(true)
                .size_limit(MAX_EXPRESSION)
                .build()
                .map(Self::Expression)
                .map_err(|error| error.to_string());
        }
        let glob = text.trim();
        let glob = glob.strip_suffix('.').unwrap_or(glob);
        if glob.is_empty() {
            return Err("it is empty and would match nothing".to_owned());
        }
        let glob = idna::domain_to_ascii(glob).map_err(|_| "it is no part of any domain name".to_owned())?;
        if let Some(odd) = glob
            .chars()
            .find(|c| !c.is_ascii_alphanumeric() && !"-_.*".contains(*c))
        {
            return Err(format!(
                "{odd:?} is in no name; a glob has letters, digits, `-`, `_`, dots and `*`, a regular expression stands \
                 between slashes"
            ));
        }
        Ok(Self::Glob(glob.split('*').map(Into::into).collect()))
    }

    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Expression(expression) => expression.is_match(name),
            Self::Glob(pieces) => matches_glob(pieces, name),
        }
    }
}

/// The first piece must stand at the start, the last at the end, the others in order between them; taking the leftmost
/// place for each of those leaves the most room for the rest.
fn matches_glob(pieces: &[Box<str>], name: &str) -> bool {
    let [first, middle @ .., last] = pieces else {
        return pieces.iter().all(|only| &**only == name);
    };
    let Some(mut rest) = name.strip_prefix(&**first) else {
        return false;
    };
    for piece in middle {
        match rest.find(&**piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.len() >= last.len() && rest.ends_with(&**last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(include: &[&str], exclude: &[&str]) -> NameFilter {
        let owned = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        NameFilter::new(&owned(include), &owned(exclude)).unwrap()
    }

    #[test]
    fn globs_and_expressions() {
        let cases: [(&[&str], &[&str], &str, bool); 22] = [
            (&[], &[], "anything.example.org", true),
            (&["example.org"], &[], "example.org", true),
            (&["example.org"], &[], "www.example.org", false),
            (&["example.org"], &[], "anexample.org", false),
            (&["*.example.org"], &[], "www.example.org", true),
            (&["*.example.org"], &[], "a.b.example.org", true),
            (&["*.example.org"], &[], "example.org", false),
            (&["*.example.org"], &[], "anexample.org", false),
            (&["*.example.org"], &[], "*.example.org", true),
            (&["*"], &[], "x", true),
            (&["api-*.example.org"], &[], "api-1.example.org", true),
            (&["api-*.example.org"], &[], "api-.example.org", true),
            (&["a*a"], &[], "a", false),
            (&["a*b*c"], &[], "a.b.b.c", true),
            (&["a*b*c"], &[], "acb", false),
            (&["WWW.Example.ORG."], &[], "www.example.org", true),
            (&["*.b\u{fc}cher.example"], &[], "www.xn--bcher-kva.example", true),
            (&["/^api-[0-9]+\\./"], &[], "api-7.example.org", true),
            (&["/^API-[0-9]+\\./"], &[], "api-7.example.org", true),
            (&["/^api-[0-9]+\\./"], &[], "my-api-7.example.org", false),
            (
                &["*.example.org"],
                &["*.internal.example.org"],
                "a.internal.example.org",
                false,
            ),
            (&[], &["/secret/"], "my-secret.example.org", false),
        ];
        for (include, exclude, name, expected) in cases {
            let name = Name::parse(name).unwrap();
            assert_eq!(
                filter(include, exclude).admits(&name),
                expected,
                "{include:?} {exclude:?} {name}"
            );
        }
    }

    /// dns-06: external-dns' `--exclude-domains` means a name and everything below it; here that is two patterns.
    #[test]
    fn a_name_and_everything_below_it_are_two_patterns() {
        let without = filter(&[], &["cluster1.example.org", "*.cluster1.example.org"]);
        for (name, admitted) in [
            ("cluster1.example.org", false),
            ("foo.cluster1.example.org", false),
            ("a.b.cluster1.example.org", false),
            ("mycluster1.example.org", true),
            ("example.org", true),
        ] {
            assert_eq!(without.admits(&Name::parse(name).unwrap()), admitted, "{name}");
        }
    }

    #[test]
    fn a_wrong_pattern_is_named() {
        for (pattern, word) in [
            ("/(/", "/(/"),
            ("/", "two slashes"),
            ("//", "two slashes"),
            ("", "empty"),
            ("a b", "' '"),
        ] {
            let message = NameFilter::new(&[], &[pattern.to_owned()]).unwrap_err();
            assert!(
                message.contains(word) && message.starts_with("exclude pattern"),
                "{pattern}: {message}"
            );
        }
    }
}
