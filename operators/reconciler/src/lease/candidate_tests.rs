use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

use super::candidate::{Candidate, Failed, Rules, Step, holder};

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn wall() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

fn candidate() -> Candidate {
    Candidate::new("me".into(), Rules::DEFAULT)
}

fn lease(by: &str, version: &str) -> Lease {
    let spec = LeaseSpec {
        holder_identity: Some(by.to_owned()).filter(|by| !by.is_empty()),
        lease_duration_seconds: Some(15),
        lease_transitions: Some(4),
        ..LeaseSpec::default()
    };
    let mut lease = Lease {
        spec: Some(spec),
        ..Lease::default()
    };
    lease.metadata.resource_version = Some(version.to_owned());
    lease.metadata.uid = Some("uid".to_owned());
    lease
}

/// The lease that the candidate writes now.
fn written(candidate: &mut Candidate, now: Duration) -> Lease {
    match candidate.step(now, wall()) {
        Step::Write(lease) => *lease,
        other => panic!("{other:?}"),
    }
}

/// A candidate that leads since `now`, with the lease stored as version 1.
fn leader(now: Duration) -> Candidate {
    let mut c = candidate();
    assert_eq!(c.step(now, wall()), Step::Read);
    c.read(Ok(None), now);
    let lease = stored(written(&mut c, now), "1");
    c.wrote(Ok(lease), now, now);
    assert!(c.held(now).is_some());
    c
}

fn stored(mut lease: Lease, version: &str) -> Lease {
    lease.metadata.uid.get_or_insert_with(|| "uid".to_owned());
    lease.metadata.resource_version = Some(version.to_owned());
    lease
}

#[test]
fn an_absent_lease_is_created_and_a_released_one_taken_at_once() {
    let mut c = candidate();
    c.read(Ok(None), s(1));
    let new = written(&mut c, s(1));
    assert_eq!(holder(&new).map(String::as_str), Some("me"));
    assert_eq!(new.metadata.resource_version, None);

    let mut c = candidate();
    c.read(Ok(Some(lease("", "7"))), s(1));
    let taken = written(&mut c, s(1));
    assert_eq!(taken.metadata.resource_version.as_deref(), Some("7"));
    assert_eq!(taken.spec.unwrap().lease_transitions, Some(5));
}

#[test]
fn another_holder_is_waited_for_until_its_lease_has_not_changed_for_the_duration() {
    let mut c = candidate();
    c.read(Ok(Some(lease("other", "1"))), s(100));
    assert_eq!(c.step(s(100), wall()), Step::Sleep(s(2)));
    assert_eq!(c.step(s(102), wall()), Step::Read);
    c.read(Ok(Some(lease("other", "2"))), s(102));
    assert_eq!(
        c.step(s(116), wall()),
        Step::Sleep(s(2)),
        "renewed at 102: 15 s from there"
    );
    c.read(Ok(Some(lease("other", "2"))), s(118));
    assert_eq!(written(&mut c, s(118)).metadata.resource_version.as_deref(), Some("2"));
}

#[test]
fn a_longer_duration_in_the_lease_is_respected_a_shorter_one_not() {
    for (given, until) in [(60, 60), (1, 15), (100_000, 300)] {
        let mut other = lease("other", "1");
        other.spec.as_mut().unwrap().lease_duration_seconds = Some(given);
        let mut c = candidate();
        c.read(Ok(Some(other.clone())), s(0));
        assert!(matches!(c.step(s(until - 1), wall()), Step::Sleep(_)));
        c.read(Ok(Some(other)), s(until));
        assert!(matches!(c.step(s(until + 2), wall()), Step::Write(_)), "{given}");
    }
}

#[test]
fn an_expired_lease_is_taken_over_only_after_a_fresh_look() {
    let mut c = candidate();
    c.read(Ok(Some(lease("other", "1"))), s(0));
    assert!(matches!(c.step(s(0), wall()), Step::Sleep(_)));
    // The machine slept for an hour; the holder may have renewed all the time.
    assert_eq!(c.step(s(3600), wall()), Step::Read);
    c.read(Ok(Some(lease("other", "900"))), s(3600));
    assert!(matches!(c.step(s(3600), wall()), Step::Sleep(_)));
}

#[test]
fn the_term_counts_from_before_the_request_and_ends_by_itself() {
    let mut c = candidate();
    c.read(Ok(None), s(0));
    let lease = stored(written(&mut c, s(0)), "1");
    c.wrote(Ok(lease), s(0), s(3));
    assert_eq!(c.held(s(3)).unwrap().until, s(10));
    assert!(c.held(s(10)).is_none());
}

#[test]
fn a_renewal_moves_the_deadline_and_keeps_term_and_acquire_time() {
    let mut c = leader(s(0));
    assert_eq!(c.step(s(1), wall()), Step::Sleep(s(1)));
    let before = c.held(s(1)).unwrap();
    let renewed = written(&mut c, s(2));
    assert_eq!(renewed.spec.as_ref().unwrap().lease_transitions, Some(1));
    c.wrote(Ok(stored(renewed, "2")), s(2), s(2));
    let after = c.held(s(2)).unwrap();
    assert_eq!((after.number, after.until), (before.number, s(12)));
}

#[test]
fn a_lost_answer_is_recognised_by_reading_and_the_term_goes_on() {
    let mut c = leader(s(0));
    let renewed = written(&mut c, s(2));
    c.wrote(Err(Failed), s(2), s(5));
    assert!(matches!(c.step(s(5), wall()), Step::Sleep(_)));
    assert_eq!(c.step(s(6), wall()), Step::Read);
    c.read(Ok(Some(stored(renewed, "2"))), s(6));
    let again = written(&mut c, s(6));
    assert_eq!(again.metadata.resource_version.as_deref(), Some("2"));
    assert_eq!(c.held(s(6)).unwrap().until, s(10), "reading alone moves no deadline");
    c.wrote(Ok(stored(again, "3")), s(6), s(6));
    assert_eq!(c.held(s(6)).unwrap().until, s(16));
}

#[test]
fn a_conflict_while_still_the_holder_is_no_loss_and_with_another_holder_it_is_one() {
    let mut c = leader(s(0));
    let _ = written(&mut c, s(2));
    c.wrote(Err(Failed), s(2), s(2));
    c.read(Ok(Some(lease("me", "9"))), s(3));
    assert!(c.held(s(3)).is_some());
    let _ = written(&mut c, s(3));
    c.wrote(Err(Failed), s(3), s(3));
    c.read(Ok(Some(lease("other", "10"))), s(4));
    assert!(c.held(s(4)).is_none());
}

#[test]
fn a_holder_that_slept_through_its_deadline_begins_a_new_term() {
    let mut c = leader(s(0));
    let first = c.held(s(1)).unwrap().number;
    assert!(c.held(s(3600)).is_none());
    let again = written(&mut c, s(3600));
    assert_eq!(
        again.metadata.resource_version.as_deref(),
        Some("1"),
        "a rival's write makes this one a conflict"
    );
    c.wrote(Ok(stored(again, "2")), s(3600), s(3600));
    assert!(c.held(s(3600)).unwrap().number > first);
}

#[test]
fn an_answer_that_comes_after_the_deadline_revives_nothing() {
    let mut c = leader(s(0));
    let renewed = written(&mut c, s(9));
    c.wrote(Ok(stored(renewed, "2")), s(9), s(11));
    assert!(c.held(s(11)).is_none());
}

#[test]
fn a_deleted_lease_ends_the_term_and_a_new_one_begins_none_before_any_other_can_be_over() {
    let mut c = leader(s(0));
    c.read(Ok(None), s(3));
    assert!(c.held(s(3)).is_none());
    let mut new = stored(written(&mut c, s(3)), "2");
    new.metadata.uid = Some("new".to_owned());
    c.wrote(Ok(new.clone()), s(3), s(3));
    assert!(c.held(s(3)).is_none() && matches!(c.step(s(3), wall()), Step::Sleep(_)));
    c.read(Ok(Some(new.clone())), s(17));
    assert!(matches!(c.step(s(17), wall()), Step::Sleep(_)));
    c.read(Ok(Some(new)), s(19));
    let taken = written(&mut c, s(19));
    assert_eq!(taken.metadata.resource_version.as_deref(), Some("2"));
}

#[test]
fn a_late_request_of_ours_that_creates_a_deleted_lease_again_begins_no_term() {
    let mut c = candidate();
    c.read(Ok(Some(lease("other", "5"))), s(0));
    let mut ours = lease("me", "9");
    ours.metadata.uid = Some("another uid".to_owned());
    c.read(Ok(Some(ours.clone())), s(100));
    assert!(matches!(c.step(s(100), wall()), Step::Sleep(_)));
    c.read(Ok(Some(ours.clone())), s(110));
    assert!(matches!(c.step(s(110), wall()), Step::Sleep(_)));
    c.read(Ok(Some(ours)), s(115));
    assert!(matches!(c.step(s(115), wall()), Step::Write(_)));
}

#[test]
fn giving_back_empties_the_holder_of_the_version_last_seen_and_only_if_it_is_ours() {
    let c = leader(s(0));
    let released = c.release(wall()).unwrap();
    assert_eq!(
        (holder(&released), released.metadata.resource_version.as_deref()),
        (None, Some("1"))
    );
    let mut other = candidate();
    other.read(Ok(Some(lease("other", "1"))), s(0));
    assert!(other.release(wall()).is_none());
}

#[test]
fn a_server_that_refuses_everything_is_not_hammered() {
    let mut c = candidate();
    let mut now = s(0);
    let mut requests = 0;
    while now < s(60) {
        match c.step(now, wall()) {
            Step::Sleep(time) => now += time,
            Step::Read => {
                requests += 1;
                c.read(Ok(None), now);
            }
            Step::Write(_) => {
                requests += 1;
                c.wrote(Err(Failed), now, now);
            }
        }
    }
    assert!(requests <= 62, "{requests} requests in a minute");
}

fn renewed(mut lease: Lease, second: i64) -> Lease {
    let at = Timestamp::from_second(second).unwrap();
    lease.spec.get_or_insert_default().renew_time = Some(MicroTime(at));
    lease
}

fn former_renewal(candidate: &Candidate, now: Duration) -> Option<i64> {
    let held = candidate.held(now).expect("it leads");
    held.former_renewal.map(Timestamp::as_second)
}

/// A candidate that has waited for another holder's lease, which was renewed at second 77, and takes it now.
fn takes_over(now: Duration) -> Candidate {
    let mut c = candidate();
    let others = renewed(lease("other", "1"), 77);
    c.read(Ok(Some(others.clone())), now.saturating_sub(s(15)));
    c.read(Ok(Some(others)), now);
    c
}

#[test]
fn the_former_renewal_is_that_of_the_term_before_and_stays_while_the_term_is_renewed() {
    let mut c = takes_over(s(100));
    let mine = stored(written(&mut c, s(100)), "2");
    c.wrote(Ok(mine), s(100), s(100));
    assert_eq!(former_renewal(&c, s(100)), Some(77));
    let renewal = renewed(stored(written(&mut c, s(102)), "3"), 500);
    c.wrote(Ok(renewal), s(102), s(102));
    assert_eq!(former_renewal(&c, s(102)), Some(77));
    // The term runs out. The next one follows our own last renewal.
    c.read(Ok(Some(renewed(lease("me", "3"), 500))), s(120));
    let again = stored(written(&mut c, s(120)), "4");
    c.wrote(Ok(again), s(120), s(120));
    assert_eq!(former_renewal(&c, s(120)), Some(500));
}

#[test]
fn the_former_renewal_survives_a_lost_answer_to_the_write_that_takes_the_lease() {
    let mut c = takes_over(s(100));
    let mine = renewed(stored(written(&mut c, s(100)), "2"), 500);
    c.wrote(Err(Failed), s(100), s(103));
    c.read(Ok(Some(mine)), s(106));
    let second = stored(written(&mut c, s(106)), "3");
    c.wrote(Ok(second), s(106), s(106));
    assert_eq!(former_renewal(&c, s(106)), Some(77));
}

#[test]
fn there_is_no_former_renewal_without_a_lease() {
    assert_eq!(former_renewal(&leader(s(5)), s(5)), None);
}
