//! What the API takes as keys and values of labels, annotations and taints, and which keys are not for classes.
use crate::crd;

/// The prefix of our own keys.
pub(super) const OURS: &str = "nodes.hearth.home.arpa/";

/// The longest name of a key, and the longest value of a label or taint (apimachinery, `validation.go`).
const NAME: usize = 63;

/// The longest prefix of a key: a DNS subdomain (RFC 1123).
const PREFIX: usize = 253;

/// What is wrong with a key: an optional DNS subdomain with `/`, and a name.
pub(super) fn key_problem(key: &str) -> Option<String> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    if prefix.is_some_and(|prefix| !is_subdomain(prefix)) {
        return Some(format!(
            "`{key}`: what stands before the `/` must be a lower-case DNS name of at most {PREFIX} characters"
        ));
    }
    (name.is_empty() || !is_value(name)).then(|| {
        format!("`{key}`: the name must have 1 to {NAME} letters, digits, `-`, `_` and `.`, and begin and end with a letter or digit")
    })
}

/// What is wrong with the value of a label or a taint.
pub(super) fn value_problem(value: &str) -> Option<String> {
    (!is_value(value)).then(|| {
        format!("`{value}`: a value has at most {NAME} letters, digits, `-`, `_` and `.`, and begins and ends with a letter or digit")
    })
}

/// What classes must not set although they could, with the advice what to do instead.
pub(super) fn protected(key: &str) -> Option<String> {
    let (domain, _) = key.split_once('/')?;
    let under = |of: &str| domain == of || domain.strip_suffix(of).is_some_and(|rest| rest.ends_with('.'));
    if under("kubernetes.io") || under("k8s.io") {
        let advice = if key == crd::EXCLUDE_DISRUPTION {
            "say excludeFromDisruptionCount: true instead"
        } else {
            "Kubernetes and its parts use them; take a prefix of your own"
        };
        return Some(format!(
            "`{key}`: keys under kubernetes.io and k8s.io are not for classes: {advice}"
        ));
    }
    // `talos.dev/cordoned` and `talos.dev/owned-labels`, for instance, are evidence for us and orders for Talos.
    under("talos.dev").then(|| format!("`{key}`: keys under talos.dev are Talos' own; take a prefix of your own"))
}

/// Whether it can be the value of a label or a taint; empty is possible.
pub(super) fn is_value(text: &str) -> bool {
    let end = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    text.len() <= NAME && text.chars().all(inner) && end(text.chars().next()) && end(text.chars().next_back())
}

fn is_subdomain(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let end = |c: Option<char>| c.is_some_and(|c| c != '-');
    text.len() <= PREFIX
        && text.split('.').all(|part| {
            part.len() <= NAME && part.chars().all(inner) && end(part.chars().next()) && end(part.chars().next_back())
        })
}

#[cfg(test)]
mod tests;
