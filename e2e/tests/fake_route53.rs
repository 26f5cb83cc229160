//! The fake Route 53 through the vendor's own client: what it accepts, what it refuses, what it lists.
//!
//! Each test has its own moto and fake. `HEARTH_MOTO` names the `moto_server` program (see `hack/tools/moto`).

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests")]

use std::time::{Duration, Instant};

use aws_sdk_route53::Client;
use aws_sdk_route53::error::ProvideErrorMetadata as _;
use aws_sdk_route53::operation::change_resource_record_sets::ChangeResourceRecordSetsError;
use aws_sdk_route53::types::{
    AliasTarget, Change, ChangeAction, ChangeBatch, ResourceRecord, ResourceRecordSet, RrType,
};
use hearth_e2e::fake_route53::{Control, ErrorForm, FakeRoute53, FakeRoute53Handle, Mark, Moto, RecordSet, client};

#[path = "fake_route53/faults.rs"]
mod faults;
#[path = "fake_route53/identity.rs"]
mod identity;
#[path = "fake_route53/listing.rs"]
mod listing;

/// A fake with one public zone `example.org`.
struct Bench {
    moto: Moto,
    fake: FakeRoute53Handle,
    client: Client,
    zone: String,
}

impl Bench {
    async fn start() -> Self {
        let moto = Moto::start().await.unwrap();
        let fake = FakeRoute53::start("127.0.0.1:0".parse().unwrap(), moto.uri())
            .await
            .unwrap();
        let client = client(&fake.endpoint(), "AKIATEST");
        let zone = create_zone(&client, "example.org").await;
        Self {
            moto,
            fake,
            client,
            zone,
        }
    }

    fn control(&self) -> Control {
        self.fake.control()
    }

    async fn change(&self, changes: &[Change]) -> Result<(), ChangeResourceRecordSetsError> {
        change(&self.client, &self.zone, changes).await
    }

    /// The texts of a refused batch.
    async fn refused(&self, changes: &[Change]) -> String {
        let error = self.change(changes).await.unwrap_err();
        assert!(
            matches!(error, ChangeResourceRecordSetsError::InvalidChangeBatch(_)),
            "{error:?}"
        );
        error.message().unwrap().to_owned()
    }

    async fn list(&self) -> Vec<ResourceRecordSet> {
        list(&self.client, &self.zone, None).await
    }
}

async fn create_zone(client: &Client, name: &str) -> String {
    let reference = format!("{name}-{:?}", Instant::now());
    let created = client
        .create_hosted_zone()
        .name(name)
        .caller_reference(reference)
        .send()
        .await
        .unwrap();
    created
        .hosted_zone()
        .unwrap()
        .id()
        .trim_start_matches("/hostedzone/")
        .to_owned()
}

async fn change(client: &Client, zone: &str, changes: &[Change]) -> Result<(), ChangeResourceRecordSetsError> {
    let batch = ChangeBatch::builder()
        .set_changes(Some(changes.to_vec()))
        .build()
        .unwrap();
    let answer = client
        .change_resource_record_sets()
        .hosted_zone_id(zone)
        .change_batch(batch)
        .send()
        .await;
    answer
        .map(drop)
        .map_err(aws_sdk_route53::error::SdkError::into_service_error)
}

/// All sets, page by page.
async fn list(client: &Client, zone: &str, page: Option<i32>) -> Vec<ResourceRecordSet> {
    let mut sets = Vec::new();
    let mut request = client
        .list_resource_record_sets()
        .hosted_zone_id(zone)
        .set_max_items(page);
    loop {
        let answer = request.send().await.unwrap();
        sets.extend_from_slice(answer.resource_record_sets());
        if !answer.is_truncated() {
            return sets;
        }
        request = client
            .list_resource_record_sets()
            .hosted_zone_id(zone)
            .set_max_items(page)
            .set_start_record_name(answer.next_record_name().map(str::to_owned))
            .set_start_record_type(answer.next_record_type().cloned())
            .set_start_record_identifier(answer.next_record_identifier().map(str::to_owned));
    }
}

fn set(name: &str, kind: &str, ttl: i64, values: &[&str]) -> ResourceRecordSet {
    let records = values
        .iter()
        .map(|value| ResourceRecord::builder().value(*value).build().unwrap())
        .collect();
    ResourceRecordSet::builder()
        .name(name)
        .r#type(RrType::from(kind))
        .ttl(ttl)
        .set_resource_records(Some(records))
        .build()
        .unwrap()
}

fn a(name: &str, value: &str) -> ResourceRecordSet {
    set(name, "A", 60, &[value])
}

fn to(action: ChangeAction, set: ResourceRecordSet) -> Change {
    Change::builder()
        .action(action)
        .resource_record_set(set)
        .build()
        .unwrap()
}

fn create(set: ResourceRecordSet) -> Change {
    to(ChangeAction::Create, set)
}

fn delete(set: ResourceRecordSet) -> Change {
    to(ChangeAction::Delete, set)
}

fn upsert(set: ResourceRecordSet) -> Change {
    to(ChangeAction::Upsert, set)
}

#[tokio::test]
async fn compare_and_swap_holds() {
    let bench = Bench::start().await;
    let (old, new) = (a("www.example.org", "192.0.2.1"), a("www.example.org", "192.0.2.2"));
    bench.change(&[create(old.clone())]).await.unwrap();
    bench.change(&[delete(old.clone()), create(new.clone())]).await.unwrap();

    // The same swap again finds another value, and says so in the words and the form of the service.
    let message = bench.refused(&[delete(old.clone()), create(new.clone())]).await;
    assert_eq!(
        message,
        "[Tried to delete resource record set [name='www.example.org.', type='A'] but the values provided do not match the \
         current values, Tried to create resource record set [name='www.example.org.', type='A'] but it already exists]"
    );
    let listed = bench.list().await;
    let listed = listed.iter().find(|set| set.name() == "www.example.org.").unwrap();
    assert_eq!(listed.resource_records()[0].value(), "192.0.2.2");
    assert_eq!(listed.ttl(), Some(60));

    bench
        .control()
        .put(
            &bench.zone,
            RecordSet::simple("www.example.org", "A", 60, &["203.0.113.1"]),
        )
        .unwrap();
    bench.refused(&[delete(new)]).await;
    assert_eq!(bench.control().edits_of("www.example.org").len(), 6);
    assert_eq!(
        bench
            .control()
            .writes_since(Mark::default())
            .iter()
            .filter(|call| call.applied)
            .count(),
        2
    );
}

#[tokio::test]
async fn messages_arrive_in_each_form() {
    let bench = Bench::start().await;
    let batch = [
        delete(a("a.example.org", "192.0.2.1")),
        delete(a("b.example.org", "192.0.2.1")),
    ];
    let refused = async |form| {
        bench.control().error_form(form);
        bench.change(&batch).await.unwrap_err()
    };
    // Today's service sends one message, so the client's list is empty.
    let ChangeResourceRecordSetsError::InvalidChangeBatch(today) = refused(ErrorForm::Today).await else {
        panic!()
    };
    assert!(today.messages().is_empty() && today.message().unwrap().matches("but it was not found").count() == 2);
    let ChangeResourceRecordSetsError::InvalidChangeBatch(listed) = refused(ErrorForm::Modelled).await else {
        panic!()
    };
    assert_eq!(listed.messages().len(), 2);
    assert_eq!(
        listed.messages()[0],
        "Tried to delete resource record set [name='a.example.org.', type='A'] but it was not found"
    );
    let former = refused(ErrorForm::Former).await;
    assert!(
        !matches!(former, ChangeResourceRecordSetsError::InvalidChangeBatch(_)),
        "{former:?}"
    );
}

#[tokio::test]
async fn a_refused_batch_changes_nothing() {
    let bench = Bench::start().await;
    bench
        .change(&[create(set("c.example.org", "CNAME", 60, &["a.example.net"]))])
        .await
        .unwrap();
    let before = bench.list().await;
    let message = bench
        .refused(&[
            create(a("new.example.org", "192.0.2.1")),
            create(a("c.example.org", "192.0.2.1")),
            upsert(set("t.example.org", "TXT", 60, &["bare"])),
            create(a("www.other.org", "192.0.2.1")),
        ])
        .await;
    for part in [
        "conflicting RRSet of type  CNAME",
        "InvalidCharacterString",
        "is not permitted in zone example.org.",
    ] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(bench.list().await, before);

    let error = bench
        .change(&[create(
            ResourceRecordSet::builder()
                .name("x.example.org")
                .r#type(RrType::A)
                .ttl(60)
                .build()
                .unwrap(),
        )])
        .await;
    assert_eq!(error.unwrap_err().code(), Some("InvalidInput"));
    let many: Vec<_> = (0..1001)
        .map(|n| create(a(&format!("n{n}.example.org"), "192.0.2.1")))
        .collect();
    assert_eq!(
        bench.refused(&many).await,
        "[Number of records limit of 1000 exceeded.]"
    );
    assert_eq!(bench.list().await, before);
}

#[tokio::test]
async fn weights_and_aliases_keep_their_rules() {
    let bench = Bench::start().await;
    let weighted = |id: &str, weight| {
        let mut set = a("w.example.org", "192.0.2.1");
        (set.set_identifier, set.weight) = (Some(id.to_owned()), Some(weight));
        set
    };
    bench
        .change(&[create(weighted("one", 1)), create(weighted("two", 255))])
        .await
        .unwrap();
    assert!(
        bench
            .refused(&[create(a("w.example.org", "192.0.2.2"))])
            .await
            .contains("other RRSets exist")
    );
    assert!(
        bench
            .refused(&[delete(weighted("one", 2))])
            .await
            .contains("do not match")
    );
    bench.change(&[delete(weighted("one", 1))]).await.unwrap();
    assert_eq!(
        bench
            .change(&[create(weighted("three", 256))])
            .await
            .unwrap_err()
            .code(),
        Some("InvalidInput")
    );

    let alias = |zone: &str, target: &str| {
        let target = AliasTarget::builder()
            .hosted_zone_id(zone)
            .dns_name(target)
            .evaluate_target_health(true);
        ResourceRecordSet::builder()
            .name("example.org")
            .r#type(RrType::A)
            .alias_target(target.build().unwrap())
            .build()
            .unwrap()
    };
    assert!(
        bench
            .refused(&[create(alias(&bench.zone, "none.example.org"))])
            .await
            .contains("that target was not found")
    );
    assert!(
        bench
            .refused(&[create(alias("Z0", "lb.us-east-1.elb.amazonaws.com"))])
            .await
            .contains("does not lie within")
    );
    let balancer = alias("Z35SXDOTRQ7X7K", "lb-1.us-east-1.elb.amazonaws.com");
    bench.change(&[create(balancer)]).await.unwrap();
    let listed = bench.list().await;
    let apex = listed
        .iter()
        .find(|set| set.name() == "example.org." && *set.r#type() == RrType::A)
        .unwrap();
    assert_eq!(
        apex.alias_target().unwrap().dns_name(),
        "lb-1.us-east-1.elb.amazonaws.com."
    );
    assert_eq!(apex.ttl(), None);
}
