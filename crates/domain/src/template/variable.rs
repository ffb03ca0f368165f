//! The variables that a template declares: their kinds, which must be given, what stands for those that are not.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::{TemplateError, TemplateErrorKind};

/// A declared variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// What it must be.
    #[serde(default)]
    pub kind: VariableKind,
    /// What stands for it where it is not given; absent: it must be given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Json>,
    /// What a preview shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub example: Option<Json>,
}

/// What a variable must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VariableKind {
    /// Anything.
    #[default]
    Any,
    /// A string.
    String,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A list.
    List,
    /// An object.
    Object,
}

impl VariableKind {
    fn name(self) -> &'static str {
        match self {
            Self::Any => "anything",
            Self::String => "a string",
            Self::Number => "a number",
            Self::Boolean => "true or false",
            Self::List => "a list",
            Self::Object => "an object",
        }
    }

    fn takes(self, value: &Json) -> bool {
        match self {
            Self::Any => true,
            Self::String => value.is_string(),
            Self::Number => value.is_number(),
            Self::Boolean => value.is_boolean(),
            Self::List => value.is_array(),
            Self::Object => value.is_object(),
        }
    }
}

/// Refuses a declaration that contradicts itself.
pub(super) fn declared(variables: &[Variable]) -> Result<(), TemplateError> {
    let invalid = |message| Err(TemplateError::new(TemplateErrorKind::Invalid, message));
    for (i, Variable { name, kind, default, example }) in variables.iter().enumerate() {
        if name.is_empty() || variables[..i].iter().any(|earlier| earlier.name == *name) {
            return invalid(format!("the variable `{name}` is declared twice, or has no name"));
        }
        for (what, value) in [("default", default), ("example", example)] {
            if value.as_ref().is_some_and(|value| !kind.takes(value)) {
                return invalid(format!("the {what} of the variable `{name}` is not {}", kind.name()));
            }
        }
    }
    Ok(())
}

/// What a preview shows: examples, else defaults.
pub(super) fn examples(declared: &[Variable]) -> Map<String, Json> {
    let shown = declared.iter().filter_map(|variable| {
        Some((variable.name.clone(), variable.example.as_ref().or(variable.default.as_ref())?.clone()))
    });
    shown.collect()
}

/// Checks what is given against what is declared, and fills in defaults. What is given and not declared is passed on.
pub(super) fn check(declared: &[Variable], given: &Map<String, Json>) -> Result<Map<String, Json>, TemplateError> {
    let mut variables = given.clone();
    for Variable { name, kind, default, .. } in declared {
        match (variables.get(name), default) {
            (Some(value), _) if !kind.takes(value) => {
                let message = format!("`{name}` must be {}", kind.name());
                return Err(TemplateError::new(TemplateErrorKind::WrongKind, message));
            }
            (Some(_), _) => {}
            (None, Some(default)) => drop(variables.insert(name.clone(), default.clone())),
            (None, None) => {
                return Err(TemplateError::new(TemplateErrorKind::Missing, format!("`{name}` is not given")));
            }
        }
    }
    Ok(variables)
}
