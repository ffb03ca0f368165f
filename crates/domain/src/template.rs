//! Templates: variables → a content, or a whole message. Jinja2's language, by `MiniJinja`.
//!
//! Strict: a variable that is missing is an error with its line and column. Values are escaped for where they land. What
//! a template can do is what its language says and nothing more: no files, no environment, no clock, no network; and it
//! ends, because its steps, its depth and its output are limited. Knows nothing about where templates are kept.

mod bounds;
mod escape;
mod variable;

use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::{Content, ContentKind};

use self::bounds::Bounded;
pub use self::escape::markdown as escape_markdown;
pub use self::variable::{Variable, VariableKind};

/// The longest source, in bytes.
const SOURCE_BYTES: usize = 32 * 1024;
/// The longest output, in bytes.
const OUTPUT_BYTES: usize = 1024 * 1024;
/// The steps that a rendering may take: the fewer the more a step can write, since what a macro writes is in memory
/// before its length is looked at.
/// Counting what it handles takes steps, too.
const STEPS: std::ops::RangeInclusive<u64> = 10_000..=200_000;
const STEPS_TIMES_SOURCE: u64 = 64 * 1024 * 1024;
/// How deep macros may call each other.
const DEPTH: usize = 50;
/// The longest name.
const NAME_LENGTH: usize = 64;

/// A template, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    /// Lower-case letters, digits, `-`, `_`, `.`; at most 64.
    pub name: String,
    /// Counted from 1; a version never changes.
    pub version: u32,
    /// What it makes.
    pub makes: Makes,
    /// In Jinja2's language, at most 32 KiB.
    pub source: String,
    /// The variables that it declares.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<Variable>,
    /// Whether a missing variable is nothing instead of an error.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lenient: bool,
    /// Whether clicks on its links are counted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub track_clicks: bool,
}

/// A template, and the variables that it is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateUse {
    /// Its name.
    pub name: String,
    /// Its version; absent: the active one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// The variables.
    pub variables: Map<String, Json>,
}

/// What a template makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Makes {
    /// A message as WeCom writes it: JSON with `msgtype` and its object.
    Message,
    /// The text of a text message.
    Text,
    /// The text of a markdown message.
    Markdown,
    /// The text of a `markdown_v2` message.
    MarkdownV2,
}

impl Makes {
    fn kind(self) -> Option<ContentKind> {
        match self {
            Self::Message => None,
            Self::Text => Some(ContentKind::Text),
            Self::Markdown => Some(ContentKind::Markdown),
            Self::MarkdownV2 => Some(ContentKind::MarkdownV2),
        }
    }
}

/// A template cannot be used, or could not be rendered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateError {
    /// What kind of trouble it is.
    pub kind: TemplateErrorKind,
    /// What is wrong.
    pub message: String,
    /// Where: counted from 1.
    pub line: Option<u32>,
    /// Where in the line, in characters: counted from 1.
    pub column: Option<u32>,
}

/// What is wrong with a template or its variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemplateErrorKind {
    /// Its name, its length, a variable that is declared twice.
    Invalid,
    /// It is not in the language.
    Syntax,
    /// A variable is missing.
    Missing,
    /// A variable is of another kind than declared.
    WrongKind,
    /// It took too many steps, went too deep, or became too long.
    Limit,
    /// What it made is not what it should make.
    Output,
    /// Anything else that failed while it was rendered.
    Failed,
}

impl TemplateError {
    fn new(kind: TemplateErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), line: None, column: None }
    }
}

/// A template that is ready to be rendered. Cheap to clone.
#[derive(Clone)]
pub struct Compiled {
    template: Arc<Template>,
    bounded: Arc<Bounded>,
    environment: Arc<Environment<'static>>,
}

impl fmt::Debug for Compiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compiled").field("template", &self.template).finish_non_exhaustive()
    }
}

impl Compiled {
    /// Checks a template and makes it ready.
    ///
    /// # Errors
    /// [`TemplateErrorKind::Invalid`] or [`TemplateErrorKind::Syntax`], with the line and the column of the latter.
    pub fn new(template: Template) -> Result<Self, TemplateError> {
        check(&template)?;
        let bounded = Bounded::new(&template.name, &template.source);
        let bounded = Arc::new(bounded.map_err(|error| located(&error, &template.source, error.range()))?);
        let ready = |lenient| -> Result<Self, TemplateError> {
            let environment = environment(&template, &bounded.source, lenient);
            let environment = environment.map_err(|error| {
                located(&error, &template.source, error.range().map(|range| bounded.original(range)))
            })?;
            let (template, environment) = (Arc::new(template.clone()), Arc::new(environment));
            Ok(Self { template, bounded: bounded.clone(), environment })
        };
        // Filters and tests are looked up only when they are come upon.
        ready(true)?.text(&variable::examples(&template.variables)).map(drop).or_else(|error| match error.kind {
            TemplateErrorKind::Syntax => Err(error),
            _ => Ok(()),
        })?;
        ready(template.lenient)
    }

    /// Returns the template.
    pub fn template(&self) -> &Template {
        &self.template
    }

    /// Returns the variables that it uses, declared or not, in alphabetical order.
    pub fn used(&self) -> Vec<String> {
        let found = self.environment.get_template(&self.template.name).map(|found| found.undeclared_variables(false));
        let mut used: Vec<String> = found.unwrap_or_default().into_iter().collect();
        used.sort();
        used
    }

    /// Renders a content.
    ///
    /// # Errors
    /// Any [`TemplateErrorKind`] but the first two; with line and column where the template itself is to blame.
    pub fn render(&self, variables: &Map<String, Json>) -> Result<Content, TemplateError> {
        let text = self.text(&variable::check(&self.template.variables, variables)?)?;
        let Some(kind) = self.template.makes.kind() else { return message(&text) };
        Ok(Content::plain(kind, text.trim_matches('\n')))
    }

    fn text(&self, variables: &Map<String, Json>) -> Result<String, TemplateError> {
        let located = |error: minijinja::Error| {
            let range = error.range().map(|range| self.bounded.original(range));
            located(&error, &self.template.source, range)
        };
        let template = self.environment.get_template(&self.template.name).map_err(located)?;
        let mut output = Limited(Vec::new());
        let rendered = template.render_captured_to(minijinja::value::Serde(variables), &mut output).map(drop);
        rendered.map_err(located)?;
        String::from_utf8(output.0).map_err(|_| TemplateError::new(TemplateErrorKind::Output, "is not UTF-8"))
    }
}

fn environment(template: &Template, source: &str, lenient: bool) -> Result<Environment<'static>, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_debug(true);
    environment.set_fuel(Some(steps(source)));
    environment.set_recursion_limit(DEPTH);
    environment.set_undefined_behavior(if lenient { UndefinedBehavior::Chainable } else { UndefinedBehavior::Strict });
    let lands = template.makes;
    environment.set_auto_escape_callback(|_| AutoEscape::Custom("target".into()));
    environment.set_formatter(move |out, state, value| escape::write(out, state, value, lands));
    bounds::add(&mut environment);
    escape::add_filters(&mut environment);
    environment.add_template_owned(template.name.clone(), source.to_owned())?;
    Ok(environment)
}

fn steps(source: &str) -> u64 {
    let length = u64::try_from(source.len()).unwrap_or(u64::MAX).max(1);
    (STEPS_TIMES_SOURCE / length).clamp(*STEPS.start(), *STEPS.end())
}

fn check(template: &Template) -> Result<(), TemplateError> {
    let invalid = |message: String| Err(TemplateError::new(TemplateErrorKind::Invalid, message));
    if !is_template_name(&template.name) {
        return invalid(format!(
            "`{}` is no name for a template: 1 to {NAME_LENGTH} of a-z, 0-9, `-`, `_` and `.`",
            template.name
        ));
    }
    if template.source.len() > SOURCE_BYTES {
        return invalid(format!("the source has {} bytes; at most {SOURCE_BYTES}", template.source.len()));
    }
    if let Some((line, column)) = bounds::too_long(&template.source) {
        let message = format!("an expression has more than {} words and signs: divide it by `set`", bounds::LONGEST);
        let error = TemplateError::new(TemplateErrorKind::Syntax, message);
        return Err(TemplateError { line: Some(line), column: Some(column), ..error });
    }
    variable::declared(&template.variables)
}

/// Tells whether a text can name a template.
pub fn is_template_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    (1..=NAME_LENGTH).contains(&name.len()) && name.bytes().all(allowed)
}

/// A message as WeCom writes it → a content.
fn message(text: &str) -> Result<Content, TemplateError> {
    let wrong = |message: String| TemplateError::new(TemplateErrorKind::Output, message);
    let object: Json = serde_json::from_str(text).map_err(|error| TemplateError {
        line: u32::try_from(error.line()).ok(),
        column: u32::try_from(error.column()).ok(),
        ..wrong(format!("what it made is not JSON: {error}"))
    })?;
    let name = object.get("msgtype").and_then(Json::as_str);
    let name = name.ok_or_else(|| wrong("what it made names no `msgtype`".to_owned()))?;
    let kind = ContentKind::ALL.into_iter().find(|kind| kind.name() == name);
    let kind = kind.ok_or_else(|| wrong(format!("`{name}` is no msgtype")))?;
    let content = object.get(name).filter(|content| content.is_object());
    let content = content.ok_or_else(|| wrong(format!("what it made has no object `{name}`")))?;
    Ok(Content::new(kind, content.to_string()))
}

/// An error with its place in the source.
fn located(error: &minijinja::Error, source: &str, range: Option<Range<usize>>) -> TemplateError {
    let kind = match error.kind() {
        ErrorKind::SyntaxError | ErrorKind::UnknownFilter | ErrorKind::UnknownTest | ErrorKind::UnknownFunction => {
            TemplateErrorKind::Syntax
        }
        ErrorKind::UndefinedError => TemplateErrorKind::Missing,
        ErrorKind::OutOfFuel | ErrorKind::WriteFailure => TemplateErrorKind::Limit,
        _ => TemplateErrorKind::Failed,
    };
    let what = match (error.kind(), error.detail()) {
        (ErrorKind::WriteFailure, _) => format!("it makes more than {OUTPUT_BYTES} bytes"),
        (ErrorKind::OutOfFuel, None) => "it takes too many steps".to_owned(),
        (ErrorKind::OutOfFuel, Some(detail)) => detail.to_owned(),
        (kind, Some(detail)) => format!("{kind}: {detail}"),
        (kind, None) => kind.to_string(),
    };
    let start = range.as_ref().map(|range| range.start).filter(|start| source.is_char_boundary(*start));
    let column = start.and_then(|start| {
        let line = source[..start].rfind('\n').map_or(0, |end| end + 1);
        u32::try_from(source[line..start].chars().count() + 1).ok()
    });
    let expression = range.and_then(|range| source.get(range)).filter(|text| text.len() <= 80);
    let message = match (kind, expression) {
        (TemplateErrorKind::Missing, Some(expression)) => format!("`{expression}` is not given"),
        _ => what,
    };
    TemplateError { kind, message, line: error.line().and_then(|line| u32::try_from(line).ok()), column }
}

/// An output that ends where it would become too long.
struct Limited(Vec<u8>);

impl io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > OUTPUT_BYTES {
            return Err(io::Error::other("too long"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    /// The template of the article, as it stands there.
    const ARTICLE: &str = r#"
{
"msgtype": "text",
"text": {
"content": "{{username}}您好,您的{{item_name}}将于{{expire_date}}到期"
}
}
"#;

    fn template(makes: Makes, source: &str) -> Template {
        let name = "test".to_owned();
        Template {
            name,
            version: 1,
            makes,
            source: source.to_owned(),
            variables: Vec::new(),
            lenient: false,
            track_clicks: false,
        }
    }

    fn render(makes: Makes, source: &str, variables: Json) -> Result<Content, TemplateError> {
        let Json::Object(variables) = variables else { unreachable!("variables are an object") };
        Compiled::new(template(makes, source))?.render(&variables)
    }

    fn text(makes: Makes, source: &str, variables: Json) -> String {
        let content = render(makes, source, variables).unwrap();
        serde_json::from_str::<Json>(content.object()).unwrap()["content"].as_str().unwrap().to_owned()
    }

    #[test]
    fn the_articles_template_works_unchanged_also_with_quotes_and_newlines_in_a_value() {
        let variables =
            json!({ "username": "张\"三\"\n经理", "item_name": "高级会员资格", "expire_date": "2023-12-31" });
        assert_eq!(text(Makes::Message, ARTICLE, variables), "张\"三\"\n经理您好,您的高级会员资格将于2023-12-31到期");
        let compiled = Compiled::new(template(Makes::Message, ARTICLE)).unwrap();
        assert_eq!(compiled.used(), ["expire_date", "item_name", "username"]);
    }

    #[test]
    fn a_missing_variable_is_named_with_its_line_and_column() {
        let error = render(Makes::Text, "你好\n订单 {{ order.number }} 已发货", json!({})).unwrap_err();
        assert_eq!(error.kind, TemplateErrorKind::Missing);
        assert_eq!((error.line, error.column), (Some(2), Some(7)), "{error:?}");
        assert!(error.message.contains("order"), "{error}");
        let error = Compiled::new(template(Makes::Text, "a\n{% if %}")).unwrap_err();
        assert_eq!((error.kind, error.line), (TemplateErrorKind::Syntax, Some(2)), "{error:?}");
        let mut lenient = template(Makes::Text, "[{{ nothing.at.all }}]");
        lenient.lenient = true;
        assert_eq!(Compiled::new(lenient).unwrap().render(&Map::new()).unwrap().object(), r#"{"content":"[]"}"#);
    }

    #[test]
    fn an_unknown_filter_is_found_when_the_template_is_made() {
        for source in ["{{ x | nofilter }}", "{% if x is notest %}{% endif %}", "{{ nofunction() }}"] {
            let error = Compiled::new(template(Makes::Text, source)).unwrap_err();
            assert_eq!((error.kind, error.line), (TemplateErrorKind::Syntax, Some(1)), "{error:?}");
        }
        assert!(
            Compiled::new(template(Makes::Text, "{{ x.y.z | upper }} {% for l in x %}{{ l }}{% endfor %}")).is_ok()
        );
    }

    #[test]
    fn values_are_escaped_for_where_they_land() {
        let value = json!({ "v": "<@all> **x** <a href='y'>`#1`" });
        assert_eq!(text(Makes::Markdown, "**{{ v }}**", value.clone()), "**＜@all＞ ＊＊x＊＊ ＜a href='y'＞｀＃1｀**");
        assert_eq!(text(Makes::Markdown, "{{ v | safe }}", value.clone()), "<@all> **x** <a href='y'>`#1`");
        assert_eq!(text(Makes::Text, "{{ v }} {{ 1 < 2 }}", value), "＜@all> **x** ＜a href='y'>`#1` True");
        assert_eq!(text(Makes::Text, "{% macro m(v) %}{{ v }}{% endmacro %}{{ m('<a') }}", json!({})), "＜a");
    }

    #[test]
    fn declared_variables_are_checked_and_have_defaults() {
        let mut declares = template(Makes::Text, "{{ name }} {{ count }}");
        declares.variables = vec![
            Variable { name: "name".into(), kind: VariableKind::String, default: Some(json!("某人")), example: None },
            Variable { name: "count".into(), kind: VariableKind::Number, default: None, example: None },
        ];
        let compiled = Compiled::new(declares).unwrap();
        let given = |value: Json| compiled.render(value.as_object().unwrap());
        assert_eq!(given(json!({ "count": 3 })).unwrap().object(), r#"{"content":"某人 3"}"#);
        assert_eq!(given(json!({})).unwrap_err().message, "`count` is not given");
        assert_eq!(given(json!({ "count": "3" })).unwrap_err().kind, TemplateErrorKind::WrongKind);
    }

    #[test]
    fn what_a_whole_message_makes_is_looked_at() {
        for (source, part) in [
            ("{", "not JSON"),
            ("{}", "msgtype"),
            (r#"{"msgtype":"nonsense"}"#, "no msgtype"),
            (r#"{"msgtype":"text","text":"x"}"#, "no object"),
        ] {
            let error = render(Makes::Message, source, json!({})).unwrap_err();
            assert!(error.kind == TemplateErrorKind::Output && error.message.contains(part), "{error}");
        }
    }

    #[test]
    fn a_bomb_is_stopped_soon_and_writes_little() {
        let long = "x".repeat(30_000);
        let in_macro =
            format!("{{% macro m() %}}{{% for i in range(99999) %}}{long}{{% endfor %}}{{% endmacro %}}{{{{ m() }}}}");
        let many_constants = format!("{{{{ {} }}}}", vec!["'x' * 99999999"; 1500].join(" ~ "));
        let doubled = "{% set s = 'xxxxxxxx' %}".to_owned() + &"{% set s = s ~ s %}".repeat(60) + "{{ s }}";
        let chained = format!("{{{{ v{} }}}}", ".upper().lower()".repeat(1500));
        for source in [
            "{% for i in range(100000) %}{% for j in range(100000) %}x{% endfor %}{% endfor %}",
            "{{ 'x' * 1000000000 }}",
            "{{ 'x' * 99999999 }}",
            "{{ v * 99 }}",
            "{% for i in range(10000) %}{% if 'x' * 99999999 == v %}{% endif %}{% endfor %}",
            "{% for i in range(10000) %}{% set s = 'x' * 99999999 %}{% endfor %}",
            "{% for i in range(10000) %}{% if v | upper == v %}{% endif %}{% endfor %}",
            "{% for i in range(10000) %}{% if v in v %}{% endif %}{% endfor %}",
            "{% for i in range(10000) %}{% if v.upper() %}{% endif %}{% endfor %}",
            "{% set n = namespace(s='xxxxxxxx') %}{% for i in range(60) %}{% set n.s = n.s ~ n.s %}{% endfor %}",
            "{% set n = namespace(l=[1]) %}{% for i in range(60) %}{% set n.l = n.l + n.l %}{% endfor %}{{ n.l | list }}",
            "{% macro m(s, d) %}{% if d %}{{ m(s ~ s, d - 1) }}{% else %}{{ s }}{% endif %}{% endmacro %}{{ m('xxxx', 40) }}",
            "{% set s %}{% for i in range(10000) %}{{ v }}{% endfor %}{% endset %}{{ s }}",
            "{{ ['x'] * 99999999 }}",
            "{{ ([v] * 10000) | join(v) }}",
            "{{ range(99999) | join(v) }}",
            "{{ range(99999) | select('in', v) | list }}",
            "{{ range(99999) | map('replace', '', v) | list }}",
            "{{ v | replace('', v) }}",
            "{{ v.replace('v', v) }}",
            "{{ v.join(range(99999)) }}",
            "{{ 'a\nb' | indent(1000000000000) }}",
            "{{ 'a\nb' | indent(width=1000000000000) }}",
            "{{ '%1000000000000s' | format('x') }}",
            "{{ '%*s' | format(1000000000000, 'x') }}",
            "{{ [[1]] | tojson(indent=1000000000000) }}",
            "{{ [1] | batch(1000000000000, 'x') | list }}",
            "{{ [1] | slice(1000000000000, 'x') | list }}",
            &many_constants,
            &doubled,
            &chained,
            "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
            "{% include 'test' %}",
            "{{ range(1000000000) }}",
            &in_macro,
        ] {
            let started = Instant::now();
            let error = render(Makes::Text, source, json!({ "v": "v".repeat(900_000) })).unwrap_err();
            // An unoptimised build takes ten times as long.
            assert!(started.elapsed() < Duration::from_secs(1), "{:?} for {error} in {source:.200}", started.elapsed());
        }
        let error = render(Makes::Text, "{{ v }}", json!({ "v": "x".repeat(10_000_000) })).unwrap_err();
        assert_eq!(error.kind, TemplateErrorKind::Limit, "{error}");
    }

    #[test]
    fn what_is_counted_changes_nothing_that_a_template_says() {
        let variables = json!({
            "items": [{ "name": "a", "n": 1 }, { "name": "b", "n": 2 }], "s": "x-y", "n": 3, "none": null, "m": { "k": [1, 2] },
        });
        for (source, made) in [
            ("{% for i in items %}{{ loop.index }}{{ i.name }}{{ ',' if not loop.last }}{% endfor %}", "1a,2b"),
            ("{{ (n + 1) * 2 ~ '-' ~ n ** 2 }} {{ -n * 2 }} {{ n if n > 2 and n < 5 else 0 }}", "8-9 -6 3"),
            ("{{ s.upper().split('-')[1][0:1] }} {{ s | replace('-', '+') | upper }} {{ s[1:] }}", "Y X+Y -y"),
            (
                "{{ items | map(attribute='name') | join('/') }} {{ items | selectattr('n', 'gt', 1) | list | length }}",
                "a/b 1",
            ),
            (
                "{{ q is defined }} {{ q | default('d') }} {{ none is none }} {{ 'x' in s and 'z' not in s }}",
                "False d True True",
            ),
            (
                "{% macro m(a, b=n + 1) %}[{{ a }}{{ b }}{{ caller() if caller is defined }}]{% endmacro %}{{ m(1) }}{% call m(2, b='c') %}!{% endcall %}",
                "[14][2c!]",
            ),
            ("{% set t %}{{ n }}{% endset %}{% set u = t ~ t %}{{ u }}{% with z = n %}{{ z }}{% endwith %}", "333"),
            (
                "{% filter upper %}a{{ s }}{% endfilter %} {{ '%05.1f|%3s' | format(n, s) }} {{ [1, 2] + [3] }}",
                "AX-Y 003.0|x-y [1, 2, 3]",
            ),
            (
                "{% for k in m.k recursive %}{{ k }}{% endfor %}{{ {'a': n}['a'] }}{{ (1, 2)[0] }} {{ 'a\nb' | indent(2) }}",
                "1231 a\n  b",
            ),
            (
                "{{ s is startingwith 'x' }} {{ n is divisibleby(3) }} {{ '-' * 5 }} {{ [1] * 2 }}",
                "True True ----- [1, 1]",
            ),
        ] {
            assert_eq!(text(Makes::Text, source, variables.clone()), made, "{source}");
        }
    }

    #[test]
    fn what_is_wrong_after_much_that_is_counted_is_told_where_it_was_written() {
        let source = "{{ a ~ a ~ (a + a) }}\n{{ a | upper ~ a }}{{ a + missing.x | upper }}";
        let error = render(Makes::Text, source, json!({ "a": "x" })).unwrap_err();
        assert_eq!((error.line, error.column), (Some(2), Some(27)), "{error:?}");
        let error = render(Makes::Text, "{{ a }}{{ a + a }} {{ missing }}", json!({ "a": "x" })).unwrap_err();
        assert_eq!((error.line, error.column, error.message.as_str()), (Some(1), Some(23), "`missing` is not given"));
    }

    #[test]
    fn nothing_of_the_world_can_be_reached() {
        for name in ["env", "getenv", "file", "open", "read", "http", "fetch", "now", "import_module", "lookup"] {
            let source = format!("{{{{ {name}('x') }}}}");
            assert!(render(Makes::Text, &source, json!({})).is_err(), "{name}");
        }
        assert!(render(Makes::Text, "{% import 'os' as os %}", json!({})).is_err());
    }

    proptest! {
        #[test]
        fn no_source_and_no_value_makes_it_panic(source in ".{0,60}", value in ".{0,20}") {
            drop(render(Makes::Text, &source, json!({ "v": value })));
            drop(render(Makes::Message, &format!("{{{{ v }}}}{source}"), json!({ "v": value })));
        }

        /// Whatever a value is, it stays one string of the JSON that it lands in.
        #[test]
        fn no_value_breaks_out_of_a_json_string(value in "\\PC{0,40}") {
            let source = r#"{"msgtype":"text","text":{"content":"{{ v }}"}}"#;
            prop_assert_eq!(text(Makes::Message, source, json!({ "v": value })), value);
        }
    }
}
