//! Holds what the server answers to its own description, `src/web/openapi.json`, whatever a test asks
//! for: the status must be named, the type and the code too, and the body must be of the schema.
//!
//! Understands as much of JSON Schema as the description uses, and is stricter in one thing: an answer
//! has no member that is not described.

use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::Answer;

/// The description.
pub static OPENAPI: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../src/web/openapi.json")).expect("well-formed JSON")
});

/// What is not as described in an answer, if anything is. Otherwise what of the description was seen
/// at work, such as `GET /api/me 200`; nothing for paths and methods that there are not.
pub fn check(
    method: &str,
    target: &str,
    sent: Option<&Value>,
    answer: &Answer,
) -> Result<Option<String>, String> {
    let path = target.split('?').next().unwrap_or(target);
    let Some((template, item)) = find(path) else { return Ok(None) };
    let is_head = method == "HEAD";
    let key = if is_head { "get".to_owned() } else { method.to_ascii_lowercase() };
    let what = format!("{method} {template} {}", answer.status);
    let Some(operation) = item.get(&key) else {
        let is_known = matches!(answer.status, 204 | 400 | 405 | 501);
        return if is_known { Ok(None) } else { Err(format!("{what}: there is no {method}")) };
    };
    check_answer(operation, is_head, answer).map_err(|why| format!("{what}: {why}"))?;
    if let Some(sent) = sent
        && let Some(body) = operation.get("requestBody")
        && answer.status < 300
    {
        let schema = &body["content"]["application/json"]["schema"];
        valid_in(schema, sent, Unknown::Ignored)
            .map_err(|why| format!("{what} takes it: {why}"))?;
    }
    let is_named = operation["responses"].get(answer.status.to_string()).is_some();
    Ok((is_named && !is_head).then_some(what))
}

fn check_answer(operation: &'static Value, is_head: bool, answer: &Answer) -> Result<(), String> {
    let status = answer.status.to_string();
    let named = operation["responses"].get(&status).map(resolved);
    let (default, others) = resolved(&operation["responses"]["default"]);
    if named.is_none() && !others.contains(&status) {
        return Err("the status is not named".to_owned());
    }
    let (response, description) = named.unwrap_or((default, others));
    for (name, header) in response["headers"].as_object().into_iter().flatten() {
        let value = answer.field(name).ok_or_else(|| format!("there is no {name}"))?;
        let value = value.parse().map_or_else(|_| Value::from(value), |number: i64| number.into());
        valid(&header["schema"], &value).map_err(|why| format!("{name}: {why}"))?;
    }
    if is_head {
        return Ok(());
    }
    let code = answer.code();
    if !description.contains(code) && !others.contains(code) {
        return Err(format!("the code {code} is not named"));
    }
    let Some(content) = response["content"].as_object() else {
        return if answer.body == "" { Ok(()) } else { Err("there is a body".to_owned()) };
    };
    let media_type = answer.field("Content-Type").unwrap_or("");
    let described = content.get(media_type).ok_or_else(|| format!("it is {media_type}"))?;
    valid(&described["schema"], &answer.body)
}

/// The template of a path, and what is described under it.
fn find(path: &str) -> Option<(&'static str, &'static Map<String, Value>)> {
    let paths = OPENAPI["paths"].as_object().expect("paths");
    let mut found = paths.iter().filter(|(template, _)| matches(template, path));
    // What is written out stands before what has an id.
    let (template, item) = found.next()?;
    Some((template, item.as_object().expect("an object")))
}

fn matches(template: &str, path: &str) -> bool {
    let (template, path): (Vec<_>, Vec<_>) =
        (template.split('/').collect(), path.split('/').collect());
    let fits = |(expected, part): (&&str, &&str)| {
        let is_id = !part.starts_with('+') && part.parse::<i64>().is_ok();
        expected == part || (expected.starts_with('{') && is_id)
    };
    template.len() == path.len() && template.iter().zip(&path).all(fits)
}

/// What is referred to, and its description, which may stand beside the reference.
fn resolved(value: &'static Value) -> (&'static Value, &'static str) {
    let target = value["$ref"].as_str().map_or(value, |reference| {
        let pointer = reference.strip_prefix('#').expect("a reference within the file");
        OPENAPI.pointer(pointer).unwrap_or_else(|| panic!("there is no {reference}"))
    });
    let described = [value, target].map(|value| value["description"].as_str());
    (target, described[0].or(described[1]).unwrap_or(""))
}

/// What becomes of members that are not described.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unknown {
    Ignored,
    Refused,
}

fn valid(schema: &'static Value, value: &Value) -> Result<(), String> {
    valid_in(schema, value, Unknown::Refused)
}

fn valid_in(schema: &'static Value, value: &Value, unknown: Unknown) -> Result<(), String> {
    let (schema, _) = resolved(schema);
    let holds = |holds: bool, what: &Value| {
        if holds { Ok(()) } else { Err(format!("{value} is not {what}")) }
    };
    for (keyword, what) in schema.as_object().expect("a schema") {
        match keyword.as_str() {
            "type" => holds(is_of(value, what), what)?,
            "const" => holds(value == what, what)?,
            "enum" => holds(what.as_array().expect("a list").contains(value), what)?,
            "minimum" => holds(value.as_i64() >= what.as_i64(), what)?,
            "minLength" => holds(value.is_null() || length(value) >= what.as_u64(), what)?,
            "maxLength" => holds(value.is_null() || length(value) <= what.as_u64(), what)?,
            "oneOf" => {
                let all = what.as_array().expect("a list").iter();
                let fitting = all.filter(|one| valid_in(one, value, unknown).is_ok()).count();
                holds(fitting == 1, what)?;
            }
            "required" => {
                for name in what.as_array().expect("a list") {
                    let has = value.get(name.as_str().expect("a name")).is_some();
                    holds(has, name)?;
                }
            }
            "properties" => {
                for (name, value) in value.as_object().into_iter().flatten() {
                    match what.get(name) {
                        Some(schema) => valid_in(schema, value, unknown)
                            .map_err(|why| format!("{name}: {why}"))?,
                        None if unknown == Unknown::Ignored => {}
                        None => return Err(format!("{name} is not described")),
                    }
                }
            }
            "items" => {
                for item in value.as_array().into_iter().flatten() {
                    valid_in(what, item, unknown)?;
                }
            }
            "description" => {}
            _ => panic!("{keyword} is not understood"),
        }
    }
    Ok(())
}

fn length(value: &Value) -> Option<u64> {
    value.as_str().map(|text| text.chars().count() as u64)
}

fn is_of(value: &Value, types: &Value) -> bool {
    let is = |name: &Value| match name.as_str().expect("a name") {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        name => panic!("there is no type {name}"),
    };
    types.as_array().map_or_else(|| is(types), |types| types.iter().any(is))
}
