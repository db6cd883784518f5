//! Cuts the notation into words and braces.

use super::NotationError;

/// A piece of the notation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// A word. White space inside quotes belongs to it.
    Word(String),
    /// An opening brace.
    Open,
    /// A closing brace.
    Close,
}

/// Cuts a text. An error is a quote that is not closed.
pub(super) fn cut(text: &str) -> Result<Vec<Piece>, NotationError> {
    let mut pieces = Vec::new();
    let mut word = String::new();
    let mut is_quoted = false;
    let mut is_escaped = false;
    for character in text.chars() {
        if is_quoted {
            // A quote behind a backslash does not end the text. The backslash stays for the reader of the text.
            is_quoted = is_escaped || character != '"';
            is_escaped = !is_escaped && character == '\\';
            word.push(character);
            continue;
        }
        let brace = match character {
            '{' => Some(Piece::Open),
            '}' => Some(Piece::Close),
            _ => None,
        };
        // A brace ends a word as white space does: `sized{` are two pieces.
        if (brace.is_some() || character.is_whitespace()) && !word.is_empty() {
            pieces.push(Piece::Word(std::mem::take(&mut word)));
        }
        match brace {
            Some(brace) => pieces.push(brace),
            None if character.is_whitespace() => {}
            None => {
                is_quoted = character == '"';
                word.push(character);
            }
        }
    }
    if is_quoted {
        return Err(NotationError::new(word, "the quote is not closed"));
    }
    if !word.is_empty() {
        pieces.push(Piece::Word(word));
    }
    Ok(pieces)
}
