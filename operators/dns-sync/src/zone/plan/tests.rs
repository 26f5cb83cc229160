//! What objects want against what is there, in short text form; see [`fake_zone`](crate::zone::fake_zone) for the form of records.
use super::types::*;
use super::*;
use crate::crd::zone::RegistryKind;
use crate::dialect::{Dialect, TARGET_NOT_FOUND};
use crate::endpoint::{AliasMode, Endpoint};
use crate::filter::NameFilter;
use crate::ownership::txt::Affix;
use crate::records::{Action, RecordSet, Routing};
use crate::zone::fake_zone::{self, mark_at, marked, name, records, set};
use crate::zone::owner::Marks;

mod aliases;
mod conflicts;
mod marks;
mod policies;
mod property;
mod publishers;
mod routing;
mod takeover;

/// Who we are in these tests.
const US: &str = "home";

/// What decides besides claims and record sets.
pub(crate) struct Zone {
    pub(crate) policy: Policy,
    pub(crate) registry: RegistryKind,
    pub(crate) affix: Affix,
    pub(crate) types: Vec<RecordType>,
    pub(crate) filter: NameFilter,
    pub(crate) ttl: Option<u32>,
    pub(crate) absence: Absence,
    pub(crate) apex: Name,
    pub(crate) dialect: Dialect,
}

pub(crate) fn zone(policy: Policy) -> Zone {
    Zone {
        policy,
        registry: RegistryKind::TXT,
        affix: Affix::new(None),
        types: RecordType::ALL.to_vec(),
        filter: NameFilter::default(),
        ttl: None,
        absence: Absence::Proven,
        apex: name("@"),
        dialect: fake_zone::dialect(),
    }
}

pub(crate) fn affix(prefix: &str, suffix: &str, wildcard: &str) -> Affix {
    Affix::new(Some(&crate::crd::zone::Registry {
        prefix: Some(prefix.to_owned()),
        suffix: Some(suffix.to_owned()),
        wildcard_replacement: Some(wildcard.to_owned()),
        ..Default::default()
    }))
}

impl Zone {
    pub(crate) fn rules(&self) -> Rules<'_> {
        Rules {
            marks: Marks {
                affix: &self.affix,
                owner_id: US,
                apex: &self.apex,
                unrelated: &NO_SETS,
            },
            policy: self.policy,
            registry: self.registry,
            dialect: &self.dialect,
            ttl: self.ttl,
            record_types: &self.types,
            filter: &self.filter,
            contested: &NO_SETS,
        }
    }

    fn plan(&self, at: &str, claims: &[Claim], records: &RecordSets) -> NamePlan {
        plan(&name(at), claims, &[], records, &self.rules(), |_, _| self.absence)
    }

    /// The plan's lines; see [`lines`].
    fn lines(&self, at: &str, claims: &[Claim], records: &RecordSets) -> Vec<String> {
        lines(&self.plan(at, claims, records))
    }

    /// Carries the plan of one name out under all of Route 53's rules and says what the zone holds then. What is left to
    /// do afterwards must be nothing.
    #[track_caller]
    fn publish(&self, at: &str, claims: &[Claim], before: &RecordSets) -> Vec<String> {
        let plan = self.plan(at, claims, before);
        let mut after = before.clone();
        let deletes = plan.deletes.iter().flat_map(|(_, changes)| changes.clone());
        let changes: Vec<RecordChange> = plan.writes.iter().cloned().chain(deletes).collect();
        fake_zone::change(&mut after, &changes).unwrap();
        let left = self.plan(at, claims, &after);
        assert!(
            left.writes.is_empty() && left.deletes.is_empty(),
            "left to do: {left:#?}"
        );
        fake_zone::lines(&after)
    }
}

/// `service/web/front foo A 192.0.2.1 ttl=60 set=blue weight=5 created=7`. Further words: `held` instead of type and
/// value; `auto`, `yes` for aliases.
pub(crate) fn claim(text: &str) -> Claim {
    let words: Vec<&str> = text.split_whitespace().collect();
    let option = |key: &str| words.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
    let set_identifier: Option<Box<str>> = option("set").map(Into::into);
    let evaluate_target_health = true;
    let endpoint = (words[2] != "held").then(|| Endpoint {
        name: name(words[1]),
        record_type: RecordType::parse(words[2]).unwrap(),
        set_identifier: set_identifier.clone(),
        weight: option("weight").map(|weight| weight.parse().unwrap()),
        values: words[3]
            .split('|')
            .map(|value| value_type(&words).read(&value.replace('~', " ")))
            .collect(),
        ttl: option("ttl").map(|ttl| ttl.parse().unwrap()),
        alias: match () {
            () if words.contains(&"auto") => AliasMode::Auto { evaluate_target_health },
            () if words.contains(&"yes") => AliasMode::Yes { evaluate_target_health },
            () => AliasMode::No,
        },
        alias_zone: option("zone").map(Into::into),
    });
    Claim {
        object: ObjectKey::from_resource(words[0]).unwrap(),
        created: option("created").map_or(0, |created| created.parse().unwrap()),
        endpoint,
        set_identifier,
        record_type: None,
    }
}

/// The target of an alias is a host.
fn value_type(words: &[&str]) -> RecordType {
    if words.contains(&"yes") {
        RecordType::Cname
    } else {
        RecordType::parse(words[2]).unwrap()
    }
}

fn claims<const N: usize>(texts: [&str; N]) -> Vec<Claim> {
    texts.into_iter().map(claim).collect()
}

/// `- set`, `+ set` for writes; `x set` for deletes, `? set` for those that need a person, `… set` for those that cannot
/// be decided; `held: line` for what the policy withholds; then verdicts, `object TYPE verdict`.
fn lines(plan: &NamePlan) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let change = |mark: &str, change: &RecordChange| format!("{mark} {}", fake_zone::text(&change.key, &change.set));
    for write in &plan.writes {
        let sign = if write.action == Action::Create { "+" } else { "-" };
        lines.push(change(sign, write));
    }
    lines.extend(plan.deletes.iter().flat_map(|(_, all)| all).map(|one| change("x", one)));
    lines.extend(
        plan.unwatched
            .iter()
            .flat_map(|(_, all)| all)
            .map(|one| change("?", one)),
    );
    lines.extend(plan.unlisted.iter().map(|key| format!("… {key}")));
    lines.extend(plan.withheld.iter().map(|line| format!("held: {line}")));
    for (object, key, verdict) in &plan.verdicts {
        let verdict = match verdict {
            RecordVerdict::Conflict(winner) => format!("loses to {}", winner.resource()),
            RecordVerdict::Foreign(owner) => format!("foreign {}", owner.as_deref().unwrap_or("-")),
            RecordVerdict::Failed(reason, _) => (*reason).to_owned(),
            other => format!("{other:?}"),
        };
        lines.push(format!("{} {} {verdict}", object.resource(), key.record_type.as_str()));
    }
    lines
}
