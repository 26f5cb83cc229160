//! The operators of this workspace, as data: images, charts, end-to-end tests, demo and benchmarks are driven by this table.
//! Another operator is another row.
use anyhow::{Context, Result};
use clap::builder::PossibleValue;
use clap::builder::PossibleValuesParser;
use hearth_cluster::licenses;
use hearth_cluster::oci::ToolFile;

/// An operator.
pub(crate) struct Operator {
    /// The name of its chart, its image, its binary, and of it in every command.
    pub(crate) name: &'static str,
    /// Its Cargo package.
    pub(crate) package: &'static str,
    /// The API group of its CRDs: its chart installs those files of crds/ that end with it.
    pub(crate) crd_group: &'static str,
    /// Programs and other files of tools that its image has beside its binary.
    pub(crate) tools: &'static [ToolFile],
    /// Its end-to-end tests.
    pub(crate) parts: &'static [Part],
    /// The machines of its demo; none: any cluster will do.
    pub(crate) demo_machines: &'static [&'static str],
}

/// Cases of the end-to-end tests that run one after another on one cluster.
pub(crate) struct Part {
    pub(crate) name: &'static str,
    /// What its cases do to the cluster, for `--help`.
    pub(crate) about: &'static str,
    /// The machines of the local cluster, which notices a lost one quickly; none: any cluster will do.
    pub(crate) machines: &'static [&'static str],
    /// Whether `cargo xtask test` runs it.
    pub(crate) in_test: bool,
    /// About how long it takes: the longest part begins first.
    pub(crate) minutes: u32,
}

pub(crate) const OPERATORS: &[Operator] = &[
    Operator {
        name: "dns-sync",
        package: "hearth-dns-sync",
        crd_group: "dns.hearth.home.arpa",
        tools: &[],
        parts: &[
            Part {
                name: "calm",
                about: "dns-sync; the cluster stays as it is",
                machines: &[],
                in_test: true,
                minutes: 7,
            },
            Part {
                name: "blackout",
                about: "dns-sync; parts of the control plane stop, stall or lose their data",
                machines: &[],
                in_test: true,
                minutes: 10,
            },
        ],
        demo_machines: &[],
    },
    Operator {
        name: "node-class",
        package: "hearth-node-class",
        crd_group: "nodes.hearth.home.arpa",
        tools: &[],
        parts: &[
            // Machines that go off one after another, and four of seven in one case.
            Part {
                name: "nodes",
                about: "node-class; machines are switched off and on",
                machines: &["home-1", "mini-1", "mini-2", "talos03", "talos06", "talos07", "talos08"],
                in_test: true,
                minutes: 11,
            },
            Part {
                name: "nodes-alone",
                about: "node-class; the operator, its machine or the API server fails",
                machines: &["home-1", "mini-1", "mini-2", "talos03", "talos08"],
                in_test: true,
                minutes: 11,
            },
            Part {
                name: "endurance",
                about: "node-class; what takes long: run it after a change of histories, of the lease or of shutdown",
                machines: &["home-1", "mini-1", "talos03", "talos08"],
                in_test: false,
                minutes: 20,
            },
        ],
        // `home-1` is the machine of every cluster, two stay on, two are a desktop's.
        demo_machines: &["home-1", "mini-1", "mini-2", "talos03", "talos08"],
    },
    Operator {
        name: "secret-sync",
        package: "hearth-secret-sync",
        crd_group: "secrets.hearth.home.arpa",
        tools: &[],
        parts: &[Part {
            name: "secrets",
            about: "secret-sync; a real OpenBao that goes away, is emptied and refuses",
            machines: &[],
            in_test: true,
            minutes: 8,
        }],
        demo_machines: &[],
    },
    Operator {
        name: "backup-scheduler",
        package: "hearth-backup-scheduler",
        crd_group: "backup.hearth.home.arpa",
        tools: &[
            ToolFile {
                tool: "restic",
                file: "restic",
                path: "restic",
                mode: 0o755,
                check: &["version"],
            },
            ToolFile {
                tool: "restic",
                file: licenses::FILE,
                path: "licenses/restic.txt",
                mode: 0o644,
                check: &[],
            },
        ],
        parts: &[
            Part {
                name: "backups",
                about: "backup-scheduler; a real S3 server and restic",
                machines: &[],
                in_test: true,
                minutes: 6,
            },
            Part {
                name: "backups-endurance",
                about: "backup-scheduler; what takes long: run it after a change of movers or of how they are followed",
                machines: &[],
                in_test: false,
                minutes: 15,
            },
        ],
        demo_machines: &[],
    },
];

/// The operator of this name. An error names those that there are.
pub(crate) fn find(name: &str) -> Result<&'static Operator> {
    let names: Vec<&str> = OPERATORS.iter().map(|operator| operator.name).collect();
    OPERATORS
        .iter()
        .find(|operator| operator.name == name)
        .with_context(|| format!("there is no operator {name}; there are {}", names.join(", ")))
}

/// Every part of the end-to-end tests, with its operator.
pub(crate) fn parts() -> impl Iterator<Item = (&'static Operator, &'static Part)> {
    OPERATORS
        .iter()
        .flat_map(|operator| operator.parts.iter().map(move |part| (operator, part)))
}

/// The names of operators as values on the command line.
pub(crate) fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(OPERATORS.iter().map(|operator| operator.name))
}

/// The names of parts as values on the command line.
pub(crate) fn part_names() -> PossibleValuesParser {
    PossibleValuesParser::new(parts().map(|(_, part)| PossibleValue::new(part.name).help(part.about)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use hearth_cluster::workspace;

    use super::*;

    #[test]
    fn every_operator_has_its_crate_and_its_chart() {
        for operator in OPERATORS {
            let manifest = workspace::root()
                .join("operators")
                .join(operator.name)
                .join("Cargo.toml");
            let manifest = std::fs::read_to_string(manifest).unwrap();
            assert!(manifest.contains(&format!("name = \"{}\"\n", operator.package)));
            assert!(manifest.contains(&format!("name = \"{}\"\n", operator.name)));
            assert!(workspace::root().join("charts").join(operator.name).is_dir());
        }
    }

    #[test]
    fn no_two_parts_have_the_same_name() {
        let names: BTreeSet<&str> = parts().map(|(_, part)| part.name).collect();
        assert_eq!(names.len(), parts().count());
    }
}
