//! Keys, certificates and kubeconfigs. Made once per cluster. `wipe-etcd` keeps them.
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::json;

use crate::command::run;
use crate::plan::{API_SERVICE, AddressPlan};
use crate::state::{Home, Node};
use crate::storage::write_whole;

/// `openssl req` with the system's configuration would mark every certificate as an authority.
const CONFIG: &str = "[req]\ndistinguished_name = name\n[name]\n";

/// The subject and the names of a certificate.
struct Leaf<'a> {
    file: &'a str,
    subject: String,
    names: String,
}

/// The authority, the key of the service accounts, and every certificate of the control plane.
pub(crate) fn ensure_control_plane(home: &Home, plan: AddressPlan) -> Result<()> {
    fs::create_dir_all(home.pki(""))?;
    fs::write(home.pki("openssl.cnf"), CONFIG)?;
    authority(home)?;
    if !home.pki("service-accounts.key").exists() {
        let key = Partial::new(home.pki("service-accounts.key"));
        let parameters = [
            "genpkey",
            "-algorithm",
            "RSA",
            "-pkeyopt",
            "rsa_keygen_bits:2048",
            "-out",
        ];
        run("openssl", &[&parameters[..], &[&key.text()]].concat())?;
        key.finish()?;
    }
    let server = format!(
        "IP:{},IP:127.0.0.1,IP:{API_SERVICE},DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,\
         DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local",
        plan.control_plane()
    );
    leaf(
        home,
        &Leaf {
            file: "kube-apiserver",
            subject: "/CN=kube-apiserver".into(),
            names: server,
        },
    )?;
    for (file, subject) in [
        ("admin", "/O=system:masters/CN=hearth-admin"),
        ("kubelet-client", "/O=system:masters/CN=kube-apiserver-kubelet-client"),
        ("front-proxy", "/CN=front-proxy-client"),
        ("kube-controller-manager", "/CN=system:kube-controller-manager"),
        ("kube-scheduler", "/CN=system:kube-scheduler"),
        ("kube-proxy", "/CN=system:kube-proxy"),
    ] {
        leaf(
            home,
            &Leaf {
                file,
                subject: subject.into(),
                names: String::new(),
            },
        )?;
        kubeconfig(home, plan, file, &home.pki(&format!("{file}.kubeconfig")))?;
    }
    kubeconfig(home, plan, "admin", &home.kubeconfig())
}

/// The certificate of a node's kubelet, as a client and as a server.
pub(crate) fn ensure_node(home: &Home, plan: AddressPlan, node: &Node) -> Result<()> {
    let file = format!("node-{}", node.name);
    let names = format!("DNS:{},IP:{}", node.name, plan.node(node.index));
    leaf(
        home,
        &Leaf {
            file: &file,
            subject: format!("/O=system:nodes/CN=system:node:{}", node.name),
            names,
        },
    )?;
    let directory = home.node(&node.name);
    fs::create_dir_all(&directory)?;
    kubeconfig(home, plan, &file, &directory.join("kubelet.kubeconfig"))?;
    fs::copy(
        home.pki("kube-proxy.kubeconfig"),
        directory.join("kube-proxy.kubeconfig"),
    )?;
    fs::copy(home.pki("ca.crt"), directory.join("ca.crt"))?;
    for ending in ["crt", "key"] {
        fs::copy(
            home.pki(&format!("{file}.{ending}")),
            directory.join(format!("kubelet.{ending}")),
        )?;
    }
    Ok(())
}

/// Removes a node's certificate, so that a node of this name at another address gets a new one.
pub(crate) fn forget_node(home: &Home, name: &str) {
    for ending in ["crt", "key"] {
        let _ = fs::remove_file(home.pki(&format!("node-{name}.{ending}")));
    }
}

fn authority(home: &Home) -> Result<()> {
    if home.pki("ca.crt").exists() {
        return Ok(());
    }
    let (key, certificate) = (home.pki("ca.key"), Partial::new(home.pki("ca.crt")));
    let extensions = [
        "-addext",
        "basicConstraints=critical,CA:TRUE",
        "-addext",
        "keyUsage=critical,keyCertSign,cRLSign",
    ];
    request(home, "/CN=hearth-cluster", &key, &certificate, &extensions)
}

fn leaf(home: &Home, leaf: &Leaf<'_>) -> Result<()> {
    let (key, certificate) = (
        home.pki(&format!("{}.key", leaf.file)),
        home.pki(&format!("{}.crt", leaf.file)),
    );
    if certificate.exists() {
        return Ok(());
    }
    let (ca, ca_key) = (
        home.pki("ca.crt").display().to_string(),
        home.pki("ca.key").display().to_string(),
    );
    let names = format!("subjectAltName={}", leaf.names);
    let mut extensions = vec![
        "-CA",
        &ca,
        "-CAkey",
        &ca_key,
        "-addext",
        "basicConstraints=critical,CA:FALSE",
    ];
    extensions.extend(["-addext", "extendedKeyUsage=serverAuth,clientAuth"]);
    if !leaf.names.is_empty() {
        extensions.extend(["-addext", &names]);
    }
    request(home, &leaf.subject, &key, &Partial::new(certificate), &extensions)
}

/// Requests a certificate for ten years, so that it does not expire while the cluster exists.
fn request(home: &Home, subject: &str, key: &Path, certificate: &Partial, extensions: &[&str]) -> Result<()> {
    let (config, key) = (home.pki("openssl.cnf").display().to_string(), key.display().to_string());
    let out = certificate.text();
    let mut arguments = vec!["req", "-x509", "-config", &config, "-newkey", "ec", "-pkeyopt"];
    arguments.extend([
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "3650",
        "-subj",
        subject,
    ]);
    arguments.extend(["-keyout", &key, "-out", &out]);
    arguments.extend(extensions);
    run("openssl", &arguments).context("failed to make a certificate; OpenSSL 3 is needed")?;
    certificate.finish()
}

/// A file that is renamed to its path when it is complete.
struct Partial(PathBuf);

impl Partial {
    fn new(path: PathBuf) -> Self {
        Self(path)
    }

    fn text(&self) -> String {
        format!("{}.partial", self.0.display())
    }

    fn finish(&self) -> Result<()> {
        fs::rename(self.text(), &self.0).with_context(|| format!("failed to write {}", self.0.display()))
    }
}

/// A kubeconfig with everything inside, so that it can be copied and mounted.
fn kubeconfig(home: &Home, plan: AddressPlan, holder: &str, to: &Path) -> Result<()> {
    let data = |file: &str| {
        run(
            "openssl",
            &["base64", "-A", "-in", &home.pki(file).display().to_string()],
        )
    };
    if to.exists() {
        return Ok(());
    }
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "hearth", "cluster": {
            "server": format!("https://{}:6443", plan.control_plane()),
            "certificate-authority-data": data("ca.crt")?,
        }}],
        "users": [{"name": holder, "user": {
            "client-certificate-data": data(&format!("{holder}.crt"))?,
            "client-key-data": data(&format!("{holder}.key"))?,
        }}],
        "contexts": [{"name": "hearth", "context": {"cluster": "hearth", "user": holder}}],
        "current-context": "hearth",
    });
    write_whole(to, &serde_json::to_vec_pretty(&config)?)
}
