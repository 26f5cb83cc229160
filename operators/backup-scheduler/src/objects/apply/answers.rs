//! What is said of a step that is not done.
use super::Done;
use crate::objects::calls::Refusal;
use crate::objects::plan::{Step, Why};

/// What the text of [`Done::Later`] begins with if nothing answered.
pub(super) const NO_ANSWER: &str = "the API server does not answer";
/// The text of [`Done::Later`] if the mover is to end.
pub(super) const STOPPED: &str = "stopped";

/// What a refusal makes of a step. What the API server says of a Secret may have its values.
pub(super) fn failed(step: &Step, refusal: Refusal) -> Done {
    match refusal {
        Refusal::Stopped => Done::Later(STOPPED.to_owned()),
        Refusal::Later(_) if step.kind == "Secret" => Done::Later("the API server cannot take it now".to_owned()),
        Refusal::Later(why) => Done::Later(why),
        Refusal::NoAnswer(why) => Done::Later(format!("{NO_ANSWER}: {why}")),
        Refusal::Missing if step.namespace.is_some() => Done::Failed("its namespace is not there".to_owned()),
        Refusal::Rejected(_) if step.kind == "Secret" => Done::Failed("the API server refuses it".to_owned()),
        other => Done::Failed(words(other)),
    }
}

/// What is said of a step that is not tried again.
pub(super) fn settled(done: Done) -> Done {
    match done {
        Done::Later(why) => Done::Failed(why),
        Done::NotServed => Done::Skipped(
            Why::NotServed,
            Some("its kind is not there, or not in this version".to_owned()),
        ),
        done => done,
    }
}

pub(super) fn words(refusal: Refusal) -> String {
    match refusal {
        Refusal::Missing => "it is not there".to_owned(),
        Refusal::Exists => "it is made and deleted by others".to_owned(),
        Refusal::Conflict(fields) if fields.is_empty() => "others change it all the time".to_owned(),
        Refusal::Conflict(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|(manager, field)| format!("{field} ({manager})"))
                .collect();
            format!("fields are set by others: {}", fields.join(", "))
        }
        Refusal::Later(why) | Refusal::NoAnswer(why) | Refusal::Rejected(why) => why,
        Refusal::Stopped => STOPPED.to_owned(),
    }
}
