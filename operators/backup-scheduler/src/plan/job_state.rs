//! What Jobs and their pods say of movers.
use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ContainerStateTerminated, Pod};
use kube::ResourceExt;

use super::items::{JobState, MoverJob};
use super::job::{ATTEMPT, CLAIM, SPEC};
use crate::task::Report;

/// On each pod of a Job: the Job's name.
const JOB_NAME: &str = "batch.kubernetes.io/job-name";

/// Reads the Jobs of a run. One without our annotations is not ours and is left out.
pub fn read(jobs: &[Job], pods: &[Pod]) -> Vec<MoverJob> {
    let known = jobs.iter().filter_map(|job| {
        let annotations = job.annotations();
        let (claim, attempt) = (annotations.get(CLAIM)?, annotations.get(ATTEMPT)?.parse().ok()?);
        Some(MoverJob {
            name: job.name_any(),
            claim: claim.clone(),
            attempt,
            spec: annotations.get(SPEC).cloned(),
            state: state(job, pods),
        })
    });
    known.collect()
}

/// Whether a pod is a mover of one of these Jobs.
pub fn is_mover(pod: &Pod, jobs: &[MoverJob]) -> bool {
    let name = pod.labels().get(JOB_NAME);
    name.is_some_and(|name| jobs.iter().any(|job| job.name == *name))
}

/// The pod of a Job.
pub(super) fn pod_of<'a>(job: &str, pods: &'a [Pod]) -> Option<&'a Pod> {
    let is_of = |pod: &&Pod| pod.labels().get(JOB_NAME).is_some_and(|name| name == job);
    pods.iter().find(is_of)
}

fn state(job: &Job, pods: &[Pod]) -> JobState {
    let name = job.name_any();
    let pod = pod_of(&name, pods);
    let conditions = job.status.as_ref().and_then(|status| status.conditions.as_deref());
    let end = conditions
        .unwrap_or_default()
        .iter()
        .find(|condition| matches!(condition.type_.as_str(), "Complete" | "Failed") && condition.status == "True");
    let Some(end) = end else {
        return JobState::Active(pod.map_or_else(|| unmade(job), waiting));
    };
    let at = end
        .last_transition_time
        .as_ref()
        .map_or(Timestamp::UNIX_EPOCH, |time| time.0);
    let terminated = pod.and_then(terminated);
    let report = match terminated.and_then(|terminated| terminated.message.as_deref()) {
        Some(text) => serde_json::from_str(text).map_err(|_| "its report cannot be read".to_owned()),
        None => Err(missing(end.reason.as_deref(), end.message.as_deref(), terminated)),
    };
    JobState::Ended(at, report.map(|report: Report| Box::new(report)))
}

fn terminated(pod: &Pod) -> Option<&ContainerStateTerminated> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    statuses.first()?.state.as_ref()?.terminated.as_ref()
}

/// Why there is no report.
fn missing(reason: Option<&str>, message: Option<&str>, terminated: Option<&ContainerStateTerminated>) -> String {
    if let Some(terminated) = terminated {
        if terminated.reason.as_deref() == Some("OOMKilled") {
            return "it was killed, since it needed more memory than its limit".to_owned();
        }
        return format!("its container ended with exit code {}", terminated.exit_code);
    }
    match (reason, message) {
        (Some("DeadlineExceeded"), _) => "it took longer than 48 hours".to_owned(),
        (_, Some(message)) => format!("its pod is gone ({message})"),
        _ => "its pod is gone".to_owned(),
    }
}

/// What is known of a Job that has begun and has no pod: the API server may refuse its pods.
fn unmade(job: &Job) -> Option<String> {
    let status = job.status.as_ref()?;
    let begun = status.start_time.is_some() && status.active.unwrap_or(0) == 0;
    begun.then(|| {
        format!(
            "Job {} has no pod yet; if it stays so, its events say why: `kubectl -n {} describe job {}`",
            job.name_any(),
            job.namespace().unwrap_or_default(),
            job.name_any()
        )
    })
}

/// What a pod that does not run yet waits for.
fn waiting(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    if status.phase.as_deref() != Some("Pending") {
        return None;
    }
    let unscheduled = status
        .conditions
        .iter()
        .flatten()
        .find(|condition| condition.type_ == "PodScheduled" && condition.status == "False");
    if let Some(message) = unscheduled.and_then(|condition| condition.message.as_ref()) {
        return Some(format!("the mover's pod cannot be scheduled: {message}"));
    }
    let container = status
        .container_statuses
        .as_ref()?
        .first()?
        .state
        .as_ref()?
        .waiting
        .as_ref()?;
    let reason = container
        .reason
        .as_deref()
        .filter(|reason| *reason != "ContainerCreating")?;
    let message = container.message.as_deref().unwrap_or_default();
    Some(
        format!("the mover's pod waits: {reason} {message}")
            .trim_end()
            .to_owned(),
    )
}

#[cfg(test)]
#[allow(clippy::needless_pass_by_value, reason = "tests write JSON where they pass it")]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::task::Reason;

    fn job(conditions: Value) -> Job {
        let annotations = json!({"backup.hearth.home.arpa/claim": "a", "backup.hearth.home.arpa/attempt": "2"});
        serde_json::from_value(json!({
            "metadata": {"name": "j", "annotations": annotations}, "status": {"conditions": conditions},
        }))
        .unwrap()
    }

    fn pod(status: Value) -> Pod {
        let labels = json!({"batch.kubernetes.io/job-name": "j"});
        serde_json::from_value(json!({"metadata": {"name": "j-x", "labels": labels}, "status": status})).unwrap()
    }

    fn ended(type_: &str) -> Value {
        json!([{"type": type_, "status": "True", "lastTransitionTime": "1970-01-01T00:00:09Z"}])
    }

    fn terminated(state: Value) -> Pod {
        pod(json!({"containerStatuses": [{
            "name": "mover", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": {"terminated": state},
        }]}))
    }

    fn one(job: Job, pods: &[Pod]) -> JobState {
        read(&[job], pods).remove(0).state
    }

    #[test]
    fn a_job_that_failed_with_a_report_says_what_the_report_says() {
        let report = Report::failed(Reason::Locked, "by another");
        let pods = [terminated(json!({"exitCode": 1, "message": report.encode()}))];
        let expected = JobState::Ended(Timestamp::from_second(9).unwrap(), Ok(Box::new(report)));
        assert_eq!(one(job(ended("Failed")), &pods), expected);
    }

    #[test]
    fn a_job_without_a_report_says_what_is_known() {
        let why = |pods: &[Pod]| match one(job(ended("Failed")), pods) {
            JobState::Ended(_, Err(why)) => why,
            other => panic!("{other:?}"),
        };
        assert!(why(&[terminated(json!({"exitCode": 137, "reason": "OOMKilled"}))]).contains("memory"));
        assert!(why(&[terminated(json!({"exitCode": 2}))]).contains("exit code 2"));
        assert!(why(&[terminated(json!({"exitCode": 0, "message": "{"}))]).contains("cannot be read"));
        assert!(why(&[]).contains("pod is gone"));
    }

    #[test]
    fn a_pod_that_waits_says_for_what() {
        let scheduled = json!([{"type": "PodScheduled", "status": "False", "message": "0/3 nodes"}]);
        let pods = [pod(json!({"phase": "Pending", "conditions": scheduled}))];
        assert!(matches!(one(job(json!([])), &pods), JobState::Active(Some(text)) if text.contains("0/3 nodes")));
        assert_eq!(
            one(job(json!([])), &[pod(json!({"phase": "Running"}))]),
            JobState::Active(None)
        );
        assert_eq!(one(job(json!([])), &[]), JobState::Active(None));
    }

    #[test]
    fn a_job_whose_pods_are_refused_says_where_to_look() {
        let mut begun = job(json!([]));
        let status = begun.status.get_or_insert_default();
        status.start_time = serde_json::from_value(json!("1970-01-01T00:00:00Z")).unwrap();
        assert!(matches!(one(begun.clone(), &[]), JobState::Active(Some(text)) if text.contains("describe job j")));
        begun.status.get_or_insert_default().active = Some(1);
        assert_eq!(one(begun, &[]), JobState::Active(None));
    }

    #[test]
    fn jobs_of_others_are_left_out() {
        let foreign: Job = serde_json::from_value(json!({"metadata": {"name": "x"}})).unwrap();
        assert_eq!(read(&[foreign], &[]), []);
    }
}
