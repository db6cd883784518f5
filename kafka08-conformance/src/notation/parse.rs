//! Reads the notation.

use std::{iter::Peekable, vec::IntoIter};

use super::{
    Field, Kind, NotationError,
    pack::Packing,
    value::{Number, Text},
    words::{Piece, cut},
};

type Pieces = Peekable<IntoIter<Piece>>;

/// Reads all fields of a text.
pub(super) fn fields(text: &str) -> Result<Vec<Field>, NotationError> {
    let mut pieces = cut(text)?.into_iter().peekable();
    let fields = until_close(&mut pieces)?;
    match pieces.next() {
        None => Ok(fields),
        Some(_) => Err(NotationError::new(text, "a brace is closed that was not opened")),
    }
}

/// Reads fields up to a closing brace or the end. The caller decides which of them is right.
fn until_close(pieces: &mut Pieces) -> Result<Vec<Field>, NotationError> {
    let mut fields = Vec::new();
    while let Some(Piece::Word(word)) = pieces.peek() {
        let word = word.clone();
        pieces.next();
        fields.push(field(&word, pieces)?);
    }
    Ok(fields)
}

/// Reads `{ … }`.
fn block(word: &str, pieces: &mut Pieces) -> Result<Vec<Field>, NotationError> {
    let missing = |problem| NotationError::new(word, problem);
    if pieces.next_if_eq(&Piece::Open).is_none() {
        return Err(missing("a brace must follow"));
    }
    let fields = until_close(pieces)?;
    pieces.next_if_eq(&Piece::Close).ok_or_else(|| missing("the brace is not closed"))?;
    Ok(fields)
}

/// Reads one field, with the blocks behind it.
fn field(word: &str, pieces: &mut Pieces) -> Result<Field, NotationError> {
    // A name ends at "=", and a quoted text may contain one.
    let (name, what) = match word.split_once('=') {
        Some((name, what)) if !name.contains([':', '"']) => (name, what),
        _ => ("", word),
    };
    let (kind, value) = what.split_once(':').unwrap_or((what, ""));
    let int = |width| Ok(Kind::Int { width, value: Number::parse(value)? });
    let text = |width| Ok(Kind::Text { width, value: Text::parse(value)? });
    let kind = match kind {
        "i8" => int(1),
        "i16" => int(2),
        "i32" => int(4),
        "i64" => int(8),
        "str" => text(2),
        "bytes" => text(4),
        "raw" => text(0),
        "hex" => hex(value).map(Kind::Hex),
        "fill" => fill(value),
        "rest" => Ok(Kind::Rest),
        "any-order" => blocks(word, pieces).map(Kind::AnyOrder),
        "has" => Ok(Kind::Has { wanted: block(word, pieces)?, other: block(word, pieces)? }),
        // Last, because it reads a block before it knows the kind.
        _ => around(kind, value, block(word, pieces)?),
    };
    Ok(Field { name: name.to_owned(), kind: kind? })
}

/// A field that has one block of others.
fn around(kind: &str, value: &str, body: Vec<Field>) -> Result<Kind, NotationError> {
    let packed = |packing, body| Ok(Kind::Packed { packing, body });
    match kind {
        "short" => Ok(Kind::Sized { width: 2, body }),
        "sized" => Ok(Kind::Sized { width: 4, body }),
        "crc" => Ok(Kind::Crc { flip: 0, body }),
        "bad-crc" => Ok(Kind::Crc { flip: 1, body }),
        "cut" => Ok(Kind::Cut { count: Number::parse(value)?, body }),
        "times" => Ok(Kind::Times { count: Number::parse(value)?, body }),
        "each" => Ok(Kind::Each { count: Number::parse(if value.is_empty() { "?" } else { value })?, body }),
        "gzip" => packed(Packing::Gzip, body),
        "snappy" => packed(Packing::Snappy, body),
        "xerial" => packed(Packing::Xerial, body),
        "lz4" => packed(Packing::Lz4, body),
        _ => Err(NotationError::new(kind, "no field is of this kind")),
    }
}

/// Reads `{ { … } { … } }`.
fn blocks(word: &str, pieces: &mut Pieces) -> Result<Vec<Vec<Field>>, NotationError> {
    let missing = |problem| NotationError::new(word, problem);
    pieces.next_if_eq(&Piece::Open).ok_or_else(|| missing("a brace must follow"))?;
    let mut all = Vec::new();
    while pieces.peek() == Some(&Piece::Open) {
        all.push(block(word, pieces)?);
    }
    pieces.next_if_eq(&Piece::Close).ok_or_else(|| missing("the brace is not closed"))?;
    Ok(all)
}

/// Reads pairs of hex digits.
fn hex(digits: &str) -> Result<Vec<u8>, NotationError> {
    let wrong = || NotationError::new(digits, "not pairs of hex digits");
    let pairs = digits.as_bytes().chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
        u8::from_str_radix(pair, 16).ok()
    });
    pairs.collect::<Option<_>>().ok_or_else(wrong)
}

/// Reads a count and the byte that is repeated.
fn fill(value: &str) -> Result<Kind, NotationError> {
    let wrong = || NotationError::new(value, "not COUNT:HEX");
    let (count, byte) = value.split_once(':').ok_or_else(wrong)?;
    Ok(Kind::Fill { count: Number::parse(count)?, byte: u8::from_str_radix(byte, 16).map_err(|_| wrong())? })
}
