//! The node-class operator.
use std::process::ExitCode;

fn main() -> ExitCode {
    hearth_node_class::main()
}
