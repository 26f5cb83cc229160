//! Name templates: the small part of Go's `text/template` that people use to name objects.
use hearth_reconciler::labels;

use super::annotations::items;
use super::object::SourceObject;
use crate::name::Name;

/// A parsed `hostnameTemplate`.
///
/// Plain text with `{{.Name}}`, `{{.Namespace}}`, `{{.Labels.KEY}}`, `{{.Annotations.KEY}}` and, for keys that are no
/// Go identifiers, `{{index .Labels "KEY"}}`. Several names are separated by commas. A key that the object does not
/// have is a fault of that object: Go would write `<no value>` into the name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(Box<str>),
    Name,
    Namespace,
    Label(Box<str>),
    Annotation(Box<str>),
}

impl Template {
    /// Reads a template; the error says what is not understood.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, action)) = rest.split_once("{{") {
            let (action, after) = action
                .split_once("}}")
                .ok_or_else(|| format!("`{{{{{action}` has no closing `}}}}`"))?;
            push_text(&mut pieces, before)?;
            pieces.push(parse_action(action)?);
            rest = after;
        }
        push_text(&mut pieces, rest)?;
        if pieces.is_empty() {
            return Err("it is empty".to_owned());
        }
        Ok(Self(pieces))
    }

    /// The names that it gives an object, sorted. The error is the object's fault.
    pub fn names(&self, object: &SourceObject) -> Result<Vec<Name>, String> {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(plain) => text.push_str(plain),
                Piece::Name => text.push_str(object.key.name()),
                Piece::Namespace => text.push_str(object.key.namespace()),
                Piece::Label(key) => text.push_str(
                    labels::get(&object.labels, key).ok_or_else(|| format!("the object has no label `{key}`"))?,
                ),
                Piece::Annotation(key) => text.push_str(
                    labels::get(&object.annotations, key)
                        .ok_or_else(|| format!("the object has no (short) annotation `{key}`"))?,
                ),
            }
        }
        let mut names = items(&text)
            .map(Name::parse)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| error.to_string())?;
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) -> Result<(), String> {
    if text.contains("}}") {
        return Err(format!("`{text}` has `}}}}` without `{{{{`"));
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text.into()));
    }
    Ok(())
}

fn parse_action(action: &str) -> Result<Piece, String> {
    let unknown = || {
        format!(
            "`{{{{{action}}}}}` is not understood; known are .Name, .Namespace, .Labels.KEY, .Annotations.KEY, index \
             .Labels \"KEY\" and index .Annotations \"KEY\""
        )
    };
    // `{{-` and `-}}` only trim spaces, which mean nothing in names.
    let inner = action.strip_prefix("- ").unwrap_or(action);
    let inner = inner.strip_suffix(" -").unwrap_or(inner).trim();
    if let Some(arguments) = inner.strip_prefix("index ") {
        let (map, key) = arguments
            .trim_start()
            .split_once(char::is_whitespace)
            .ok_or_else(unknown)?;
        let key = key
            .trim()
            .strip_prefix('"')
            .and_then(|key| key.strip_suffix('"'))
            .ok_or_else(unknown)?;
        return keyed(map, key).ok_or_else(unknown);
    }
    match inner {
        ".Name" | ".ObjectMeta.Name" => Ok(Piece::Name),
        ".Namespace" | ".ObjectMeta.Namespace" => Ok(Piece::Namespace),
        _ => {
            let (map, key) = inner.rsplit_once('.').ok_or_else(unknown)?;
            let plain = key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            keyed(map, key).filter(|_| plain).ok_or_else(unknown)
        }
    }
}

fn keyed(map: &str, key: &str) -> Option<Piece> {
    match map {
        _ if key.is_empty() || key.contains('"') => None,
        ".Labels" | ".ObjectMeta.Labels" => Some(Piece::Label(key.into())),
        ".Annotations" | ".ObjectMeta.Annotations" => Some(Piece::Annotation(key.into())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Facts, SlimService};

    fn facts() -> Facts {
        let service: SlimService = serde_saphyr::from_str(
            r"
metadata:
  name: front
  namespace: web
  labels: {app: shop, app.kubernetes.io/name: store, empty: ''}
  annotations: {team: blue}
",
        )
        .unwrap();
        Facts::of_service(&service)
    }

    #[test]
    fn templates() {
        let cases = [
            ("{{.Name}}.example.org", "front.example.org"),
            ("{{ .Name }}.{{ .Namespace }}.Example.org.", "front.web.example.org"),
            ("{{- .Name -}}.example.org", "front.example.org"),
            ("{{.Labels.app}}.example.org", "shop.example.org"),
            (
                "{{index .Labels \"app.kubernetes.io/name\"}}.example.org",
                "store.example.org",
            ),
            (
                "{{ index  .Annotations  \"team\" }}-{{.Name}}.example.org",
                "blue-front.example.org",
            ),
            ("{{.ObjectMeta.Name}}.example.org", "front.example.org"),
            (
                "{{.Name}}.b.org, {{.Name}}.a.org,,{{.Name}}.a.org",
                "front.a.org front.b.org",
            ),
            ("static.example.org", "static.example.org"),
        ];
        for (text, expected) in cases {
            let names = Template::parse(text)
                .and_then(|template| template.names(&facts().object))
                .unwrap();
            assert_eq!(
                names.iter().map(Name::as_str).collect::<Vec<_>>().join(" "),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_not_understood_is_reported() {
        let cases = [
            ("", "empty"),
            ("{{.Name", "no closing"),
            (".Name}}", "without `{{`"),
            ("{{.Spec.Type}}", "known are"),
            ("{{toLower .Name}}", "known are"),
            ("{{.Labels}}", "known are"),
            ("{{.Labels.a-b}}", "known are"),
            ("{{index .Labels app}}", "known are"),
            ("{{index .Spec \"app\"}}", "known are"),
            ("{{if .Name}}x{{end}}", "known are"),
            ("{{}}", "known are"),
        ];
        for (text, word) in cases {
            let message = Template::parse(text).unwrap_err();
            assert!(message.contains(word), "{text}: {message}");
        }
    }

    #[test]
    fn a_key_that_the_object_lacks_is_a_defect_of_the_object() {
        let cases = [
            ("{{.Labels.gone}}.example.org", "no label `gone`"),
            ("{{.Annotations.gone}}.example.org", "annotation `gone`"),
            ("{{.Labels.empty}}.example.org", "empty label"),
        ];
        for (text, word) in cases {
            let message = Template::parse(text).unwrap().names(&facts().object).unwrap_err();
            assert!(message.contains(word), "{text}: {message}");
        }
    }
}
