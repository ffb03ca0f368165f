//! The templates, ready to be rendered: kept in mind, because every message that uses one would look it up. Knows nothing
//! about who may use which.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use domain::{Compiled, Content, Template, TemplateError, TemplateErrorKind, TemplateUse, Timestamp, Violation};
use parking_lot::RwLock;

use crate::ports::{LedgerError, TemplateRecord, Templates};

/// All templates. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct TemplateBook {
    by_name: Arc<RwLock<BTreeMap<String, Vec<Arc<Kept>>>>>,
    /// What there is from the first start on, unless one of the same name is kept.
    built_in: Arc<BTreeMap<String, Arc<Kept>>>,
}

#[derive(Debug)]
struct Kept {
    record: TemplateRecord,
    /// Made when it is first used.
    compiled: OnceLock<Result<Compiled, TemplateError>>,
}

impl TemplateBook {
    /// Makes a book with templates that need not be kept.
    pub fn with_built_in(templates: impl IntoIterator<Item = Template>) -> Self {
        let kept = |template: Template| {
            let name = template.name.clone();
            let record = TemplateRecord { template, active: true, weight: 0, created_at: Timestamp::from_millis(0) };
            (name, Arc::new(Kept { record, compiled: OnceLock::new() }))
        };
        Self { built_in: Arc::new(templates.into_iter().map(kept).collect()), ..Self::default() }
    }

    /// Returns the built-in templates, in the order of their names.
    pub fn built_in(&self) -> Vec<Template> {
        self.built_in.values().map(|kept| kept.record.template.clone()).collect()
    }

    /// Reads all templates anew.
    ///
    /// # Errors
    /// [`LedgerError`] if they could not be read; the book is as it was.
    pub async fn refresh(&self, ledger: &(impl Templates + ?Sized)) -> Result<(), LedgerError> {
        let mut by_name: BTreeMap<String, Vec<Arc<Kept>>> = BTreeMap::new();
        for record in ledger.templates().await? {
            let name = record.template.name.clone();
            by_name.entry(name).or_default().push(Arc::new(Kept { record, compiled: OnceLock::new() }));
        }
        *self.by_name.write() = by_name;
        Ok(())
    }

    /// Finds a template: the version that is asked for, or the active one.
    ///
    /// # Errors
    /// A violation of the field `template`: there is none such, or it cannot be used any more.
    pub fn get(&self, name: &str, version: Option<u32>) -> Result<Compiled, Violation> {
        let found = if let Some(kept) = self.built_in_for(name, version) {
            kept
        } else {
            let by_name = self.by_name.read();
            let versions = by_name.get(name).ok_or_else(|| {
                let known = by_name.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                let known = if known.is_empty() { "none".to_owned() } else { known };
                Violation::new("unknown_template", "template", format!("names `{name}`, which is no template"))
                    .with_hint(format!("there are: {known}"))
            })?;
            let wanted = |kept: &&Arc<Kept>| match version {
                Some(version) => kept.record.template.version == version,
                None => kept.record.active,
            };
            versions.iter().find(wanted).cloned().ok_or_else(|| {
                let known: Vec<_> = versions.iter().map(|kept| kept.record.template.version.to_string()).collect();
                let message = format!("names version {} of `{name}`, which is not there", version.unwrap_or_default());
                Violation::new("unknown_template", "template_version", message)
                    .with_hint(format!("there are: {}", known.join(", ")))
            })?
        };
        let compiled = found.compiled.get_or_init(|| Compiled::new(found.record.template.clone()));
        compiled.clone().map_err(|error| template_violation(&error, "template"))
    }

    /// The version that a name stands for this time, if it stands for several; `random` lies in 0..1.
    fn drawn(&self, name: &str, random: f64) -> Option<u32> {
        let by_name = self.by_name.read();
        let weighted = by_name.get(name)?.iter().filter(|kept| kept.record.weight > 0);
        let total: f64 = weighted.clone().map(|kept| f64::from(kept.record.weight)).sum();
        let mut place = random * total;
        let mut last = None;
        for kept in weighted {
            last = Some(kept.record.template.version);
            place -= f64::from(kept.record.weight);
            if place < 0.0 {
                break;
            }
        }
        last
    }

    /// Whether clicks on the links of a version are counted.
    pub(crate) fn tracks_clicks(&self, name: &str, version: Option<u32>) -> bool {
        self.get(name, version).is_ok_and(|compiled| compiled.template().track_clicks)
    }

    /// The built-in template of a name that none is kept under, or that is asked for as version 0.
    fn built_in_for(&self, name: &str, version: Option<u32>) -> Option<Arc<Kept>> {
        let wanted = match version {
            None => !self.by_name.read().contains_key(name),
            Some(version) => version == 0,
        };
        self.built_in.get(name).filter(|_| wanted).cloned()
    }

    /// Renders a content, and says of which version it is.
    ///
    /// # Errors
    /// A violation of `template` or `variables`, with line and column.
    pub fn render(&self, wanted: TemplateUse) -> Result<(Content, TemplateUse), Violation> {
        let drawn = wanted.version.or_else(|| self.drawn(&wanted.name, rand::random()));
        let compiled = self.get(&wanted.name, drawn)?;
        let content = compiled.render(&wanted.variables).map_err(|error| {
            let is_given = matches!(error.kind, TemplateErrorKind::Missing | TemplateErrorKind::WrongKind);
            template_violation(&error, if is_given { "variables" } else { "template" })
        })?;
        Ok((content, TemplateUse { version: Some(compiled.template().version), ..wanted }))
    }
}

/// What is wrong with a template or its variables, as a caller is told.
pub fn template_violation(error: &TemplateError, field: &str) -> Violation {
    let place = match (error.line, error.column) {
        (Some(line), Some(column)) => format!(" (line {line}, column {column})"),
        (Some(line), None) => format!(" (line {line})"),
        _ => String::new(),
    };
    let violation = Violation::new("template", field, format!("cannot be rendered: {}{place}", error.message));
    match error.kind {
        TemplateErrorKind::Missing => {
            violation.with_hint("give it in `variables`, or give it a default in the template")
        }
        TemplateErrorKind::WrongKind => violation.with_hint("the template declares what it takes"),
        TemplateErrorKind::Limit => violation.with_hint("a template makes at most 1 MB, in so many steps; send less"),
        _ => violation.with_hint("try it with `hongyan template preview`"),
    }
}
