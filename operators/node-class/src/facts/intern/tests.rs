use std::collections::BTreeMap;

use super::*;

#[test]
fn equal_texts_are_kept_once() {
    let mut pool = Pool::default();
    let (a, b) = (pool.get("kubernetes.io/os"), pool.get("kubernetes.io/os"));
    assert!(Arc::ptr_eq(&a, &b));
    assert_eq!(pool.known.len(), 1);
}

#[test]
fn unused_texts_are_dropped() {
    let mut pool = Pool::default();
    let kept = pool.get("kept");
    for number in 0..5 * LEAST {
        pool.get(&number.to_string());
    }
    assert!(pool.known.len() <= LEAST, "{}", pool.known.len());
    assert!(Arc::ptr_eq(&kept, &pool.get("kept")));
}

#[test]
fn texts_are_found_by_their_keys() {
    let of: BTreeMap<String, String> = [("b", "2"), ("a", "1")]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
    let texts = texts(&of);
    assert_eq!(texts.get("b").map(|value| &**value), Some("2"));
    assert_eq!(texts.get("c"), None);
}
