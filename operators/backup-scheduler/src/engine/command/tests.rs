//! Each call as restic gets it.
use super::*;

fn settings() -> Settings {
    Settings {
        repository: Repository {
            location: "s3:https://s3.example.com/home/web".to_owned(),
            region: Some("eu-west-1".to_owned()),
            path_style: true,
            append_only: false,
            limit_upload: 512,
        },
        folder: "/run/hearth".into(),
        credentials: Some(Credentials {
            access_key_id: "id".to_owned(),
            secret_access_key: "hidden".to_owned(),
            session_token: Some("token".to_owned()),
        }),
        own_ca: true,
        cache: "/cache".into(),
        temporary: "/tmp".into(),
        memory_limit: 160 << 20,
        lock_patience: Duration::from_mins(2),
    }
}

fn line(call: &Call) -> String {
    let arguments = arguments(&settings(), call);
    let arguments: Vec<_> = arguments.iter().map(|argument| argument.to_str().unwrap()).collect();
    arguments.join(" ")
}

const REPOSITORY: &str = "--json --repo=s3:https://s3.example.com/home/web";
const REST: &str = "--cacert=/run/hearth/ca.crt --option=s3.bucket-lookup=path --limit-upload=512";

#[test]
fn a_backup_without_a_parent_reads_all_files() {
    let backup = Backup {
        path: "/data/web".to_owned(),
        host: "home".to_owned(),
        time: "2026-11-29 03:00:00".to_owned(),
        tags: vec!["run=a/b".to_owned(), "claim=web".to_owned()],
        exclude: vec!["*.tmp".to_owned(), "-x".to_owned()],
        ..Backup::default()
    };
    assert_eq!(
        line(&Call::Backup(backup.clone())),
        format!(
            "backup {REPOSITORY} --retry-lock=120s {REST} --pack-size=8 --host=home --time=2026-11-29 03:00:00 \
             --tag=run=a/b --tag=claim=web --force --exclude=*.tmp --exclude=-x -- /data/web"
        )
    );
    let second = Backup {
        parent: Some("ab12".to_owned()),
        skip_if_unchanged: true,
        ..backup
    };
    let line = line(&Call::Backup(second));
    assert!(line.contains(" --parent=ab12 --skip-if-unchanged ") && !line.contains("--force"));
}

#[test]
fn reads_take_no_lock_and_writes_wait_for_one() {
    let reads = [
        Call::Config,
        Call::Snapshot("ab".to_owned()),
        Call::Packs,
        Call::RawSize("ab".to_owned()),
    ];
    for call in reads {
        assert!(line(&call).contains(" --no-lock "), "{call:?}");
    }
    assert_eq!(
        line(&Call::Missing(vec!["ab".to_owned()])),
        format!("repair snapshots --dry-run {REPOSITORY} --no-lock {REST} -- ab")
    );
    let restore = Restore {
        snapshot: "ab12".to_owned(),
        path: "/data/web".to_owned(),
        target: "/data/new".into(),
        exclude: vec!["/dev".to_owned()],
        exclude_attributes: vec!["security.*".to_owned()],
        without_lock: false,
    };
    assert_eq!(
        line(&Call::Restore(restore)),
        format!(
            "restore {REPOSITORY} --retry-lock=120s {REST} --sparse --target=/data/new --exclude=/dev \
             --exclude-xattr=security.* -- ab12:/data/web"
        )
    );
    assert_eq!(
        line(&Call::Forget(vec!["a".to_owned(), "b".to_owned()])),
        format!("forget {REPOSITORY} --retry-lock=120s {REST} -- a b")
    );
    assert_eq!(line(&Call::Unlock), format!("unlock {REPOSITORY} {REST}"));
}

#[test]
fn a_check_reads_a_part_and_takes_no_lock_and_a_prune_takes_one() {
    assert_eq!(
        line(&Call::Check(Some((3, 14)))),
        format!("check {REPOSITORY} --no-lock {REST} --read-data-subset=3/14")
    );
    assert_eq!(line(&Call::Check(None)), format!("check {REPOSITORY} --no-lock {REST}"));
    // Without JSON: it would be one line of any length.
    let find = line(&Call::Find(Object::Blob, vec!["ab".to_owned()]));
    assert!(
        find.starts_with("find --repo=") && find.ends_with(" --blob -- ab"),
        "{find}"
    );
    let prune = |only_delete| line(&Call::Prune { only_delete });
    assert_eq!(
        prune(false),
        format!("prune {REPOSITORY} --retry-lock=120s {REST} --pack-size=8")
    );
    assert_eq!(prune(true), format!("{} --max-repack-size=0", prune(false)));
    assert_eq!(
        line(&Call::RepairPacks(vec!["ab".to_owned()])),
        format!("repair packs {REPOSITORY} --retry-lock=120s {REST} --pack-size=8 -- ab")
    );
    assert_eq!(
        line(&Call::RepairIndex),
        format!("repair index {REPOSITORY} --retry-lock=120s {REST}")
    );
}

#[test]
fn a_pattern_matches_one_path() {
    assert_eq!(pattern("/dev/null"), "/dev/null");
    assert_eq!(pattern("/a [x]*?\\\u{fffd}"), "/a \\[x\\]\\*\\?\\\\?");
}

#[test]
fn the_heap_is_limited_to_a_share_of_the_container_and_keys_are_in_the_environment_only() {
    let environment = environment(&settings());
    let get = |name: &str| environment.iter().find(|pair| pair.0 == name).map(|pair| &pair.1);
    assert_eq!(
        get("GOMEMLIMIT").unwrap(),
        &(160_u64 * 1_048_576 / 100 * 65).to_string()[..]
    );
    assert_eq!(get("AWS_SECRET_ACCESS_KEY").unwrap(), "hidden");
    assert_eq!(get("AWS_DEFAULT_REGION").unwrap(), "eu-west-1");
    assert_eq!(get("RESTIC_PASSWORD_FILE").unwrap(), "/run/hearth/password");
    assert!(!line(&Call::Config).contains("hidden"));
    assert!(!format!("{:?}", settings()).contains("hidden"));
}
