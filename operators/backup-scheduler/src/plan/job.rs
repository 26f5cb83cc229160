//! The Job of a mover, and the Secret that it needs.
use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::{
    Container, EmptyDirVolumeSource, PersistentVolumeClaimVolumeSource, PodSpec, PodTemplateSpec, ResourceRequirements,
    Secret, SecretVolumeSource, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use sha2::{Digest, Sha256};

use super::limits::ActiveMover;
use super::placement::Placement;
use super::pod::PodSettings;
use crate::MANAGER;
use crate::crd::{RUN, RUN_KIND};
use crate::task::{CACHE, FOLDER, TASK, TEMPORARY, Task};

/// The memory limit of a mover, in bytes: 160 MiB, which every work of restic passes up to 50,000 files (measured, see the design).
pub const MEMORY: u64 = 160 << 20;
/// A restore needs so much more for each file beyond [`FILES`], in bytes (measured: 300,000 files need 391 MiB).
const MEMORY_PER_FILE: u64 = 1200;
/// Files that need no more memory.
const FILES: u64 = 50_000;
/// A mover that takes longer than this is not at work any more: 48 hours.
const DEADLINE_SECONDS: i64 = 48 * 3600;
/// restic needs a moment to remove its lock.
const GRACE_SECONDS: i64 = 60;
/// The size of the folder of a mover without a volume. It has the API objects of a namespace.
const FOLDER_SIZE: &str = "2Gi";
/// A Job that nobody removes, since its run is gone or not watched, is removed after so long: 1 day.
const TTL_SECONDS: i32 = 24 * 3600;
/// The claim that a Job works on, or the name of its work; an annotation, since a label is too short for some names.
pub const CLAIM: &str = "backup.hearth.home.arpa/claim";
/// The node that the volume of a Job binds it to; an annotation, so that movers can be counted.
pub const NODE: &str = "backup.hearth.home.arpa/node";
/// The BackupRepository that a Job works in; an annotation, so that movers can be counted.
pub const REPOSITORY: &str = "backup.hearth.home.arpa/repository";
/// Which attempt a Job is; an annotation.
pub const ATTEMPT: &str = "backup.hearth.home.arpa/attempt";

/// The hash of the spec that a Job was started for; an annotation.
pub const SPEC: &str = "backup.hearth.home.arpa/spec";

/// The run that a Job belongs to.
#[derive(Debug, Clone, PartialEq)]
pub struct Owner {
    /// What the Job goes with: the run; what is cluster-scoped, where the Job is in another namespace.
    pub reference: OwnerReference,
    /// The namespace of the Job.
    pub namespace: String,
    /// The UID of the run, which is a label of the Job.
    pub run: String,
    /// The kind of the run, which is one too.
    pub kind: String,
    /// The hash of its spec, where a run may get another spec.
    pub spec: Option<String>,
}

/// What a mover is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct MoverSpec {
    /// The run.
    pub owner: Owner,
    /// The claim, which is mounted; none for work on the repository alone.
    pub claim: Option<String>,
    /// The name of work that is not on a claim.
    pub work: Option<String>,
    /// The ServiceAccount, whose token it gets; none: the namespace's default, without a token.
    pub account: Option<String>,
    /// Where the volume is mounted. Without a claim it is an empty folder; none if this is empty.
    pub mount_path: String,
    /// Whether the volume is only read.
    pub read_only: bool,
    /// Which attempt it is, from 1.
    pub attempt: i64,
    /// Where it runs.
    pub placement: Placement,
    /// The memory limit in bytes.
    pub memory: u64,
}

/// The memory limit for a restore of so many files, in bytes.
pub fn restore_memory(files: u64) -> u64 {
    MEMORY.saturating_add(files.saturating_sub(FILES).saturating_mul(MEMORY_PER_FILE))
}

/// The first bytes of the SHA-256 hash of something, in hex.
pub(super) fn hex(of: &[u8], bytes: usize) -> String {
    let hash = Sha256::digest(of);
    hash.iter()
        .take(bytes)
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// The name of a mover's Job and Secret: the same for the same run, spec, claim (or work) and attempt, so that none is made twice.
pub fn name(mover: &MoverSpec) -> String {
    let (owner, claim) = (&mover.owner, subject(mover).map(String::as_str));
    let (run, spec) = (&owner.run, owner.spec.as_deref().unwrap_or_default());
    let hash = hex(format!("{run}/{}/{spec}", claim.unwrap_or_default()).as_bytes(), 5);
    // A name of a Job is a label of its pods: at most 63 characters, here 6 + 1 + 30 + 1 + 10 + 1 + 3.
    let readable: String = claim.unwrap_or("find").chars().take(30).collect();
    let readable = readable.replace('.', "-");
    format!("hearth-{}-{hash}-{}", readable.trim_matches('-'), mover.attempt)
}

/// The Job. Its pod waits for [`secret`], which can only be made when the Job's UID is known.
pub fn job(spec: &MoverSpec, settings: &PodSettings) -> Job {
    let metadata = metadata(spec);
    let secret = metadata.name.as_deref().unwrap_or_default();
    let template = PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: metadata.labels.clone(),
            ..ObjectMeta::default()
        }),
        spec: Some(pod(spec, settings, secret)),
    };
    let mut annotations = BTreeMap::from([
        (CLAIM.to_owned(), subject(spec).cloned().unwrap_or_default()),
        (ATTEMPT.to_owned(), spec.attempt.to_string()),
    ]);
    annotations.extend(spec.owner.spec.clone().map(|hash| (SPEC.to_owned(), hash)));
    Job {
        metadata: ObjectMeta {
            annotations: Some(annotations),
            ..metadata
        },
        spec: Some(JobSpec {
            active_deadline_seconds: Some(DEADLINE_SECONDS),
            // What is to be tried again, and when, is decided here and not by the Job's controller.
            backoff_limit: Some(0),
            template,
            ttl_seconds_after_finished: (spec.owner.run != spec.owner.reference.uid).then_some(TTL_SECONDS),
            ..JobSpec::default()
        }),
        status: None,
    }
}

/// What a mover works on: its claim, or the name of its work on a repository.
fn subject(spec: &MoverSpec) -> Option<&String> {
    spec.claim.as_ref().or(spec.work.as_ref())
}

/// What the Job and the Secret have in common.
fn metadata(spec: &MoverSpec) -> ObjectMeta {
    let reference = &spec.owner.reference;
    let labels = [
        ("app.kubernetes.io/managed-by".to_owned(), MANAGER.to_owned()),
        (RUN.to_owned(), spec.owner.run.clone()),
        (RUN_KIND.to_owned(), spec.owner.kind.clone()),
    ];
    ObjectMeta {
        name: Some(name(spec)),
        namespace: Some(spec.owner.namespace.clone()),
        labels: Some(labels.into()),
        owner_references: Some(vec![reference.clone()]),
        ..ObjectMeta::default()
    }
}

/// Writes on a Job what is needed to count it.
pub fn count(job: &mut Job, mover: &ActiveMover) {
    let annotations = job.metadata.annotations.get_or_insert_default();
    for (key, value) in [(NODE, &mover.node), (REPOSITORY, &mover.repository)] {
        if let Some(value) = value {
            annotations.insert(key.to_owned(), value.clone());
        }
    }
}

fn pod(spec: &MoverSpec, settings: &PodSettings, secret: &str) -> PodSpec {
    let placement = &spec.placement;
    let empty_dir = |name: &str, limit: &str| Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource {
            size_limit: Some(Quantity(limit.to_owned())),
            ..EmptyDirVolumeSource::default()
        }),
        ..Volume::default()
    };
    let mount = |name: &str, path: &str, read_only: bool| VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    };
    let mut volumes = vec![
        Volume {
            name: "run".to_owned(),
            secret: Some(SecretVolumeSource {
                secret_name: Some(secret.to_owned()),
                ..SecretVolumeSource::default()
            }),
            ..Volume::default()
        },
        empty_dir("cache", "2Gi"),
        empty_dir("tmp", "1Gi"),
    ];
    let mut mounts = vec![
        mount("run", FOLDER, true),
        mount("cache", CACHE, false),
        mount("tmp", TEMPORARY, false),
    ];
    if let Some(claim) = &spec.claim {
        volumes.push(Volume {
            name: "data".to_owned(),
            persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
                claim_name: claim.clone(),
                // Only the mount is read-only: some drivers cannot attach a volume read-only that is in use.
                read_only: None,
            }),
            ..Volume::default()
        });
        mounts.push(mount("data", &spec.mount_path, spec.read_only));
    } else if !spec.mount_path.is_empty() {
        volumes.push(empty_dir("data", FOLDER_SIZE));
        mounts.push(mount("data", &spec.mount_path, false));
    }
    let quantity = |name: &str, value: String| (name.to_owned(), Quantity(value));
    let container = Container {
        name: "mover".to_owned(),
        image: Some(settings.image.clone()),
        image_pull_policy: settings.pull_policy.clone(),
        args: Some(vec!["move".to_owned()]),
        resources: Some(ResourceRequirements {
            limits: Some([quantity("memory", spec.memory.to_string())].into()),
            requests: Some(
                [
                    quantity("memory", spec.memory.to_string()),
                    quantity("cpu", "50m".to_owned()),
                ]
                .into(),
            ),
            ..ResourceRequirements::default()
        }),
        security_context: Some(placement.container.clone()),
        volume_mounts: Some(mounts),
        ..Container::default()
    };
    let hostname = |node: &String| BTreeMap::from([("kubernetes.io/hostname".to_owned(), node.clone())]);
    PodSpec {
        affinity: Some(settings.affinity()),
        automount_service_account_token: Some(spec.account.is_some()),
        service_account_name: spec.account.clone(),
        enable_service_links: Some(false),
        containers: vec![container],
        image_pull_secrets: settings.pull_secrets(),
        node_selector: placement.node.as_ref().map(hostname),
        priority_class_name: settings.priority_class.clone(),
        restart_policy: Some("Never".to_owned()),
        security_context: Some(placement.pod.clone()),
        termination_grace_period_seconds: Some(GRACE_SECONDS),
        tolerations: (!placement.tolerations.is_empty()).then(|| placement.tolerations.clone()),
        volumes: Some(volumes),
        ..PodSpec::default()
    }
}

/// The Secret of a mover: its task and what opens the repository of this namespace, and nothing else. It is made before the Job,
/// so that a pod never waits for it, and belongs to the run until [`belongs_to`] gives it to the Job.
pub fn secret(spec: &MoverSpec, task: &Task, credentials: &BTreeMap<String, Vec<u8>>) -> Secret {
    let mut data: BTreeMap<String, ByteString> = credentials
        .iter()
        .map(|(key, value)| (key.clone(), ByteString(value.clone())))
        .collect();
    // A task has no map with keys that are not text, so this cannot fail.
    let text = serde_json::to_vec(task).unwrap_or_default();
    data.insert(TASK.to_owned(), ByteString(text));
    Secret {
        metadata: metadata(spec),
        data: Some(data),
        immutable: Some(true),
        ..Secret::default()
    }
}

/// The reference to a Job, for its Secret.
pub fn belongs_to(job: &Job) -> OwnerReference {
    OwnerReference {
        api_version: "batch/v1".to_owned(),
        kind: "Job".to_owned(),
        name: job.metadata.name.clone().unwrap_or_default(),
        uid: job.metadata.uid.clone().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::{Repository, Work};

    fn spec(claim: Option<&str>) -> MoverSpec {
        MoverSpec {
            owner: Owner {
                reference: OwnerReference {
                    api_version: "backup.hearth.home.arpa/v1alpha1".to_owned(),
                    kind: "BackupRun".to_owned(),
                    name: "nightly".to_owned(),
                    uid: "u1".to_owned(),
                    controller: Some(true),
                    block_owner_deletion: None,
                },
                namespace: "home".to_owned(),
                run: "u1".to_owned(),
                kind: "BackupRun".to_owned(),
                spec: None,
            },
            claim: claim.map(str::to_owned),
            work: None,
            account: None,
            mount_path: claim.map_or(String::new(), |_| "/data/a".to_owned()),
            read_only: true,
            attempt: 2,
            placement: Placement::default(),
            memory: MEMORY,
        }
    }

    #[test]
    fn a_mover_has_no_api_token_and_goes_with_its_run() {
        let job = job(&spec(Some("a")), &PodSettings::default());
        let pod = job.spec.as_ref().unwrap().template.spec.as_ref().unwrap();
        assert_eq!(pod.automount_service_account_token, Some(false));
        assert_eq!(job.spec.as_ref().unwrap().backoff_limit, Some(0));
        assert_eq!(job.metadata.owner_references.as_ref().unwrap()[0].uid, "u1");
        let mounts = pod.containers[0].volume_mounts.as_ref().unwrap();
        let data = mounts.iter().find(|mount| mount.name == "data").unwrap();
        assert_eq!((data.mount_path.as_str(), data.read_only), ("/data/a", Some(true)));
    }

    #[test]
    fn another_spec_of_the_same_run_has_movers_of_its_own() {
        let first = spec(Some("a"));
        let mut second = first.clone();
        second.owner.spec = Some("hash".to_owned());
        assert_ne!(name(&first), name(&second));
        let job = job(&second, &PodSettings::default());
        assert_eq!(
            crate::plan::job_state::read(&[job], &[])[0].spec.as_deref(),
            Some("hash")
        );
    }

    #[test]
    fn a_movers_pod_is_as_the_installation_says() {
        let settings = PodSettings {
            image: "registry.example.org/hearth:1".to_owned(),
            pull_policy: Some("Always".to_owned()),
            pull_secrets: vec!["private".to_owned()],
            priority_class: Some("low".to_owned()),
            ..PodSettings::default()
        };
        let job = job(&spec(Some("a")), &settings);
        let pod = job.spec.unwrap().template.spec.unwrap();
        assert_eq!(pod.containers[0].image, Some(settings.image.clone()));
        assert_eq!(pod.containers[0].image_pull_policy, settings.pull_policy);
        assert_eq!(pod.image_pull_secrets.unwrap()[0].name, "private");
        assert_eq!(pod.priority_class_name, settings.priority_class);
        assert_eq!(pod.affinity, Some(settings.affinity()));
    }

    #[test]
    fn a_mover_of_api_objects_has_a_folder_and_its_own_account_and_is_found_by_its_run() {
        let mut spec = spec(None);
        spec.work = Some(".objects".to_owned());
        spec.account = Some("hearth-exporter".to_owned());
        spec.mount_path = "/objects".to_owned();
        spec.owner.reference.kind = "BackupRepository".to_owned();
        spec.owner.reference.uid = "r1".to_owned();
        let job = job(&spec, &PodSettings::default());
        let labels = job.metadata.labels.as_ref().unwrap();
        assert_eq!((labels[RUN].as_str(), labels[RUN_KIND].as_str()), ("u1", "BackupRun"));
        assert_eq!(job.metadata.owner_references.as_ref().unwrap()[0].uid, "r1");
        let body = job.spec.unwrap();
        assert_eq!(body.ttl_seconds_after_finished, Some(TTL_SECONDS));
        let pod = body.template.spec.unwrap();
        assert_eq!(pod.service_account_name.as_deref(), Some("hearth-exporter"));
        assert_eq!(pod.automount_service_account_token, Some(true));
        let folder = pod
            .volumes
            .unwrap()
            .into_iter()
            .find(|volume| volume.name == "data")
            .unwrap();
        assert!(folder.empty_dir.is_some());
        let mounts = pod.containers[0].volume_mounts.as_ref().unwrap();
        let mount = mounts.iter().find(|mount| mount.name == "data").unwrap();
        assert_eq!((mount.mount_path.as_str(), mount.read_only), ("/objects", None));
    }

    #[test]
    fn a_name_is_the_same_for_the_same_work_and_fits_a_label() {
        let named = |claim: Option<&str>, attempt: i64| name(&MoverSpec { attempt, ..spec(claim) });
        let long = "a.".repeat(126);
        assert_eq!(named(Some(&long), 1), named(Some(&long), 1));
        assert_ne!(named(Some("a"), 1), named(Some("a"), 2));
        assert_ne!(named(Some("a-b"), 1), named(Some("a.b"), 1));
        assert!(named(Some(&long), 999).len() <= 63);
        assert!(named(None, 1).starts_with("hearth-find-"));
        let mut other = spec(Some("a"));
        other.owner.run = "u2".to_owned();
        assert_ne!(name(&spec(Some("a"))), name(&other));
    }

    #[test]
    fn the_secret_has_the_task_and_goes_with_the_run() {
        let task = Task {
            repository: Repository {
                location: "s3:https://s3/b/volumes/home".to_owned(),
                region: None,
                path_style: true,
                append_only: false,
                limit_upload: 0,
            },
            work: Work::Initialize { create: true },
            memory_limit: MEMORY,
            progress: None,
        };
        let secret = secret(&spec(None), &task, &[("password".to_owned(), b"p".to_vec())].into());
        assert_eq!(secret.metadata.owner_references.as_ref().unwrap()[0].uid, "u1");
        let job = job(&spec(None), &PodSettings::default());
        assert_eq!(secret.metadata.name, job.metadata.name);
        let data = secret.data.unwrap();
        assert_eq!(serde_json::from_slice::<Task>(&data[TASK].0).unwrap(), task);
        assert_eq!(data["password"].0, b"p");
    }

    #[test]
    fn a_restore_of_many_files_gets_more_memory() {
        assert_eq!(restore_memory(0), MEMORY);
        assert_eq!(restore_memory(300_000), MEMORY + 250_000 * 1200);
    }
}
