use super::*;

#[test]
fn keys_are_names_with_an_optional_dns_prefix() {
    let long = "a".repeat(63);
    let prefix = [long.as_str(); 4].join(".");
    for key in [
        "role",
        "home/role",
        "a.b-c/R_o.le",
        &long,
        &format!("{}/x", &prefix[..253]),
    ] {
        assert!(is_key(key), "{key}");
    }
    let too_long = [format!("{long}a"), format!("{prefix}/x"), format!("{long}a.b/x")];
    let others = [
        "", "/x", "x/", "a..b/x", ".a/x", "A.b/x", "a_b/x", "-a/x", "a-/x", "a/b/c", "-x", "x.", "ä", "a b",
    ];
    for key in too_long.iter().map(String::as_str).chain(others) {
        assert!(!is_key(key), "{key}");
    }
}

#[test]
fn values_may_be_empty_and_have_at_most_63_characters() {
    let long = "a".repeat(63);
    for value in ["", "a", "A-b_c.9", &long] {
        assert!(is_value(value), "{value}");
    }
    for value in ["-a", "a.", "a b", "a/b", "ä", &format!("{long}a")] {
        assert!(!is_value(value), "{value}");
    }
}

#[test]
fn keys_of_kubernetes_and_talos_are_not_for_classes() {
    for key in [
        "kubernetes.io/hostname",
        "node-role.kubernetes.io/worker",
        "k8s.io/x",
        "feature.node.kubernetes.io/x",
        "readiness.k8s.io/x",
        "node.kubernetes.io/exclude-disruption",
        "talos.dev/cordoned",
        "node.cloudprovider.talos.dev/x",
    ] {
        assert!(is_reserved(key), "{key}");
    }
    for key in [
        "kubernetes.io",
        "mykubernetes.io/x",
        "kubernetes.io.example/x",
        "home/role",
        "role",
    ] {
        assert!(!is_reserved(key), "{key}");
    }
}
