//! `ChangeResourceRecordSets`, `ListResourceRecordSets` and `GetChange`, from the model alone.

use super::answer::Answer;
use super::control::State;
use super::errors::ErrorResponse;
use super::model::Key;
use super::record::Change;
use super::{name, rules, xml};

/// The most sets in a page, also when more are asked for.
const PAGE: usize = 300;

/// Applies a batch.
pub(super) fn change(state: &mut State, zone: &str, changes: &[Change]) -> Result<Answer, ErrorResponse> {
    let serial = state.serial();
    let zone = state.zones.get_mut(zone).ok_or_else(|| ErrorResponse::no_zone(zone))?;
    rules::apply(zone, changes).map_err(ErrorResponse::batch)?;
    let info = change_info(&format!("C{serial:013X}"), "PENDING");
    Ok(Answer::xml(
        200,
        xml::document("ChangeResourceRecordSetsResponse", &info),
    ))
}

/// Every change is in sync by the time that somebody asks; the id is not remembered.
pub(super) fn get_change(id: &str) -> Answer {
    Answer::xml(200, xml::document("GetChangeResponse", &change_info(id, "INSYNC")))
}

fn change_info(id: &str, status: &str) -> String {
    let now = jiff::Timestamp::now()
        .round(jiff::Unit::Millisecond)
        .unwrap_or_else(|_| jiff::Timestamp::now());
    let mut info = String::new();
    xml::open(&mut info, "ChangeInfo");
    xml::leaf(&mut info, "Id", &format!("/change/{id}"));
    xml::leaf(&mut info, "Status", status);
    xml::leaf(&mut info, "SubmittedAt", &now.to_string());
    xml::close(&mut info, "ChangeInfo");
    info
}

/// Where a list begins and how long a page is.
#[derive(Debug, Default)]
pub(super) struct Start {
    pub(super) name: Option<String>,
    pub(super) kind: Option<String>,
    pub(super) identifier: Option<String>,
    pub(super) most: Option<String>,
}

/// One page.
///
/// Source: <https://docs.aws.amazon.com/Route53/latest/APIReference/API_ListResourceRecordSets.html>: the page begins with the
/// first set that is not before `name`, `type`, `identifier`; a type without name or an identifier without type is
/// `InvalidInput`.
pub(super) fn list(state: &State, zone: &str, start: &Start, short: Option<usize>) -> Result<Answer, ErrorResponse> {
    let zone = state.zones.get(zone).ok_or_else(|| ErrorResponse::no_zone(zone))?;
    let invalid = |message: &str| ErrorResponse::new(400, "InvalidInput", message);
    let asked = match &start.most {
        None => PAGE,
        Some(text) => text
            .parse()
            .ok()
            .filter(|most| *most > 0)
            .ok_or_else(|| invalid("maxitems is not a positive number"))?,
    };
    let most = asked.min(PAGE).min(short.unwrap_or(PAGE)).max(1);
    let part = |part: &Option<String>| part.clone().unwrap_or_default();
    if (start.name.is_none() && start.kind.is_some()) || (start.kind.is_none() && start.identifier.is_some()) {
        return Err(invalid("The input is not valid"));
    }
    let from = match &start.name {
        None => Key::new("", "", ""),
        Some(text) => {
            let name = name::normalise(text).map_err(|problem| invalid(&format!("FATAL problem: {problem}")))?;
            Key::new(&name, &part(&start.kind), &part(&start.identifier))
        }
    };
    let (sets, next) = zone.page(&from, most);
    let mut out = String::with_capacity(sets.len() * 300);
    xml::open(&mut out, "ResourceRecordSets");
    for set in sets {
        set.write(&mut out);
    }
    xml::close(&mut out, "ResourceRecordSets");
    xml::leaf(&mut out, "IsTruncated", &next.is_some().to_string());
    if let Some(next) = next {
        xml::leaf(&mut out, "NextRecordName", &next.name);
        xml::leaf(&mut out, "NextRecordType", &next.kind);
        xml::optional(&mut out, "NextRecordIdentifier", next.set_identifier.as_deref());
    }
    xml::leaf(&mut out, "MaxItems", &most.to_string());
    Ok(Answer::xml(200, xml::document("ListResourceRecordSetsResponse", &out)))
}
