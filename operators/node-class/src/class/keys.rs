//! What the API takes as keys and values of labels, annotations and taints, and which keys are not for classes.

/// The prefix of our own keys.
pub(super) const OURS: &str = "nodes.hearth.home.arpa/";

/// The longest name of a key, and the longest value of a label or taint (apimachinery, `validation.go`).
const NAME: usize = 63;

/// The longest prefix of a key: a DNS subdomain (RFC 1123).
const PREFIX: usize = 253;

/// Whether it can be a key: an optional DNS subdomain with `/`, and a name.
pub(super) fn is_key(key: &str) -> bool {
    let (prefix, name) = key
        .split_once('/')
        .map_or((None, key), |(prefix, name)| (Some(prefix), name));
    prefix.is_none_or(is_subdomain) && !name.is_empty() && is_value(name)
}

/// Whether it can be the value of a label or a taint; empty is possible.
pub(super) fn is_value(text: &str) -> bool {
    let end = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    text.len() <= NAME && text.chars().all(inner) && end(text.chars().next()) && end(text.chars().next_back())
}

/// Whether classes must not set it although they could: what Kubernetes uses, and what Talos does (`talos.dev/cordoned`, for
/// instance, is evidence for us and an order for Talos).
pub(super) fn is_reserved(key: &str) -> bool {
    let domain = key.split_once('/').map_or("", |(domain, _)| domain);
    let under = |of: &&str| {
        domain
            .strip_suffix(of)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    ["kubernetes.io", "k8s.io", "talos.dev"].iter().any(under)
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
