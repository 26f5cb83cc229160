//! What should be done at one name. Pure: wishes, the zone's image and the rules in, changes and verdicts out.
use std::cmp::Ordering;

use super::image::{Action, Change, Content, Image, RecordSet, Routing, SetKey};
use super::owner::{Mark, Marks, Owner, heritage, heritage_at, mark};
use super::resolve::{self, Desired};
use crate::crd::zone::{Policy, RegistryKind};
use crate::data::RecordType;
use crate::name::Name;
use crate::ownership::txt::{Form, render};
use crate::source::ObjectKey;

/// The zone's rules.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// How owners are told.
    pub marks: Marks<'a>,
    /// What may be written.
    pub policy: Policy,
    /// Whether marks are kept at all.
    pub registry: RegistryKind,
    /// The hosted zone's id, for aliases within it.
    pub zone_id: &'a str,
    /// Seconds to live where a source names none.
    pub ttl: Option<u32>,
    /// The types that may be managed.
    pub record_types: &'a [RecordType],
}

/// Whether the wish of an object for a name has gone for good, as far as this process can know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// Its source was listed completely: nothing wants the record any more.
    Proven,
    /// The source is switched off, or does not cover the object's namespace, or is not known: a person must confirm.
    Unwatched,
    /// The source could not be listed yet.
    Unlisted,
}

/// What became of one object's wish for one record set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The provider has it.
    Published,
    /// It will be written.
    Pending,
    /// The policy does not permit to write it.
    Held(Policy),
    /// Another object holds the name.
    Conflict(ObjectKey),
    /// A record at the provider that is not ours holds the name.
    Foreign(Option<Box<str>>),
    /// It cannot be published: reason and message.
    Failed(&'static str, String),
}

/// The wishes for one name: of an object, with its place in the order of precedence.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Who wants it.
    pub object: ObjectKey,
    /// Since when, seconds since 1970.
    pub created: i64,
    /// What; `None`: the object has no address now, what stands there is held for it.
    pub endpoint: Option<crate::source::endpoints::Endpoint>,
    /// The set that is held, with `endpoint: None`.
    pub set_identifier: Option<Box<str>>,
}

/// What to do at one name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamePlan {
    /// Creates and updates (and the removals that they need), to be sent together.
    pub writes: Vec<Change>,
    /// Removals that nothing replaces, each with the changes it takes.
    pub deletes: Vec<(SetKey, Vec<Change>)>,
    /// Removals that need a person's word, likewise.
    pub unwatched: Vec<(SetKey, Vec<Change>)>,
    /// Removals that wait for a source to be listed.
    pub unlisted: usize,
    /// By claim and set.
    pub verdicts: Vec<(ObjectKey, SetKey, Verdict)>,
    /// Sets that we own here, before the changes.
    pub owned: usize,
    /// Sets of others, owner records aside.
    pub foreign: usize,
    /// What the policy withholds, or Observe would do.
    pub withheld: Vec<String>,
}

/// Decides what to do at `name`.
pub fn plan(
    name: &Name,
    claims: &[Claim],
    image: &Image,
    rules: &Rules,
    gone: impl Fn(Option<&str>) -> Gone,
) -> NamePlan {
    let present = present(name, image, rules);
    let mut out = NamePlan {
        owned: present.iter().filter(|at| matches!(at.owner, Owner::Ours(_))).count(),
        foreign: present
            .iter()
            .filter(|at| !matches!(at.owner, Owner::Ours(_)) && !at.is_mark)
            .count(),
        ..NamePlan::default()
    };
    let resolved = resolve::resolve(name, claims, &present, image, rules);
    out.verdicts = resolved.losers;

    let mut kept: Vec<SetKey> = resolved.held_keys;
    let mut replaced: Vec<SetKey> = Vec::new();
    for desired in resolved.winners {
        let verdict = place(&desired, &present, image, rules, &mut out, &mut replaced);
        kept.push(desired.key.clone());
        for object in &desired.objects {
            out.verdicts
                .push((object.clone(), desired.key.clone(), verdict.clone()));
        }
    }
    remove(&present, &kept, &replaced, image, rules, gone, &mut out);
    out.writes.sort_by(deletes_first);
    out
}

/// One set that is at the name now.
#[derive(Clone, Debug)]
pub struct Present {
    /// Which.
    pub key: SetKey,
    /// What it answers.
    pub set: RecordSet,
    /// Whose it is.
    pub owner: Owner,
    /// It is itself an owner record.
    pub is_mark: bool,
}

fn present(name: &Name, image: &Image, rules: &Rules) -> Vec<Present> {
    let sets = image.at(name).sets.iter();
    sets.map(|(record_type, id, set)| {
        let key = SetKey {
            name: name.clone(),
            record_type: *record_type,
            set_identifier: id.clone(),
        };
        let is_mark = *record_type == RecordType::Txt && heritage(set).is_some();
        let owner = if is_mark {
            Owner::Nobody
        } else {
            rules.marks.owner(image, &key, set)
        };
        Present {
            key,
            set: set.clone(),
            owner,
            is_mark,
        }
    })
    .collect()
}

/// Decides on one wish that won its name.
fn place(
    desired: &Desired,
    present: &[Present],
    image: &Image,
    rules: &Rules,
    out: &mut NamePlan,
    replaced: &mut Vec<SetKey>,
) -> Verdict {
    if let Some(blocker) = blocker(desired, present, image) {
        return blocker;
    }
    let current = present.iter().find(|at| at.key == desired.key);
    let wanted = desired.content(current.map(|at| &at.set), rules.ttl);
    if let Some(Present {
        set,
        owner: Owner::Ours(found),
        ..
    }) = current
    {
        if set.same(desired.key.record_type, &wanted) {
            return Verdict::Published;
        }
        let mut changes = vec![delete(&desired.key, set), create(&desired.key, &wanted)];
        if let Err(message) = remark(desired, &wanted, Some((found, set)), image, rules, &mut changes) {
            return Verdict::Failed("OwnershipNameInvalid", message);
        }
        let line = format!(
            "UPDATE {}: {} instead of {}",
            desired.key,
            wanted.summary(),
            set.summary()
        );
        return permit(
            matches!(rules.policy, Policy::UpsertOnly | Policy::Sync),
            changes,
            line,
            rules,
            out,
        );
    }
    let mut changes = vec![create(&desired.key, &wanted)];
    if rules.registry == RegistryKind::TXT {
        match remark(desired, &wanted, None, image, rules, &mut changes) {
            Ok(None) => {}
            Ok(Some(verdict)) => return verdict,
            Err(message) => return Verdict::Failed("OwnershipNameInvalid", message),
        }
    }
    // What stands in the way and is ours goes in the same batch: CNAME and address, simple and weighted.
    let in_the_way: Vec<&Present> = present
        .iter()
        .filter(|at| matches!(at.owner, Owner::Ours(_)) && excludes(&at.key, &at.set, &desired.key, &wanted))
        .collect();
    let permitted = match rules.policy {
        Policy::Observe => false,
        Policy::CreateOnly => in_the_way.is_empty(),
        Policy::UpsertOnly | Policy::Sync => true,
    };
    for at in &in_the_way {
        if !replaced.contains(&at.key) {
            changes.extend(removal(at, image));
            replaced.push(at.key.clone());
        }
    }
    let line = format!("CREATE {}: {}", desired.key, wanted.summary());
    permit(permitted, changes, line, rules, out)
}

fn permit(permitted: bool, changes: Vec<Change>, line: String, rules: &Rules, out: &mut NamePlan) -> Verdict {
    if permitted {
        for change in changes {
            if !out.writes.contains(&change) {
                out.writes.push(change);
            }
        }
        Verdict::Pending
    } else {
        out.withheld.push(line);
        Verdict::Held(rules.policy)
    }
}

/// A foreign record that the wish would have to overwrite or that DNS does not permit beside it.
fn blocker(desired: &Desired, present: &[Present], image: &Image) -> Option<Verdict> {
    let foreign = present
        .iter()
        .filter(|at| !at.is_mark && !matches!(at.owner, Owner::Ours(_)))
        .find(|at| {
            at.key == desired.key
                || excludes(&at.key, &at.set, &desired.key, &desired.sample())
                || is_address(at.key.record_type)
                    && is_address(desired.key.record_type)
                    && at.key.set_identifier == desired.key.set_identifier
        });
    if let Some(at) = foreign {
        let owner = match &at.owner {
            Owner::Other(owner) => Some(owner.clone()),
            _ => None,
        };
        return Some(Verdict::Foreign(owner));
    }
    // A CNAME stands alone (RFC 1034 section 3.6.2): neither beside owner records of another name nor beside other types.
    let alone = desired.key.record_type == RecordType::Cname;
    let marks_here = present.iter().any(|at| at.is_mark);
    (alone && (image.at(&desired.key.name).other_types || marks_here)).then_some(Verdict::Foreign(None))
}

fn is_address(record_type: RecordType) -> bool {
    matches!(record_type, RecordType::A | RecordType::Aaaa | RecordType::Cname)
}

/// Whether two different sets cannot stand at one name together.
pub fn excludes(left: &SetKey, left_set: &RecordSet, right: &SetKey, right_set: &RecordSet) -> bool {
    if left == right {
        return false;
    }
    let one_is_cname = (left.record_type == RecordType::Cname) != (right.record_type == RecordType::Cname);
    let routing_mixed = left.record_type == right.record_type
        && (matches!(left_set.routing, Routing::Simple) || matches!(right_set.routing, Routing::Simple));
    one_is_cname || routing_mixed
}

/// Adds what makes the owner record say that the set is ours. `Some(verdict)` when another owner's record is in its place.
fn remark(
    desired: &Desired,
    wanted: &RecordSet,
    found: Option<(&Mark, &RecordSet)>,
    image: &Image,
    rules: &Rules,
    changes: &mut Vec<Change>,
) -> Result<Option<Verdict>, String> {
    let name = rules
        .marks
        .affix
        .written(&desired.key.name, desired.key.record_type, rules.marks.apex)?;
    let key = SetKey {
        name,
        record_type: RecordType::Txt,
        set_identifier: desired.key.set_identifier.clone(),
    };
    let value = render(rules.marks.owner_id, &desired.resource);
    let new = mark(value, &wanted.routing);
    let Some(old) = image.get(&key) else {
        // Nothing may stand at the mark's own name that excludes it, or the whole batch would be refused for ever.
        let clash = image.at(&key.name).sets.iter().find(|(record_type, id, set)| {
            let there = SetKey {
                name: key.name.clone(),
                record_type: *record_type,
                set_identifier: id.clone(),
            };
            excludes(&there, set, &key, &new)
        });
        if clash.is_some() {
            return Ok(Some(Verdict::Failed(
                "OwnershipNameTaken",
                format!(
                    "the owner record {} cannot be written: another record of that name excludes it; choose another spec.registry.prefix",
                    key.name
                ),
            )));
        }
        changes.push(create(&key, &new));
        return Ok(None);
    };
    let present = heritage_at(image, &key.name, key.set_identifier.as_deref());
    match present.as_ref().map(|heritage| heritage.owner.as_deref()) {
        Some(Some(owner)) if owner == rules.marks.owner_id => {
            let same_resource = present.and_then(|heritage| heritage.resource).as_deref() == Some(&desired.resource);
            // The routing of the mark follows its set; its text only when it names another object.
            if !same_resource || old.routing != wanted.routing || found.is_none() && !old.same(RecordType::Txt, &new) {
                changes.push(delete(&key, old));
                changes.push(create(&key, &new));
            }
            Ok(None)
        }
        Some(Some(owner)) => Ok(Some(Verdict::Foreign(Some(owner.into())))),
        _ => Ok(Some(Verdict::Foreign(None))),
    }
}

/// Decides on the sets that nobody wants.
fn remove(
    present: &[Present],
    kept: &[SetKey],
    replaced: &[SetKey],
    image: &Image,
    rules: &Rules,
    gone: impl Fn(Option<&str>) -> Gone,
    out: &mut NamePlan,
) {
    for at in present {
        let Owner::Ours(found) = &at.owner else { continue };
        let managed = rules.record_types.contains(&at.key.record_type) && at.set.routing != Routing::Unmanaged;
        if !managed || kept.contains(&at.key) || replaced.contains(&at.key) {
            continue;
        }
        let line = format!("DELETE {}: {}", at.key, at.set.summary());
        if rules.policy != Policy::Sync {
            out.withheld.push(line);
            continue;
        }
        match gone(found.resource.as_deref()) {
            Gone::Proven => out.deletes.push((at.key.clone(), removal(at, image))),
            Gone::Unwatched => out.unwatched.push((at.key.clone(), removal(at, image))),
            Gone::Unlisted => out.unlisted += 1,
        }
    }
}

/// The set and, when it is of today's form, its owner record. Old forms stay: one such record may stand for several sets.
fn removal(at: &Present, image: &Image) -> Vec<Change> {
    let mut changes = vec![delete(&at.key, &at.set)];
    if let Owner::Ours(Mark {
        txt,
        form: Form::Current | Form::InZoneApex,
        ..
    }) = &at.owner
    {
        let key = SetKey {
            name: txt.clone(),
            record_type: RecordType::Txt,
            set_identifier: at.key.set_identifier.clone(),
        };
        if let Some(set) = image.get(&key) {
            changes.push(delete(&key, set));
        }
    }
    changes
}

fn create(key: &SetKey, set: &RecordSet) -> Change {
    Change {
        action: Action::Create,
        key: key.clone(),
        set: set.clone(),
    }
}

fn delete(key: &SetKey, set: &RecordSet) -> Change {
    Change {
        action: Action::Delete,
        key: key.clone(),
        set: set.clone(),
    }
}

fn deletes_first(left: &Change, right: &Change) -> Ordering {
    (left.action == Action::Create).cmp(&(right.action == Action::Create))
}

/// Content of values without routing; for comparisons of what may stand together.
pub fn simple(values: Box<[Box<str>]>) -> RecordSet {
    RecordSet {
        content: Content::Values { ttl: 300, values },
        routing: Routing::Simple,
    }
}
