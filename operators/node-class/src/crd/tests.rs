use super::*;

#[test]
fn the_files_in_crds_are_current() {
    hearth_reconciler::testing::assert_crds(concat!(env!("CARGO_MANIFEST_DIR"), "/../../crds"), &crds());
}

/// Names are never changed once released: objects in clusters hang on them.
#[test]
fn names_scope_and_short_names() {
    let all = crds();
    let names: Vec<_> = all
        .iter()
        .map(|crd| {
            let (spec, names) = (&crd.spec, &crd.spec.names);
            let short = names.short_names.clone().unwrap_or_default().join(",");
            let singular = names.singular.clone().unwrap_or_default();
            [&names.kind, &names.plural, &singular, &short, &spec.scope, &spec.group].map(Clone::clone)
        })
        .collect();
    let expected = |kind: &str, names: &str, name: &str, short: &str| {
        [kind, names, name, short, "Cluster", "nodes.hearth.home.arpa"].map(str::to_owned)
    };
    assert_eq!(
        names,
        [
            expected("NodeHost", "nodehosts", "nodehost", "hhost"),
            expected("NodeClass", "nodeclasses", "nodeclass", "hclass"),
            expected("NodeHistory", "nodehistories", "nodehistory", "hhist"),
        ]
    );
}
