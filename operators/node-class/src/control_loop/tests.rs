use super::*;

#[test]
fn long_plans_are_followed_by_a_long_rest_but_liveness_is_judged_in_time() {
    assert_eq!(rest(Duration::from_millis(1)), GATHER);
    assert_eq!(rest(Duration::from_millis(100)), Duration::from_millis(900));
    assert_eq!(rest(Duration::from_secs(9)), TICK);
    assert_eq!(recheck(Duration::from_millis(3)), RECHECK);
    assert_eq!(recheck(Duration::from_millis(200)), Duration::from_secs(20));
    assert_eq!(recheck(Duration::from_secs(9)), RECHECK_LATEST);
}
