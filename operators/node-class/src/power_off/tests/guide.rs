//! The examples of the guide that decide whether a machine is switched off in time, or pods are released.
use std::io::Write;
use std::process::{Command, Stdio};

const GUIDE: &str = include_str!("../../../../../docs/node-class.md");

/// The code block that begins with this line.
fn block(first: &str) -> &'static str {
    let begin = GUIDE.find(first).unwrap();
    let end = GUIDE[begin..].find("\n```").unwrap();
    &GUIDE[begin..begin + end]
}

/// Runs the guide's script with a kubectl that answers with these phases, one after the other, and the last one for ever. `REQUEST`
/// stands for the value that the script has set.
fn ends(phases: &[&str]) -> Option<i32> {
    let mut stub = String::from("n=0\nkubectl() {\n  case $1 in\n    annotate) asked=${5#*=} ;;\n    get)\n");
    // Command substitutions are processes of their own: a file counts.
    stub.push_str("      n=$(cat \"$count\" | wc -l); echo >> \"$count\"\n      case $n in\n");
    for (at, phase) in phases.iter().enumerate() {
        let pattern = if at + 1 == phases.len() {
            "*".to_owned()
        } else {
            at.to_string()
        };
        let answer = phase.replace("REQUEST", "$asked");
        stub.extend([&pattern, ") echo \"", &answer, "\" ;;\n"]);
    }
    stub.push_str(
        "      esac ;;\n  esac\n}\nsleep() { :; }\nset -- gamer\ncount=$(mktemp)\ntrap 'rm -f \"$count\"' EXIT\n",
    );
    let script = stub + block("#!/bin/sh\n# /usr/local/bin/cluster-off");
    let mut shell = Command::new("sh").stdin(Stdio::piped()).spawn().unwrap();
    shell.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    shell.wait().unwrap().code()
}

/// Defect 5: a refused or incomplete request ends the wait at once, and what is said of an earlier request does not count.
#[test]
fn the_script_of_the_guide_waits_for_the_end_of_its_own_request() {
    assert_eq!(ends(&["", "REQUEST Draining", "REQUEST Drained"]), Some(0));
    assert_eq!(
        ends(&["yesterday Drained", "REQUEST Draining", "REQUEST Refused"]),
        Some(1)
    );
    assert_eq!(ends(&["yesterday Refused", "REQUEST Incomplete"]), Some(1));
    assert_eq!(ends(&["yesterday Drained"]), Some(1), "it gives up");
    let unit = block("# /etc/systemd/system/cluster-off.service");
    assert!(unit.contains("ExecStop=-/usr/local/bin/cluster-off gamer"), "{unit}");
}

/// Case `n14`: an unreachable plug is no proof. Nothing but the state `off` may become Off, and the condition keeps the rest back.
#[test]
fn the_home_assistant_example_of_the_guide_says_off_only_for_off() {
    let example = block("shell_command:");
    assert!(
        example.contains(r#""state":"{{ {"on": "On", "off": "Off"}[states("switch.gamer")] }}""#),
        "{example}"
    );
    assert_eq!(example.matches("Off").count(), 1, "{example}");
    let condition = "- condition: state\n        entity_id: switch.gamer\n        state: [\"on\", \"off\"]";
    assert!(example.contains(condition), "{example}");
    assert!(
        example.contains("--cacert") && example.contains("--header @"),
        "{example}"
    );
    assert!(!GUIDE.contains("verify_ssl: false"));
}
