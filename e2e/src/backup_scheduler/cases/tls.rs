//! An S3 server with a certificate of an authority of its own, and a key without the right to delete for movers that back up.
use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::ListParams;
use serde_json::json;

use crate::backup_scheduler::env::{BackupEnv, Home, LATER, SOON};
use crate::backup_scheduler::files;
use crate::case::Case;
use crate::objects::apply;
use crate::s3::AccessKey;
use crate::versitygw::{Options, VersityGw};
use crate::wait::until;

/// The namespace, the bucket and the repository.
const NAME: &str = "tls";

pub(super) fn cases() -> Vec<Case<BackupEnv>> {
    vec![Case::new(
        "a_private_authority_and_a_key_that_cannot_delete_are_enough_for_a_backup",
        |env| Box::pin(private(env)),
    )]
}

async fn private(env: &BackupEnv) -> Result<()> {
    let server = VersityGw::start(Options {
        address: env.environment.host,
        tls: true,
        ..Options::default()
    })
    .await?;
    server.create_bucket(NAME).await?;
    // As the guide says.
    let writer = server
        .create_user_for_movers(NAME, "writer", "hearth/*/locks/*")
        .await?;
    let mut home = env.home(NAME).await?;
    let root = server.root();
    home.secret(
        "s3",
        &json!({"access-key-id": root.id, "secret-access-key": root.secret}),
    )
    .await?;
    home.secret(
        "mover",
        &json!({"access-key-id": writer.id, "secret-access-key": writer.secret}),
    )
    .await?;
    let ca = String::from_utf8(server.ca().context("no certificate")?.to_vec())?;
    home.secret("ca", &json!({"ca.crt": ca})).await?;

    // Without the certificate nothing is sent, and the field is named.
    let s3 = &mut home.repository["spec"]["s3"];
    s3["endpoint"] = json!(server.url());
    s3["moverSecretRef"] = json!({"name": format!("{NAME}-mover")});
    apply(&env.client, &home.repository).await?;
    let message = home
        .repository_condition("Stalled", "True", "UnknownIssuer", SOON)
        .await?;
    ensure!(message.contains("s3.ca"), "{message}");
    home.repository["spec"]["s3"]["ca"] = json!({"name": format!("{NAME}-ca")});
    apply(&env.client, &home.repository).await?;
    home.repository_condition("Ready", "True", "", LATER).await?;

    let folder = home.bound("data").await?;
    files::write(&folder)?;
    let before = files::read(&folder)?;
    let backup = home.backup(
        "first",
        json!({"mover": {"securityContext": {"runAsUser": 999, "runAsGroup": 998}}}),
    );
    apply(&env.client, &backup).await?;
    shows_only(env, &home, &writer, root).await?;
    home.done(&backup, "Completed").await?;
    keeps(&server, &writer).await?;

    home.lose("data").await?;
    let folder = home.volume("data").await?;
    home.done(&home.restore("back", json!({})), "Completed").await?;
    let after = files::read(&folder)?;
    ensure!(after == before, "{after:?} instead of {before:?}");
    Ok(())
}

/// While the mover is at work, its Secret has its own key and certificate, and nothing of the other key.
async fn shows_only(env: &BackupEnv, home: &Home, writer: &AccessKey, root: &AccessKey) -> Result<()> {
    let secrets: Api<Secret> = Api::namespaced(env.client.clone(), &home.name);
    let ours = ListParams::default().labels("backup.hearth.home.arpa/run");
    let data = until("the mover has a Secret", SOON, || async {
        let found = secrets.list(&ours).await?.items.into_iter().next();
        Ok(found.and_then(|secret| secret.data))
    })
    .await?;
    let value = |key: &str| {
        data.get(key)
            .map(|value| String::from_utf8_lossy(&value.0).into_owned())
    };
    ensure!(
        value("access-key-id").as_ref() == Some(&writer.id),
        "another key than the mover's"
    );
    ensure!(value("ca.crt").is_some(), "no certificate");
    for (key, value) in &data {
        let text = String::from_utf8_lossy(&value.0);
        ensure!(
            !text.contains(&root.secret),
            "{key} of the mover's Secret has the key that can delete"
        );
    }
    Ok(())
}

/// Nothing of the backup can be deleted with the key, and the mover has left no lock.
async fn keeps(server: &VersityGw, writer: &AccessKey) -> Result<()> {
    let repository = format!("hearth/volumes/{NAME}");
    let folder = server.folder(NAME).join(&repository);
    let s3 = server.s3(writer)?;
    let mut tried = 0;
    for kind in ["snapshots", "keys", "index"] {
        for file in std::fs::read_dir(folder.join(kind))? {
            let name = file?.file_name().to_string_lossy().into_owned();
            let (status, answer) = s3
                .call("DELETE", &format!("/{NAME}/{repository}/{kind}/{name}"), "")
                .await?;
            ensure!(status == 403, "{kind}/{name} can be deleted: {status} {answer}");
            tried += 1;
        }
    }
    ensure!(tried >= 3, "only {tried} objects are there");
    let locks = std::fs::read_dir(folder.join("locks")).map_or(0, Iterator::count);
    ensure!(locks == 0, "{locks} locks are left");
    Ok(())
}
