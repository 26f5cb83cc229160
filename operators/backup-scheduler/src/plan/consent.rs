//! The first upload of a volume that is larger than the limit: it waits until a person agrees, and goes on by itself.
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::ResourceExt;

use super::items;
use crate::crd::backup_run::{Item, State};
use crate::crd::{BackupRun, FIRST_UPLOAD};

/// The reason of a volume that waits for consent.
pub const NEEDS_CONSENT: &str = "NeedsConsent";
/// Before it is looked again whether somebody has agreed: claims are not watched.
const RECHECK: Duration = Duration::from_mins(1);
/// A run waits for so long. The next run of a daily schedule then asks anew, and the other volumes of the namespace are not held up.
const PATIENCE: Duration = Duration::from_hours(20);
/// The consent that is proposed is greater than what was found by this part: the volume may grow until then.
const RESERVE: i64 = 10;

/// What a claim's first upload is about.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The run.
    pub run: &'a BackupRun,
    /// The claim, if it is there.
    pub claim: Option<&'a PersistentVolumeClaim>,
    /// The limit of the repository, in bytes; none if it is 0.
    pub limit: u64,
    /// A newer run backs up the same claim, and asks the same.
    pub newer: bool,
    /// The present time.
    pub now: Timestamp,
}

impl Question<'_> {
    /// The largest first upload that is allowed, in bytes: the repository's limit, or what somebody has agreed to; none if it is 0.
    pub fn allowed(&self) -> u64 {
        if self.limit == 0 {
            return 0;
        }
        let agreed = self.annotations().filter_map(bytes).max().unwrap_or(0);
        self.limit.max(agreed)
    }

    /// The consent that is given: on the run, or on the claim.
    fn annotations(&self) -> impl Iterator<Item = &str> {
        let on_run = self.run.annotations().get(FIRST_UPLOAD);
        let on_claim = self.claim.and_then(|claim| claim.annotations().get(FIRST_UPLOAD));
        on_run.into_iter().chain(on_claim).map(String::as_str)
    }

    /// Whether the volume may be uploaded now. If not: when to look again; none if it has ended without consent.
    pub fn ask(&self, item: &mut Item, bytes: i64) -> Result<(), Option<Duration>> {
        let allowed = self.allowed();
        if allowed == 0 || u64::try_from(bytes).is_ok_and(|bytes| bytes <= allowed) {
            return Ok(());
        }
        let message = self.message(item, bytes, allowed);
        let passed = items::since(item.start_time.as_deref(), self.now);
        let end = if self.newer {
            Some("a newer run backs up the volume, and asks the same")
        } else if passed >= PATIENCE {
            Some("nobody has agreed for 20 hours, so this run ends; agree, then create another BackupRun")
        } else {
            None
        };
        if let Some(end) = end {
            let message = format!("{message}; {end}");
            items::fail(item, State::Failed, NEEDS_CONSENT, message, self.now);
            return Err(None);
        }
        item.state = State::Pending;
        item.reason = Some(NEEDS_CONSENT.to_owned());
        item.message = Some(message);
        Err(Some(RECHECK))
    }

    fn message(&self, item: &Item, bytes: i64, allowed: u64) -> String {
        let (namespace, claim) = (self.run.namespace().unwrap_or_default(), &item.claim);
        let proposed = bytes.saturating_add(bytes / RESERVE);
        let wrong = self.annotations().find(|text| self::bytes(text).is_none());
        let wrong = wrong.map_or_else(String::new, |text| {
            format!("; the annotation has {text:?} now, which is no number of bytes")
        });
        format!(
            "the first backup would upload {bytes} bytes, which is more than the {allowed} that are allowed; to agree: `kubectl -n \
             {namespace} annotate --overwrite persistentvolumeclaim {claim} {FIRST_UPLOAD}={proposed}`; or raise limits.firstUpload of \
             the BackupRepository, or leave files out with volumes.exclude{wrong}"
        )
    }
}

/// A number of bytes.
fn bytes(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const GIB: i64 = 1 << 30;

    fn run(consent: &str) -> BackupRun {
        serde_json::from_value(json!({
            "apiVersion": "backup.hearth.home.arpa/v1alpha1", "kind": "BackupRun",
            "metadata": {"namespace": "home", "name": "one", "annotations": {FIRST_UPLOAD: consent}},
            "spec": {"repository": "b2"},
        }))
        .unwrap()
    }

    fn claim(consent: &str) -> PersistentVolumeClaim {
        serde_json::from_value(json!({"metadata": {"name": "a", "annotations": {FIRST_UPLOAD: consent}}})).unwrap()
    }

    fn item() -> Item {
        Item {
            claim: "a".to_owned(),
            start_time: Some(Timestamp::UNIX_EPOCH.to_string()),
            ..Item::default()
        }
    }

    fn question<'a>(run: &'a BackupRun, claim: Option<&'a PersistentVolumeClaim>) -> Question<'a> {
        Question {
            run,
            claim,
            limit: 1 << 30,
            newer: false,
            now: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn consent_of_enough_bytes_on_the_run_or_the_claim_is_enough() {
        let (enough, little) = ((2 * GIB).to_string(), "1".to_owned());
        let cases = [
            (&little, None, false),
            (&little, Some(&enough), true),
            (&enough, None, true),
            (&enough, Some(&little), true),
        ];
        for (on_run, on_claim, agreed) in cases {
            let (run, claim) = (run(on_run), on_claim.map(|text| claim(text)));
            let question = question(&run, claim.as_ref());
            assert_eq!(question.ask(&mut item(), 2 * GIB).is_ok(), agreed);
            assert_eq!(question.ask(&mut item(), 2 * GIB + 1), Err(Some(RECHECK)));
        }
    }

    #[test]
    fn the_message_has_the_size_and_the_command_that_agrees() {
        let run = run("60Gi");
        let mut item = item();
        assert_eq!(question(&run, None).ask(&mut item, 2_000_000_000), Err(Some(RECHECK)));
        assert_eq!(
            (item.state, item.reason.as_deref()),
            (State::Pending, Some(NEEDS_CONSENT))
        );
        let message = item.message.unwrap();
        let command = "kubectl -n home annotate --overwrite persistentvolumeclaim a backup.hearth.home.arpa/first-upload=2200000000";
        assert!(
            message.contains("upload 2000000000 bytes") && message.contains(command),
            "{message}"
        );
        assert!(message.contains("\"60Gi\""), "{message}");
    }

    #[test]
    fn a_raised_limit_of_the_repository_is_consent_as_well() {
        let run = run("1");
        let mut question = question(&run, None);
        question.limit = 3 << 30;
        assert_eq!(question.ask(&mut item(), 2 * GIB), Ok(()));
        question.limit = 0;
        assert_eq!(question.ask(&mut item(), i64::MAX), Ok(()));
        assert_eq!(
            question.allowed(),
            0,
            "no limit stays none, whatever somebody has agreed to"
        );
    }

    #[test]
    fn a_run_does_not_wait_for_ever_and_not_beside_a_newer_one() {
        let run = run("1");
        let mut late = question(&run, None);
        late.now = Timestamp::from_second(20 * 3600).unwrap();
        let mut newer = question(&run, None);
        newer.newer = true;
        for question in [late, newer] {
            let mut item = item();
            assert_eq!(question.ask(&mut item, 2 * GIB), Err(None));
            assert_eq!(
                (item.state, item.reason.as_deref()),
                (State::Failed, Some(NEEDS_CONSENT))
            );
        }
    }
}
