//! Reads a change batch and refuses what Route 53 refuses before it looks at the zone (`InvalidInput`, `MalformedInput`).
//!
//! Sources: `ChangeResourceRecordSets`,
//! <https://docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeResourceRecordSets.html>, and for each field's limits
//! `ResourceRecordSet`, <https://docs.aws.amazon.com/Route53/latest/APIReference/API_ResourceRecordSet.html>.
//! Wording as users met it: "Expected exactly one of" boto/boto3#3161, "Missing field"
//! ansible-collections/community.aws#615 (also for `MultiValueAnswer=false`, DevelopingSpace/starchart#446), "is not valid,
//! expected" stalwartlabs/dns-update#44. The "validation error detected" sentences are the service framework's usual
//! form; their exact text was not seen for each field.

use super::errors::ErrorResponse;
use super::record::{Action, Alias, Change, RecordSet, Routing};
use super::xml::{self, Element};

/// The types of `RRType` in the API's model.
const KINDS: [&str; 17] = [
    "SOA", "A", "TXT", "NS", "CNAME", "MX", "NAPTR", "PTR", "SRV", "SPF", "AAAA", "CAA", "DS", "TLSA", "SSHFP", "SVCB",
    "HTTPS",
];

/// The changes of a request body, in order.
pub fn change_batch(body: &str) -> Result<Vec<Change>, ErrorResponse> {
    let root = xml::parse(body).map_err(|error| malformed(&format!("{error:#}")))?;
    if root.name != "ChangeResourceRecordSetsRequest" {
        return Err(malformed(&format!(
            "{} is not valid, expected ChangeResourceRecordSetsRequest",
            root.name
        )));
    }
    let batch = root
        .child("ChangeBatch")
        .ok_or_else(|| malformed("ChangeBatch is missing"))?;
    if batch
        .text_of("Comment")
        .is_some_and(|comment| comment.chars().count() > 256)
    {
        return Err(constraint(
            "…",
            "changeBatch.comment",
            "length less than or equal to 256",
        ));
    }
    let changes = batch.child("Changes").map_or(&[][..], |changes| &changes.children);
    if changes.is_empty() {
        return Err(constraint(
            "[]",
            "changeBatch.changes",
            "length greater than or equal to 1",
        ));
    }
    changes
        .iter()
        .enumerate()
        .map(|(index, element)| change(index + 1, element))
        .collect()
}

fn change(number: usize, element: &Element) -> Result<Change, ErrorResponse> {
    let at = format!("changeBatch.changes.{number}.member");
    let action = match element.text_of("Action") {
        Some("CREATE") => Action::Create,
        Some("DELETE") => Action::Delete,
        Some("UPSERT") => Action::Upsert,
        other => {
            let allowed = "satisfy enum value set: [CREATE, DELETE, UPSERT]";
            return Err(constraint(other.unwrap_or("null"), &format!("{at}.action"), allowed));
        }
    };
    let element = element
        .child("ResourceRecordSet")
        .ok_or_else(|| malformed("ResourceRecordSet is missing"))?;
    let set = record_set(element, &format!("{at}.resourceRecordSet"))?;
    complete(action, element, &set)?;
    Ok(Change { action, set })
}

/// Reads one `<ResourceRecordSet>` and checks each field by itself. `at` is its path for messages.
pub fn record_set(element: &Element, at: &str) -> Result<RecordSet, ErrorResponse> {
    for child in &element.children {
        let known = [
            "Name",
            "Type",
            "SetIdentifier",
            "Weight",
            "Region",
            "Failover",
            "MultiValueAnswer",
            "GeoLocation",
            "TTL",
            "ResourceRecords",
            "AliasTarget",
            "HealthCheckId",
        ];
        if !known.contains(&child.name.as_str()) {
            return Err(malformed(&format!("{} is not known to the fake Route 53", child.name)));
        }
    }
    let text = |name: &str| element.text_of(name).map(str::to_owned);
    let name = text("Name").ok_or_else(|| malformed("Name is missing"))?;
    let kind = text("Type").filter(|kind| KINDS.contains(&kind.as_str()));
    let kind = kind.ok_or_else(|| {
        let value = element.text_of("Type").unwrap_or("null");
        constraint(
            value,
            &format!("{at}.type"),
            &format!("satisfy enum value set: [{}]", KINDS.join(", ")),
        )
    })?;
    let set_identifier = text("SetIdentifier");
    if set_identifier
        .as_ref()
        .is_some_and(|id| !(1..=128).contains(&id.chars().count()))
    {
        let value = set_identifier.unwrap_or_default();
        return Err(constraint(
            &value,
            &format!("{at}.setIdentifier"),
            "length between 1 and 128",
        ));
    }
    let alias = element.child("AliasTarget").map(alias_target).transpose()?;
    let records = element
        .child("ResourceRecords")
        .map_or(&[][..], |records| &records.children);
    let values = records
        .iter()
        .map(|record| {
            record
                .text_of("Value")
                .map(str::to_owned)
                .ok_or_else(|| malformed("Value is missing"))
        })
        .collect::<Result<Vec<_>, _>>()?;
    if let Some(long) = values.iter().find(|value| value.chars().count() > 4000) {
        let place = format!("{at}.resourceRecords.1.member.value");
        return Err(constraint(long, &place, "length less than or equal to 4000"));
    }
    let ttl = number(element, at, "TTL", 2_147_483_647)?;
    let routing = routing(element, at)?;
    Ok(RecordSet {
        name,
        kind,
        set_identifier,
        routing,
        ttl,
        values,
        alias,
        health_check: text("HealthCheckId"),
    })
}

fn alias_target(element: &Element) -> Result<Alias, ErrorResponse> {
    let field = |name: &str| {
        let missing = || {
            malformed(&format!(
                "The content of element 'AliasTarget' is not complete, {name} is expected."
            ))
        };
        element.text_of(name).map(str::to_owned).ok_or_else(missing)
    };
    let evaluate_health = field("EvaluateTargetHealth")? == "true";
    Ok(Alias {
        zone: field("HostedZoneId")?,
        name: field("DNSName")?,
        evaluate_health,
    })
}

fn routing(element: &Element, at: &str) -> Result<Routing, ErrorResponse> {
    let text = |name: &str| element.text_of(name).map(str::to_owned);
    let geo = element.child("GeoLocation").map(|geo| Routing::Geo {
        continent: geo.text_of("ContinentCode").map(str::to_owned),
        country: geo.text_of("CountryCode").map(str::to_owned),
        subdivision: geo.text_of("SubdivisionCode").map(str::to_owned),
    });
    let multivalue = text("MultiValueAnswer").map(|on| Routing::MultiValue(on == "true"));
    let weight = number(element, at, "Weight", 255)?.map(Routing::Weighted);
    let given = [
        weight,
        text("Region").map(Routing::Latency),
        text("Failover").map(Routing::Failover),
        geo,
        multivalue,
    ];
    let mut given = given.into_iter().flatten();
    let routing = given.next().unwrap_or_default();
    if given.next().is_some() {
        return Err(input(
            "Invalid request: Expected at most one of [Weight, Region, Failover, GeoLocation, \
                          MultiValueAnswer], but found more than one",
        ));
    }
    Ok(routing)
}

/// Rules between the fields of one change.
fn complete(action: Action, element: &Element, set: &RecordSet) -> Result<(), ErrorResponse> {
    let id = set.set_identifier.as_deref().unwrap_or("null");
    let change = format!(
        "[Action={}, Name={}, Type={}, SetIdentifier={id}]",
        action.as_str(),
        set.name,
        set.kind
    );
    let has_records = element.child("ResourceRecords").is_some();
    let found = match (&set.alias, set.ttl, set.values.is_empty()) {
        (Some(_), None, true) if !has_records => None,
        (None, Some(_), false) => None,
        (Some(_), ..) => Some("more than one"),
        (None, ..) => Some("none"),
    };
    if let Some(found) = found {
        return Err(input(&format!(
            "Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or \
             TrafficPolicyInstanceId], but found {found} in Change with {change}"
        )));
    }
    match (set.routing.policy(), &set.set_identifier) {
        (Some(_), None) => Err(input(&format!(
            "Invalid request: Missing field 'SetIdentifier' in Change with {change}"
        ))),
        (None, Some(_)) => Err(input(&format!(
            "Invalid request: Expected exactly one of [Weight, Region, Failover, GeoLocation, or MultiValueAnswer], but \
             found none in Change with {change}"
        ))),
        _ => Ok(()),
    }
}

/// A whole number from 0 to `most`.
fn number(element: &Element, at: &str, name: &str, most: i64) -> Result<Option<i64>, ErrorResponse> {
    let Some(text) = element.text_of(name) else {
        return Ok(None);
    };
    let place = format!("{at}.{}", name.to_ascii_lowercase());
    match text.parse::<i64>() {
        Ok(value) if (0..=most).contains(&value) => Ok(Some(value)),
        Ok(value) if value < 0 => Err(constraint(text, &place, "value greater than or equal to 0")),
        _ => Err(constraint(text, &place, &format!("value less than or equal to {most}"))),
    }
}

fn malformed(message: &str) -> ErrorResponse {
    ErrorResponse::new(400, "MalformedInput", message)
}

fn input(message: &str) -> ErrorResponse {
    ErrorResponse::new(400, "InvalidInput", message)
}

fn constraint(value: &str, place: &str, rule: &str) -> ErrorResponse {
    let rule = if rule.starts_with("satisfy") {
        rule.to_owned()
    } else {
        format!("have {rule}")
    };
    input(&format!(
        "1 validation error detected: Value '{value}' at '{place}' failed to satisfy constraint: Member must {rule}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(set: &str) -> Result<Vec<Change>, ErrorResponse> {
        change_batch(&format!(
            "<ChangeResourceRecordSetsRequest xmlns=\"{}\"><ChangeBatch><Changes><Change><Action>CREATE</Action>\
             <ResourceRecordSet>{set}</ResourceRecordSet></Change></Changes></ChangeBatch>\
             </ChangeResourceRecordSetsRequest>",
            xml::NAMESPACE
        ))
    }

    const NAME: &str = "<Name>a.example.org</Name><Type>A</Type>";
    const VALUE: &str = "<ResourceRecords><ResourceRecord><Value>192.0.2.1</Value></ResourceRecord></ResourceRecords>";
    const ALIAS: &str = "<AliasTarget><HostedZoneId>Z1</HostedZoneId><DNSName>b.example.org</DNSName>\
                         <EvaluateTargetHealth>false</EvaluateTargetHealth></AliasTarget>";

    #[test]
    fn complete_sets_are_read() {
        for set in [
            format!("{NAME}<TTL>0</TTL>{VALUE}"),
            format!("{NAME}<TTL>2147483647</TTL>{VALUE}"),
            format!("{NAME}{ALIAS}"),
            format!("{NAME}<SetIdentifier>x</SetIdentifier><Weight>255</Weight><TTL>60</TTL>{VALUE}"),
        ] {
            let changes = batch(&set).unwrap();
            let mut written = String::new();
            changes[0].set.write(&mut written);
            assert_eq!(
                record_set(&xml::parse(&written).unwrap(), "").unwrap(),
                changes[0].set,
                "{set}"
            );
        }
    }

    #[test]
    fn incomplete_or_contradictory_sets_are_refused() {
        let id = "<SetIdentifier>x</SetIdentifier>";
        for (set, message) in [
            (
                NAME.to_owned(),
                "but found none in Change with [Action=CREATE, Name=a.example.org, Type=A, SetIdentifier=null]",
            ),
            (format!("{NAME}{VALUE}"), "but found none"),
            (format!("{NAME}<TTL>60</TTL>"), "but found none"),
            (
                format!("{NAME}<TTL>60</TTL><ResourceRecords></ResourceRecords>"),
                "but found none",
            ),
            (format!("{NAME}<TTL>60</TTL>{ALIAS}"), "but found more than one"),
            (format!("{NAME}<TTL>60</TTL>{VALUE}{ALIAS}"), "but found more than one"),
            (
                format!("{NAME}<ResourceRecords></ResourceRecords>{ALIAS}"),
                "but found more than one",
            ),
            (format!("{NAME}<TTL>-1</TTL>{VALUE}"), "greater than or equal to 0"),
            (
                format!("{NAME}<TTL>2147483648</TTL>{VALUE}"),
                "less than or equal to 2147483647",
            ),
            (
                format!("{NAME}{id}<Weight>256</Weight><TTL>60</TTL>{VALUE}"),
                "less than or equal to 255",
            ),
            (format!("{NAME}<Weight>1</Weight><TTL>60</TTL>{VALUE}"), "Missing field"),
            (
                format!("{NAME}<MultiValueAnswer>false</MultiValueAnswer><TTL>60</TTL>{VALUE}"),
                "Missing field",
            ),
            (
                format!("{NAME}{id}<TTL>60</TTL>{VALUE}"),
                "Expected exactly one of [Weight",
            ),
            (
                format!("{NAME}{id}<Weight>1</Weight><Region>eu-west-1</Region><TTL>6</TTL>{VALUE}"),
                "at most one of",
            ),
            (
                format!("{NAME}<SetIdentifier></SetIdentifier><Weight>1</Weight><TTL>6</TTL>{VALUE}"),
                "between 1 and 128",
            ),
            ("<Name>a.example.org</Name><Type>X</Type>".to_owned(), "enum value set"),
            ("<Type>A</Type>".to_owned(), "Name is missing"),
        ] {
            let rejection = batch(&set).unwrap_err();
            assert!(rejection.messages[0].contains(message), "{set}: {rejection:?}");
        }
        let long = format!("<SetIdentifier>{}</SetIdentifier>", "x".repeat(129));
        assert!(batch(&format!("{NAME}{long}<Weight>1</Weight><TTL>6</TTL>{VALUE}")).is_err());
    }

    #[test]
    fn other_documents_are_malformed() {
        assert_eq!(
            change_batch("<ChangeBatch></ChangeBatch>").unwrap_err().code,
            "MalformedInput"
        );
        assert_eq!(change_batch("no").unwrap_err().code, "MalformedInput");
        let empty = "<ChangeResourceRecordSetsRequest><ChangeBatch><Changes></Changes></ChangeBatch></ChangeResourceRecordSetsRequest>";
        assert_eq!(change_batch(empty).unwrap_err().code, "InvalidInput");
    }
}
