//! Just enough of a JSON Schema validator for the schemas that are generated here. A keyword that it doesn't know is an
//! error, so that nothing passes unchecked.

use serde_json::Value;

/// Whether the value fits; says where it doesn't.
pub(crate) fn fits(root: &Value, value: &Value) -> Result<(), String> {
    check(root, root, value).map_err(|why| format!("${why}"))
}

fn check(root: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    let keywords = match schema {
        Value::Bool(true) => return Ok(()),
        Value::Object(keywords) => keywords,
        other => return Err(format!(": {other} is no schema")),
    };
    for (keyword, rule) in keywords {
        let holds = match keyword.as_str() {
            "$schema" | "$id" | "$defs" | "title" | "description" | "format" => true,
            "$ref" => {
                let pointer = rule.as_str().and_then(|r| r.strip_prefix('#')).unwrap();
                check(root, root.pointer(pointer).unwrap(), value)?;
                true
            }
            "type" => match rule {
                Value::Array(types) => types.iter().any(|t| is(t, value)),
                one => is(one, value),
            },
            "const" => rule == value,
            "enum" => rule.as_array().unwrap().contains(value),
            "not" => check(root, rule, value).is_err(),
            "anyOf" => {
                let choices = rule.as_array().unwrap();
                choices
                    .iter()
                    .any(|choice| check(root, choice, value).is_ok())
            }
            "minimum" => value.as_f64().is_none_or(|n| n >= rule.as_f64().unwrap()),
            "required" => value.as_object().is_none_or(|members| {
                let names = rule.as_array().unwrap();
                names
                    .iter()
                    .all(|name| members.contains_key(name.as_str().unwrap()))
            }),
            "properties" => {
                for (name, schema) in rule.as_object().unwrap() {
                    if let Some(member) = value.get(name) {
                        check(root, schema, member).map_err(|why| format!(".{name}{why}"))?;
                    }
                }
                true
            }
            "items" => {
                for (index, element) in value.as_array().into_iter().flatten().enumerate() {
                    check(root, rule, element).map_err(|why| format!("[{index}]{why}"))?;
                }
                true
            }
            unknown => {
                return Err(format!(
                    ": the keyword {unknown} is not known to this check"
                ));
            }
        };
        if !holds {
            return Err(format!(": {value} breaks {keyword} {rule}"));
        }
    }
    Ok(())
}

fn is(name: &Value, value: &Value) -> bool {
    match name.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("no type is called {other}"),
    }
}
