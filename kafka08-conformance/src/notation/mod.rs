//! The notation for bytes: one text that both writes a request and compares an answer.
//!
//! A pattern is a list of fields. A field that is written exactly can be sent. A field with a wildcard can only be compared.
//! This module does not know the requests of Kafka: the layout of each one is written in the checks.

mod encode;
mod listing;
mod matching;
mod pack;
mod parse;
mod value;
mod words;

use std::fmt;

pub(crate) use self::listing::list_plain;
pub use self::{
    matching::Mismatch,
    value::{Binding, Variables},
};
use self::{
    pack::Packing,
    value::{Number, Text},
};

/// Bytes as a list of typed fields. See the crate's documentation for the notation.
#[derive(Clone, Debug)]
pub struct Pattern {
    source: String,
    fields: Vec<Field>,
}

/// One field of a pattern.
#[derive(Clone, Debug)]
struct Field {
    /// What the field is called in listings. Empty if the notation gives no name.
    name: String,
    kind: Kind,
}

/// What a field is.
#[derive(Clone, Debug)]
enum Kind {
    /// A big-endian integer of this many bytes.
    Int { width: usize, value: Number },
    /// A string or byte string behind a length of this many bytes. Without a length if the width is 0.
    Text { width: usize, value: Text },
    /// Bytes as they are.
    Hex(Vec<u8>),
    /// The same byte again and again.
    Fill { count: Number, byte: u8 },
    /// A length of this many bytes, and then as many bytes.
    Sized { width: usize, body: Vec<Field> },
    /// A CRC-32 of the fields, and then the fields. `flip` is what is added to a correct checksum by exclusive or.
    Crc { flip: u32, body: Vec<Field> },
    /// The fields in compressed form. A comparison decompresses everything up to the end of the enclosing length.
    Packed { packing: Packing, body: Vec<Field> },
    /// The first bytes of the fields, which must be exact.
    Cut { count: Number, body: Vec<Field> },
    /// The fields as often as the number says.
    Times { count: Number, body: Vec<Field> },
    /// A count of 32 bits, and as many elements. Each is compared with the fields.
    Each { count: Number, body: Vec<Field> },
    /// A count of 32 bits, and as many elements. At least one is as `wanted`, every other one is as `other`.
    Has { wanted: Vec<Field>, other: Vec<Field> },
    /// Blocks of fields, each of them once, in any order.
    AnyOrder(Vec<Vec<Field>>),
    /// Everything up to the end of the enclosing length.
    Rest,
}

/// A text that is not in the notation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotationError {
    pub(crate) at: String,
    pub(crate) problem: &'static str,
}

impl Pattern {
    /// Reads the notation.
    ///
    /// # Errors
    /// The text is not in the notation. The error names the word.
    pub fn parse(text: &str) -> Result<Self, NotationError> {
        // Without the line breaks of the check, because reports show the source on one line.
        let fields = parse::fields(text)?;
        Ok(Self { source: text.split_whitespace().collect::<Vec<_>>().join(" "), fields })
    }

    /// Writes the bytes, with the values of the variables.
    ///
    /// # Errors
    /// A variable has no value, a value does not fit its field, or a field has no exact value.
    pub fn encode(&self, variables: &Variables) -> Result<Vec<u8>, NotationError> {
        encode::fields(&self.fields, variables)
    }

    /// Compares all bytes with the pattern, and sets the variables of open values that have names.
    ///
    /// # Errors
    /// A field differs. The variables of the fields before it are set nevertheless.
    pub fn compare(&self, bytes: &[u8], variables: &mut Variables) -> Result<(), Mismatch> {
        matching::compare(&self.fields, bytes, variables)
    }

    /// Lists the fields as hex with their names, one on a line. Open values are shown as question marks.
    #[must_use]
    pub fn list(&self, variables: &Variables) -> String {
        listing::list_expected(&self.fields, variables)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

impl NotationError {
    fn new(at: impl Into<String>, problem: &'static str) -> Self {
        Self { at: at.into(), problem }
    }
}

impl fmt::Display for NotationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: \"{}\"", self.problem, self.at)
    }
}

impl std::error::Error for NotationError {}
