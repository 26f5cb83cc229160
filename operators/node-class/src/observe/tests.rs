use super::*;

#[test]
fn what_we_store_ourselves_causes_no_plan() {
    let history = SlimHistory::default();
    let stored = Update::Event(Event::Apply(history.clone()));
    assert!(!is_news(&stored, &Change::Unchanged));
    assert!(is_news(&stored, &Change::Updated("a".to_owned())));
    assert!(is_news(
        &Update::Event(Event::Delete(history)),
        &Change::Removed(vec![("a".to_owned(), ())])
    ));
    assert!(is_news(&Update::Recovered, &Change::Unchanged));
}
