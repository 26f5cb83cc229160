//! Pages, zones, and what a large zone costs.

use aws_sdk_route53::types::{HostedZoneConfig, Vpc, VpcRegion};
use hearth_e2e::fake_route53::Mark;

use super::*;

#[tokio::test]
async fn seven_hundred_sets_come_in_pages_of_the_services_order() {
    let bench = Bench::start().await;
    let sets = (0..700).map(|n| RecordSet::simple(&format!("n{n:03}.example.org"), "A", 60, &["192.0.2.1"]));
    bench.control().put_all(&bench.zone, sets).unwrap();
    bench
        .change(&[create(set("*.example.org", "TXT", 60, &["\"a \\\"b\\\" & <c>\""]))])
        .await
        .unwrap();

    let mark = bench.control().mark();
    let listed = list(&bench.client, &bench.zone, Some(1000)).await;
    assert_eq!(
        bench.control().calls_since(mark).len(),
        3,
        "pages have at most 300 sets"
    );
    assert_eq!(listed.len(), 703);
    let names: Vec<_> = listed.iter().map(ResourceRecordSet::name).collect();
    assert_eq!(
        &names[..4],
        [
            "example.org.",
            "example.org.",
            "\\052.example.org.",
            "n000.example.org."
        ]
    );
    assert_eq!(listed[2].resource_records()[0].value(), "\"a \\\"b\\\" & <c>\"");
    assert!(names[3..].is_sorted());
    assert_eq!(list(&bench.client, &bench.zone, Some(7)).await, listed);

    // Either spelling of a wildcard finds it, and a start need not exist.
    for (start, found) in [
        ("*.example.org", "\\052.example.org."),
        ("\\052.example.org", "\\052.example.org."),
        ("n0999.example.org", "n100.example.org."),
    ] {
        let page = bench
            .client
            .list_resource_record_sets()
            .hosted_zone_id(&bench.zone)
            .start_record_name(start)
            .max_items(1);
        assert_eq!(
            page.send().await.unwrap().resource_record_sets()[0].name(),
            found,
            "{start}"
        );
    }
    let typed = bench
        .client
        .list_resource_record_sets()
        .hosted_zone_id(&bench.zone)
        .start_record_type(RrType::A);
    assert_eq!(
        typed.send().await.unwrap_err().into_service_error().code(),
        Some("InvalidInput")
    );
}

#[tokio::test]
async fn zones_of_one_name_are_told_apart() {
    let bench = Bench::start().await;
    let vpc = Vpc::builder()
        .vpc_id("vpc-12345678")
        .vpc_region(VpcRegion::UsEast1)
        .build();
    let config = HostedZoneConfig::builder().private_zone(true).build();
    let private = bench
        .client
        .create_hosted_zone()
        .name("example.org")
        .caller_reference("private")
        .vpc(vpc)
        .hosted_zone_config(config);
    let private = private
        .send()
        .await
        .unwrap()
        .hosted_zone()
        .unwrap()
        .id()
        .trim_start_matches("/hostedzone/")
        .to_owned();
    change(&bench.client, &private, &[create(a("www.example.org", "10.0.0.1"))])
        .await
        .unwrap();
    create_zone(&bench.client, "zzz.example.com").await;

    assert_eq!(bench.list().await.len(), 2);
    let zones = bench
        .client
        .list_hosted_zones_by_name()
        .dns_name("example.org")
        .send()
        .await
        .unwrap();
    assert_eq!(zones.hosted_zones().len(), 2);
    assert!(
        zones
            .hosted_zones()
            .iter()
            .any(|zone| zone.config().unwrap().private_zone())
    );
    let first = bench
        .client
        .list_hosted_zones_by_name()
        .max_items(1)
        .send()
        .await
        .unwrap();
    assert!(first.is_truncated() && first.hosted_zones()[0].name() == "zzz.example.com.");
    assert_eq!(first.next_dns_name(), Some("example.org."));

    let mut ids = Vec::new();
    let mut marker = None;
    loop {
        let page = bench
            .client
            .list_hosted_zones()
            .max_items(2)
            .set_marker(marker)
            .send()
            .await
            .unwrap();
        ids.extend(page.hosted_zones().iter().map(|zone| zone.id().to_owned()));
        marker = page.next_marker().map(str::to_owned);
        if !page.is_truncated() {
            break;
        }
    }
    assert_eq!(ids.len(), 3);
    let described = bench.client.get_hosted_zone().id(&private).send().await.unwrap();
    assert_eq!(described.hosted_zone().unwrap().resource_record_set_count(), Some(3));
    assert_eq!(described.vpcs().len(), 1);

    let full = bench
        .client
        .delete_hosted_zone()
        .id(&private)
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert!(full.is_hosted_zone_not_empty());
    change(&bench.client, &private, &[delete(a("www.example.org", "10.0.0.1"))])
        .await
        .unwrap();
    bench.client.delete_hosted_zone().id(&private).send().await.unwrap();
    let error = change(&bench.client, &private, &[create(a("www.example.org", "10.0.0.1"))])
        .await
        .unwrap_err();
    assert!(error.is_no_such_hosted_zone());
    let error = bench
        .client
        .list_resource_record_sets()
        .hosted_zone_id("ZNONE")
        .send()
        .await
        .unwrap_err();
    assert!(error.into_service_error().is_no_such_hosted_zone());
}

/// The operator's latency is measured through the fake, which must not be what is measured.
#[tokio::test]
async fn a_large_zone_costs_no_more_than_a_small_one() {
    let bench = Bench::start().await;
    let sets = (0..20_000).map(|n| RecordSet::simple(&format!("n{n:05}.example.org"), "A", 60, &["192.0.2.1"]));
    bench.control().put_all(&bench.zone, sets).unwrap();
    let mut took = Vec::new();
    for n in 0..200 {
        let name = format!("n{n:05}.example.org");
        let start = Instant::now();
        bench
            .change(&[delete(a(&name, "192.0.2.1")), create(a(&name, "192.0.2.2"))])
            .await
            .unwrap();
        took.push(start.elapsed());
    }
    let mut inside: Vec<_> = bench
        .control()
        .writes_since(Mark::default())
        .iter()
        .map(|call| call.took)
        .collect();
    took.sort_unstable();
    inside.sort_unstable();
    let start = Instant::now();
    assert_eq!(list(&bench.client, &bench.zone, Some(300)).await.len(), 20_002);
    println!(
        "swap: client p50 {:?} p95 {:?}, fake p50 {:?} p95 {:?}",
        took[100], took[190], inside[100], inside[190]
    );
    println!("list of 20,002: {:?}", start.elapsed());
    assert!(inside[100] < Duration::from_millis(5), "a swap takes {:?}", inside[100]);
}
