//! The login by the auth method kubernetes, in which the server asks an API server about the operator's token.
use std::path::PathBuf;

use tempfile::TempDir;
use tokio::time::sleep;

use super::token_reviews::{REVIEWER, TokenReviews};
use super::*;

const ROLES: &str = "auth/kubernetes/role";

/// A server with the method and the role `sync`, the API server that it asks, and the operator's projected token.
struct Cluster {
    server: DevServer,
    reviews: TokenReviews,
    folder: TempDir,
}

impl Cluster {
    async fn start() -> Self {
        let server = DevServer::start().await.unwrap();
        let reviews = TokenReviews::start(&server).await;
        let this = Self {
            server,
            reviews,
            folder: tempfile::tempdir().unwrap(),
        };
        let api = this.server.api();
        put(api, "app", json!({ "a": 1 })).await;
        policy(api, "app", r#"path "secret/*" { capabilities = ["read"] }"#).await;
        api.post("sys/auth/kubernetes", json!({ "type": "kubernetes" }))
            .await
            .unwrap();
        this.configure(REVIEWER).await;
        this.role("sync", json!({ "audience": "vault" })).await;
        this
    }

    /// With the token that the server shows to the API server.
    async fn configure(&self, reviewer: &str) {
        let config = json!({
            "kubernetes_host": self.reviews.url(),
            "kubernetes_ca_cert": self.reviews.ca,
            "token_reviewer_jwt": reviewer,
            "disable_local_ca_jwt": true,
        });
        self.server.api().post("auth/kubernetes/config", config).await.unwrap();
    }

    async fn role(&self, name: &str, options: Value) {
        let mut role = json!({
            "bound_service_account_names": ["secret-sync"],
            "bound_service_account_namespaces": ["hearth"],
            "token_policies": ["app"],
        });
        role.as_object_mut()
            .unwrap()
            .extend(options.as_object().unwrap().clone());
        self.server.api().post(&format!("{ROLES}/{name}"), role).await.unwrap();
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("token")
    }

    /// Puts a token into the file, all at once as the kubelet does.
    fn project(&self, token: &str) {
        let new = self.folder.path().join("new");
        std::fs::write(&new, token).unwrap();
        std::fs::rename(new, self.file()).unwrap();
    }

    fn settings(&self, mount: &str, role: &str) -> Settings {
        let login = Login::ServiceAccount {
            mount: mount.to_owned(),
            role: role.to_owned(),
            audience: "vault".to_owned(),
            token_file: self.file(),
        };
        Settings {
            login,
            ..settings(self.server.api())
        }
    }

    async fn refused(&self, mount: &str, role: &str) -> Failure {
        let failure = connect(self.settings(mount, role)).check().await.unwrap_err();
        assert_eq!(failure.reason, Reason::LoginRefused, "{failure}");
        for word in [&format!("`auth/{mount}`"), &format!("`{role}`"), "`vault`"] {
            assert!(failure.message.contains(word), "{failure}");
        }
        failure
    }
}

#[tokio::test]
async fn a_token_that_the_api_server_confirms_logs_in_once_for_many_calls() {
    let cluster = Cluster::start().await;
    let token = cluster.reviews.issue("vault");
    cluster.project(&format!("{token}\n"));
    let connection = connect(cluster.settings("kubernetes", "sync"));
    for object in futures::future::join_all((0..20).map(|_| read(&connection, "app"))).await {
        object.unwrap();
    }
    connection.check().await.unwrap();
    assert_eq!(cluster.reviews.reviews(), [(token, json!(["vault"]))]);

    // A role without an audience takes a token for anybody.
    cluster.role("sync", json!({ "audience": "" })).await;
    let token = cluster.reviews.issue("other");
    cluster.project(&token);
    connect(cluster.settings("kubernetes", "sync")).check().await.unwrap();
    assert_eq!(cluster.reviews.reviews()[1..], [(token, json!(["other"]))]);
}

#[tokio::test]
async fn what_role_or_api_server_do_not_allow_is_a_refused_login() {
    let cluster = Cluster::start().await;
    let reviews = &cluster.reviews;
    for (token, mount, role) in [
        (reviews.issue("other"), "kubernetes", "sync"),
        (reviews.issue_for("stranger", "vault"), "kubernetes", "sync"),
        (reviews.issue("vault"), "kubernetes", "nobody"),
        (reviews.issue("vault"), "nowhere", "sync"),
    ] {
        cluster.project(&token);
        let failure = cluster.refused(mount, role).await;
        assert!(!failure.message.contains(&token), "{failure}");
    }
    // All that is seen without a review.
    assert!(reviews.reviews().is_empty());

    let token = reviews.issue("vault");
    cluster.project(&token);
    reviews.invalidate(&token);
    cluster.refused("kubernetes", "sync").await;

    // The same connection goes on with a token that is good.
    let connection = connect(cluster.settings("kubernetes", "sync"));
    connection.check().await.unwrap_err();
    cluster.project(&reviews.issue("vault"));
    connection.check().await.unwrap();
    read(&connection, "app").await.unwrap();
}

#[tokio::test]
async fn a_review_that_the_server_cannot_get_is_a_refused_login_too() {
    let mut cluster = Cluster::start().await;
    cluster.project(&cluster.reviews.issue("vault"));
    cluster.configure("no-reviewer").await;
    let failure = cluster.refused("kubernetes", "sync").await;
    assert!(
        failure.message.contains("can verify tokens of this cluster"),
        "{failure}"
    );
    assert!(cluster.reviews.reviews().is_empty());
    cluster.configure(REVIEWER).await;
    connect(cluster.settings("kubernetes", "sync")).check().await.unwrap();

    // Nothing listens where the server asks.
    let authority = DevServer::start().await.unwrap();
    let other = TokenReviews::start(&authority).await;
    let ca = std::mem::replace(&mut cluster.reviews, other).ca.clone();
    cluster.refused("kubernetes", "sync").await;

    // The server does not trust whom it asks.
    cluster.reviews.ca = ca;
    cluster.configure(REVIEWER).await;
    cluster.project(&cluster.reviews.issue("vault"));
    cluster.refused("kubernetes", "sync").await;
    assert!(cluster.reviews.reviews().is_empty());
}

#[tokio::test]
async fn a_token_that_the_kubelet_has_replaced_is_read_for_the_next_login() {
    let cluster = Cluster::start().await;
    cluster
        .role(
            "sync",
            json!({ "audience": "vault", "token_ttl": "2s", "token_max_ttl": "2s" }),
        )
        .await;
    let (first, second) = (cluster.reviews.issue("vault"), cluster.reviews.issue("vault"));
    cluster.project(&first);
    let connection = connect(cluster.settings("kubernetes", "sync"));
    read(&connection, "app").await.unwrap();
    cluster.project(&second);
    cluster.reviews.invalidate(&first);
    sleep(Duration::from_secs(3)).await;
    read(&connection, "app").await.unwrap();
    let shown: Vec<_> = cluster.reviews.reviews().into_iter().map(|(token, _)| token).collect();
    assert_eq!(shown, [first, second]);

    std::fs::remove_file(cluster.file()).unwrap();
    sleep(Duration::from_secs(3)).await;
    let failure = read(&connection, "app").await.err().unwrap();
    assert_eq!(failure.reason, Reason::LoginRefused);
    assert!(failure.message.contains(cluster.file().to_str().unwrap()), "{failure}");
}
