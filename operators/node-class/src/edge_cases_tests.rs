//! The 70 tricky cases that were collected before this operator was written, and where each is decided: tests by their
//! path, or why there is none. A test checks that the tests exist.
//!
//! `e2e` are cases on a real cluster (`e2e/src/node_class/cases`).

use std::fs;
use std::path::{Path, PathBuf};

/// Number, case, tests; a reason instead of tests begins with a `-`.
const CASES: [(u8, &str, &[&str]); 70] = [
    (
        1,
        "Node deleted and added again, same machine",
        &[
            "liveness::tests::identity::a_node_that_is_deleted_and_added_again_is_the_same_machine",
            "history::tests::changes::the_same_machine_that_registers_again_keeps_its_history",
            "class::tests::labels::a_bare_node_gets_the_whole_set",
        ],
    ),
    (
        2,
        "same name, another machine",
        &[
            "liveness::tests::identity::another_machine_of_the_same_name_gets_a_new_history",
            "history::tests::changes::another_machine_of_the_name_starts_unproven_with_a_new_history",
        ],
    ),
    (
        3,
        "clones with one system UUID",
        &["host::claims::tests::clones_with_one_uuid_are_distinguished_by_name"],
    ),
    (
        4,
        "Node renamed",
        &[
            "liveness::tests::identity::a_node_without_an_object_is_gone_and_never_down",
            "history::tests::statistics::after_a_month_off_a_node_has_no_uptime_and_after_a_month_without_object_nothing_known",
        ],
    ),
    (
        5,
        "Node deleted, kubelet alive",
        &["liveness::tests::identity::a_lease_without_a_node_is_a_kubelet_that_must_be_restarted"],
    ),
    (
        6,
        "first installation",
        &[
            "history::tests::learning::a_node_is_unproven_until_enough_is_known",
            "planner::tests::a_declared_class_works_before_anything_is_judged",
        ],
    ),
    (
        7,
        "history deleted by a user",
        &["history::tests::storing::an_empty_status_is_a_node_that_was_never_seen"],
    ),
    (
        8,
        "history unreadable or newer",
        &[
            "history::tests::storing::what_is_newer_or_broken_is_refused_with_its_reason",
            "planner::tests::a_history_that_cannot_be_read_is_left_alone",
        ],
    ),
    (
        9,
        "two classes, one key",
        &[
            "class::tests::resolve::the_higher_priority_wins_each_key_and_others_are_added",
            "class::tests::resolve::equal_priorities_with_different_values_are_a_tie_that_the_first_name_wins",
        ],
    ),
    (
        10,
        "a class changes its key",
        &["class::tests::labels::a_class_that_changes_its_key_swaps_them_in_one_apply"],
    ),
    (
        11,
        "class deleted while nodes are off",
        &[
            "class::tests::labels::keys_that_no_class_wants_are_left_out",
            "class::tests::taints::our_taints_that_no_class_wants_are_removed_and_the_rest_stays",
        ],
    ),
    (
        12,
        "class deleted while the operator is down",
        &[
            "class::tests::labels::the_first_pass_takes_nothing_away_and_changes_nothing",
            "planner::tests::nothing_is_removed_before_everything_has_been_known_for_a_while",
        ],
    ),
    (
        13,
        "user's label, other value",
        &["class::tests::labels::a_label_with_another_value_of_another_owner_is_left_alone"],
    ),
    (
        14,
        "user's label, same value",
        &["class::tests::labels::a_label_with_the_same_value_of_another_owner_is_shared"],
    ),
    (
        15,
        "Talos has the key",
        &[
            "class::tests::labels::keys_of_talos_are_never_claimed",
            "class::tests::labels::a_key_of_ours_that_talos_adopted_is_neither_changed_nor_deleted",
        ],
    ),
    (
        16,
        "invalid label value",
        &[
            "class::tests::validate::keys_and_values_that_the_api_would_refuse_are_refused",
            "class::tests::resolve::a_host_name_that_cannot_be_a_label_is_refused_and_not_cut",
        ],
    ),
    (
        17,
        "protected keys",
        &["class::tests::validate::keys_of_others_are_refused_for_labels_annotations_and_taints"],
    ),
    (
        18,
        "a class that selects by what it sets",
        &[
            "class::tests::validate::a_class_that_selects_by_what_it_sets_is_refused",
            "class::tests::matching::labels_that_classes_set_are_not_seen",
        ],
    ),
    (
        19,
        "input labels vanish for a minute",
        &["- a class follows its labels at once; the taints of a class that must not flap are matched by name or host"],
    ),
    (
        20,
        "NoExecute needs consent",
        &["class::tests::validate::a_no_execute_taint_must_be_acknowledged"],
    ),
    (
        21,
        "NoSchedule on a node with pods",
        &["- the number of pods that do not tolerate it is not shown: they stay, and the API says which they are"],
    ),
    (
        22,
        "foreign taint between read and patch",
        &[
            "class::tests::taints::foreign_taints_come_first_as_they_were_and_then_ours_sorted",
            "reconcile::node::tests::a_taint_that_somebody_adds_meanwhile_is_kept",
        ],
    ),
    (
        23,
        "another writer removes our taint",
        &["class::contention::tests::a_taint_that_is_removed_repeatedly_is_written_at_most_six_times_an_hour"],
    ),
    (
        24,
        "same key, other effect",
        &["class::tests::taints::foreign_taints_come_first_as_they_were_and_then_ours_sorted"],
    ),
    (
        25,
        "same key and effect, other value",
        &["class::tests::taints::a_foreign_taint_of_the_same_key_and_effect_is_left_alone"],
    ),
    (
        26,
        "timeAdded of others",
        &["class::tests::taints::the_time_at_which_a_taint_was_added_is_kept_and_makes_no_difference"],
    ),
    (
        27,
        "RBAC lacks patch",
        &["- error.rs of the shared crate: a refusal is retried every five minutes and reported as an event"],
    ),
    (
        28,
        "silent for 25 s",
        &["liveness::tests::nodes::twenty_five_seconds_of_silence_cause_no_event"],
    ),
    (
        29,
        "silent while Ready is True",
        &["liveness::tests::nodes::silence_against_a_true_ready_condition_must_last_twice_as_long"],
    ),
    (
        30,
        "lease moves, Ready Unknown",
        &["liveness::tests::nodes::a_renewed_lease_means_up_whatever_ready_says"],
    ),
    (
        31,
        "renewTime in 1970 or the future",
        &["- it is not read: only that a lease changes counts, when we see it"],
    ),
    (
        32,
        "the operator's clock jumps",
        &[
            "liveness::tests::nodes::a_jump_of_our_wall_clock_moves_stamps_and_no_duration",
            "history::tests::uptime::a_clock_that_went_backwards_adds_nothing_until_it_is_back",
        ],
    ),
    (
        33,
        "suspend",
        &[
            "liveness::tests::nodes::a_return_in_the_same_boot_was_a_suspend",
            "history::tests::changes::a_suspended_machine_was_down_once_and_did_not_reboot",
        ],
    ),
    (
        34,
        "kubelet restarted",
        &["liveness::tests::nodes::a_restart_of_the_kubelet_causes_no_event"],
    ),
    (
        35,
        "reboot for an update",
        &[
            "liveness::tests::nodes::a_boot_into_new_versions_is_planned",
            "history::tests::changes::a_reboot_for_an_upgrade_costs_nothing_and_is_no_outage",
        ],
    ),
    (
        36,
        "cordoned by a person, then off",
        &[
            "liveness::tests::nodes::what_a_person_or_we_announced_is_planned",
            "history::tests::changes::a_cordon_before_makes_it_planned_without_penalty_and_its_time_is_shown",
        ],
    ),
    (
        37,
        "daylight saving",
        &["host::window::tests::a_window_over_a_change_of_clocks_lasts_its_true_hours"],
    ),
    (
        38,
        "off every night",
        &[
            "liveness::tests::mass::desktops_that_go_off_at_night_are_down",
            "history::tests::learning::a_pc_that_is_off_every_night_is_volatile_and_never_dampened",
        ],
    ),
    (
        39,
        "flaps at the threshold",
        &["history::tests::learning::a_flapper_at_the_threshold_changes_once_in_24_hours_at_most"],
    ),
    (
        40,
        "API server restarts, all look NotReady",
        &[
            "liveness::tests::mass::most_steady_nodes_at_once_are_held_back_until_it_is_stable",
            "planner::tests::while_it_is_guarded_nothing_is_planned_to_be_written",
        ],
    ),
    (
        41,
        "API server away for ten minutes",
        &[
            "liveness::tests::blindness::an_api_server_that_is_away_is_a_gap_for_all_and_an_outage_for_none",
            "power_off::tests::while_liveness_is_not_visible_nothing_changes",
        ],
    ),
    (
        42,
        "operator down for six hours",
        &[
            "liveness::tests::restart::a_node_that_went_down_in_unwatched_time_is_down_since_ready_changed",
            "liveness::tests::restart::a_new_boot_after_a_restart_is_a_reboot_of_unknown_length",
            "history::tests::uptime::an_outage_that_others_have_seen_in_unwatched_time_is_known_from_then_on",
        ],
    ),
    (
        43,
        "the operator's own node goes off",
        &[
            "liveness::tests::restart::a_new_leader_settles_before_it_judges",
            "planner::tests::what_happened_while_another_led_is_recorded_on_taking_over",
        ],
    ),
    (
        44,
        "two leaders for a moment",
        &[
            "history::tests::changes::an_event_that_is_applied_twice_counts_once",
            "liveness::tests::blindness::a_stopped_process_is_blind_and_takes_no_node_for_down",
        ],
    ),
    (
        45,
        "no steady node",
        &[
            "liveness::tests::mass::without_steady_nodes_only_all_hosts_at_once_count",
            "impact::tests::disruption::where_every_node_is_volatile_none_may_be_excluded",
        ],
    ),
    (
        46,
        "a single node",
        &[
            "liveness::tests::blindness::a_single_node_is_never_seen_to_go_down",
            "impact::tests::power_off::the_only_host_gets_no_advice_and_is_not_emptied",
        ],
    ),
    (
        47,
        "evictions frozen",
        &[
            "impact::tests::power_off::evictions_that_have_stopped_already_are_reported",
            "impact::tests::disruption::nodes_with_the_exclude_label_do_not_count",
        ],
    ),
    (
        48,
        "one of three machines of a host is down",
        &[
            "liveness::tests::nodes::one_of_three_machines_of_a_host_goes_down_alone",
            "impact::tests::power_off::a_host_that_is_partly_off_is_judged_by_the_rest",
        ],
    ),
    (
        49,
        "all machines of a host silent",
        &["liveness::tests::mass::desktops_that_go_off_at_night_are_down"],
    ),
    (
        50,
        "host label contradicts the NodeHost",
        &["class::tests::matching::the_host_and_the_availability_are_seen_as_they_are_now"],
    ),
    (
        51,
        "migrated to another host",
        &["host::claims::tests::a_vm_that_moves_gets_the_host_that_claims_it_now"],
    ),
    (
        52,
        "etcd member on a volatile host",
        &[
            "impact::tests::power_off::a_host_with_one_of_three_members_may_go_off_and_the_remaining_members_are_reported",
            "failover::tests::ladder::a_control_plane_node_needs_another_member_to_spare",
        ],
    ),
    (
        53,
        "two of three members on one host",
        &["impact::tests::power_off::a_host_with_two_of_three_members_ends_the_quorum"],
    ),
    (
        54,
        "etcd unknown",
        &["impact::tests::power_off::without_role_labels_etcd_is_not_judged_and_the_answer_is_not_yes"],
    ),
    (
        55,
        "clean marks, then Ready again",
        &[
            "liveness::tests::nodes::a_clean_shutdown_that_returns_after_ninety_seconds_was_a_reboot",
            "failover::tests::ladder::a_reboot_never_places_the_taint",
        ],
    ),
    (
        56,
        "out of service, then on again",
        &["failover::tests::taint::a_node_that_is_back_is_held_until_it_is_cleaned_up"],
    ),
    (
        57,
        "out of service by another tool",
        &["failover::tests::taint::a_taint_of_others_is_never_changed_and_is_reported_while_the_node_is_down"],
    ),
    (
        58,
        "power says off, lease moves",
        &["failover::tests::ladder::a_renewed_lease_refutes_the_reported_power"],
    ),
    (
        59,
        "old power evidence",
        &[
            "failover::tests::ladder::an_off_that_expired_is_ignored",
            "failover::tests::ladder::an_off_from_before_the_last_renewal_is_ignored",
        ],
    ),
    (
        60,
        "plug pulled, no evidence",
        &["failover::tests::ladder::silence_is_never_evidence_however_long"],
    ),
    (
        61,
        "DaemonSet pods and out-of-service",
        &["- documented: they are deleted and made again on return; there is no preview"],
    ),
    (
        62,
        "finalizer on a pod of a dead node",
        &["- not named: what is left is counted, the pods are in the API"],
    ),
    (
        63,
        "CSI controller on the host that is off",
        &["- not looked for: it shows as a workload that is only on volatile nodes"],
    ),
    (
        64,
        "PodDisruptionBudget blocks",
        &["power_off::tests::when_the_deadline_has_passed_evictions_end_and_the_rest_is_reported"],
    ),
    (
        65,
        "budget of a single replica",
        &["- the refusal is shown in status.off.waiting as the API server words it; not foretold"],
    ),
    (
        66,
        "off for a month",
        &[
            "history::tests::statistics::after_a_month_off_a_node_has_no_uptime_and_after_a_month_without_object_nothing_known",
        ],
    ),
    (
        67,
        "uninstall with nodes off",
        &["release::tests::a_node_that_is_down_keeps_its_out_of_service_taint_and_loses_the_rest"],
    ),
    (
        68,
        "dry run",
        &["class::tests::resolve::a_dry_run_says_what_it_would_do_and_takes_nothing"],
    ),
    (
        69,
        "many conflicts on one node",
        &["reconcile::node::tests::a_taint_that_somebody_adds_meanwhile_is_kept"],
    ),
    (
        70,
        "a write for each heartbeat",
        &[
            "history::tests::properties::a_quiet_hour_changes_nothing_but_how_long_it_is_known",
            "planner::tests::a_quiet_hour_is_stored_at_checkpoints_only",
        ],
    ),
];

/// The file of a module: `a/b.rs` or `a/b/mod.rs`.
fn source(src: &Path, module: &str) -> Option<PathBuf> {
    let path = src.join(module.replace("::", "/"));
    [path.with_extension("rs"), path.join("mod.rs")]
        .into_iter()
        .find(|file| file.exists())
}

#[test]
fn every_case_is_decided_and_every_test_that_is_named_exists() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut missing = Vec::new();
    for (at, (number, case, decided)) in (1..).zip(CASES) {
        assert_eq!(at, number);
        assert!(!decided.is_empty(), "{number}: {case}");
        for one in decided.iter().filter(|one| !one.starts_with("- ")) {
            let (module, test) = one.rsplit_once("::").unwrap();
            // Tests may be in a module of their own inside the file.
            let inside = module.strip_suffix("::tests").unwrap_or(module);
            let files = [source(&src, module), source(&src, inside)];
            let has = |file: &PathBuf| fs::read_to_string(file).unwrap().contains(&format!("fn {test}()"));
            if !files.iter().flatten().any(has) {
                missing.push(format!("{number}: {one}"));
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new());
}
