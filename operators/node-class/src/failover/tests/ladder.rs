//! What is evidence, and what is not.
use super::*;

const MINUTE: i64 = 60;
const HOUR: i64 = 3600;

/// Edge case 60: E1 to E3 (conditions, silence, a whole host silent, an address that does not answer) prove nothing.
#[test]
fn silence_is_never_evidence_however_long() {
    for now in [MINUTE, HOUR, 24 * HOUR, 30 * 24 * HOUR] {
        assert_eq!(night().outcome(now), Err("NoEvidence"));
    }
    let hold = night().hold(HOUR);
    for part in [
        "silent since 2025-06-15T15:06:40Z",
        "power Off in status.power of its NodeHost (it was never reported)",
        "or an orderly shutdown",
        "kubectl taint nodes talos08 node.kubernetes.io/out-of-service=nodeshutdown:NoExecute",
    ] {
        assert!(hold.message.contains(part), "{part}: {}", hold.message);
    }
}

#[test]
fn power_off_is_enough_after_a_minute_or_what_the_class_says() {
    let off = night().off(10, HOUR);
    let early = off.hold(45);
    assert_eq!(
        (early.reason, early.message.as_str()),
        ("TooEarly", "it seems to be off, or reboots; failover in 20 s")
    );
    assert_eq!(off.outcome(59), Err("TooEarly"));
    assert_eq!(off.outcome(60), Ok(Evidence::PowerOff));
    let Decision::Place(_, words) = off.decide(60) else {
        panic!()
    };
    assert_eq!(
        words,
        "plug-3 says at 2025-06-15T15:06:50Z that its power is off; silent since 2025-06-15T15:06:40Z"
    );
    let patient = off.after("3m");
    assert_eq!(
        patient.hold(MINUTE).message,
        "it seems to be off, or reboots; failover in 2 min"
    );
    assert_eq!(patient.outcome(3 * MINUTE), Ok(Evidence::PowerOff));
}

#[test]
fn only_evidence_that_the_class_accepts_counts() {
    let off = night().off(10, HOUR).accepting(&[Evidence::CleanShutdown]);
    assert_eq!(off.outcome(10 * MINUTE), Err("NoEvidence"));
    let clean = night().clean().accepting(&[Evidence::PowerOff]);
    assert_eq!(clean.outcome(HOUR), Err("NoEvidence"));
    assert_eq!(
        night().clean().off(10, HOUR).accepting(&[]).outcome(HOUR),
        Err("NoEvidence")
    );
}

/// Edge case 59.
#[test]
fn an_off_that_expired_is_ignored() {
    let off = night().off(10, 5 * MINUTE);
    assert_eq!(off.outcome(5 * MINUTE - 1), Ok(Evidence::PowerOff));
    assert_eq!(off.outcome(5 * MINUTE), Err("NoEvidence"));
    assert!(off.hold(HOUR).message.contains("expired at 2025-06-15T15:11:40Z"));
}

#[test]
fn an_off_is_valid_for_a_day_at_most() {
    let off = night().off(0, 365 * 24 * HOUR);
    assert_eq!(off.outcome(24 * HOUR - 1), Ok(Evidence::PowerOff));
    assert_eq!(off.outcome(24 * HOUR), Err("NoEvidence"));
}

/// Edge case 59: the plug said Off yesterday evening; the node has lived since and is now lost in another way.
#[test]
fn an_off_from_before_the_last_renewal_is_ignored() {
    assert_eq!(night().off(-41, HOUR).outcome(10 * MINUTE), Err("NoEvidence"));
    let hold = night().off(-10 * HOUR, 10 * HOUR).hold(10 * MINUTE);
    assert!(hold.message.contains("but the node was alive at"), "{}", hold.message);
    assert_eq!(
        night().off(-40, HOUR).outcome(10 * MINUTE),
        Ok(Evidence::PowerOff),
        "clocks may differ a little"
    );
}

#[test]
fn an_off_from_the_future_is_ignored() {
    assert_eq!(night().off(6 * MINUTE + 1, HOUR).outcome(MINUTE), Err("NoEvidence"));
    assert_eq!(night().off(6 * MINUTE, HOUR).outcome(MINUTE), Ok(Evidence::PowerOff));
}

#[test]
fn an_off_that_ends_before_it_begins_is_ignored() {
    let hold = night().off(3 * MINUTE, 3 * MINUTE).hold(2 * MINUTE);
    assert!(
        hold.message.contains("expiresAt is not after observedAt"),
        "{}",
        hold.message
    );
}

#[test]
fn an_on_is_no_evidence_and_refutes_no_clean_shutdown() {
    let on = |night: Night| night.with(|n| n.power.as_mut().unwrap().state = PowerState::On);
    assert_eq!(on(night().off(10, HOUR)).outcome(10 * MINUTE), Err("NoEvidence"));
    let clean = on(night().clean().off(10, HOUR));
    assert_eq!(clean.outcome(10 * MINUTE), Ok(Evidence::CleanShutdown));
}

#[test]
fn a_clean_shutdown_waits_longer_than_any_reboot() {
    let clean = night().clean();
    assert_eq!(clean.outcome(5 * MINUTE - 1), Err("TooEarly"));
    assert_eq!(clean.outcome(5 * MINUTE), Ok(Evidence::CleanShutdown));
    let early = clean.hold(2 * MINUTE);
    assert_eq!(early.message, "it seems to be off, or reboots; failover in 3 min");

    let slow = clean.clone().with(|n| n.longest_reboot = Duration::from_mins(8));
    assert_eq!(slow.outcome(12 * MINUTE - 1), Err("TooEarly"));
    assert_eq!(slow.outcome(12 * MINUTE), Ok(Evidence::CleanShutdown));

    let patient = slow.after("20m");
    assert_eq!(patient.outcome(20 * MINUTE - 1), Err("TooEarly"));
    assert_eq!(patient.outcome(20 * MINUTE), Ok(Evidence::CleanShutdown));
    assert_eq!(
        clean.after("10s").outcome(4 * MINUTE),
        Err("TooEarly"),
        "never less than 5 minutes"
    );
}

#[test]
fn a_longest_reboot_beyond_measure_waits_for_ever() {
    let endless = night().clean().with(|n| n.longest_reboot = Duration::MAX);
    assert_eq!(endless.outcome(1000 * HOUR), Err("TooEarly"));
}

#[test]
fn an_incomplete_trace_is_no_clean_shutdown() {
    let announced = night().with(|n| n.liveness.went = Some(Kind::Clean));
    assert_eq!(announced.outcome(HOUR), Err("NoEvidence"));
}

/// Edge case 55: shutdown announced, back after 90 s.
#[test]
fn a_reboot_never_places_the_taint() {
    let clean = night().clean();
    for now in 40..90 {
        assert_eq!(clean.outcome(now), Err("TooEarly"), "{now}");
    }
    let back = clean.back(0, Some(0)).with(|n| n.liveness.clean_trace = false);
    for now in 90..2 * HOUR {
        assert_eq!(back.decide(now), Decision::Leave(None), "{now}");
    }
}

#[test]
fn unwatched_time_is_no_silence() {
    for night in [night().off(10, 5 * HOUR), night().clean()] {
        let silent = Duration::from_secs(59);
        let liveness = LivenessStatus {
            silent,
            ..night.liveness.clone()
        };
        assert!(matches!(night.judged(&liveness, HOUR), Decision::Leave(Some(_))));
    }
}

#[test]
fn power_is_quicker_than_a_clean_shutdown_and_is_named_as_the_evidence() {
    let both = night().clean().off(10, HOUR);
    assert_eq!(
        both.hold(45).message,
        "it seems to be off, or reboots; failover in 20 s"
    );
    assert_eq!(both.outcome(MINUTE), Ok(Evidence::PowerOff));
    assert_eq!(both.outcome(HOUR), Ok(Evidence::CleanShutdown), "the other has expired");
}

/// Edge case 58.
#[test]
fn a_renewed_lease_refutes_the_reported_power() {
    let up = |since: i64| {
        night().off(100, HOUR).with(|n| {
            n.liveness.state = State::Up;
            n.liveness.since = at(since);
        })
    };
    assert_eq!(
        up(0).decide(120),
        Decision::Leave(None),
        "it may have gone just now, and the lease not yet be missed"
    );
    let hold = up(0).hold(300);
    assert_eq!(hold.reason, "PowerContradicted");
    assert!(hold.message.contains("plug-3") && hold.message.contains("lease still moves"));
    assert_eq!(up(0).decide(HOUR + 1), Decision::Leave(None), "expired");
    assert_eq!(
        up(200).decide(300),
        Decision::Leave(None),
        "it has come up since: the word is only old"
    );
    assert_eq!(up(100).hold(300).reason, "PowerContradicted", "said as it came up");
    assert_eq!(up(0).with(|n| n.sees = false).decide(300), Decision::Leave(None));
}

#[test]
fn an_address_that_answers_refutes_every_evidence() {
    for night in [night().off(10, 5 * HOUR), night().clean()] {
        let answers = night.with(|n| n.address = Address::Answers);
        let hold = answers.hold(HOUR);
        assert_eq!(hold.reason, "PowerContradicted");
        assert!(hold.message.contains("address answers"), "{}", hold.message);
    }
    assert_eq!(
        night().with(|n| n.address = Address::Answers).outcome(HOUR),
        Err("NoEvidence")
    );
}

/// Edge case 52, for the action that this module takes.
#[test]
fn a_control_plane_node_needs_another_member_to_spare() {
    for (spare, outcome) in [
        (None, Err("QuorumAtRisk")),
        (Some(0), Err("QuorumAtRisk")),
        (Some(1), Ok(Evidence::PowerOff)),
        (Some(2), Ok(Evidence::PowerOff)),
    ] {
        let member = night().off(10, HOUR).control_plane(spare);
        assert_eq!(member.outcome(2 * MINUTE), outcome, "{spare:?}");
    }
    let worker = night().off(10, HOUR).with(|n| n.spare_members = None);
    assert_eq!(worker.outcome(2 * MINUTE), Ok(Evidence::PowerOff));
    let unproven = night().control_plane(Some(0));
    assert_eq!(unproven.outcome(HOUR), Err("NoEvidence"), "the first thing that lacks");
}

#[test]
fn a_node_that_is_ready_gets_no_taint() {
    let ready = night().off(10, HOUR).with(|n| n.node.ready.status = Some(true));
    assert_eq!(ready.outcome(10 * MINUTE), Err("TooEarly"));
}

#[test]
fn nothing_is_done_blind_or_where_it_is_not_wanted() {
    let off = night().clean().off(10, HOUR);
    assert_eq!(off.clone().with(|n| n.sees = false).outcome(HOUR), Err("NotSeeing"));
    assert_eq!(off.clone().with(|n| n.allowed = false).outcome(HOUR), Err(""));
    assert_eq!(off.clone().with(|n| n.failover = None).outcome(HOUR), Err(""));
    for state in [State::Unknown, State::Gone, State::Missing, State::Up] {
        let other = off.clone().with(|n| n.liveness.state = state);
        assert!(matches!(other.decide(10 * MINUTE), Decision::Leave(_)), "{state:?}");
    }
}

/// Whatever is thrown at it: a taint is only placed with evidence that the class accepts.
#[test]
fn no_taint_without_evidence() {
    let mut random = fastrand::Rng::with_seed(5);
    let mut placed = 0;
    for _ in 0..50_000 {
        let now = random.i64(0..30 * HOUR);
        let observed = random.i64(-HOUR..now.max(1));
        let mut night = night();
        if random.bool() {
            night = night.off(observed, observed + random.i64(-10..40 * HOUR));
        }
        if random.bool() {
            night = night.clean();
        }
        if random.u8(0..4) == 0 {
            night = night.control_plane([None, Some(0), Some(1)][random.usize(0..3)]);
        }
        if random.u8(0..4) == 0 {
            night.liveness.state = [State::Up, State::Unknown, State::Gone, State::Missing][random.usize(0..4)];
        }
        night.longest_reboot = secs(random.i64(0..HOUR));
        let all = [
            Address::None,
            Address::None,
            Address::None,
            Address::Silent,
            Address::Untried,
            Address::Answers,
        ];
        night.address = all[random.usize(0..6)];
        night.alive = [None, None, Some(secs(5))][random.usize(0..3)];
        night.sees = random.u8(0..5) > 0;
        night.allowed = random.u8(0..5) > 0;
        let Decision::Place(evidence, _) = night.decide(now) else {
            continue;
        };
        placed += 1;
        assert!(night.sees && night.allowed && matches!(night.address, Address::None | Address::Silent));
        assert_eq!(night.liveness.state, State::Down);
        assert!(!night.node.control_plane() || night.spare_members > Some(0));
        match evidence {
            Evidence::PowerOff => {
                assert_eq!(night.alive, None);
                let power = night.power.unwrap();
                assert!(power.expires_at.0 > at(now) && power.observed_at.0 >= at(-40) && now >= MINUTE);
                assert!(power.observed_at.0 > at(now - 24 * HOUR));
            }
            Evidence::CleanShutdown => {
                assert!(night.liveness.clean_trace && now >= 5 * MINUTE);
                assert!(secs(now) >= night.longest_reboot * 3 / 2);
            }
        }
    }
    assert!(placed > 5000, "{placed}");
}

#[test]
fn durations_are_coarse_and_never_too_short() {
    for (seconds, text) in [
        (0, "0 s"),
        (1, "10 s"),
        (60, "1 min"),
        (61, "2 min"),
        (300, "5 min"),
        (7200, "2 h"),
        (7201, "3 h"),
    ] {
        assert_eq!(rounded(secs(seconds)), text);
    }
    assert_eq!(rounded(Duration::from_millis(100)), "10 s");
}

/// Variant of 58: power is off for all nodes of a machine or for none, and another one of it is alive.
#[test]
fn power_off_is_no_proof_while_another_node_of_the_host_is_alive() {
    let power = || night().off(60, 40 * HOUR);
    assert_eq!(power().outcome(5 * MINUTE), Ok(Evidence::PowerOff));
    let alive = power().with(|night| night.alive = Some(secs(5)));
    let hold = alive.hold(5 * MINUTE);
    assert_eq!(hold.reason, "PowerContradicted");
    assert!(
        hold.message.contains("talos03 on the same host renews its lease"),
        "{hold:?}"
    );
    let going = power().with(|night| night.alive = Some(secs(70)));
    assert_eq!(going.hold(80).reason, "TooEarly", "it may be about to be judged down");
    let clean = alive.clean();
    assert_eq!(
        clean.outcome(HOUR),
        Ok(Evidence::CleanShutdown),
        "a virtual machine that shut down by itself"
    );
}

/// Defect 1: an address that was not tried yet has not answered, and has not been silent either.
#[test]
fn an_address_that_was_not_tried_yet_is_waited_for() {
    let of = |address| night().off(60, 40 * HOUR).with(|night| night.address = address);
    let hold = of(Address::Untried).hold(HOUR);
    assert_eq!(hold.reason, "TooEarly");
    assert!(hold.message.contains("address is tried first"), "{hold:?}");
    assert_eq!(of(Address::Silent).outcome(HOUR), Ok(Evidence::PowerOff));
    assert_eq!(of(Address::Answers).hold(HOUR).reason, "PowerContradicted");
}

/// Defect 3: a person who removes the taint knows better, until the node has been back.
#[test]
fn a_taint_that_another_writer_removed_is_not_set_again() {
    let removed = night().off(60, 40 * HOUR).with(|night| night.removed = true);
    let hold = removed.hold(HOUR);
    assert_eq!(hold.reason, "TaintRemoved");
    assert!(hold.message.contains("kubectl taint nodes talos08"), "{hold:?}");
}
