//! What is applied of labels and annotations.
use super::*;

fn ours(mut node: NodeFacts, labels: &[&str], annotations: &[&str]) -> NodeFacts {
    let set = |of: &[&str]| of.iter().map(|key| intern(key)).collect();
    node.managers.our_labels = set(labels);
    node.managers.our_annotations = set(annotations);
    node
}

fn annotated(mut node: NodeFacts, annotations: &[(&str, &str)]) -> NodeFacts {
    node.annotations.extend(texts(&map(annotations)));
    node
}

fn applied(node: &NodeFacts, wanted: &Wanted) -> NodeDiff {
    node_diff(node, wanted, &[], false)
}

#[track_caller]
fn applies(diff: &NodeDiff, labels: &[(&str, &str)], annotations: &[(&str, &str)]) {
    assert_eq!(diff.apply, Some((map(labels), map(annotations))));
}

/// Edge case 1: a node that was deleted and made again is bare, and gets all at once.
#[test]
fn a_bare_node_gets_the_whole_set() {
    let diff = applied(
        &node("n", &[("os", "linux")]),
        &wanted(&[("x", "1")], &[("y", "2")], &[]),
    );
    applies(&diff, &[("x", "1")], &[("y", "2")]);
    assert_eq!(diff.refused, []);
}

#[test]
fn a_healthy_node_costs_no_write() {
    let node = node("n", &[("x", "1"), ("os", "linux")]);
    let node = annotated(
        ours(node, &["x"], &["y"]),
        &[("y", "2"), ("nodes.hearth.home.arpa/cordoned", "r")],
    );
    for only_add in [false, true] {
        let diff = node_diff(&node, &wanted(&[("x", "1")], &[("y", "2")], &[]), &[], only_add);
        assert_eq!(diff, NodeDiff::default());
    }
    assert_eq!(applied(&super::node("n", &[]), &Wanted::default()), NodeDiff::default());
}

/// Edge case 10.
#[test]
fn a_class_that_changes_its_key_swaps_them_in_one_apply() {
    let node = ours(node("n", &[("old", "1")]), &["old"], &[]);
    applies(
        &applied(&node, &wanted(&[("new", "1")], &[], &[])),
        &[("new", "1")],
        &[],
    );
}

/// Edge cases 11 and 12: exactly what is ours goes, whether the node is ready or not, and whatever was missed.
#[test]
fn keys_that_no_class_wants_are_left_out() {
    let node = ours(node("n", &[("x", "1"), ("theirs", "1")]), &["x"], &["y"]);
    let node = annotated(node, &[("y", "1")]);
    assert_eq!(node.ready.status, None, "it is off");
    applies(&applied(&node, &Wanted::default()), &[], &[]);
}

/// Edge case 12, and the founder's rule: nothing is taken away before all is known.
#[test]
fn the_first_pass_takes_nothing_away_and_changes_nothing() {
    let node = ours(
        node("n", &[("gone", "1"), ("changed", "1")]),
        &["gone", "changed"],
        &["y"],
    );
    let node = annotated(node, &[("y", "1")]);
    let wanted = wanted(&[("changed", "2"), ("new", "1")], &[], &[]);
    let first = node_diff(&node, &wanted, &[], true);
    applies(&first, &[("changed", "1"), ("gone", "1"), ("new", "1")], &[("y", "1")]);
    applies(&applied(&node, &wanted), &[("changed", "2"), ("new", "1")], &[]);
}

/// Edge case 13. `Adopt` does not exist, so that there is no earlier value to bring back.
#[test]
fn a_label_with_another_value_of_another_owner_is_left_alone() {
    let node = node("n", &[("x", "theirs")]);
    let diff = applied(&node, &wanted(&[("x", "1"), ("z", "1")], &[], &[]));
    applies(&diff, &[("z", "1")], &[]);
    assert_eq!(refusals(&diff.refused), ["label x"]);
    assert_eq!(diff.refused[0].class.as_deref(), Some("c"));
    assert!(diff.refused[0].why.contains("`theirs`"), "{}", diff.refused[0].why);
    assert!(
        diff.refused[0].why.contains("kubectl label node n x-"),
        "{}",
        diff.refused[0].why
    );
}

/// Edge case 14.
#[test]
fn a_label_with_the_same_value_of_another_owner_is_shared() {
    let mut node = node("n", &[("x", "1")]);
    let with = wanted(&[("x", "1")], &[], &[]);
    let diff = applied(&node, &with);
    applies(&diff, &[("x", "1")], &[]);
    let theirs = BTreeSet::from(["x".to_owned()]);
    write(&mut node, &diff, &theirs);
    assert_eq!(applied(&node, &with), NodeDiff::default());
    let release = applied(&node, &Wanted::default());
    applies(&release, &[], &[]);
    write(&mut node, &release, &theirs);
    assert_eq!(node.labels, texts(&map(&[("x", "1")])));
}

/// SSA gives a field to whoever updates it.
#[test]
fn a_label_of_ours_that_was_changed_is_foreign() {
    let node = ours(node("n", &[("x", "changed"), ("z", "1")]), &["z"], &[]);
    let diff = applied(&node, &wanted(&[("x", "1"), ("z", "1")], &[], &[]));
    assert_eq!((diff.apply, refusals(&diff.refused)), (None, vec!["label x"]));
}

#[test]
fn a_value_of_ours_that_the_class_changed_is_applied() {
    let node = ours(node("n", &[("x", "1")]), &["x"], &[]);
    applies(&applied(&node, &wanted(&[("x", "2")], &[], &[])), &[("x", "2")], &[]);
}

/// Edge case 15.
#[test]
fn keys_of_talos_are_never_claimed() {
    let lists = [
        ("talos.dev/owned-labels", r#"["x"]"#),
        ("talos.dev/owned-annotations", r#"["y"]"#),
    ];
    for present in [vec![], vec![("x", "1")], vec![("x", "other")]] {
        let node = annotated(node("n", &present), &lists);
        let diff = applied(&node, &wanted(&[("x", "1"), ("z", "1")], &[("y", "1")], &[]));
        applies(&diff, &[("z", "1")], &[]);
        assert_eq!(refusals(&diff.refused), ["annotation y", "label x"]);
        assert!(
            diff.refused.iter().all(|refused| refused.why.contains("Talos")),
            "{:?}",
            diff.refused
        );
    }
}

/// Edge case 15, the trap: Talos adopts a key of ours that has its value. Leaving it out would delete it, and Talos would
/// put it back.
#[test]
fn a_key_of_ours_that_talos_adopted_is_neither_changed_nor_deleted() {
    let node = annotated(
        ours(node("n", &[("x", "1")]), &["x"], &[]),
        &[("talos.dev/owned-labels", r#"["x"]"#)],
    );
    for value in ["1", "2"] {
        let diff = applied(&node, &wanted(&[("x", value)], &[], &[]));
        assert_eq!((diff.apply, refusals(&diff.refused)), (None, vec!["label x"]));
    }
    assert_eq!(applied(&node, &Wanted::default()), NodeDiff::default());
}

#[test]
fn a_list_of_talos_that_cannot_be_read_owns_nothing_and_is_reported() {
    for text in ["[", "{}", "[1]", "null"] {
        let node = annotated(node("n", &[]), &[("talos.dev/owned-labels", text)]);
        let diff = applied(&node, &wanted(&[("x", "1")], &[], &[]));
        applies(&diff, &[("x", "1")], &[]);
        assert_eq!(refusals(&diff.refused), ["annotation talos.dev/owned-labels"], "{text}");
    }
    for text in ["", "[]"] {
        let node = annotated(node("n", &[]), &[("talos.dev/owned-labels", text)]);
        assert_eq!(applied(&node, &wanted(&[("x", "1")], &[], &[])).refused, [], "{text}");
    }
}

#[test]
fn frozen_keys_of_ours_keep_their_value() {
    let node = annotated(ours(node("n", &[("x", "old")]), &["x"], &["y"]), &[("y", "old")]);
    let mut wanted = wanted(&[("x", "of another class")], &[], &[]);
    wanted.frozen = ["label x", "label never-there", "annotation y"]
        .map(str::to_owned)
        .into();
    assert_eq!(applied(&node, &wanted), NodeDiff::default());
    wanted.frozen.remove("label x");
    applies(&applied(&node, &wanted), &[("x", "of another class")], &[("y", "old")]);
}

#[test]
fn what_is_held_is_not_put_back_and_what_is_there_stays() {
    let node = ours(node("n", &[("there", "1")]), &["there"], &[]);
    let mut wanted = wanted(&[("there", "1"), ("taken", "1")], &[], &[]);
    wanted.held = ["label there", "label taken"].map(str::to_owned).into();
    assert_eq!(applied(&node, &wanted), NodeDiff::default());
}

#[test]
fn an_apply_gives_way_where_the_api_server_finds_another_manager() {
    let node = ours(node("n", &[("x", "1")]), &["x"], &[]);
    let wanted = wanted(&[("x", "2"), ("z", "1")], &[("home/note", "1")], &[]);
    let theirs = [
        ("annotation home/note", "kubectl"),
        ("label x", "helm"),
        ("label unknown", "x"),
        ("odd", "x"),
    ];
    let theirs: Vec<(String, String)> = theirs.map(|(key, by)| (key.to_owned(), by.to_owned())).into();
    let diff = applied(&node, &Wanted { theirs, ..wanted });
    applies(&diff, &[("z", "1")], &[]);
    assert_eq!(refusals(&diff.refused), ["annotation home/note", "label x"]);
    assert!(diff.refused[0].why.contains("`kubectl`") && diff.refused[0].class.as_deref() == Some("c"));
}
