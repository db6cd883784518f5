//! Writes the bytes of exact fields.

use super::{Field, Kind, NotationError, Variables, value::Number};

/// Writes the fields.
pub(super) fn fields(fields: &[Field], variables: &Variables) -> Result<Vec<u8>, NotationError> {
    let mut bytes = Vec::new();
    fields.iter().try_for_each(|field| write(field, variables, &mut bytes))?;
    Ok(bytes)
}

/// Writes one field. The name of the field goes into the error, because a check has many fields of one kind.
fn write(field: &Field, variables: &Variables, to: &mut Vec<u8>) -> Result<(), NotationError> {
    let wrong = |problem| NotationError::new(&field.name, problem);
    match &field.kind {
        Kind::Int { width, value } => int(value.exact(variables)?, *width, to),
        Kind::Text { width, value } => {
            let text = value.exact(variables)?;
            // Null has length -1, at any width.
            let len = text.map_or(Ok(-1), |text| i64::try_from(text.len()));
            int(len.map_err(|_| wrong("the text is too long"))?, *width, to)?;
            to.extend_from_slice(text.unwrap_or_default());
            Ok(())
        }
        Kind::Hex(bytes) => {
            to.extend_from_slice(bytes);
            Ok(())
        }
        Kind::Fill { count, byte } => {
            let len = to.len() + times(count, variables)?;
            to.resize(len, *byte);
            Ok(())
        }
        Kind::Sized { width, body } => {
            // Inside first: the length is not known before.
            let body = fields(body, variables)?;
            let len = i64::try_from(body.len()).map_err(|_| wrong("the fields are too long"))?;
            int(len, *width, to)?;
            to.extend_from_slice(&body);
            Ok(())
        }
        Kind::Crc { flip, body } => {
            let body = fields(body, variables)?;
            to.extend_from_slice(&(crc32fast::hash(&body) ^ flip).to_be_bytes());
            to.extend_from_slice(&body);
            Ok(())
        }
        Kind::Packed { packing, body } => {
            // Stored, not compressed: the bytes that are sent must not depend on the version of a compressor.
            let packed = packing.store(&fields(body, variables)?);
            to.extend_from_slice(&packed.ok_or_else(|| wrong("too much for this format"))?);
            Ok(())
        }
        Kind::Cut { count, body } => {
            let body = fields(body, variables)?;
            let cut = body.get(..times(count, variables)?);
            to.extend_from_slice(cut.ok_or_else(|| wrong("there are fewer bytes than the cut keeps"))?);
            Ok(())
        }
        Kind::Times { count, body } => {
            let once = fields(body, variables)?;
            (0..times(count, variables)?).for_each(|_| to.extend_from_slice(&once));
            Ok(())
        }
        // A check that sends these would depend on what a broker answered before.
        Kind::Each { .. } | Kind::Has { .. } | Kind::AnyOrder(_) | Kind::Rest => {
            Err(wrong("a field that can only be compared"))
        }
    }
}

/// Writes the low bytes of a number, and refuses one that does not fit. A width of 0 writes nothing.
fn int(value: i64, width: usize, to: &mut Vec<u8>) -> Result<(), NotationError> {
    let bytes = value.to_be_bytes();
    let (high, low) = bytes.split_at(bytes.len().saturating_sub(width));
    // A number fits if the bytes that are cut off only repeat its sign.
    let is_negative = low.first().is_some_and(|byte| byte & 0x80 != 0);
    let fits = width == 0 || high.iter().all(|&byte| byte == if is_negative { 0xff } else { 0 });
    to.extend_from_slice(low);
    if fits { Ok(()) } else { Err(NotationError::new(value.to_string(), "the number does not fit its field")) }
}

/// A count that is not negative.
pub(super) fn times(count: &Number, variables: &Variables) -> Result<usize, NotationError> {
    let count = count.exact(variables)?;
    usize::try_from(count).map_err(|_| NotationError::new(count.to_string(), "a count must not be negative"))
}
