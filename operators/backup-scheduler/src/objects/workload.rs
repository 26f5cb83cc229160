//! Objects that run pods: whether they have ended, and which claims they use.
use std::collections::BTreeSet;

use serde_json::Value;

use super::{group_of, list_at, text_at};

/// Whether it has run to its end.
pub(super) fn is_finished(object: &Value) -> bool {
    match (group_of(text_at(object, "/apiVersion")), text_at(object, "/kind")) {
        ("", "Pod") => ["Succeeded", "Failed"].contains(&text_at(object, "/status/phase")),
        ("batch", "Job") => list_at(object, "/status/conditions").any(|condition| {
            condition["status"] == "True" && ["Complete", "Failed"].contains(&text_at(condition, "/type"))
        }),
        _ => false,
    }
}

/// Whether a workload uses one of these claims.
pub(super) fn uses_any<'a>(object: &Value, claims: impl Iterator<Item = &'a str>) -> bool {
    let pods = ["/spec", "/spec/template/spec", "/spec/jobTemplate/spec/template/spec"];
    let named: BTreeSet<&str> = pods
        .iter()
        .flat_map(|pod| list_at(object, &format!("{pod}/volumes")))
        .map(|volume| text_at(volume, "/persistentVolumeClaim/claimName"))
        .filter(|name| !name.is_empty())
        .collect();
    // A StatefulSet makes `<template>-<its name>-<number>`.
    let name = text_at(object, "/metadata/name");
    let made: Vec<String> = list_at(object, "/spec/volumeClaimTemplates")
        .map(|template| format!("{}-{name}-", text_at(template, "/metadata/name")))
        .collect();
    let is_made = |claim: &str| {
        made.iter().any(|prefix| {
            claim
                .strip_prefix(prefix.as_str())
                .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
        })
    };
    let mut claims = claims;
    claims.any(|claim| named.contains(claim) || is_made(claim))
}
