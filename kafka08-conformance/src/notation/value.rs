//! Values of fields: exact, from variables, or open.

use std::collections::BTreeMap;

use super::NotationError;

/// The value of a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Binding {
    /// An integer.
    Number(i64),
    /// A string, which need not be UTF-8.
    Text(Vec<u8>),
}

/// Variables by name.
#[derive(Clone, Debug, Default)]
pub struct Variables(BTreeMap<String, Binding>);

impl Variables {
    /// Sets a variable to a number.
    pub fn set_number(&mut self, name: &str, value: i64) {
        self.0.insert(name.to_owned(), Binding::Number(value));
    }

    /// Sets a variable to a text.
    pub fn set_text(&mut self, name: &str, value: &[u8]) {
        self.0.insert(name.to_owned(), Binding::Text(value.to_vec()));
    }

    /// The number of this name.
    ///
    /// # Errors
    /// There is none, or it is a text.
    pub fn number(&self, name: &str) -> Result<i64, NotationError> {
        match self.0.get(name) {
            Some(Binding::Number(value)) => Ok(*value),
            _ => Err(NotationError::new(name, "no variable of this name is a number")),
        }
    }

    /// The text of this name.
    ///
    /// # Errors
    /// There is none, or it is a number.
    pub fn text(&self, name: &str) -> Result<&[u8], NotationError> {
        match self.0.get(name) {
            Some(Binding::Text(value)) => Ok(value),
            _ => Err(NotationError::new(name, "no variable of this name is a text")),
        }
    }
}

/// The value of an integer field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Number {
    /// This number.
    Exact(i64),
    /// A variable, and what is added to it.
    Sum(String, i64),
    /// Anything between the two, both included.
    Between(i64, i64),
    /// Anything. The value is bound to the variable, if there is a name.
    Open(Option<String>),
}

/// The value of a string field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Text {
    /// Length -1, and no bytes.
    Null,
    /// These bytes.
    Literal(Vec<u8>),
    /// The value of the variable of this name.
    Variable(String),
    /// Anything but null. The value is bound to the variable, if there is a name.
    Open(Option<String>),
}

impl Number {
    /// Reads `7`, `$name+7`, `1..9`, `?` or `?name`.
    pub(crate) fn parse(text: &str) -> Result<Self, NotationError> {
        let wrong = || NotationError::new(text, "not a number, a variable, a range or a wildcard");
        if let Some(name) = text.strip_prefix('?') {
            return Ok(Self::Open((!name.is_empty()).then(|| name.to_owned())));
        }
        if let Some(sum) = text.strip_prefix('$') {
            // `i64` reads the sign of what is added.
            let end = sum.find(['+', '-']).unwrap_or(sum.len());
            let (name, plus) = sum.split_at(end);
            let plus = if plus.is_empty() { 0 } else { plus.parse().map_err(|_| wrong())? };
            return Ok(Self::Sum(name.to_owned(), plus));
        }
        if let Some((from, to)) = text.split_once("..") {
            return Ok(Self::Between(from.parse().map_err(|_| wrong())?, to.parse().map_err(|_| wrong())?));
        }
        text.parse().map(Self::Exact).map_err(|_| wrong())
    }

    /// The one value this can have.
    pub(crate) fn exact(&self, variables: &Variables) -> Result<i64, NotationError> {
        match self {
            Self::Exact(value) => Ok(*value),
            Self::Sum(name, plus) => variables
                .number(name)?
                .checked_add(*plus)
                .ok_or_else(|| NotationError::new(name, "the sum with this variable is too large")),
            Self::Between(..) | Self::Open(_) => Err(NotationError::new("?", "a number without an exact value")),
        }
    }

    /// Whether `found` is such a value. Binds the variable of a wildcard.
    pub(crate) fn accepts(&self, found: i64, variables: &mut Variables) -> Result<bool, NotationError> {
        Ok(match self {
            Self::Between(from, to) => (*from..=*to).contains(&found),
            Self::Open(None) => true,
            Self::Open(Some(name)) => {
                variables.set_number(name, found);
                true
            }
            Self::Exact(_) | Self::Sum(..) => self.exact(variables)? == found,
        })
    }
}

impl Text {
    /// Reads `null`, a quoted text, `$name`, `?` or `?name`.
    pub(super) fn parse(text: &str) -> Result<Self, NotationError> {
        if text == "null" {
            return Ok(Self::Null);
        }
        if let Some(name) = text.strip_prefix('?') {
            return Ok(Self::Open((!name.is_empty()).then(|| name.to_owned())));
        }
        if let Some(name) = text.strip_prefix('$') {
            return Ok(Self::Variable(name.to_owned()));
        }
        let quoted = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        let quoted =
            quoted.ok_or_else(|| NotationError::new(text, "not null, a quoted text, a variable or a wildcard"))?;
        unescape(quoted).map(Self::Literal)
    }

    /// The one value this can have; `None` is null.
    pub(super) fn exact<'a>(&'a self, variables: &'a Variables) -> Result<Option<&'a [u8]>, NotationError> {
        match self {
            Self::Null => Ok(None),
            Self::Literal(bytes) => Ok(Some(bytes)),
            Self::Variable(name) => variables.text(name).map(Some),
            Self::Open(_) => Err(NotationError::new("?", "a text without an exact value")),
        }
    }
}

/// Replaces `\xNN` by the byte, and a backslash before any other character by that character.
fn unescape(text: &str) -> Result<Vec<u8>, NotationError> {
    let mut bytes = Vec::new();
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        let literal = if character == '\\' { rest.next() } else { Some(character) };
        match literal {
            Some('x') if character == '\\' => {
                let digits: String = rest.by_ref().take(2).collect();
                let byte = u8::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 2);
                bytes.push(byte.ok_or_else(|| NotationError::new(text, "\\x is not followed by two hex digits"))?);
            }
            Some(literal) => bytes.extend_from_slice(literal.encode_utf8(&mut [0; 4]).as_bytes()),
            None => return Err(NotationError::new(text, "nothing follows the backslash")),
        }
    }
    Ok(bytes)
}
