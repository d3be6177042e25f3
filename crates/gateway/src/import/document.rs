//! The text of a document, as JSON or YAML, into one tree. A member that stands twice is refused: which of the two
//! another reader would believe is anybody's guess.

use std::fmt;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::{ImportError, quoted};

/// How deep YAML may be nested: as deep as `serde_json` reads.
const MAX_DEPTH: usize = 127;

/// References that lead to references are followed this far.
const MAX_REFERENCES: usize = 8;

pub(super) fn parse(text: &str) -> Result<Value, ImportError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim_start().starts_with('{') {
        let Tree(value) = serde_json::from_str(text).map_err(|error| ImportError::Json(error.to_string()))?;
        return Ok(value);
    }
    parse_yaml(text)
}

/// What a value refers to, if it does: within the document only.
pub(super) fn resolve<'d>(document: &'d Value, mut value: &'d Value) -> Result<&'d Value, String> {
    for _ in 0..MAX_REFERENCES {
        let Some(reference) = value.get("$ref") else { return Ok(value) };
        let reference = reference.as_str().ok_or("its `$ref` is not text")?;
        let pointer = reference.strip_prefix('#').filter(|pointer| !pointer.contains('%'));
        value = pointer.and_then(|pointer| document.pointer(pointer)).ok_or_else(|| {
            format!("its `$ref` leads out of the document, or nowhere: {}", quoted(reference))
        })?;
    }
    Err("its `$ref` leads to too many others".to_owned())
}

/// JSON without members that stand twice.
struct Tree(Value);

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor).map(Tree)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Tree(value)) = elements.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some((name, Tree(value))) = entries.next_entry::<String, Tree>()? {
            if members.contains_key(&name) {
                return Err(de::Error::custom(format_args!("{} stands twice", quoted(&name))));
            }
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }
}

/// A collection whose end has not come.
enum Open {
    Sequence(Vec<Value>),
    /// With the name whose value comes next.
    Mapping(Map<String, Value>, Option<String>),
}

/// Numbers stay text: nothing in a document is read as one here, and `openapi: 3.1` is a version either way.
fn parse_yaml(text: &str) -> Result<Value, ImportError> {
    let mut parser = Parser::new_from_str(text);
    let mut open: Vec<Open> = Vec::new();
    let mut root = None;
    while let Some(next) = parser.next_event() {
        let (event, span) = next.map_err(not_yaml)?;
        let complete = match event {
            Event::Alias(_) => {
                return Err(refuse(&span, "aliases are not followed; write out what is meant"));
            }
            Event::DocumentStart(_) if root.is_some() => {
                return Err(refuse(&span, "a second document begins"));
            }
            Event::SequenceStart(..) | Event::MappingStart(..) if open.len() >= MAX_DEPTH => {
                return Err(refuse(&span, "it is nested too deeply"));
            }
            Event::SequenceStart(..) => {
                open.push(Open::Sequence(Vec::new()));
                continue;
            }
            Event::MappingStart(..) => {
                open.push(Open::Mapping(Map::new(), None));
                continue;
            }
            Event::Scalar(text, style, ..) => scalar(&text, style),
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(Open::Sequence(values)) => Value::Array(values),
                Some(Open::Mapping(members, _)) => Value::Object(members),
                None => continue,
            },
            _ => continue,
        };
        match open.last_mut() {
            None => root = Some(complete),
            Some(Open::Sequence(values)) => values.push(complete),
            Some(Open::Mapping(members, name)) => match name.take() {
                Some(name) => {
                    members.insert(name, complete);
                }
                None => *name = Some(new_name(members, &complete, &span)?),
            },
        }
    }
    root.ok_or(ImportError::Version)
}

/// The name of a member, which an unquoted `null` or `true` may be as well.
fn new_name(members: &Map<String, Value>, name: &Value, span: &Span) -> Result<String, ImportError> {
    let name = match name {
        Value::String(name) => name.clone(),
        Value::Bool(_) | Value::Null => name.to_string(),
        _ => return Err(refuse(span, "a name is not text")),
    };
    if name == "<<" {
        return Err(refuse(span, "merge keys are not followed; write out what is meant"));
    }
    match members.contains_key(&name) {
        true => Err(refuse(span, &format!("{} stands twice", quoted(&name)))),
        false => Ok(name),
    }
}

fn scalar(text: &str, style: ScalarStyle) -> Value {
    match (style, text) {
        (ScalarStyle::Plain, "" | "~" | "null" | "Null" | "NULL") => Value::Null,
        (ScalarStyle::Plain, "true" | "True" | "TRUE") => Value::Bool(true),
        (ScalarStyle::Plain, "false" | "False" | "FALSE") => Value::Bool(false),
        _ => Value::String(text.to_owned()),
    }
}

fn refuse(span: &Span, problem: &str) -> ImportError {
    ImportError::Yaml { line: span.start.line(), problem: problem.to_owned() }
}

fn not_yaml(error: ScanError) -> ImportError {
    ImportError::Yaml { line: error.marker().line(), problem: error.info().escape_debug().to_string() }
}
