//! What a template may handle on its way: values that it looks at, makes and writes, in bytes, together.
//!
//! The language counts steps, and one step can multiply a text by a hundred million. So a source is read once, and
//! wherever an expression ends that can be large a filter is put which counts it; errors are told where they are in the
//! source as it was written. Knows nothing about what is rendered, or for whom.

use std::ops::Range;

use minijinja::machinery::ast::{BinOpKind, CallArg, Expr, Stmt};
use minijinja::machinery::{Span, Token, parse, tokenize};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, ObjectRepr, StringInput, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, Value, filters};

/// How many bytes of values one rendering may handle.
const HANDLED_BYTES: usize = 8 * 1024 * 1024;
/// What counts for a value of a list besides what is in it: some tens of thousands can be handled.
const ONE_BYTES: usize = 256;
/// How many words and signs may stand in one pair of braces.
pub(super) const LONGEST: usize = 600;
/// How deep values are looked into.
const DEPTH: usize = 32;
/// Counts a value. No name that a template can use by accident.
const MARK: &str = "|__counted";
/// Counts what a multiplication makes, before it is made: its left side, its right side.
const MULTIPLIED_MARK: &str = "|__multiplied";
const TIMES_MARK: &str = "|__times";
/// Counts what a format can make, before it is used.
const FORMAT_MARK: &str = "|__counted_format";

/// A source with its marks.
pub(super) struct Bounded {
    /// What is compiled.
    pub(super) source: String,
    /// Where what was inserted, and for which part of the original; in order.
    marks: Vec<Inserted>,
}

struct Inserted {
    at: usize,
    text: &'static str,
    of: Range<usize>,
}

impl Bounded {
    /// Reads a source and marks it.
    pub(super) fn new(name: &str, original: &str) -> Result<Self, Error> {
        let mut marker = Marker { marks: Vec::new() };
        marker.statement(&parse(original, name, SyntaxConfig::default())?);
        let mut marks = marker.marks;
        // Inner ones were put first, and stay first where they end together.
        marks.sort_by_key(|mark| mark.at);
        let mut source = String::with_capacity(original.len() + marks.len() * (MARK.len() + 1));
        let mut from = 0;
        for mark in &marks {
            source.push_str(original.get(from..mark.at).unwrap_or_default());
            source.push_str(mark.text);
            from = mark.at;
        }
        source.push_str(original.get(from..).unwrap_or_default());
        Ok(Self { source, marks })
    }

    /// Where in the original a part of the marked source is.
    pub(super) fn original(&self, range: Range<usize>) -> Range<usize> {
        let (start, marked) = self.unmarked(range.start);
        // In a mark itself: what it stands for is meant.
        marked.map_or_else(|| start..self.unmarked(range.end).0.max(start), |mark| mark.of.clone())
    }

    /// Where in the original an offset is, and the mark that it is in.
    fn unmarked(&self, offset: usize) -> (usize, Option<&Inserted>) {
        let mut inserted = 0;
        for mark in &self.marks {
            let begins = mark.at + inserted;
            if offset < begins {
                break;
            }
            if offset < begins + mark.text.len() {
                return (mark.at, Some(mark));
            }
            inserted += mark.text.len();
        }
        (offset - inserted, None)
    }
}

/// Finds where what stands in one pair of braces is too long, by line and column: reading goes as deep as that is long.
pub(super) fn too_long(source: &str) -> Option<(u32, u32)> {
    let mut length = 0;
    // What is no token is told by whoever reads it.
    for (token, span) in tokenize(source, false, SyntaxConfig::default()).map_while(Result::ok) {
        match token {
            Token::TemplateData(_) | Token::VariableStart | Token::BlockStart => length = 0,
            _ => length += 1,
        }
        if length > LONGEST {
            return Some((u32::from(span.start_line), u32::from(span.start_col) + 1));
        }
    }
    None
}

struct Marker {
    marks: Vec<Inserted>,
}

impl Marker {
    fn put(&mut self, span: Span, at: u32, text: &'static str) {
        let of = span.start_offset as usize..span.end_offset as usize;
        self.marks.push(Inserted { at: at as usize, text, of });
    }

    fn statements(&mut self, statements: &[Stmt<'_>]) {
        statements.iter().for_each(|statement| self.statement(statement));
    }

    fn statement(&mut self, statement: &Stmt<'_>) {
        match statement {
            Stmt::Template(all) => self.statements(&all.children),
            Stmt::EmitExpr(emit) => self.value(&emit.expr),
            Stmt::ForLoop(each) => {
                self.value(&each.iter);
                each.filter_expr.iter().for_each(|only| self.value(only));
                self.statements(&each.body);
                self.statements(&each.else_body);
            }
            Stmt::IfCond(either) => {
                self.value(&either.expr);
                self.statements(&either.true_body);
                self.statements(&either.false_body);
            }
            Stmt::WithBlock(with) => {
                with.assignments.iter().for_each(|(_, value)| self.value(value));
                self.statements(&with.body);
            }
            Stmt::Set(set) => self.value(&set.expr),
            Stmt::SetBlock(set) => {
                set.filter.iter().for_each(|filter| self.value(filter));
                self.statements(&set.body);
            }
            Stmt::AutoEscape(escaped) => self.statements(&escaped.body),
            Stmt::FilterBlock(filtered) => {
                self.value(&filtered.filter);
                self.statements(&filtered.body);
            }
            Stmt::Block(block) => self.statements(&block.body),
            Stmt::Macro(makes) => {
                makes.defaults.iter().for_each(|value| self.value(value));
                self.statements(&makes.body);
            }
            Stmt::CallBlock(call) => {
                self.arguments(&call.call.args);
                self.statements(&call.macro_decl.body);
            }
            Stmt::Do(call) => self.arguments(&call.call.args),
            // There is nothing to import, include or extend; and a text as it stands is counted by its steps.
            _ => {}
        }
    }

    fn arguments(&mut self, arguments: &[CallArg<'_>]) {
        for argument in arguments {
            match argument {
                CallArg::Pos(value)
                | CallArg::Kwarg(_, value)
                | CallArg::PosSplat(value)
                | CallArg::KwargSplat(value) => self.value(value),
            }
        }
    }

    /// Marks an expression whose value is used, and what it is made of.
    fn value(&mut self, expression: &Expr<'_>) {
        let span = expression.span();
        match expression {
            Expr::BinOp(binary) if makes_a_value(binary.op) => {
                self.put(span, span.start_offset, "(");
                self.parts(expression);
                self.put(span, span.end_offset, ")");
                self.put(span, span.end_offset, MARK);
            }
            Expr::BinOp(_) | Expr::Compare(_) | Expr::UnaryOp(_) | Expr::IfExpr(_) | Expr::Test(_) => {
                self.parts(expression);
            }
            _ => {
                self.parts(expression);
                self.put(span, span.end_offset, MARK);
            }
        }
    }

    /// Marks what an expression is made of.
    fn parts(&mut self, expression: &Expr<'_>) {
        match expression {
            Expr::Var(_) | Expr::Const(_) => {}
            Expr::Slice(slice) => {
                self.parts(&slice.expr);
                [&slice.start, &slice.stop, &slice.step].into_iter().flatten().for_each(|bound| self.value(bound));
            }
            Expr::UnaryOp(unary) => self.value(&unary.expr),
            Expr::BinOp(binary) => {
                let times = matches!(binary.op, BinOpKind::Mul);
                for (operand, mark) in [(&binary.left, MULTIPLIED_MARK), (&binary.right, TIMES_MARK)] {
                    self.value(operand);
                    if times {
                        self.put(operand.span(), operand.span().end_offset, mark);
                    }
                }
            }
            Expr::Compare(compare) => {
                self.value(&compare.expr);
                compare.ops.iter().for_each(|with| self.value(&with.expr));
            }
            Expr::IfExpr(either) => {
                self.value(&either.true_expr);
                self.value(&either.test_expr);
                either.false_expr.iter().for_each(|other| self.value(other));
            }
            Expr::Filter(filter) => {
                if let Some(value) = &filter.expr {
                    self.value(value);
                    if filter.name == "format" {
                        self.put(value.span(), value.span().end_offset, FORMAT_MARK);
                    }
                }
                self.arguments(&filter.args);
            }
            Expr::Test(test) => {
                self.value(&test.expr);
                self.arguments(&test.args);
            }
            // What is only reached into, or called, is not handled itself.
            Expr::GetAttr(get) => self.parts(&get.expr),
            Expr::GetItem(get) => {
                self.parts(&get.expr);
                self.value(&get.subscript_expr);
            }
            Expr::Call(call) => {
                self.parts(&call.expr);
                self.arguments(&call.args);
            }
            Expr::List(list) => list.items.iter().for_each(|item| self.value(item)),
            Expr::Tuple(tuple) => tuple.items.iter().for_each(|item| self.value(item)),
            Expr::Map(map) => map.keys.iter().chain(&map.values).for_each(|item| self.value(item)),
        }
    }
}

/// Whether an operator makes a value; others choose between two, or say yes or no.
fn makes_a_value(operator: BinOpKind) -> bool {
    use BinOpKind::{Add, Concat, Div, FloorDiv, Mul, Pow, Rem, Sub};
    matches!(operator, Add | Sub | Mul | Div | FloorDiv | Rem | Pow | Concat)
}

/// What a rendering has handled so far.
#[derive(Default)]
struct Handled(usize);

/// What stands to the left of multiplications whose right side is still being worked out.
#[derive(Default)]
struct Multiplied(Vec<Value>);

fn too_much() -> Error {
    Error::new(ErrorKind::OutOfFuel, "it handles too much")
}

/// Counts bytes; an error where they become too many.
fn count(state: &mut State<'_, '_>, bytes: usize) -> Result<(), Error> {
    let handled = state.get_or_insert_extension(Handled::default());
    handled.0 = handled.0.saturating_add(bytes);
    if handled.0 > HANDLED_BYTES { Err(too_much()) } else { Ok(()) }
}

fn count_value(state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    match weight(value, DEPTH, HANDLED_BYTES) {
        0 => Ok(()),
        bytes => count(state, bytes),
    }
}

/// What a value weighs, in bytes; not looked at further than to `most`.
fn weight(value: &Value, depth: usize, most: usize) -> usize {
    if let Some(text) = value.as_str() {
        return text.len();
    }
    let Some(object) = value.as_object() else { return value.as_bytes().map_or(0, <[u8]>::len) };
    if object.repr() == ObjectRepr::Plain {
        return 0;
    }
    let own = object.enumerator_len().unwrap_or_default().saturating_mul(ONE_BYTES);
    let Some(items) = object.try_iter_pairs().filter(|_| depth > 0 && own <= most) else { return own };
    let is_map = value.kind() == ValueKind::Map;
    let mut weighs = own;
    for (key, item) in items {
        if weighs > most {
            break;
        }
        weighs += weight(&item, depth - 1, most);
        if is_map {
            weighs += weight(&key, depth - 1, most);
        }
    }
    weighs
}

/// Adds what counts, and puts filters that look first in place of those that can make much of little.
pub(super) fn add(environment: &mut Environment<'static>) {
    environment
        .add_filter(&MARK[1..], |state: &mut State<'_, '_>, value: Value| count_value(state, &value).map(|()| value));
    environment.add_filter(&MULTIPLIED_MARK[1..], |state: &mut State<'_, '_>, value: Value| {
        state.get_or_insert_extension(Multiplied::default()).0.push(value.clone());
        value
    });
    environment.add_filter(&TIMES_MARK[1..], |state: &mut State<'_, '_>, value: Value| {
        let left = state.get_or_insert_extension(Multiplied::default()).0.pop().unwrap_or_default();
        count(state, repeated(&left, &value).max(repeated(&value, &left))).map(|()| value)
    });
    environment.add_filter(&FORMAT_MARK[1..], |state: &mut State<'_, '_>, value: Value| {
        count(state, padding(value.as_str().unwrap_or_default())).map(|()| value)
    });
    environment.set_unknown_method_callback(method);
    environment.add_filter("replace", replace);
    environment.add_filter("join", join);
    environment.add_filter("indent", indent);
    environment.add_filter("tojson", tojson);
    environment.add_filter("batch", batch);
    environment.add_filter("slice", slice);
    environment.add_test("in", is_in);
}

/// How much a value is that is repeated.
fn repeated(value: &Value, times: &Value) -> usize {
    times.as_usize().map_or(0, |times| weight(value, DEPTH, HANDLED_BYTES).saturating_mul(times))
}

fn replace(
    state: &mut State<'_, '_>,
    value: StringInput<'_>,
    from: StringInput<'_>,
    to: StringInput<'_>,
) -> Result<Value, Error> {
    count(state, replaced(value.as_str(), from.as_str(), to.as_str()))?;
    filters::replace(state, value, from, to)
}

/// How much a replacement adds at most.
fn replaced(text: &str, from: &str, to: &str) -> usize {
    text.matches(from).count().saturating_mul(to.len())
}

fn join(
    state: &mut State<'_, '_>,
    value: &Value,
    joiner: Option<StringInput<'_>>,
    attribute: Option<&str>,
    kwargs: Kwargs,
) -> Result<Value, Error> {
    count(state, joined(value, joiner.as_ref().map_or(0, |joiner| joiner.as_str().len())))?;
    filters::join(state, value, joiner, attribute, kwargs)
}

fn joined(value: &Value, joiner: usize) -> usize {
    let items = value.as_str().map_or_else(|| value.len().unwrap_or_default(), str::len);
    items.saturating_mul(joiner)
}

fn indent(
    value: StringInput<'_>,
    width: Option<usize>,
    first: Option<bool>,
    blank: Option<bool>,
    kwargs: Kwargs,
) -> Result<Value, Error> {
    let width_of = width.or_else(|| kwargs.peek("width").ok()).unwrap_or_default();
    // What it makes is counted; here it is kept from being made if it is too much by itself.
    if value.as_str().lines().count().saturating_mul(width_of) > HANDLED_BYTES {
        return Err(too_much());
    }
    filters::indent(value, width, first, blank, kwargs)
}

fn tojson(state: &mut State<'_, '_>, value: &Value, indent: Option<Value>, kwargs: Kwargs) -> Result<Value, Error> {
    let given = indent.clone().or_else(|| kwargs.peek("indent").ok());
    let width = given.and_then(|given| usize::try_from(given).ok()).unwrap_or_default();
    // Each line of what it makes has a value, and is no deeper than what is looked into.
    let lines = weight(value, DEPTH, HANDLED_BYTES) / ONE_BYTES + 2;
    count(state, lines.saturating_mul(width))?;
    filters::tojson(value, indent, kwargs)
}

fn batch(state: &mut State<'_, '_>, value: Value, size: usize, fill: Option<Value>) -> Result<Value, Error> {
    count(state, size.saturating_mul(ONE_BYTES))?;
    filters::batch(state, value, size, fill)
}

fn slice(state: &mut State<'_, '_>, value: Value, slices: usize, fill: Option<Value>) -> Result<Value, Error> {
    count(state, slices.saturating_mul(ONE_BYTES))?;
    filters::slice(state, value, slices, fill)
}

fn is_in(state: &mut State<'_, '_>, item: &Value, container: &Value) -> Result<bool, Error> {
    count_value(state, container)?;
    minijinja::tests::is_in(state, item, container)
}

/// Python's methods, counted: what they are called on, what they are given, and what they make.
fn method(state: &mut State<'_, '_>, value: &Value, name: &str, given: &[Value]) -> Result<Value, Error> {
    count_value(state, value)?;
    match (name, value.as_str(), given) {
        ("replace", Some(text), [from, to, ..]) => {
            let text_of = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            count(state, replaced(text, &text_of(from), &text_of(to)))?;
        }
        ("join", Some(joiner), [list, ..]) => count(state, joined(list, joiner.len()))?,
        _ => {}
    }
    let made = minijinja_contrib::pycompat::unknown_method_callback(state, value, name, given)?;
    count_value(state, &made)?;
    Ok(made)
}

/// How much the widths in a format add at most: `%1000d` adds a thousand.
fn padding(format: &str) -> usize {
    let widths = format.split(|char: char| !char.is_ascii_digit()).filter(|digits| !digits.is_empty());
    let widths = widths.map(|digits| digits.parse().unwrap_or(HANDLED_BYTES));
    // A width that is a value of its own can be anything.
    let open = format.bytes().filter(|byte| *byte == b'*').count();
    widths.fold(open.saturating_mul(HANDLED_BYTES), |sum: usize, width: usize| sum.saturating_add(width))
}
