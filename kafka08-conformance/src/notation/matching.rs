//! Compares bytes with a pattern, field by field.
//!
//! The comparison stops at the first field that differs. What was read before it keeps the names of its fields, so that a report
//! shows where in an answer the difference is.

use std::ops::Range;

use bytes::Bytes;

use super::{
    Field, Kind, Variables, encode,
    listing::{Line, list},
    value::{Number, Text},
};

/// The first field that is not as the pattern says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// What is wrong, in one sentence.
    pub reason: String,
    /// The bytes, with the names of the fields that were compared.
    pub found: String,
}

/// Compares all bytes with the pattern, and binds the variables of its wildcards.
pub(super) fn compare(fields: &[Field], bytes: &[u8], variables: &mut Variables) -> Result<(), Mismatch> {
    let mut reader =
        Reader { bytes: Bytes::copy_from_slice(bytes), at: 0, end: bytes.len(), lines: Vec::new(), depth: 0 };
    let compared = reader.fields(fields, variables).and_then(|()| reader.expect_end());
    match compared {
        Ok(()) => Ok(()),
        Err(reason) => {
            let rest = reader.bytes.get(reader.at..).unwrap_or_default();
            Err(Mismatch { found: list(&reader.lines, rest), reason })
        }
    }
}

/// A position in the bytes, and what was read before it.
struct Reader {
    bytes: Bytes,
    /// The next byte to compare.
    at: usize,
    /// The end of the innermost length.
    end: usize,
    /// What was read, for the listing.
    lines: Vec<Line>,
    /// How many lengths enclose the position.
    depth: usize,
}

/// Where an attempt began. An attempt does not copy the lines: an answer may have thousands of topics.
struct Mark {
    at: usize,
    end: usize,
    depth: usize,
    lines: usize,
}

impl Reader {
    /// Compares fields one after the other.
    fn fields(&mut self, fields: &[Field], variables: &mut Variables) -> Result<(), String> {
        fields.iter().try_for_each(|field| self.field(field, variables))
    }

    /// Compares one field, and moves behind it.
    fn field(&mut self, field: &Field, variables: &mut Variables) -> Result<(), String> {
        let name = &field.name;
        match &field.kind {
            Kind::Int { width, value } => self.int(name, *width, value, variables).map(drop),
            Kind::Text { width, value } => self.text(name, *width, value, variables),
            Kind::Hex(_) | Kind::Fill { .. } | Kind::Cut { .. } | Kind::Times { .. } => {
                // These have exact bytes, so that the whole field is compared at once.
                let expected = encode::fields(std::slice::from_ref(field), variables).map_err(|e| e.to_string())?;
                let what = if name.is_empty() { "the bytes" } else { name };
                let found = self.take(what, expected.len())?;
                self.check(found == expected, || format!("{what} differ from those expected"))
            }
            Kind::Sized { width, body } => self.sized(name, *width, body, variables),
            Kind::Crc { flip, body } => self.crc(*flip, body, variables),
            Kind::Packed { packing, body } => {
                // Nothing but the enclosing length says where compressed bytes end.
                let packed = self.take("compressed bytes", self.end - self.at)?;
                let opened = packing.open(&packed)?;
                self.inside(opened, body, variables)
            }
            Kind::Each { count, body } => {
                let found = self.int(&format!("count of {name}"), 4, count, variables)?;
                // A count that is absurd ends with the bytes: each element takes at least one.
                (0..found).try_for_each(|_| self.fields(body, variables))
            }
            Kind::Has { wanted, other } => self.has(name, wanted, other, variables),
            Kind::AnyOrder(blocks) => self.any_order(blocks, variables),
            Kind::Rest => self.take(name, self.end - self.at).map(drop),
        }
    }

    /// Compares an integer, and returns what was found.
    fn int(&mut self, name: &str, width: usize, value: &Number, variables: &mut Variables) -> Result<i64, String> {
        let name = if name.is_empty() { "an integer" } else { name };
        let bytes = self.take(name, width)?;
        let is_negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
        let found = bytes.iter().fold(if is_negative { -1 } else { 0 }, |sum: i64, &byte| sum << 8 | i64::from(byte));
        self.note(format!("{found}"));
        let accepted = value.accepts(found, variables).map_err(|error| error.to_string())?;
        let expected = || match value.exact(variables) {
            Ok(exact) => format!("{name} is {found} instead of {exact}"),
            Err(_) => format!("{name} is {found}, which is out of range"),
        };
        self.check(accepted, expected)?;
        Ok(found)
    }

    /// Compares a string. A length below -1 is never equal to null, because no broker sends one.
    fn text(&mut self, name: &str, width: usize, value: &Text, variables: &mut Variables) -> Result<(), String> {
        let name = if name.is_empty() { "a string" } else { name };
        // A text without a length must be exact, because nothing says where it ends.
        let len = if width == 0 {
            let exact = value.exact(variables).map_err(|error| error.to_string())?;
            i64::try_from(exact.map_or(0, <[u8]>::len)).unwrap_or(i64::MAX)
        } else {
            self.int(&format!("length of {name}"), width, &Number::Open(None), variables)?
        };
        let found = match usize::try_from(len) {
            Ok(len) => Some(self.take(name, len)?),
            Err(_) => None,
        };
        self.note(found.as_ref().map_or_else(|| "null".to_owned(), |text| show(text)));
        let accepted = match (value, &found) {
            (Text::Open(_), None) => false,
            (Text::Open(None), Some(_)) => true,
            (Text::Open(Some(variable)), Some(text)) => {
                variables.set_text(variable, text);
                true
            }
            (exact, found) => exact.exact(variables).map_err(|error| error.to_string())? == found.as_deref(),
        };
        self.check(accepted && (found.is_some() || len == -1), || format!("{name} is not the expected string"))
    }

    /// Compares a length and what it encloses, to its last byte.
    fn sized(&mut self, name: &str, width: usize, body: &[Field], variables: &mut Variables) -> Result<(), String> {
        let name = if name.is_empty() { "size" } else { name };
        let size = self.int(name, width, &Number::Open(None), variables)?;
        let end = usize::try_from(size).ok().and_then(|size| self.at.checked_add(size)).filter(|&end| end <= self.end);
        let Some(end) = end else {
            return Err(format!("{name} is {size}, but {} bytes follow", self.end - self.at));
        };
        // Inside, no field can read beyond this length, even if more bytes follow.
        let outer = std::mem::replace(&mut self.end, end);
        self.depth += 1;
        self.fields(body, variables)?;
        self.expect_end()?;
        self.depth -= 1;
        self.end = outer;
        Ok(())
    }

    /// Compares a checksum with the bytes behind it, as far as the fields go.
    fn crc(&mut self, flip: u32, body: &[Field], variables: &mut Variables) -> Result<(), String> {
        let found = self.take("crc", 4)?;
        let start = self.at;
        self.fields(body, variables)?;
        // After the fields: a difference in them says more than one in the checksum, which is then wrong too.
        let computed = crc32fast::hash(self.part(start..self.at)) ^ flip;
        self.check(found == computed.to_be_bytes().as_slice(), || format!("the crc is not {computed:08x}"))
    }

    /// Compares decompressed bytes. Their lines stand among those of the outer bytes.
    fn inside(&mut self, opened: Bytes, body: &[Field], variables: &mut Variables) -> Result<(), String> {
        let end = opened.len();
        let mut inner = Self { bytes: opened, at: 0, end, lines: Vec::new(), depth: self.depth + 1 };
        let compared = inner.fields(body, variables).and_then(|()| inner.expect_end());
        // Also after a mismatch, whose place would not be visible otherwise.
        self.lines.append(&mut inner.lines);
        compared.map_err(|reason| format!("{reason} (in the decompressed bytes)"))
    }

    /// Compares a count and its elements. The wanted element may come at any place.
    fn has(&mut self, name: &str, wanted: &[Field], other: &[Field], variables: &mut Variables) -> Result<(), String> {
        let count = self.int(&format!("count of {name}"), 4, &Number::Open(None), variables)?;
        let mut is_there = false;
        for _ in 0..count {
            let (mark, before) = (self.mark(), variables.clone());
            if self.fields(wanted, variables).is_ok() {
                is_there = true;
            } else {
                self.rewind(&mark);
                *variables = before;
                self.fields(other, variables)?;
            }
        }
        self.check(is_there, || format!("none of the {name} is the expected one"))
    }

    /// Compares blocks in any order. The first block that fits is taken: the blocks of a check differ in their first fields, so no
    /// other order has to be tried.
    fn any_order(&mut self, blocks: &[Vec<Field>], variables: &mut Variables) -> Result<(), String> {
        let mut left: Vec<&Vec<Field>> = blocks.iter().collect();
        while !left.is_empty() {
            let (mark, before) = (self.mark(), variables.clone());
            // Of the attempts that fail, the one that came farthest is reported.
            let mut farthest: Option<(usize, Vec<Line>, String)> = None;
            let mut fitting = None;
            for (nth, block) in left.iter().enumerate() {
                let Err(reason) = self.fields(block, variables) else {
                    fitting = Some(nth);
                    break;
                };
                let reached = self.at;
                let lines = self.rewind(&mark);
                variables.clone_from(&before);
                if farthest.as_ref().is_none_or(|(other, ..)| *other < reached) {
                    farthest = Some((reached, lines, reason));
                }
            }
            match (fitting, farthest) {
                (Some(nth), _) => drop(left.remove(nth)),
                (None, Some((reached, mut lines, reason))) => {
                    self.at = reached;
                    self.lines.append(&mut lines);
                    return Err(reason);
                }
                (None, None) => break,
            }
        }
        Ok(())
    }

    fn mark(&self) -> Mark {
        Mark { at: self.at, end: self.end, depth: self.depth, lines: self.lines.len() }
    }

    /// Goes back to a mark, and returns the lines that were added since.
    fn rewind(&mut self, mark: &Mark) -> Vec<Line> {
        (self.at, self.end, self.depth) = (mark.at, mark.end, mark.depth);
        self.lines.split_off(mark.lines)
    }

    /// Takes bytes within the innermost length, and adds a line for them.
    fn take(&mut self, name: &str, len: usize) -> Result<Bytes, String> {
        let end = self.at.checked_add(len).filter(|&end| end <= self.end);
        let Some(end) = end else {
            return Err(format!("{name} needs {len} bytes, but {} are left", self.end - self.at));
        };
        let taken = self.bytes.slice(self.at..end);
        self.at = end;
        self.lines.push(Line { bytes: taken.to_vec(), name: name.to_owned(), value: String::new(), depth: self.depth });
        Ok(taken)
    }

    /// Adds the value to the last line.
    fn note(&mut self, value: String) {
        if let Some(line) = self.lines.last_mut() {
            line.value = value;
        }
    }

    fn part(&self, range: Range<usize>) -> &[u8] {
        self.bytes.get(range).unwrap_or_default()
    }

    fn expect_end(&self) -> Result<(), String> {
        self.check(self.at == self.end, || format!("{} bytes are left over", self.end - self.at))
    }

    fn check(&self, holds: bool, reason: impl FnOnce() -> String) -> Result<(), String> {
        if holds { Ok(()) } else { Err(reason()) }
    }
}

/// A text for a reader, at most 60 characters of it.
fn show(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let shown: String = text.chars().take(60).collect();
    if shown.len() < text.len() { format!("{shown:?}…") } else { format!("{shown:?}") }
}
