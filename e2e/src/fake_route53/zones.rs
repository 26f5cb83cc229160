//! Operations on zones: moto keeps them, the fake adds accounts, the count of sets, and honest paging.
//!
//! moto answers `ListHostedZonesByName` with zones of exactly the name asked for and in one page; Route 53 begins there and
//! goes on, see <https://docs.aws.amazon.com/Route53/latest/APIReference/API_ListHostedZonesByName.html>.

use anyhow::{Context as _, Result};
use http::{Request, Response};
use hyper::body::Bytes;

use super::access::{ACCOUNT, Access};
use super::answer::Answer;
use super::control::{Control, bare};
use super::errors::ErrorResponse;
use super::name;
use super::route::Route;
use super::upstream::{Upstream, read};
use super::xml::{self, Element};

/// The result of something that may fail by itself or be refused.
pub(super) type Outcome = Result<Result<Answer, ErrorResponse>>;

/// Loads a zone's image into the model unless it is there. Tells whether there is such a zone.
pub(super) async fn load(control: &Control, moto: &Upstream, id: &str) -> Result<bool> {
    if control.state().zones.contains_key(id) {
        return Ok(true);
    }
    let Some(zone) = moto.zone(id).await? else {
        return Ok(false);
    };
    control.state().zones.entry(id.to_owned()).or_insert(zone);
    Ok(true)
}

/// Passes `CreateHostedZone` on and takes the new zone into the model.
pub(super) async fn create(control: &Control, moto: &Upstream, access: &Access, request: &Request<Bytes>) -> Outcome {
    let answer = moto.forward(request, true).await?;
    if !answer.status().is_success() {
        return Ok(Ok(passed(&answer)));
    }
    let created = read(&answer)?;
    let id = created
        .find("HostedZone")
        .and_then(|zone| zone.text_of("Id"))
        .context("a zone without id")?;
    let id = bare(id).to_owned();
    control.state().owners.insert(id.clone(), access.account.clone());
    load(control, moto, &id).await?;
    let mut described = counted(control, created);
    described.status = 201;
    described.location = answer.headers().get("location").cloned();
    Ok(Ok(described))
}

/// Passes `DeleteHostedZone` on, unless the zone has sets of its user.
pub(super) async fn delete(control: &Control, moto: &Upstream, id: &str, request: &Request<Bytes>) -> Outcome {
    if !load(control, moto, id).await? {
        return Ok(Err(ErrorResponse::no_zone(id)));
    }
    let used = control.state().zones.get(id).is_some_and(|zone| {
        zone.sets()
            .any(|set| set.name != zone.apex || !matches!(set.kind.as_str(), "NS" | "SOA"))
    });
    if used {
        let message = "The specified hosted zone contains non-required resource record sets and so cannot be deleted.";
        return Ok(Err(ErrorResponse::new(400, "HostedZoneNotEmpty", message)));
    }
    let answer = moto.forward(request, true).await?;
    if answer.status().is_success() {
        let mut state = control.state();
        state.zones.remove(id);
        state.owners.remove(id);
    }
    Ok(Ok(passed(&answer)))
}

/// `GetHostedZone`.
pub(super) async fn get(control: &Control, moto: &Upstream, id: &str, request: &Request<Bytes>) -> Outcome {
    if !load(control, moto, id).await? {
        return Ok(Err(ErrorResponse::no_zone(id)));
    }
    let answer = moto.forward(request, true).await?;
    if answer.status().is_success() {
        Ok(Ok(counted(control, read(&answer)?)))
    } else {
        Ok(Ok(passed(&answer)))
    }
}

/// moto's answer as it is.
pub(super) fn passed(answer: &Response<Bytes>) -> Answer {
    Answer {
        body: answer.body().clone(),
        ..Answer::xml(answer.status().as_u16(), String::new())
    }
}

/// `ListHostedZones`: from `marker`, in moto's order.
pub(super) async fn list(
    control: &Control,
    moto: &Upstream,
    access: &Access,
    marker: Option<&str>,
    most: Option<&str>,
) -> Outcome {
    let zones = visible(control, moto, access).await?;
    let start = match marker {
        None => 0,
        Some(marker) => match zones.iter().position(|zone| id_of(zone) == bare(marker)) {
            Some(start) => start,
            None => return Ok(Err(ErrorResponse::new(400, "InvalidInput", "The input is not valid"))),
        },
    };
    let most = items(most);
    let mut out = String::new();
    write_zones(&mut out, zones.iter().skip(start).take(most));
    xml::optional(&mut out, "Marker", marker);
    let next = zones.get(start + most);
    xml::leaf(&mut out, "IsTruncated", &next.is_some().to_string());
    xml::optional(&mut out, "NextMarker", next.map(id_of));
    xml::leaf(&mut out, "MaxItems", &most.to_string());
    Ok(Ok(Answer::xml(200, xml::document("ListHostedZonesResponse", &out))))
}

/// `ListHostedZonesByName`: by reversed labels, then id, from `dnsname` and `hostedzoneid`.
pub(super) async fn list_by_name(control: &Control, moto: &Upstream, access: &Access, route: &Route) -> Outcome {
    let (dns_name, id) = (route.query("dnsname"), route.query("hostedzoneid"));
    let key = |zone: &Element| {
        (
            name::reversed(zone.text_of("Name").unwrap_or_default()),
            id_of(zone).to_owned(),
        )
    };
    let mut zones = visible(control, moto, access).await?;
    zones.sort_by_key(key);
    if let Some(dns_name) = dns_name {
        let Ok(start) = name::normalise(dns_name) else {
            return Ok(Err(ErrorResponse::new(
                400,
                "InvalidDomainName",
                &format!("The specified domain name is not valid: {dns_name}"),
            )));
        };
        let start = (name::reversed(&start), bare(id.unwrap_or_default()).to_owned());
        zones.retain(|zone| key(zone) >= start);
    }
    let most = items(route.query("maxitems"));
    let mut out = String::new();
    write_zones(&mut out, zones.iter().take(most));
    xml::optional(&mut out, "DNSName", dns_name);
    xml::optional(&mut out, "HostedZoneId", id);
    let next = zones.get(most);
    xml::leaf(&mut out, "IsTruncated", &next.is_some().to_string());
    xml::optional(&mut out, "NextDNSName", next.and_then(|zone| zone.text_of("Name")));
    xml::optional(&mut out, "NextHostedZoneId", next.map(id_of));
    xml::leaf(&mut out, "MaxItems", &most.to_string());
    Ok(Ok(Answer::xml(
        200,
        xml::document("ListHostedZonesByNameResponse", &out),
    )))
}

/// The account's zones with the number of their sets.
async fn visible(control: &Control, moto: &Upstream, access: &Access) -> Result<Vec<Element>> {
    let mut zones = moto.zones().await?;
    let state = control.state();
    zones.retain(|zone| state.owners.get(id_of(zone)).map_or(ACCOUNT, String::as_str) == access.account);
    drop(state);
    for zone in &mut zones {
        count(control, zone);
    }
    Ok(zones)
}

fn items(most: Option<&str>) -> usize {
    most.and_then(|most| most.parse().ok()).unwrap_or(100).clamp(1, 100)
}

fn id_of(zone: &Element) -> &str {
    bare(zone.text_of("Id").unwrap_or_default())
}

fn write_zones<'a>(out: &mut String, zones: impl Iterator<Item = &'a Element>) {
    xml::open(out, "HostedZones");
    zones.for_each(|zone| zone.write(out));
    xml::close(out, "HostedZones");
}

/// moto's document with the model's count of sets.
fn counted(control: &Control, mut document: Element) -> Answer {
    document
        .children
        .iter_mut()
        .filter(|child| child.name == "HostedZone")
        .for_each(|zone| count(control, zone));
    let mut content = String::new();
    document.children.iter().for_each(|child| child.write(&mut content));
    Answer::xml(200, xml::document(&document.name, &content))
}

fn count(control: &Control, zone: &mut Element) {
    let Some(sets) = control.state().zones.get(id_of(zone)).map(super::model::Zone::len) else {
        return;
    };
    if let Some(count) = zone
        .children
        .iter_mut()
        .find(|child| child.name == "ResourceRecordSetCount")
    {
        count.text = sets.to_string();
    }
}
