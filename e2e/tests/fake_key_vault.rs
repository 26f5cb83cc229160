//! The fake Key Vault through Microsoft's own clients for Python.
//!
//! `HEARTH_AZURE_PYTHON` names a Python that has them (see `hack/tools/azure-sdk-python`). The program `openssl` makes the
//! certificates.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use hearth_e2e::fake_key_vault::{Application, FakeKeyVault, Options, make_chain};

const TENANT: &str = "7b790000-0000-4000-8000-000000000001";
const CLIENT_ID: &str = "1f2e0000-0000-4000-8000-000000000002";
/// With characters that a form must encode.
const CLIENT_SECRET: &str = "p~w+d e%41&=";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn microsofts_clients_find_what_they_find_at_azure() {
    let python = std::env::var_os("HEARTH_AZURE_PYTHON")
        .expect("HEARTH_AZURE_PYTHON is not set; `cargo xtask cluster tool azure_python` prints its value");
    let options = Options {
        listen: "127.0.0.1:0".parse().unwrap(),
        control: Some("127.0.0.1:0".parse().unwrap()),
        hosts: vec!["127.0.0.1".to_owned()],
        application: Application {
            tenant: TENANT.to_owned(),
            client_id: CLIENT_ID.to_owned(),
            secrets: vec![CLIENT_SECRET.to_owned()],
            expired_secrets: Vec::new(),
        },
        resource: "https://vault.azure.net".to_owned(),
    };
    let fake = FakeKeyVault::start(options).await.unwrap();
    let ca = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(ca.path(), fake.ca()).unwrap();
    let chain = make_chain("www.example.org").await.unwrap();

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fake_key_vault/clients.py");
    let mut command = Command::new(python);
    command
        .arg(script)
        .arg(format!("https://{}", fake.addr()))
        .arg(format!("http://{}", fake.control_addr().unwrap()))
        .arg(ca.path())
        .args([TENANT, CLIENT_ID, CLIENT_SECRET])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let output = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(chain.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    })
    .await
    .unwrap();
    let (out, error) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{out}\n{error}");
    assert_eq!(out.matches("as expected").count(), 9, "{out}\n{error}");
}
