//! Bytes as hex, one field on a line, with the name of the field beside it.

use std::fmt::Write as _;

use super::{Field, Kind, Variables, encode, value::Number};

/// The most bytes of a field that a listing shows.
const SHOWN: usize = 32;
/// The column where the names begin.
const COLUMN: usize = 34;

/// One line of a listing.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) bytes: Vec<u8>,
    /// The name of the field, or its type if the check gives no name.
    pub(super) name: String,
    /// The value for a reader. Empty for bytes that are no number and no text.
    pub(super) value: String,
    /// How many lengths enclose the field.
    pub(super) depth: usize,
}

/// Lists fields, and the bytes behind them that belong to no field.
pub(super) fn list(lines: &[Line], rest: &[u8]) -> String {
    let mut text = String::new();
    // A field of no bytes is worth a line only if it has a value, as an empty string has.
    for line in lines.iter().filter(|line| !(line.bytes.is_empty() && line.value.is_empty())) {
        write_line(&mut text, &hex(&line.bytes), line.depth, &line.name, &line.value);
    }
    // The rest is for orientation only. A large answer would hide the line that matters.
    for chunk in rest.chunks(SHOWN / 2).take(16) {
        write_line(&mut text, &hex(chunk), 0, "not compared", "");
    }
    text
}

/// Lists bytes without knowing their fields.
pub(crate) fn list_plain(bytes: &[u8]) -> String {
    list(&[], bytes)
}

/// Lists what a pattern expects. Open values are shown as question marks.
pub(super) fn list_expected(fields: &[Field], variables: &Variables) -> String {
    let mut text = String::new();
    expected(fields, variables, 0, &mut text);
    text
}

/// Writes the lines of fields. Lengths and checksums are computed where everything inside is exact.
fn expected(fields: &[Field], variables: &Variables, depth: usize, to: &mut String) {
    for field in fields {
        let name = field.name.as_str();
        let mut around = |hex: &str, title: &str, body: &[Field]| {
            write_line(to, hex, depth, title, "");
            expected(body, variables, depth + 1, to);
        };
        match &field.kind {
            Kind::Sized { width, body } => {
                let len = encode::fields(body, variables).ok().map(|bytes| bytes.len());
                let title = if name.is_empty() { "size" } else { name };
                let shown =
                    len.map_or_else(|| "??".repeat(*width), |len| format!("{len:0digits$x}", digits = width * 2));
                around(&shown, title, body);
            }
            Kind::Crc { flip, body } => {
                let crc = encode::fields(body, variables).ok().map(|bytes| crc32fast::hash(&bytes) ^ flip);
                around(&crc.map_or_else(|| "??".repeat(4), |crc| format!("{crc:08x}")), "crc", body);
            }
            Kind::Packed { packing, body } => around("…", &format!("compressed, {packing:?}"), body),
            Kind::Each { count, body } => around("????????", &format!("{}{name}, each as follows", times(count)), body),
            Kind::Has { wanted, other } => {
                around("????????", &format!("{name}, at least one as follows"), wanted);
                around("", "and every other one as follows", other);
            }
            Kind::AnyOrder(blocks) => {
                for block in blocks {
                    around("", "in any order", block);
                }
            }
            Kind::Int { width, value } => match encode::fields(std::slice::from_ref(field), variables) {
                Ok(bytes) => {
                    let value = value.exact(variables).map(|value| value.to_string());
                    write_line(to, &hex(&bytes), depth, name, &value.unwrap_or_default());
                }
                Err(_) => write_line(to, &"??".repeat(*width), depth, name, &times(value)),
            },
            Kind::Rest => write_line(to, "…", depth, name, ""),
            Kind::Text { .. } | Kind::Hex(_) | Kind::Fill { .. } | Kind::Cut { .. } | Kind::Times { .. } => {
                let shown = encode::fields(std::slice::from_ref(field), variables);
                write_line(to, &shown.map_or_else(|_| "…".to_owned(), |bytes| hex(&bytes)), depth, name, "");
            }
        }
    }
}

/// A number for a reader, with a space behind it.
fn times(count: &Number) -> String {
    match count {
        Number::Exact(count) => format!("{count} "),
        Number::Between(from, to) => format!("{from} to {to} "),
        Number::Sum(..) | Number::Open(_) => String::new(),
    }
}

/// Writes one line. The names stand below each other whatever the depth of the fields is.
fn write_line(to: &mut String, hex: &str, depth: usize, name: &str, value: &str) {
    let indent = depth * 2;
    let line = format!("{:indent$}{hex:<width$} {name} {value}", "", width = COLUMN.saturating_sub(indent));
    writeln!(to, "{}", line.trim_end()).expect("a String takes what is written to it");
}

/// Hex digits in groups of four bytes; the middle of a long field is left out.
fn hex(bytes: &[u8]) -> String {
    let shown = bytes.get(..SHOWN).unwrap_or(bytes);
    let groups: Vec<String> =
        shown.chunks(4).map(|group| group.iter().map(|byte| format!("{byte:02x}")).collect()).collect();
    let more = if bytes.len() > SHOWN { format!(" … ({} bytes)", bytes.len()) } else { String::new() };
    format!("{}{more}", groups.join(" "))
}
