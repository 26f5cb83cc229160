use super::*;

#[test]
fn an_address_without_a_port_means_ssh() {
    for (given, expected) in [
        ("192.0.2.30", "192.0.2.30:22"),
        ("192.0.2.30:3389", "192.0.2.30:3389"),
        ("gamer.home.arpa", "gamer.home.arpa:22"),
        ("2001:db8::1", "[2001:db8::1]:22"),
        ("[2001:db8::1]:80", "[2001:db8::1]:80"),
        ("[2001:db8::1]", "[2001:db8::1]:22"),
    ] {
        assert_eq!(with_port(given), expected);
    }
}

#[tokio::test]
async fn accepted_and_refused_connections_are_answers() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    assert!(answers_at(&address).await);
    drop(listener);
    assert!(answers_at(&address).await, "refused, so a machine is there");
}

#[tokio::test]
async fn an_address_that_cannot_be_tried_is_no_answer() {
    assert!(!answers_at("no port").await);
}
