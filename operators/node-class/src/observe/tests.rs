use super::*;

#[test]
fn what_we_store_ourselves_causes_no_plan() {
    let history: SlimHistory = serde_json::from_value(serde_json::json!({ "metadata": { "name": "a" } })).unwrap();
    let stored = Update::Event(Event::Apply(history.clone()));
    assert!(!is_news(&stored, &Change::<String, ()>::Unchanged));
    assert!(is_news(&stored, &Change::<String, ()>::Updated("a".to_owned())));
    assert!(is_news(
        &Update::Event(Event::Delete(history)),
        &Change::Removed(vec![("a".to_owned(), ())])
    ));
    assert!(is_news(
        &Update::<SlimHistory>::Recovered,
        &Change::<String, ()>::Unchanged
    ));
}
